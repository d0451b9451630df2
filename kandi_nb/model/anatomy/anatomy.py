"""A loaded model taken apart: a table of its pieces, and a drawing of the data's way."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...words.files import write
from ...words.tables import Table
from ..loading.kandinsky import Kandinsky
from . import diagram
from .pieces import DECODER, PRIOR, Piece, check_loaded, pieces

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS = 200  # an inch of the drawing


@dataclass(repr=False)
class Anatomy(Table):
    """Hold a row for each tokenizer and network of a model; shows them under a drawing.

    `figure` is the drawing, of text-to-image alone; `save` writes it as a PNG.
    """

    title: str = ""
    pieces: Sequence[Piece] = field(default_factory=list)

    @property
    def figure(self) -> Figure:
        """Return the drawing of the data's way, made from the pieces, as a closed figure."""
        return diagram.draw(self._way(), self.title)

    def _way(self) -> list[Piece]:
        """Return what text-to-image needs of the pieces."""
        return [piece for piece in self.pieces if {PRIOR, DECODER} & {*piece.roles}]

    def save(self, path: str | os.PathLike, *, overwrite: bool = False) -> Path:
        """Write the drawing as a PNG; KandiError if the file exists and not `overwrite`."""
        return write(path, self._png(), overwrite=overwrite)

    def _png(self) -> bytes:
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="png", dpi=_DOTS)
        return buffer.getvalue()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self._png()).decode()
        ways = [
            f"{giver.stage}'s {giver.name} to {taker.stage}'s {taker.name}"
            for giver, _, taker in diagram.arrows(self._way())
            if giver
        ]
        words = html.escape(f"{self.title}: {'; '.join(dict.fromkeys(ways))}", quote=True)
        picture = (
            f'<img alt="{words}" style="max-width:100%" src="data:image/png;base64,{data}">'
        )
        return picture + super()._repr_html_()


def anatomy(k: Kandinsky) -> Anatomy:
    """Return a table of a model's tokenizers and networks, with a drawing of the data's way.

    Both are made from the loaded objects: those that text-to-image needs, and those of the
    roles that were used or opened since (`k.open(["inpaint"])`). A row holds `piece`, `class`,
    `roles` (the pipelines that share it), `parameters`, `mb` (10⁶ bytes as they lie in
    memory), `takes` and `gives`: names and shapes for n pictures of the native size. Raises
    KandiError for what is no loaded model.
    """
    check_loaded(k)
    every = pieces(k)
    rows = [
        {
            "piece": piece.name,
            "class": piece.class_name,
            "roles": ", ".join(piece.roles),
            "parameters": piece.parameters or None,
            "mb": round(piece.nbytes / 1e6, 2) if piece.nbytes else None,
            "takes": ", ".join(map(str, piece.takes)),
            "gives": ", ".join(map(str, piece.gives)),
        }
        for piece in every
    ]
    whole = diagram.count(sum(piece.parameters for piece in every))
    megabytes = sum(piece.nbytes for piece in every) / 1e6
    title = f"{k.spec.key}: {whole} numbers, {megabytes:,.0f} MB"
    return Anatomy(rows, note=title, title=title, pieces=every)
