"""The data's way through a model as a drawing: boxes for its pieces, arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...words.extras import check_extra
from ...words.families import DENOISER, PICTURE_DECODER
from .pieces import EMBEDDING, PIXELS, PRIOR, TEXT, Flow, Piece

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# A notebook on a laptop shows 728 pixels; a unit is 100 of them: a box, and the room between.
_WIDE, _HIGH, _GAP, _BETWEEN = 0.92, 0.8, 0.82, 0.62
_LEFT, _ABOVE, _BELOW = 0.56, 0.82, 0.42  # room for what comes from outside, and goes there
_NAME, _WORDS = 8.6, 7.95  # points: 12 and 11 pixels, at 100 dots an inch
_INK, _PAPER = "#222222", "white"
_FILLS = {True: "#dbe9f6", False: "#fbe6d2"}  # the prior's stage, the decoder's


class Place(NamedTuple):
    """Say in which column and row of the drawing a box stands."""

    column: float
    row: float


def arrows(pieces: Sequence[Piece]) -> list[tuple[Piece | None, Flow, Piece]]:
    """Return (from, what, to) of all that one piece gives another; from None: from outside.

    Only embeddings go from one stage to the other.
    """
    found: list[tuple[Piece | None, Flow, Piece]] = []
    for piece in pieces:
        for flow in piece.takes:
            givers: list[Piece] = [
                other
                for other in pieces
                if any(given.name == flow.name for given in other.gives)
                and (other.stage == piece.stage or flow.name == EMBEDDING)
                and flow.name != PIXELS
            ]
            found += [(giver, flow, piece) for giver in givers] or [(None, flow, piece)]
    return found


def places(pieces: Sequence[Piece]) -> dict[str, Place]:
    """Return stage/name → place: the prior's stage above, the decoder's below.

    Within a stage each piece stands a column behind the last that it needs. The decoder's UNet
    stands under the prior, whose embedding falls onto it; what reads pictures beside the prior.
    """
    given = arrows(pieces)
    unet = next((label(piece) for piece in pieces if piece.kind == DENOISER), None)
    columns: dict[str, int] = {}

    def column(piece: Piece) -> int:
        if label(piece) in columns:
            return columns[label(piece)]
        before = [
            column(giver)
            for giver, _, taker in given
            if taker is piece and giver and giver.stage == piece.stage
        ]
        if piece.kind == DENOISER:
            before += [columns.get(f"{PRIOR}/prior", 0) - 1]
        if piece.kind == PICTURE_DECODER:
            before += [columns[unet]] if unet else []
        if piece.kind == "image_encoder":
            before += [column(other) for other in pieces if other.kind == "prior"]
        columns[label(piece)] = max([0, *before]) + 1
        return columns[label(piece)]

    for kind in ("prior", DENOISER):  # what others are placed by
        for piece in pieces:
            if piece.kind == kind:
                column(piece)
    return {label(p): Place(column(p), 0 if p.stage == PRIOR else 1) for p in pieces}


def label(piece: Piece) -> str:
    """Return a name that no other piece of the model has."""
    return f"{piece.stage}/{piece.name}"


def draw(pieces: Sequence[Piece], title: str) -> Figure:
    """Return the drawing as a closed matplotlib figure."""
    check_extra("notebook", "a diagram", "matplotlib")
    import matplotlib
    from matplotlib import pyplot

    where = places(pieces)
    levels = sorted({place.row for place in where.values()})
    spots = {
        name: (
            _LEFT + (place.column - 1) * (_WIDE + _GAP),
            -levels.index(place.row) * (_HIGH + _BETWEEN),
        )
        for name, place in where.items()
    }
    right = max(x for x, _ in spots.values()) + _WIDE + _LEFT
    bottom = min(y for _, y in spots.values()) - _BELOW
    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        figure, axes = pyplot.subplots(figsize=(right, _HIGH + _ABOVE - bottom))
        pyplot.close(figure)  # a notebook shows the returned figure, not this one as well
        axes.set_xlim(0, right)
        axes.set_ylim(bottom, _HIGH + _ABOVE)
        axes.set_aspect("equal")
        axes.axis("off")
        axes.text(0.05, _HIGH + _ABOVE - 0.14, title, fontsize=_NAME, va="center", color=_INK)
        for piece in pieces:
            _box(axes, piece, spots[label(piece)])
        for giver, flows, taker in _bundles(pieces):
            _arrow(
                axes, spots[label(giver)] if giver else None, flows, taker, spots[label(taker)]
            )
        _ends(axes, pieces, spots)
        figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    return figure


def _bundles(
    pieces: Sequence[Piece],
) -> list[tuple[Piece | None, list[Flow], Piece]]:
    """Return one arrow for all that goes the same way; MoVQ gets the UNet's latents."""
    ways: dict[tuple[str, str], tuple[Piece | None, list[Flow], Piece]] = {}
    unet = next((piece for piece in pieces if piece.kind == DENOISER), None)
    for giver, flow, taker in arrows(pieces):
        if taker.kind == PICTURE_DECODER:
            giver = unet
        key = (label(giver) if giver else flow.name, label(taker))
        ways.setdefault(key, (giver, [], taker))[1].append(flow)
    return list(ways.values())


def _box(axes: Any, piece: Piece, spot: tuple[float, float]) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = spot
    fill = _FILLS[piece.stage == PRIOR]
    axes.add_patch(
        FancyBboxPatch(
            (x, y), _WIDE, _HIGH, boxstyle="round,pad=0.02,rounding_size=0.08",
            facecolor=fill, edgecolor=_INK, linewidth=1.6 if piece.repeats else 0.8,
        )
    )  # fmt: skip
    size = f"{count(piece.parameters)} numbers" if piece.parameters else "no weights"
    name = piece.name.split("_")
    words = [*name, size, *(["each step"] if piece.repeats else [])]
    for n, line in enumerate(words):
        axes.text(
            x + _WIDE / 2, y + _HIGH * (2 * len(words) - 2 * n - 1) / (2 * len(words)), line,
            ha="center", va="center", color=_INK, fontsize=_NAME if n < len(name) else _WORDS,
            weight="bold" if n < len(name) else "normal",
        )  # fmt: skip


def _arrow(
    axes: Any,
    start: tuple[float, float] | None,
    flows: Sequence[Flow],
    taker: Piece,
    end: tuple[float, float],
) -> None:
    x, y = end
    if start is None:
        if flows[0].name in (TEXT, PIXELS):
            return  # `_ends` draws where texts and pictures come from
        return _from_outside(axes, flows, taker, x, y)
    line = {"arrowstyle": "-|>", "color": _INK, "lw": 1}
    style = {"fontsize": _WORDS, "color": _INK, "linespacing": 1.1}
    if abs(start[1] - y) > 0.01:  # from the prior's stage down to the decoder's
        aside = start[0] - x  # 0 for the prior, which stands above
        tail = (start[0] + (0.2 if aside else _WIDE / 2), start[1] - 0.03)
        head = (x + (_WIDE - 0.1 if aside else _WIDE / 2), y + _HIGH + 0.04)
        axes.annotate("", head, tail, arrowprops=line)
        if not aside:
            words = "\n".join(f"{flow.name}\n{flow.size}".strip() for flow in flows)
            axes.text(head[0] - 0.06, (tail[1] + head[1]) / 2, words, ha="right", va="center",
                      **style)  # fmt: skip
        return
    middle = y + _HIGH / 2
    axes.annotate("", (x - 0.04, middle), (start[0] + _WIDE + 0.03, middle), arrowprops=line)
    names = [f"{flow.name.replace(' ', chr(10))}\n{flow.size}".strip() for flow in flows]
    for words, above in zip(names, (True, False), strict=False):
        axes.text(x - _GAP / 2 - 0.02, middle + (0.05 if above else -0.07), words, ha="center",
                  va="bottom" if above else "top", **style)  # fmt: skip


def _from_outside(axes: Any, flows: Sequence[Flow], taker: Piece, x: float, y: float) -> None:
    """Name what comes from outside, such as noise: over the prior, under other boxes."""
    words = ", ".join(map(str, flows))
    above = taker.stage == PRIOR  # its embedding leaves below
    taken = axes.texts_outside = getattr(axes, "texts_outside", {})
    row = taken[(x, y)] = taken.get((x, y), 0) + 1
    level = y + _HIGH + 0.17 * row - 0.02 if above else y + 0.04 - 0.17 * row
    axes.text(x + _WIDE / 2, level, f"{'↓' if above else '↑'} {words}", ha="center",
              va="center", fontsize=_WORDS, color=_INK)  # fmt: skip


def _ends(axes: Any, pieces: Sequence[Piece], spots: dict[str, tuple[float, float]]) -> None:
    """Draw where texts and pictures come from, and the picture at the end."""
    style = {"fontsize": _NAME, "color": _INK, "style": "italic", "ha": "center"}
    line = {"arrowstyle": "-|>", "color": _INK, "lw": 1}
    for piece in pieces:
        x, y = spots[label(piece)]
        middle, top = y + _HIGH / 2, y + _HIGH
        if piece.kind == "tokenizer":
            axes.annotate("", (x - 0.04, middle), (0.05, middle), arrowprops=line)
            axes.text(x - 0.29, middle + 0.06, "prompt", va="bottom", **style)
        if piece.kind == "image_encoder":
            spot = (x + _WIDE / 2, top + 0.04)
            axes.annotate("", spot, (spot[0], top + 0.3), arrowprops=line)
            axes.text(spot[0], top + 0.34, "a picture", va="bottom", **style)
        if piece.kind == PICTURE_DECODER:
            axes.annotate(
                "", (x + _WIDE + 0.5, middle), (x + _WIDE + 0.03, middle), arrowprops=line
            )
            axes.text(x + _WIDE + 0.28, middle + 0.06, "picture", va="bottom", **style)


def count(number: int) -> str:
    """Return a large number in words.

    >>> count(3_400_000), count(1_250_000_000), count(512)
    ('3.4 M', '1.2 B', '512')
    """
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f} {letter}"
    return str(number)
