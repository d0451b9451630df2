"""The judge: a small network that names what a picture shows.

It learns from rendered scenes only (see `stage_judge`), never from generated pictures, and no
generator is ever trained against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ..pictures.pixels import rgb
from .names import JUDGE, WEIGHTS
from .world.scenes import Scene, accepted_colours
from .world.vocabulary import COLOURS, HEADWEAR, OBJECTS, PLACES

if TYPE_CHECKING:
    import torch
    from PIL import Image

SIZE = 64
HEADS = {"object": OBJECTS, "colour": COLOURS, "place": PLACES, "headwear": HEADWEAR}


@dataclass(frozen=True)
class Reading:
    """What the judge sees in one picture.

    ``object``, ``colour``, ``place``, ``headwear`` are the likeliest words; ``chances`` holds
    for each of the four the probability of every word.
    """

    object: str
    colour: str
    place: str
    headwear: str
    chances: dict[str, dict[str, float]]

    def top(self, what: str, count: int = 3) -> list[str]:
        """Return the ``count`` likeliest words of one attribute, likeliest first."""
        chances = self.chances[what]
        return sorted(chances, key=chances.get, reverse=True)[:count]

    def agrees(self, **asked: str) -> dict[str, bool]:
        """Compare with what was asked: for each attribute named, whether the picture shows it.

        A natural look that is one of the named colours counts as either (a natural frog is
        green).
        """
        right = {}
        for what, word in asked.items():
            if what == "colour":
                right[what] = self.colour in accepted_colours(
                    asked.get("object", self.object), word
                )
            elif what in HEADS:
                right[what] = getattr(self, what) == word
        return right


def network() -> torch.nn.Module:
    """Build the untrained network: pictures (n, 3, 64, 64) in -1…1 to logits (n, all words)."""
    from torch import nn

    def block(inside: int, outside: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(inside, outside, 3, 2, 1, bias=False),
            nn.GroupNorm(8, outside),
            nn.SiLU(),
            nn.Conv2d(outside, outside, 3, 1, 1, bias=False),
            nn.GroupNorm(8, outside),
            nn.SiLU(),
        )

    return nn.Sequential(
        block(3, 32),
        block(32, 64),
        block(64, 128),
        block(128, 160),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(160 * 16, 160),
        nn.SiLU(),
        nn.Linear(160, sum(map(len, HEADS.values()))),
    )


@cache
def _judge() -> torch.nn.Module:
    from safetensors.torch import load_file

    net = network().eval().requires_grad_(False)
    net.load_state_dict({k: v.float() for k, v in load_file(WEIGHTS / JUDGE).items()})
    return net


def tensor(images: Sequence[Image.Image] | np.ndarray, size: int = SIZE) -> torch.Tensor:
    """Return pictures (PIL, or uint8 (n, h, w, 3)) as float (n, 3, size, size) in -1…1."""
    import torch
    from PIL import Image

    rows = []
    for image in images:
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        image = rgb(image)
        if image.size != (size, size):
            image = image.resize(
                (size, size), Image.BOX if image.width > size else Image.BICUBIC
            )
        rows.append(np.asarray(image))
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def read(
    images: Sequence[Image.Image] | np.ndarray, net: torch.nn.Module | None = None
) -> list[Reading]:
    """Read pictures, one `Reading` each; other sizes than 64 x 64 are resized first."""
    import torch

    if len(images) == 0:
        return []
    net = net or _judge()
    with torch.inference_mode():
        logits = torch.cat([net(batch) for batch in tensor(images).split(256)])  # (n, words)
    split = torch.split(logits, [len(words) for words in HEADS.values()], 1)
    chances = {
        what: votes.softmax(1).tolist() for what, votes in zip(HEADS, split, strict=True)
    }
    readings = []
    for i in range(len(logits)):
        named = {w: dict(zip(HEADS[w], chances[w][i], strict=True)) for w in HEADS}
        readings.append(
            Reading(**{w: max(c, key=c.get) for w, c in named.items()}, chances=named)
        )
    return readings


def score(readings: Sequence[Reading], scenes: Sequence[Scene]) -> dict[str, float]:
    """Return the share 0…1 of pictures that show what their scene says, for each attribute.

    Colour counts only where there is an object, headwear only on animals.
    """
    from .world.vocabulary import ANIMALS

    counts = {what: [0, 0] for what in HEADS}
    for reading, scene in zip(readings, scenes, strict=True):
        asked = {what: getattr(scene, what) for what in HEADS}
        for what, right in reading.agrees(**asked).items():
            if (what == "colour" and scene.object == "nothing") or (
                what == "headwear" and scene.object not in ANIMALS
            ):
                continue
            counts[what][0] += right
            counts[what][1] += 1
    return {
        what: right / total if total else float("nan")
        for what, (right, total) in counts.items()
    }
