"""Picture and text → larger picture: paint beyond its frame, and prove that it stayed."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..pictures.canvas import Frame
from ..pictures.join import check_join, joined, proof
from ..pictures.pixels import MOST_PIXELS
from ..pictures.result import Result
from ..words.errors import KandiError, shown
from ..words.params import Params
from ..words.tables import Table
from .checks import task
from .inpaint import PROOF, STRENGTH
from .loop.windows import cover
from .run import Job, run
from .sources import Inputs, as_images, as_masks, repaint_jobs

if TYPE_CHECKING:
    from PIL.Image import Image

SIDES = ("left", "right", "top", "bottom")
MOST = 16_384  # pixels: the longest side of an enlarged picture
_WHERE = "left=, right=, top=, bottom= in pixels, aspect=16 / 9, or size=(width, height)"


@task("outpaint", role="inpaint", inputs=("image",), options=(*SIDES, "aspect", "size", "join"))
def outpaint(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    image: Any,
    left: int = 0,
    right: int = 0,
    top: int = 0,
    bottom: int = 0,
    aspect: float | str | None = None,
    size: tuple[int, int] | None = None,
    join: str = "harmonic",
    prompts: Sequence[str] | None = None,
    preview: int = 0,
    on_preview: Callable[[list[Image], int], None] | None = None,
    progress: bool = True,
    stop: Any = None,
) -> Result:
    """Paint what lies beyond a picture; the picture itself stays, bit for bit.

    How far: pixels at `left`, `right`, `top` and `bottom`; or the `aspect`, width / height
    (1.5, or "3:2"), or the `size` (width, height) that the picture grows to, in the middle of
    it. The prompt says what the new part shows, so name the place: a thing that is named grows
    there a second time. `image`, and what goes together, as for `edit`; `join` and
    `result.proof` as for `inpaint`. A `strength` below 1 begins from the picture's edge pixels.

    What is larger than a window is drawn in overlapping ones, all at once, so that they agree;
    the memory is that of one. A window is the model's native side across and twice that
    along the longer side; `width` and `height` override it, and its shorter side counts as the
    native one: pictures whose shorter side is more than 1.5 times that are worked on smaller.
    The other options are those of `generate`. Raises KandiError before any computation.
    """
    check_join(join)
    sides = {"left": left, "right": right, "top": top, "bottom": bottom}
    asked = _asked(sides, aspect, size)

    def lay(k: Kandinsky, params: Params, inputs: Inputs) -> tuple[Params, dict[str, Any]]:
        frame = _frame(k, params, inputs, asked)
        arguments = {
            "images": as_images(frame.lay(inputs["image"])),
            "masks": as_masks(frame.lay_mask()),
            "windows": cover(frame.canvas, frame.window),
        }
        width, height = frame.most
        return params.replace(width=width, height=height), arguments

    jobs = repaint_jobs("outpaint", k, params, prompts, image, strength=STRENGTH, lay=lay)
    rows: list[dict[str, Any]] = []

    def finish(job: Job, drawn: Image) -> Image:
        frame = _frame(k, job.params, job.inputs, asked)
        original, painted, new = (
            frame.enlarged(job.inputs["image"]),
            frame.take(drawn),
            frame.mask(),
        )
        whole = joined(original, painted, new, join)
        rows.append(proof(original, whole, painted, new))
        return whole

    options = {"preview": preview, "on_preview": on_preview, "progress": progress, "stop": stop}
    result = run("outpaint", k, jobs, finish=finish, options=asked | {"join": join}, **options)
    result.proof = Table(rows, PROOF)
    return result


def check_sides(image: Image, **asked: Any) -> None:
    """Raise KandiError unless a picture can grow as `left`, … `aspect` and `size` say."""
    sides = {name: asked.get(name, 0) for name in SIDES}
    _grown(image.size, _asked(sides, asked.get("aspect"), asked.get("size")))


def _asked(sides: dict[str, Any], aspect: Any, size: Any) -> dict[str, Any]:
    """Return the one way to say how far that is given, as recipes keep it; raise KandiError."""
    for name, pixels in sides.items():
        if (
            isinstance(pixels, bool)
            or not isinstance(pixels, numbers.Integral)
            or not 0 <= pixels <= MOST
        ):
            raise KandiError(
                f"{name} is a whole number of pixels, from 0 to {MOST:,}, not {shown(pixels)}"
            )
    asked: dict[str, Any] = {name: int(pixels) for name, pixels in sides.items() if pixels}
    ways = [bool(asked), aspect is not None, size is not None]
    if sum(ways) != 1:
        several = "takes one way to say how far" if any(ways) else "must be told how far"
        raise KandiError(f"outpaint {several}: {_WHERE}")
    if aspect is not None:
        return {"aspect": _ratio(aspect)}
    return asked or {"size": _two_sides(size)}


def _ratio(aspect: Any) -> float:
    """Return width / height, given so or as "16:9"."""
    ratio = aspect
    if isinstance(aspect, str):
        parts = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*[:/]\s*(\d*\.?\d*[1-9]\d*)\s*", aspect)
        number = re.fullmatch(r"\s*\d*\.?\d+\s*", aspect)
        ratio = float(parts[1]) / float(parts[2]) if parts else aspect
        ratio = float(aspect) if number else ratio
    if (
        isinstance(ratio, bool)
        or not isinstance(ratio, numbers.Real)
        or not 0 < ratio < math.inf
    ):
        raise KandiError(
            f'aspect is width / height, above 0, such as 16 / 9 or "16:9", not {shown(aspect)}'
        )
    return float(ratio)


def _two_sides(size: Any) -> list[int]:
    try:
        width, height = size
    except (TypeError, ValueError):
        width = height = None
    if not all(
        isinstance(side, numbers.Integral) and not isinstance(side, bool) and side > 0
        for side in (width, height)
    ):
        raise KandiError(f"size is (width, height), two whole numbers, not {shown(size)}")
    return [int(width), int(height)]


def _grown(old: tuple[int, int], asked: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the pixels added to a picture at left, top, right and bottom; raise KandiError."""
    width, height = old
    if "aspect" in asked:
        ratio = asked["aspect"]
        # Beyond any picture's sides an aspect would overflow.
        size = [
            max(width, min(MOST + 1, height * ratio)),
            max(height, min(MOST + 1, width / ratio)),
        ]
        size = [round(side) for side in size]
        if size == list(old):
            raise KandiError(
                f"a picture of {width} × {height} pixels has the aspect {ratio:.3g} already; "
                "say left=, right=, top= or bottom= for more"
            )
    elif "size" in asked:
        size = asked["size"]
        if size[0] < width or size[1] < height or size == list(old):
            fewer = "no larger" if size == list(old) else "smaller"
            raise KandiError(
                f"size {size[0]} × {size[1]} is {fewer} than the picture's {width} × {height}; "
                "outpainting only adds: ask for more, or crop the picture first"
            )
    else:
        left, right, top, bottom = (asked.get(name, 0) for name in SIDES)
        size = [width + left + right, height + top + bottom]
    if max(size) > MOST or size[0] * size[1] > MOST_PIXELS:
        raise KandiError(
            f"the enlarged picture would have {size[0]:,} × {size[1]:,} pixels; at most "
            f"{MOST:,} a side are painted, and {MOST_PIXELS:,} in all: ask for less"
        )
    if not {"aspect", "size"} & asked.keys():
        return left, top, right, bottom
    before = (size[0] - width) // 2, (size[1] - height) // 2
    return *before, size[0] - width - before[0], size[1] - height - before[1]


def _frame(k: Kandinsky, params: Params, inputs: Inputs, asked: dict[str, Any]) -> Frame:
    old = inputs["image"].size
    sides = _grown(old, asked)
    native = k.spec.native_size
    wide = old[0] + sides[0] + sides[2] >= old[1] + sides[1] + sides[3]
    usual = (2 * native, native) if wide else (native, 2 * native)
    return Frame(old, sides, (params.width or usual[0], params.height or usual[1]))
