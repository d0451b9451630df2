"""The pictures of a result, one after the other: GIF, WebP, and MP4 by an extra."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..pictures.pixels import rgb
from ..pictures.recipe import as_text
from ..tasks.generate import generate
from ..words.bounds import real, whole
from ..words.errors import KandiError, quote
from ..words.extras import check_extra
from ..words.files import expand_path, writable, write
from ..words.params import Params

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..pictures.result import Result

ENDINGS = (".gif", ".webp", ".mp4")
_CLOCKS = {".gif": 10, ".webp": 1}  # milliseconds: what durations are counted in
_SMALL = 256  # pixels: smaller pictures are enlarged by whole factors, to be seen


def animate(
    result: Result,
    path: str | os.PathLike,
    *,
    seconds: float = 0.1,
    scale: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the pictures of a result as a film that starts again at its end; return its path.

    The ending says how: .gif (256 colours a frame), .webp (all colours), or .mp4, which needs
    the extra `video` and ends where it ends. A frame stands for
    `seconds`; a GIF counts hundredths, so that a frame of 1/30 s stands for 0.03 or 0.04 s and
    the film as long as it should. `scale` enlarges, by default small pictures. The frames'
    recipes travel along as a JSON list: in the comment of a GIF, as XMP in a WebP, not in an
    MP4. Raises KandiError.
    """
    target = target_file(path, overwrite)
    frames = list(getattr(result, "images", ()))
    if not frames or not hasattr(result, "recipes"):
        raise KandiError(f"animate takes a Result with pictures, not {quote(result)}")
    if len({frame.size for frame in frames}) > 1:
        raise KandiError("a film needs pictures of one size; take a slice of the result")
    seconds = real(
        "seconds", seconds, 0.02, 60, "seconds is how long a frame stands, 0.02 to 60"
    )
    larger = max(1, _SMALL // max(frames[0].size)) if scale is None else scale
    whole("scale", larger, 1, 16)
    size = (frames[0].width * larger, frames[0].height * larger)
    frames = _Enlarged(frames, size)
    if target.suffix.lower() == ".mp4":
        return write(target, _mp4(frames, size, seconds), overwrite=overwrite)
    notes = "[" + ", ".join(map(as_text, result.recipes)) + "]"
    times = durations(seconds, len(result.images), _CLOCKS[target.suffix.lower()])
    return write(target, _moving(target.suffix, frames, times, notes), overwrite=overwrite)


def steps(k: Any, params: Params, count: int = 8, **inputs: Any) -> Result:
    """Draw one picture and return `count` of its unfinished states, noise first, as a Result.

    They are taken at equal distances, the last is the finished picture; there are at most as
    many as steps. `inputs` are those of `generate`. The recipe of each is that of the finished
    picture. Raises KandiError.
    """
    count = whole("count", count, least=2, says="count is how many pictures to return, from 2")
    if not isinstance(params, Params) or params.count != 1:
        raise KandiError("steps shows how one picture comes about: give one Params of count 1")
    unfinished: dict[int, Image] = {}  # steps done → what is to be seen by then
    result = generate(
        k,
        params,
        on_preview=lambda pictures, done: unfinished.update({done: pictures[0]}),
        progress=False,
        **inputs,
    )
    unfinished[result.params[0].steps] = result[0]
    seen = list(unfinished.values())
    chosen = sorted({round(n * (len(seen) - 1) / (count - 1)) for n in range(count)})
    return dataclasses.replace(
        result,
        images=[seen[n].copy() for n in chosen],
        params=list(result.params) * len(chosen),
        inputs=list(result.inputs) * len(chosen),
        layout=(1, len(chosen)),
    )


def durations(seconds: float, count: int, clock: int) -> list[int]:
    """Return how long each frame stands, in milliseconds, on a clock of so many of them.

    >>> durations(1 / 30, 4, 10), durations(0.1, 2, 10)
    ([30, 40, 30, 30], [100, 100])
    """
    ticks = [int(1000 * seconds * number / clock + 0.5) for number in range(count + 1)]
    return [clock * (after - before) for before, after in itertools.pairwise(ticks)]


def target_file(path: str | os.PathLike, overwrite: bool = False) -> Path:
    """Return the file to write; raise KandiError for what cannot be, before any drawing."""
    target = expand_path(path)
    if target.suffix.lower() not in ENDINGS:
        raise KandiError(f"{target} must end in one of {', '.join(ENDINGS)}")
    if target.suffix.lower() == ".mp4":
        check_extra("video", "an MP4", "imageio_ffmpeg", otherwise="or take .webp or .gif")
    if target.exists() and not overwrite:
        raise KandiError(f"{target} exists; take another name or pass overwrite=True")
    writable(target.parent)
    return target


class _Enlarged:
    """Give frames one at a time, enlarged without smoothing: long films need no more memory."""

    def __init__(self, frames: Sequence[Image], size: tuple[int, int]) -> None:
        self.frames, self.size = frames, size

    def __iter__(self) -> Any:
        from PIL.Image import Resampling

        for frame in self.frames:
            # Without `info`, where each frame's own recipe would go along once more.
            larger = rgb(frame).resize(self.size, Resampling.NEAREST)
            larger.info = {}
            yield larger


def _moving(ending: str, frames: _Enlarged, times: list[int], notes: str) -> bytes:
    rest = iter(frames)
    first = next(rest)
    options: dict[str, Any] = {"duration": times, "loop": 0, "save_all": True}
    if ending.lower() == ".gif":
        options |= {"comment": notes.encode()}
    else:
        options |= {"lossless": True, "xmp": notes.encode()}
    buffer = io.BytesIO()
    first.save(buffer, ending[1:].upper(), append_images=rest, **options)
    return buffer.getvalue()


def _mp4(frames: _Enlarged, size: tuple[int, int], seconds: float) -> bytes:
    import imageio_ffmpeg

    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(film), size, fps=1 / seconds, macro_block_size=2
        )
        writer.send(None)
        for frame in frames:
            writer.send(frame.tobytes())
        writer.close()
        return film.read_bytes()
