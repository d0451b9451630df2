"""Put what was repainted into its picture: kept pixels stay as they were, and no edge shows.

A decoder gives back other colours than it was given, kept parts included, so pasting leaves a
visible edge. What is repainted gets the difference at its border added. The part of it that is
small and changes slowly is a drift of colours: it spreads over the inside like a membrane, the
solution of Laplace's equation (Pérez, Gangnet and Blake, "Poisson Image Editing", 2003, section
2). The rest is texture, or another thing in the picture: it fades within a few pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, quote
from ...words.tasks import INPUTS

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

WAYS = INPUTS["join"].choices
ALONG = 2.0  # cells of the border over which a drift is averaged
DRIFT = 20.0  # of 255: more is another thing in the picture, not another colour
FADE = 2.0  # pixels over which those fade
TEXTURE = 2.0  # of 255: beside a smaller usual step any edge stands out
REACH = 3  # pixels beside the border whose steps are the usual ones
CELLS = 128  # the longer side of the grid that a membrane is solved on: a drift is smooth
SWEEPS = 6  # of over-relaxation at each size: about 1/255 from the exact solution


def check_join(how: Any) -> None:
    """Raise KandiError unless this names a way of joining."""
    if not isinstance(how, str) or how not in WAYS:
        raise KandiError(f"join is one of {', '.join(WAYS)}, not {quote(how)}", about="join")


def join_pictures(
    original: Image, painted: Image, mask: np.ndarray, how: str = "harmonic"
) -> Image:
    """Return `painted` where the mask is above 0, the very pixels of `original` elsewhere.

    Two RGB pictures of one size; `mask` is uint8 [h, w], its values between 0 and 255 mix both.
    `how`: "harmonic" takes the difference at the border off the repainted part, "hard" doesn't.
    """
    import numpy as np
    from PIL import Image

    whole = np.array(original)
    box = box_of(mask, 1)  # and what lies beside it: of a large picture most stays
    mask, kept = mask[box], whole[box]
    old, new = kept.astype(np.float32), np.asarray(painted)[box].astype(np.float32)
    if how == "harmonic":
        new = new + correction(old - new, mask > 0)
    share = (mask / np.float32(255))[..., None]
    mixed = (old + share * (new - old)).round().clip(0, 255).astype(np.uint8)
    # Chosen, not computed: kept pixels are the same bits.
    whole[box] = np.where((mask > 0)[..., None], mixed, kept)
    return Image.fromarray(whole)


def box_of(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Return where a mask is above 0, and `margin` pixels more on each side, as two slices."""
    import numpy as np

    sides = []
    for axis in (1, 0):
        places = np.flatnonzero((mask > 0).any(axis))
        first, last = (places[0], places[-1]) if len(places) else (0, 0)
        sides.append(slice(max(0, first - margin), last + 1 + margin))
    return sides[0], sides[1]


def correction(difference: np.ndarray, repaint: np.ndarray) -> np.ndarray:
    """Return what to add inside `repaint` so that the difference at its kept border continues.

    `difference`: float [h, w, c], what is added to the painted pixels to get the original's;
    `repaint`: bool [h, w]. The result is float32 [h, w, c], 0 outside `repaint`.
    """
    import numpy as np

    whole = np.zeros(difference.shape, np.float32)
    border = _beside(repaint)
    if not border.any():
        return whole
    # Nothing outside the border matters: work on the box that holds it.
    rows, columns = (np.flatnonzero((repaint | border).any(axis)) for axis in (1, 0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside, border = repaint[box], border[box]
    values = np.where(border[..., None], difference[box], 0).astype(np.float32)
    drift = _drift(values, border, inside)
    # What a coarse membrane misses at the border belongs to the rest, so nothing is left over.
    drift += _fading(np.where(border[..., None], values - drift, 0), border, inside)
    whole[box] = np.where(inside[..., None], drift, 0)
    return whole


def _beside(repaint: np.ndarray) -> np.ndarray:
    """Return which kept pixels have a repainted one above, below, left or right."""
    import numpy as np

    near = np.zeros_like(repaint)
    near[1:] |= repaint[:-1]
    near[:-1] |= repaint[1:]
    near[:, 1:] |= repaint[:, :-1]
    near[:, :-1] |= repaint[:, 1:]
    return near & ~repaint


def _along(values: np.ndarray, border: np.ndarray) -> np.ndarray:
    """Return the values on the border averaged with those near them on it, 0 elsewhere."""
    import numpy as np

    weight = border[..., None].astype(np.float32)
    reach = np.arange(-int(3 * ALONG), int(3 * ALONG) + 1)
    bell = np.exp(-0.5 * (reach / ALONG) ** 2).astype(np.float32)
    total = _blur(np.concatenate([values * weight, weight], 2), bell)
    return weight * total[..., :-1] / np.maximum(total[..., -1:], 1e-6)


def _blur(values: np.ndarray, bell: np.ndarray) -> np.ndarray:
    import numpy as np

    reach = len(bell) // 2
    for axis in (0, 1):
        around = np.pad(values, [(reach, reach) if a == axis else (0, 0) for a in range(3)])
        length = values.shape[axis]
        parts = (np.take(around, range(n, n + length), axis) for n in range(len(bell)))
        values = sum(share * part for share, part in zip(bell, parts, strict=True))
    return values


def _fading(values: np.ndarray, border: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Carry the values on the border straight inwards, weaker with every pixel."""
    import numpy as np

    around = ((1, 1), (1, 1))
    reached, inside = np.pad(border, around).ravel(), np.pad(inside, around).ravel()
    carried = np.pad(values, (*around, (0, 0))).reshape(len(inside), -1)
    width = border.shape[1] + 2
    neighbours = np.array([-width, -1, 1, width])
    front, faded = np.flatnonzero(reached), np.zeros_like(carried)
    for depth in range(1, int(3 * FADE) + 1):
        front = np.unique(front[:, None] + neighbours)
        front = front[inside[front] & ~reached[front]]
        beside = front[:, None] + neighbours
        known = reached[beside][..., None]
        carried[front] = (carried[beside] * known).sum(1) / known.sum(1)
        faded[front] = carried[front] * np.float32(np.exp(-0.5 * (depth / FADE) ** 2))
        reached[front] = True
    return faded.reshape(border.shape[0] + 2, width, -1)[1:-1, 1:-1]


def _drift(values: np.ndarray, border: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the membrane of what is small and slow in the values, everywhere."""
    import numpy as np
    from PIL import Image

    height, width = border.shape
    factor = -(-max(height, width) // CELLS)
    values, border, inside = _fewer(values, border, inside, factor)
    slow = _along(values, border)
    # What is far from any drift counts less and less, or it would tint the whole inside.
    beyond = (np.abs(slow).max(-1, keepdims=True) / DRIFT - 1).clip(0)
    slow *= np.exp(-2 * beyond**2)
    solved = _membrane(slow, border, inside)
    size = (solved.shape[1] * factor, solved.shape[0] * factor)
    layers = [
        np.asarray(Image.fromarray(layer).resize(size, Image.Resampling.BILINEAR))
        for layer in np.moveaxis(solved, 2, 0)
    ]
    return np.stack(layers, 2)[:height, :width]


def _membrane(values: np.ndarray, border: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Solve Laplace's equation inside, from coarse to fine, with `values` on the border.

    The frame of the picture is free: no value is asked for there (Neumann's condition).
    """
    import numpy as np

    start = values
    if min(border.shape) > 2:
        coarse, coarse_border, coarse_inside = _fewer(values, border, inside, 2)
        solved = _membrane(coarse, coarse_border, coarse_inside)
        start = solved.repeat(2, 0).repeat(2, 1)[: border.shape[0], : border.shape[1]]
    elif border.any():
        start = np.broadcast_to(values[border].mean(0), values.shape)
    solution = np.where(border[..., None], values, start)
    chequers = np.indices(border.shape).sum(0) % 2
    halves = [(inside & (chequers == colour))[..., None] for colour in (0, 1)]
    for _ in range(SWEEPS):
        for half in halves:
            around = np.pad(solution, ((1, 1), (1, 1), (0, 0)), "edge")
            total = around[:-2, 1:-1] + around[2:, 1:-1] + around[1:-1, :-2] + around[1:-1, 2:]
            # 1.5: between Gauss-Seidel (1) and the limit of over-relaxation (2).
            np.add(solution, 1.5 * (total / 4 - solution), out=solution, where=half)
    return solution


def _fewer(values: np.ndarray, border: np.ndarray, inside: np.ndarray, factor: int):
    """Return all three with `factor` times fewer rows and columns; some border makes border."""
    import numpy as np

    def cells(array: np.ndarray) -> np.ndarray:
        rows, columns = (-side % factor for side in array.shape[:2])
        even = np.pad(array, ((0, rows), (0, columns), (0, 0)))
        height, width = even.shape[0] // factor, even.shape[1] // factor
        return even.reshape(height, factor, width, factor, -1).sum((1, 3))

    count = cells(border[..., None].astype(np.float32))
    coarse_border = count[..., 0] > 0
    coarse_inside = (cells(inside[..., None].astype(np.float32))[..., 0] > 0) & ~coarse_border
    return cells(values) / np.maximum(count, 1), coarse_border, coarse_inside


def edge(picture: Image, mask: np.ndarray) -> float | None:
    """Return how much the mask's border stands out: 1 = not at all, None = nowhere to measure.

    The median step across the border over the median step 1–3 pixels beside it, in the same
    direction, at places where at least half of the steps beside it can be seen.
    """
    import numpy as np

    box = box_of(mask, REACH + 1)  # steps beyond its border are nobody's
    pixels, repaint = np.asarray(picture)[box].astype(np.float32), mask[box] > 0
    pairs = [_steps(pixels, repaint), _steps(pixels.swapaxes(0, 1), repaint.T)]
    across = np.concatenate([pair[0] for pair in pairs])
    beside = np.concatenate([pair[1] for pair in pairs])
    textured = np.median(beside, 1) >= TEXTURE
    if not textured.any():
        return None
    usual = np.median(beside[textured])
    return float(np.median(across[textured]) / usual)


def _steps(pixels: np.ndarray, repaint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return |steps| down across the border, shape [places], and beside it, [places, 6]."""
    import numpy as np

    steps = np.abs(np.diff(pixels, axis=0)).mean(-1)
    rows, columns = np.nonzero(repaint[1:] != repaint[:-1])
    whole = (rows >= REACH) & (rows < len(steps) - REACH)
    rows, columns = rows[whole], columns[whole]
    around = [off for off in range(-REACH, REACH + 1) if off]
    beside = [steps[rows + off, columns] for off in around]
    return steps[rows, columns], np.stack(beside, 1)


def proof(original: Image, result: Image, painted: Image, mask: np.ndarray) -> dict[str, Any]:
    """Return one row of `result.proof`: kept, edge, edge_hard, area.

    kept: the share of kept pixels that are identical; area: the share that is repainted.
    `painted` is what the decoder gave; edge_hard is what pasting it leaves.
    """
    import numpy as np

    kept = mask == 0
    same = (np.asarray(original) == np.asarray(result)).all(-1)
    return {
        "kept": float(same[kept].mean()) if kept.any() else 1.0,
        "edge": edge(result, mask),
        "edge_hard": edge(join_pictures(original, painted, mask, "hard"), mask),
        "area": float((~kept).mean()),
    }
