"""Depth maps, near = white: which may be given to a task, and how a photograph gets one."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model import integrity
from ..model.hub import first_line
from ..model.machine.device import device as device_for
from ..model.progress import interruptible
from ..model.quiet import quiet
from ..pictures.editing.canvas import STEP, canvas_size
from ..pictures.images import channel, picture
from ..words.errors import KandiError, Unsupported, concerning, quote
from ..words.files import expand_path
from ..words.models import SPECS

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ..model.loading.kandinsky import Kandinsky

ROLE = "depth"
# The card of the published depth checkpoint asks the library for its usual estimator: this one,
# at the commit that the library takes.
ESTIMATOR, _COMMIT = "Intel/dpt-large", "bc15f29"


def depth_maps(k: Kandinsky, depth: Any) -> list[Image]:
    """Return depth maps as grey pictures (mode L), near = white; raise KandiError.

    Each of one or a list is what `Mask` takes: an array or tensor [h, w] of uint8 or floats in
    0…1, a grey picture or the path of one. For a model without the role none will do.
    """
    if ROLE not in k.spec.roles:
        able = ", ".join(key for key, spec in SPECS.items() if ROLE in spec.roles)
        raise Unsupported(
            f"{k.spec.key} cannot follow a depth map, as it has no part for {ROLE}; models "
            f"that can: {able}",
            about=ROLE,
        )
    every = depth if isinstance(depth, (list, tuple)) else [depth]
    with concerning(ROLE):
        if not every:
            raise KandiError("depth is an empty list; give at least one depth map")
        known = {id(each): depth_map(each) for each in every}
    return [known[id(each)] for each in every]


def depth_map(source: Any) -> Image:
    """Return one depth map as a grey picture (mode L), see `depth_maps`; raise KandiError."""
    from PIL import Image

    values = channel(source, "depth")
    if values.min() == values.max():
        raise KandiError(
            f"the depth map is {values.min()} everywhere, so there is nothing to follow: "
            "near = 255, far = 0",
            about=ROLE,
        )
    grey = Image.fromarray(values)
    if isinstance(source, (str, os.PathLike)):
        grey.info["file"] = Path(source).name
    elif "file" in getattr(source, "info", {}):
        grey.info["file"] = source.info["file"]
    return grey


def size_for(
    k: Kandinsky, depth: Image, width: int | None, height: int | None
) -> tuple[int, int]:
    """Return (width, height) of what is drawn along a depth map; raise KandiError.

    Half to twice the model's native area, as near as can be to the map's aspect, unless a side
    is given: then it must suit that aspect.
    """
    usual = _usual_size(depth.width / depth.height, k.spec.native_size)
    if (width or usual[0], height or usual[1]) == usual:
        return usual
    size = canvas_size(depth.size, k.spec.native_size, width, height)
    if abs(size[1] - size[0] * depth.height / depth.width) >= STEP:
        raise KandiError(
            f"the depth map has {depth.width} × {depth.height} pixels, the picture "
            f"{size[0]} × {size[1]}; leave width and height out, or give a map of that aspect",
            about=ROLE,
        )
    return size


def _usual_size(aspect: float, native: int) -> tuple[int, int]:
    """Return the multiples of 64 of an aspect, of an area near the native one.

    >>> _usual_size(2, 64), _usual_size(4 / 3, 512)
    ((128, 64), (512, 384))
    """
    sides = range(STEP, 2 * native + 1, STEP)
    sizes = [(w, h) for w in sides for h in sides if 0.5 <= w * h / native**2 <= 2]

    def unlike(size: tuple[int, int]) -> tuple[float, float]:
        area = math.log(size[0] * size[1] / native**2)
        return round(abs(math.log(size[0] / size[1] / aspect)), 6), abs(area)

    return min(sizes, key=unlike)


def check_same_size(depth: Image, image: Image) -> None:
    """Raise KandiError unless a depth map has its picture's size."""
    if depth.size != image.size:
        raise KandiError(
            f"the depth map has {depth.width} × {depth.height} pixels, the picture "
            f"{image.width} × {image.height}; make both of one size, such as "
            f"depth.resize({image.size})",
            about=ROLE,
        )


def hint(depth: Image) -> torch.Tensor:
    """Return a depth map as the networks take it: float [1, 3, h, w], 1 = near."""
    import numpy as np
    import torch

    values = torch.from_numpy(np.asarray(depth.convert("L"), np.float32) / 255)  # [h, w]
    return values[None, None].repeat(1, 3, 1, 1)


def depth_of(
    image: Any, *, model: str | os.PathLike = ESTIMATOR, device: str | None = None
) -> Image:
    """Estimate the depth map of a photograph: a grey picture of its size, near = white.

    `image` is what `edit` takes. `model` is a folder or the hub's id of any depth estimator of
    transformers whose larger values are nearer; the usual one, Intel/dpt-large, is downloaded
    once (1.4 GB). The nearest place becomes 255, the farthest 0. Raises KandiError.
    """
    import numpy as np
    import torch
    from PIL import Image

    photograph = picture(image)
    with interruptible(), quiet():
        processor, network = _estimator(*_weights(model), device_for(device))
        with torch.inference_mode():
            pixels = processor(images=photograph, return_tensors="pt")["pixel_values"]
            near = network(pixels.to(network.device)).predicted_depth  # [1, h', w']
            near = torch.nn.functional.interpolate(
                near[:, None].float(),
                size=(photograph.height, photograph.width),
                mode="bicubic",
                align_corners=False,
            )[0, 0].cpu()  # [h, w]
    low, high = near.min(), near.max()
    if not torch.isfinite(high - low) or low == high:
        raise KandiError(
            f"{model} finds no depth in this picture; give another picture or model"
        )
    values = ((near - low) / (high - low) * 255).round().numpy().astype(np.uint8)
    return Image.fromarray(values)


def _weights(model: Any) -> tuple[str, str | None]:
    """Return folder or id, and the commit if it is pinned; raise KandiError."""
    if not isinstance(model, (str, os.PathLike)) or not str(model):
        raise KandiError(f"model is a folder or an id of the hub, not {quote(model)}")
    folder = expand_path(model)
    if folder.is_dir():
        integrity.check_settings(folder)
        return str(folder), None
    if isinstance(model, os.PathLike) or str(model).count("/") != 1:
        raise KandiError(
            f'there is no folder {model}; give a folder or an id such as "{ESTIMATOR}"'
        )
    return str(model), _COMMIT if model == ESTIMATOR else None


@lru_cache(maxsize=1)
def _estimator(name: str, revision: str | None, device: str) -> Sequence[Any]:
    """Return the processor and the network of a depth estimator, whole; raise KandiError."""
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    try:
        # PIL's own way to resize: the other needs torchvision.
        processor = AutoImageProcessor.from_pretrained(
            name, revision=revision, backend="pil", trust_remote_code=False
        )
        network, info = AutoModelForDepthEstimation.from_pretrained(
            name,
            revision=revision,
            use_safetensors=True,
            output_loading_info=True,
            trust_remote_code=False,
        )
    except Exception as error:  # no network, no such model, pickles only, a damaged file …
        raise KandiError(
            f"the depth estimator {name} cannot be loaded ({first_line(error)}); with a "
            "network it is downloaded, without one give a folder with it, or a depth map"
        ) from error
    if absent := sorted(info["missing_keys"]):
        raise KandiError(
            f"{name} is no whole depth estimator, it lacks {', '.join(absent[:3])}; copy it "
            "again from where it came"
        )
    return processor, network.eval().to(device)
