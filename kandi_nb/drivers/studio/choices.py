"""Controls for what a task is told besides pictures and settings: how much larger."""

from __future__ import annotations

from typing import Any

from ..panels.kit import Kit, write
from ..panels.panel import Panel

_FACTORS = (2, 3, 4)
_USUAL = 2


class Choices:
    """Hold `row`, the control of enlarging, or None for a panel of another task."""

    def __init__(self, panel: Panel, kit: Kit) -> None:
        self._panel = panel
        self.row = self._factor = None
        if panel.call.takes("factor"):
            self._factor = kit(
                "Dropdown",
                description="factor",
                options=[(f"{n} times", n) for n in _FACTORS],
                tooltip="how many times as many pixels a side",
            )
            self._factor.observe(lambda change: self._set(change["new"]), "value")
            self.row = kit("HBox", layout="row", children=[self._factor])
        self.refresh()

    def _set(self, factor: Any) -> None:
        if factor != self._panel.inputs.get("factor", _USUAL):
            self._panel.give("factor", None if factor == _USUAL else factor)

    def refresh(self) -> None:
        """Show what the panel was given by code, too."""
        factor = self._panel.inputs.get("factor", _USUAL)
        if self._factor is not None and factor in _FACTORS:
            write(self._factor, value=factor)
