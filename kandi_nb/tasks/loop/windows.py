"""Overlapping windows on a canvas that is too large to be drawn in one go.

At every step the network looks at each window, and what it predicts is averaged where windows
overlap (Bar-Tal et al., "MultiDiffusion", 2023). So all of the canvas is drawn at once and its
parts agree; windows drawn one after another drift apart in colour. The memory that is needed is
that of one window, whatever the size of the canvas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...pictures.editing.canvas import CELL

if TYPE_CHECKING:
    import torch

Box = tuple[int, int, int, int]  # left, top, right, bottom; the end exclusive

TOGETHER = 128 * 64  # pixels: with smaller windows calls would take more time than arithmetic


def cover(canvas: tuple[int, int], window: tuple[int, int]) -> tuple[Box, ...]:
    """Return windows on a canvas, row by row, each overlapping its neighbours by about half.

    Sides are (width, height) in pixels, multiples of 8, and the window is no larger than the
    canvas. They lie evenly, on whole latent cells. None for what is drawn in one go.

    >>> cover((128, 64), (64, 64))
    ((0, 0, 64, 64), (32, 0, 96, 64), (64, 0, 128, 64))
    """
    if canvas == window:
        return ()
    lefts, tops = (_starts(whole, side) for whole, side in zip(canvas, window, strict=True))
    return tuple(
        (left, top, left + window[0], top + window[1]) for top in tops for left in lefts
    )


def _starts(whole: int, side: int) -> list[int]:
    gaps = -(-(whole - side) // (side // 2))
    return [round((whole - side) / CELL * n / max(gaps, 1)) * CELL for n in range(gaps + 1)]


def predict_noise(
    unet: Any,
    rows: torch.Tensor,
    t: Any,
    condition: Mapping[str, Any],
    windows: Sequence[Box] = (),
    tick: Callable[[], None] = lambda: None,
) -> torch.Tensor:
    """Return what the UNet predicts of rows [n, c, h, w], window by window if any.

    `tick` is called after each call of the network, see `calls`.
    """
    if not windows:
        whole = unet(rows, t, **condition, return_dict=False)[0]
        tick()
        return whole

    def look(parts: torch.Tensor) -> torch.Tensor:
        times = len(parts) // len(rows)
        seen = unet(parts, t, **_repeat(condition, times), return_dict=False)[0]
        tick()
        return seen

    return _average(look, rows, [_scale(box, 1 / CELL) for box in windows], _at_once(windows))


def encode(movq: Any, images: torch.Tensor, windows: Sequence[Box] = ()) -> torch.Tensor:
    """Return the latents of pictures [n, 3, h, w] in −1…1, window by window if any."""
    if not windows:
        return movq.encode(images)["latents"]
    return _average(lambda part: movq.encode(part)["latents"], images, windows, 1, 1 / CELL)


def decode(movq: Any, latents: torch.Tensor, windows: Sequence[Box] = ()) -> torch.Tensor:
    """Return the pictures [n, 3, h, w] in −1…1 of latents, window by window if any."""

    def look(part: torch.Tensor) -> torch.Tensor:
        return movq.decode(part, force_not_quantize=True).sample

    if not windows:
        return look(latents)
    cells = [_scale(box, 1 / CELL) for box in windows]
    return _average(look, latents, cells, 1, CELL)


def calls(windows: Sequence[Box]) -> int:
    """Return how often the network is called for one step."""
    return -(-len(windows) // _at_once(windows)) if windows else 1


def _at_once(windows: Sequence[Box]) -> int:
    left, top, right, bottom = windows[0]
    return max(1, TOGETHER // ((right - left) * (bottom - top)))


def _average(
    look: Callable[[torch.Tensor], torch.Tensor],
    whole: torch.Tensor,
    boxes: Sequence[Box],
    at_once: int,
    scale: float = 1,
) -> torch.Tensor:
    """Return what `look` makes of each box of a tensor, averaged where boxes overlap.

    A box counts most in its middle, so that nothing begins or ends suddenly. `scale` is how
    much larger the sides are of what `look` gives.
    """
    import torch

    total: Any = None
    weight: Any = None
    share: Any = None
    for start in range(0, len(boxes), at_once):
        part = boxes[start : start + at_once]
        seen = look(torch.cat([_crop(whole, box) for box in part]))  # [boxes × n, c, h, w]
        if total is None:
            share = _tent(seen)
            height, width = (round(side * scale) for side in whole.shape[-2:])
            total = seen.new_zeros(len(whole), seen.shape[1], height, width)
            weight = seen.new_zeros(1, 1, height, width)
        for box, each in zip(part, seen.split(len(whole)), strict=True):
            _crop(total, _scale(box, scale)).add_(each * share)
            _crop(weight, _scale(box, scale)).add_(share)
    return total / weight.clamp(min=share.min())


def _tent(like: torch.Tensor) -> torch.Tensor:
    """Return how much each place of a box counts: [1, 1, h, w], least at its border."""
    import torch

    sides = []
    for side in like.shape[-2:]:
        steps = torch.arange(1, side + 1, device=like.device, dtype=like.dtype)
        sides.append(torch.minimum(steps, steps.flip(0)) / side)
    return (sides[0][:, None] * sides[1])[None, None]


def _crop(tensor: torch.Tensor, box: Box) -> torch.Tensor:
    left, top, right, bottom = box
    return tensor[..., top:bottom, left:right]


def _scale(box: Box, scale: float) -> Box:
    left, top, right, bottom = (round(side * scale) for side in box)
    return left, top, right, bottom


def _repeat(condition: Mapping[str, Any], times: int) -> dict[str, Any]:
    """Return what the UNet is told beside latents, once for each of several windows."""
    return dict(_repeats(condition, times))


def _repeats(condition: Mapping[str, Any], times: int) -> Iterator[tuple[str, Any]]:
    import torch

    for name, value in condition.items():
        if isinstance(value, Mapping):
            yield name, _repeat(value, times)
        else:
            yield name, value if value is None else torch.cat([value] * times)
