"""Picture and text → the same picture, two to four times as large."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..model.loading.kandinsky import Kandinsky
from ..pictures.editing.canvas import Frame
from ..pictures.pixels import MOST_PIXELS
from ..pictures.result import Result
from ..words.bounds import as_whole
from ..words.errors import KandiError, quote
from ..words.params import Params
from ..words.tasks import INPUTS
from .checks import task
from .job import Job
from .loop.windows import cover
from .outpaint import MOST
from .run import run
from .sources import Inputs, as_images, repaint_jobs

if TYPE_CHECKING:
    from PIL.Image import Image

FACTORS = INPUTS["factor"].choices
ROUNDS = (
    8  # after which averages miss their source by 1 of 255 at most, where nothing is clipped
)


@task("upscale")
def upscale(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    image: Any,
    factor: int = 2,
    prompts: Sequence[str] | None = None,
    preview: int = 0,
    on_preview: Callable[[list[Image], int], None] | None = None,
    progress: bool = True,
    stop: Any = None,
) -> Result:
    """Enlarge pictures 2, 3 or 4 times, and redraw a little of what is too soft then.

    The picture is resized (Lanczos), then edited in overlapping windows that agree at their
    edges; the memory is that of one window. Of what is drawn only that is kept which the
    picture does not say: made small again, the result is the picture. The prompt says what is
    there. `strength` (None: 0.1) is how much is redrawn: Kandinsky is no super-resolution
    model, it adds what it would draw at that place, not what was there. `image`, and what goes
    together, as for `edit`; a window has the model's native size unless `width` and `height`
    say otherwise. The other options are those of `generate`. Raises KandiError before any
    computation.
    """
    check_factor(factor)

    def lay(k: Kandinsky, params: Params, inputs: Inputs) -> tuple[Params, dict[str, Any]]:
        frame = _frame(k, params, inputs, factor)
        arguments = {
            "images": as_images(frame.lay(enlarge(inputs["image"], factor))),
            "windows": cover(frame.canvas, frame.window),
        }
        width, height = frame.most
        return params.replace(width=width, height=height), arguments

    def finish(job: Job, drawn: Image) -> Image:
        frame = _frame(k, job.params, job.inputs, factor)
        return consistent(frame.take(drawn), job.inputs["image"])

    jobs = repaint_jobs("upscale", k, params, prompts, image, lay=lay)
    options = {"preview": preview, "on_preview": on_preview, "progress": progress, "stop": stop}
    return run("upscale", k, jobs, finish=finish, options={"factor": int(factor)}, **options)


def check_factor(factor: Any) -> None:
    """Raise KandiError unless pictures can be enlarged so many times."""
    if as_whole(factor) not in FACTORS:
        raise KandiError(
            f"factor is {', '.join(map(str, FACTORS))}, not {quote(factor)}", about="factor"
        )


def enlarge(picture: Image, factor: int) -> Image:
    """Return a picture `factor` times as large, by resizing alone; raise KandiError."""
    from PIL import Image

    width, height = picture.width * factor, picture.height * factor
    if max(width, height) > MOST or width * height > MOST_PIXELS:
        raise KandiError(
            f"the enlarged picture would have {width:,} × {height:,} pixels; at most {MOST:,} "
            f"a side are drawn, and {MOST_PIXELS:,} in all: take a smaller factor or picture",
            about="factor",
        )
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def consistent(drawn: Image, source: Image) -> Image:
    """Return an enlarged picture that is its source again when its blocks are averaged.

    What the source says stays; what is drawn counts only beyond that. Iterative back-projection
    (Irani and Peleg, "Improving Resolution by Image Registration", 1991): what the averages
    miss is enlarged and added, until little is missing.
    """
    import numpy as np
    from PIL import Image

    known, new = np.asarray(source, np.float32), np.array(drawn, np.float32)
    height, width = known.shape[:2]
    blocks = height, new.shape[0] // height, width, new.shape[1] // width, 3
    for _ in range(ROUNDS):
        missing = known - new.reshape(blocks).mean((1, 3))  # [h, w, 3]
        for channel in range(3):
            layer = Image.fromarray(missing[..., channel])
            larger = layer.resize(drawn.size, Image.Resampling.BICUBIC)
            new[..., channel] += np.asarray(larger)
        new = new.clip(0, 255)
    return Image.fromarray(new.round().astype(np.uint8))


def _frame(k: Kandinsky, params: Params, inputs: Inputs, factor: int) -> Frame:
    width, height = inputs["image"].size
    native = k.spec.native_size
    window = params.width or native, params.height or native
    return Frame((width * factor, height * factor), (0, 0, 0, 0), window, scale=1)
