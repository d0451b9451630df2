"""Picture and text → larger picture: paint beyond its frame, and prove that it stayed."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..pictures.editing.canvas import Frame
from ..pictures.editing.join import check_join, join_pictures, proof
from ..pictures.pixels import MOST_PIXELS
from ..pictures.result import Result
from ..words.bounds import as_whole, real, whole
from ..words.errors import KandiError, quote
from ..words.params import Params
from ..words.tables import Table
from ..words.tasks import SIDES
from .checks import task
from .inpaint import PROOF
from .job import Job
from .loop.windows import cover
from .run import run
from .sources import Inputs, as_images, as_masks, repaint_jobs

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_WINDOWS = 64  # at each step: more take hours, and far windows agree on nothing
MOST = 16_384  # pixels: the longest side of an enlarged picture
_LONGEST = 40  # letters of a ratio
_WHERE = "left=, right=, top=, bottom= in pixels, aspect=16 / 9, or size=(width, height)"


@task("outpaint")
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
    native one: pictures whose shorter side is more than 1.5 times that are worked on smaller,
    far smaller ones larger, as far as one window holds the whole. More than 64 windows at a
    step are refused.
    The other options are those of `generate`. Raises KandiError before any computation.
    """
    check_join(join)
    margins = {"left": left, "right": right, "top": top, "bottom": bottom}
    asked = _way_to_grow(margins, aspect, size)

    def lay(k: Kandinsky, params: Params, inputs: Inputs) -> tuple[Params, dict[str, Any]]:
        frame = _frame(k, params, inputs, asked)
        arguments = {
            "images": as_images(frame.lay(inputs["image"])),
            "masks": as_masks(frame.lay_mask()),
            "windows": cover(frame.canvas, frame.window),
        }
        width, height = frame.most
        return params.replace(width=width, height=height), arguments

    jobs = repaint_jobs("outpaint", k, params, prompts, image, lay=lay)
    rows: list[dict[str, Any]] = []

    def finish(job: Job, drawn: Image) -> Image:
        frame = _frame(k, job.params, job.inputs, asked)
        original, painted, new = (
            frame.enlarge(job.inputs["image"]),
            frame.take(drawn),
            frame.mask(),
        )
        whole = join_pictures(original, painted, new, join)
        rows.append(proof(original, whole, painted, new))
        return whole

    options = {"preview": preview, "on_preview": on_preview, "progress": progress, "stop": stop}
    result = run("outpaint", k, jobs, finish=finish, options=asked | {"join": join}, **options)
    result.proof = Table(rows, PROOF)
    return result


def check_margins(image: Image, **asked: Any) -> tuple[int, int]:
    """Return how large a picture becomes as `left`, … `aspect` and `size` say.

    Raises KandiError where it cannot grow so.
    """
    margins = {name: asked.get(name, 0) for name in SIDES}
    far = _way_to_grow(margins, asked.get("aspect"), asked.get("size"))
    left, top, right, bottom = _growth(image.size, far)
    return image.width + left + right, image.height + top + bottom


def _way_to_grow(margins: dict[str, Any], aspect: Any, size: Any) -> dict[str, Any]:
    """Return the one way to say how far that is given, as recipes keep it; raise KandiError."""
    for name, pixels in margins.items():
        says = f"{name} is a whole number of pixels, from 0 to {MOST:,}"
        whole(name, pixels, 0, MOST, says)
    asked: dict[str, Any] = {name: int(pixels) for name, pixels in margins.items() if pixels}
    ways = [bool(asked), aspect is not None, size is not None]
    if sum(ways) != 1:
        several = "takes one way to say how far" if any(ways) else "must be told how far"
        raise KandiError(f"outpaint {several}: {_WHERE}", about=SIDES[0])
    if aspect is not None:
        return {"aspect": _ratio(aspect)}
    return asked or {"size": _two_sides(size)}


def _ratio(aspect: Any) -> float:
    """Return width / height, given so or as "16:9"."""
    ratio = aspect
    if isinstance(aspect, str) and len(aspect) <= _LONGEST:  # the pattern is slow on more
        parts = re.fullmatch(
            r"\s*(\d+(?:\.\d+)?)\s*[:/]\s*(\d*\.?\d*[1-9]\d*)\s*", aspect, re.A
        )
        number = re.fullmatch(r"\s*\d*\.?\d+\s*", aspect, re.A)
        below = float(parts[2]) if parts else 0.0  # so may the smallest numbers be, too
        ratio = float(parts[1]) / below if parts and below else aspect
        ratio = float(aspect) if number else ratio
    says = 'aspect is width / height, above 0, such as 16 / 9 or "16:9"'
    return real("aspect", ratio, says=says, above=0)


def _two_sides(size: Any) -> list[int]:
    try:
        width, height = size
    except (TypeError, ValueError):
        width = height = None
    if not all((as_whole(side) or 0) > 0 for side in (width, height)):
        raise KandiError(
            f"size is (width, height), two whole numbers, not {quote(size)}", about="size"
        )
    return [int(width), int(height)]


def _growth(old: tuple[int, int], asked: dict[str, Any]) -> tuple[int, int, int, int]:
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
                "say left=, right=, top= or bottom= for more",
                about="aspect",
            )
    elif "size" in asked:
        size = asked["size"]
        if size[0] < width or size[1] < height or size == list(old):
            fewer = "no larger" if size == list(old) else "smaller"
            raise KandiError(
                f"size {size[0]} × {size[1]} is {fewer} than the picture's {width} × {height}; "
                "outpainting only adds: ask for more, or crop the picture first",
                about="size",
            )
    else:
        left, top, right, bottom = (asked.get(name, 0) for name in SIDES)
        size = [width + left + right, height + top + bottom]
    if max(size) > MOST or size[0] * size[1] > MOST_PIXELS:
        raise KandiError(
            f"the enlarged picture would have {size[0]:,} × {size[1]:,} pixels; at most "
            f"{MOST:,} a side are painted, and {MOST_PIXELS:,} in all: ask for less",
            about=next(iter(asked), None),
        )
    if not {"aspect", "size"} & asked.keys():
        return left, top, right, bottom
    before = (size[0] - width) // 2, (size[1] - height) // 2
    return *before, size[0] - width - before[0], size[1] - height - before[1]


def _frame(k: Kandinsky, params: Params, inputs: Inputs, asked: dict[str, Any]) -> Frame:
    old = inputs["image"].size
    margins = _growth(old, asked)
    native = k.spec.native_size
    wide = old[0] + margins[0] + margins[2] >= old[1] + margins[1] + margins[3]
    usual = (2 * native, native) if wide else (native, 2 * native)
    frame = Frame(old, margins, (params.width or usual[0], params.height or usual[1]))
    if frame.count > MOST_WINDOWS:
        before, after, window = (f"{w:,} × {h:,}" for w, h in (old, frame.size, frame.window))
        raise KandiError(
            f"growing {before} to {after} pixels takes {frame.count:,} windows of {window} at "
            f"each step, at most {MOST_WINDOWS} are drawn: grow by less, or set a larger "
            "window with the params' width and height",
            about="width",
        )
    return frame
