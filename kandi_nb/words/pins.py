"""Which commits of the published checkpoints are taken, and what their files must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PUBLISHER = "kandinsky-community"


@dataclass(frozen=True)
class Pin:
    """Say which commit of a published checkpoint is taken, and what its files must be.

    `size` is that of the whole download in bytes; `files` maps a weight file to its size in
    bytes and its SHA-256, which is None where it is not known.
    """

    revision: str
    size: int
    files: Mapping[str, tuple[int, str | None]]


_UNET, _MOVQ = (f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "movq"))
# The same file in three checkpoints.
_MOVQ_FILE = (271_380_364, "43a5860fea195a7116f2471396c5cc9535fade9b63c4857d8a192ffd924b7002")

# Published id → pin. The sizes agree with the tensors: each file is four bytes a parameter (two
# in the image encoder) and a header, and the rest of a download is configurations and words.
PINS: Mapping[str, Pin] = {
    f"{PUBLISHER}/kandinsky-2-2-prior": Pin(
        "9fc51ad5732afc5d031724219d22e6c42179c5a8",
        10_574_964_619,
        {
            "prior/diffusion_pytorch_model.safetensors": (4_104_940_968, None),
            "image_encoder/model.safetensors": (3_689_912_664, None),
            "text_encoder/model.safetensors": (2_778_702_976, None),
        },
    ),
    f"{PUBLISHER}/kandinsky-2-2-decoder": Pin(
        "9ae140d347fed8ce6e8bb3005dcc1f48543bb8e3",
        5_283_700_183,
        {
            _UNET: (5_012_309_584, None),
            _MOVQ: _MOVQ_FILE,
        },
    ),
    f"{PUBLISHER}/kandinsky-2-2-decoder-inpaint": Pin(
        "db790ad5cbcabed886f069ef2710774657621702",
        5_283_767_688,
        {
            _UNET: (
                5_012_378_704,
                "098b846d2378b4b44a33e0bd47f89f2886b72a10200cbf9e96d5fae3c471543f",
            ),
            _MOVQ: _MOVQ_FILE,
        },
    ),
    # The main branch holds pickles only; this commit of an open pull request has safetensors.
    f"{PUBLISHER}/kandinsky-2-2-controlnet-depth": Pin(
        "08632524a2b7e3bed39a7901d92cdd07e37544d0",
        5_285_192_144,
        {
            _UNET: (
                5_013_798_992,
                "6549f8c8471357ed8ed6b700a80ffdd8fe45bd5b54f4c486d7f81ac9fe5f343b",
            ),
            _MOVQ: _MOVQ_FILE,
        },
    ),
}
