"""The pictures of a result, one after the other: GIF, WebP, and MP4 by an extra."""

from __future__ import annotations

import importlib.util
import io
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..pictures.pixels import rgb
from ..pictures.recipe import as_text
from ..words.errors import KandiError, shown
from ..words.files import expanded, writable, write

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..pictures.result import Result

ENDINGS = (".gif", ".webp", ".mp4")
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
    the extra `video` (pip install "kandi_nb[video]") and ends where it ends. A frame stands for
    `seconds`; `scale` enlarges, by default small pictures. The frames' recipes travel along as
    a JSON list: in the comment of a GIF, as XMP in a WebP, not in an MP4. Raises KandiError.
    """
    target = target_file(path, overwrite)
    frames = list(getattr(result, "images", ()))
    if not frames or not hasattr(result, "recipes"):
        raise KandiError(f"animate takes a Result with pictures, not {shown(result)}")
    if len({frame.size for frame in frames}) > 1:
        raise KandiError("a film needs pictures of one size; take a slice of the result")
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, (int, float))
        or not 0.02 <= seconds <= 60
    ):
        raise KandiError(
            f"seconds is how long a frame stands, 0.02 to 60, not {shown(seconds)}"
        )
    larger = max(1, _SMALL // max(frames[0].size)) if scale is None else scale
    if isinstance(larger, bool) or not isinstance(larger, int) or not 1 <= larger <= 16:
        raise KandiError(f"scale is a whole number from 1 to 16, not {shown(scale)}")
    size = (frames[0].width * larger, frames[0].height * larger)
    frames = _Enlarged(frames, size)
    if target.suffix.lower() == ".mp4":
        return write(target, _mp4(frames, size, seconds), overwrite=overwrite)
    notes = "[" + ", ".join(map(as_text, result.recipes)) + "]"
    return write(target, _moving(target.suffix, frames, seconds, notes), overwrite=overwrite)


def target_file(path: str | os.PathLike, overwrite: bool = False) -> Path:
    """Return the file to write; raise KandiError for what cannot be, before any drawing."""
    target = expanded(path)
    if target.suffix.lower() not in ENDINGS:
        raise KandiError(f"{target} must end in one of {', '.join(ENDINGS)}")
    if target.suffix.lower() == ".mp4" and importlib.util.find_spec("imageio_ffmpeg") is None:
        raise KandiError(
            'an MP4 needs the extra "video": pip install "kandi_nb[video]"; or take .webp, .gif'
        )
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


def _moving(ending: str, frames: _Enlarged, seconds: float, notes: str) -> bytes:
    rest = iter(frames)
    first = next(rest)
    options: dict[str, Any] = {"duration": round(1000 * seconds), "loop": 0, "save_all": True}
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
