"""The data's way through a model as a drawing: boxes for its pieces, arrows between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .pieces import EMBEDDING, PIXELS, PRIOR, TEXT, Flow, Piece

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches: a box, and the room between two for an arrow and its words.
_WIDE, _HIGH, _GAP, _BETWEEN = 1.75, 1.0, 1.3, 0.55
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
    found = []
    for piece in pieces:
        for flow in piece.takes:
            givers = [
                other
                for other in pieces
                if any(given.name == flow.name for given in other.gives)
                and (other.stage == piece.stage or flow.name == EMBEDDING)
                and flow.name != PIXELS
            ]
            found += [(giver, flow, piece) for giver in givers] or [(None, flow, piece)]
    return found


def places(pieces: Sequence[Piece]) -> dict[str, Place]:
    """Return stage/name → place: each piece a column behind the last that it needs.

    The prior's stage stands above the decoder's; what reads pictures above its texts.
    """
    given = arrows(pieces)
    columns: dict[str, int] = {}

    def column(piece: Piece) -> int:
        if label(piece) not in columns:
            before = [column(giver) for giver, _, taker in given if taker is piece and giver]
            behind = piece.name == "movq"
            unet = [column(other) for other in pieces if behind and other.name == "unet"]
            columns[label(piece)] = max([0, *before, *unet]) + 1
        return columns[label(piece)]

    rows = {True: 1, False: 2}
    for piece in pieces:
        column(piece)
    return {
        label(piece): Place(
            # Above the prior, as both give an embedding.
            max(columns.get(f"{PRIOR}/prior", 0), column(piece))
            if piece.name == "image_encoder"
            else column(piece),
            0 if piece.name == "image_encoder" else rows[piece.stage == PRIOR],
        )
        for piece in pieces
    }


def label(piece: Piece) -> str:
    """Return a name that no other piece of the model has."""
    return f"{piece.stage}/{piece.name}"


def draw(pieces: Sequence[Piece], title: str) -> Figure:
    """Return the drawing as a closed matplotlib figure."""
    import matplotlib
    from matplotlib import pyplot

    where = places(pieces)
    levels = sorted({place.row for place in where.values()})
    spots = {
        name: (
            place.column * (_WIDE + _GAP),
            -levels.index(place.row) * (_HIGH + _BETWEEN),
        )
        for name, place in where.items()
    }
    right = max(x for x, _ in spots.values()) + _WIDE
    bottom = min(y for _, y in spots.values())
    with matplotlib.rc_context({"font.family": "DejaVu Sans"}):
        size = (0.62 * (right + 1.6), 0.62 * (_HIGH - bottom + 0.9))
        figure, axes = pyplot.subplots(figsize=size)
        pyplot.close(figure)  # a notebook shows the returned figure, not this one as well
        axes.set_xlim(0.9, right + 1.6)
        axes.set_ylim(bottom - 0.35, _HIGH + 0.5)
        axes.set_aspect("equal")
        axes.axis("off")
        axes.set_title(title, fontsize=9, loc="left", color=_INK)
        for piece in pieces:
            _box(axes, piece, spots[label(piece)])
        for giver, flows, taker in _bundled(pieces):
            _arrow(axes, giver and spots[label(giver)], flows, taker, spots[label(taker)])
        _ends(axes, pieces, spots)
        figure.subplots_adjust(left=0, right=1, bottom=0, top=0.93)
    return figure


def _bundled(
    pieces: Sequence[Piece],
) -> list[tuple[Piece | None, list[Flow], Piece]]:
    """Return one arrow for all that goes the same way; MoVQ gets the UNet's latents."""
    ways: dict[tuple[str, str], tuple[Piece | None, list[Flow], Piece]] = {}
    unet = next((piece for piece in pieces if piece.name == "unet"), None)
    for giver, flow, taker in arrows(pieces):
        if taker.name == "movq":
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
    middle = x + _WIDE / 2
    axes.text(middle, y + 0.76, piece.name.replace("_", " "), ha="center", va="center",
              fontsize=7.5, weight="bold", color=_INK)  # fmt: skip
    kind = piece.class_name.replace("WithProjection", "")
    axes.text(middle, y + 0.5, kind, ha="center", va="center", fontsize=4.8, color=_INK)
    size = f"{count(piece.parameters)} numbers" if piece.parameters else "no weights"
    size += " · each step" if piece.repeats else ""
    axes.text(middle, y + 0.22, size, ha="center", va="center", fontsize=4.8, color=_INK)


def _arrow(
    axes: Any,
    start: tuple[float, float] | None,
    flows: Sequence[Flow],
    taker: Piece,
    end: tuple[float, float],
) -> None:
    words = "\n".join(f"{flow.name}\n{flow.size}".strip() for flow in flows)
    x, y = end
    if start is None:
        if flows[0].name == TEXT:
            return  # `_ends` draws where texts and pictures come from
        if flows[0].name == PIXELS:
            return
        return _from_below(axes, flows, x, y)
    level = abs(start[1] - y) < 0.01
    tail = (start[0] + _WIDE + 0.03, start[1] + _HIGH / 2)
    head = (x - 0.05, y + (_HIGH / 2 if level else _HIGH * (0.8 if start[1] > y else 0.2)))
    axes.annotate("", head, tail, arrowprops={"arrowstyle": "-|>", "color": _INK, "lw": 0.8})
    place = (tail[0] + 0.62, tail[1] + 0.06) if level else (tail[0] + 0.1, tail[1] + 0.06)
    paper = {"facecolor": _PAPER, "edgecolor": "none", "pad": 0.6}
    axes.text(*place, words, ha="center" if level else "left", va="bottom", fontsize=4.6,
              color=_INK, bbox=paper)  # fmt: skip


def _from_below(axes: Any, flows: Sequence[Flow], x: float, y: float) -> None:
    """Name what comes from outside, such as noise, under a box."""
    words = ", ".join(map(str, flows))
    taken = axes.texts_below = getattr(axes, "texts_below", {})
    row = taken[(x, y)] = taken.get((x, y), 0) + 1
    axes.text(x + _WIDE / 2, y - 0.02 - 0.13 * row, f"↑ {words}", ha="center", va="center",
              fontsize=4.6, color=_INK)  # fmt: skip


def _ends(axes: Any, pieces: Sequence[Piece], spots: dict[str, tuple[float, float]]) -> None:
    """Draw where texts and pictures come from, and the picture at the end."""
    style = {"fontsize": 6.5, "color": _INK, "style": "italic", "va": "center"}
    line = {"arrowstyle": "-|>", "color": _INK, "lw": 0.8}
    for piece in pieces:
        x, y = spots[label(piece)]
        middle = y + _HIGH / 2
        source = {"tokenizer": "prompt", "image_encoder": "a picture"}.get(piece.name)
        if source:
            axes.annotate("", (x - 0.05, middle), (x - 0.75, middle), arrowprops=line)
            axes.text(x - 0.8, middle, source, ha="right", **style)
        if piece.name == "movq":
            axes.annotate(
                "", (x + _WIDE + 0.6, middle), (x + _WIDE + 0.03, middle), arrowprops=line
            )
            axes.text(x + _WIDE + 0.65, middle, "picture", ha="left", **style)


def count(number: int) -> str:
    """Return a large number in words.

    >>> count(3_400_000), count(1_250_000_000), count(512)
    ('3.4 M', '1.2 B', '512')
    """
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f} {letter}"
    return str(number)
