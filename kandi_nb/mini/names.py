"""The folders of the bundled checkpoints, under the publisher's names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..model.find import PUBLISHER as PUBLISHER
from ..words.files import writable
from ..words.models import WEIGHTS as WEIGHTS

PRIOR, DECODER = "kandinsky-2-2-prior", "kandinsky-2-2-decoder"
INPAINT, DEPTH = "kandinsky-2-2-decoder-inpaint", "kandinsky-2-2-controlnet-depth"
PRIOR_21, DECODER_21 = "kandinsky-2-1-prior", "kandinsky-2-1"
INPAINT_21 = "kandinsky-2-1-inpaint"
KANDINSKY_3 = "kandinsky-3"
JUDGE = "judge/model.safetensors"
FAMILY = (PRIOR, DECODER, INPAINT, DEPTH, PRIOR_21, DECODER_21, INPAINT_21, KANDINSKY_3)

# Stage → prefix of its weights' names → folder where they lie once they have landed.
LANDED: dict[str, dict[str, str]] = {
    "judge": {"": "judge"},
    "clip": {"text.": f"{PRIOR}/text_encoder", "vision.": f"{PRIOR}/image_encoder"},
    "movq": {"": f"{DECODER}/movq"},
    "movq-decoder": {"": f"{DECODER}/movq"},
    "decoder-2.2": {"": f"{DECODER}/unet"},
    "inpaint-2.2": {"": f"{INPAINT}/unet"},
    "depth-2.2": {"": f"{DEPTH}/unet"},
    "text-2.1": {"encoder.": f"{DECODER_21}/text_encoder"},
    "decoder-2.1": {"": f"{DECODER_21}/unet"},
    "inpaint-2.1": {"": f"{INPAINT_21}/unet"},
    "text-3": {"encoder.": f"{KANDINSKY_3}/text_encoder"},
    "decoder-3": {"": f"{KANDINSKY_3}/unet"},
}


@contextmanager
def changing(weights: Path) -> Iterator[None]:
    """Let nobody else change what lies in a weights folder meanwhile: wait until it is free.

    Cards and figures are read, changed and written again, so two at once would lose one's.
    """
    from filelock import FileLock

    with FileLock(writable(weights) / ".lock"):
        yield
