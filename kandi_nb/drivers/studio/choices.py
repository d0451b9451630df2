"""Controls for what a task is told besides pictures and settings: how far, how much larger."""

from __future__ import annotations

from typing import Any

from ..panels.kit import Kit, write
from ..panels.panel import Panel

_SIDES = ("left", "right", "top", "bottom")
_MOST = 4096  # pixels on a side: what is more is asked for by code
_FACTORS = (2, 3, 4)


class Choices:
    """Hold `row`, the controls of a panel's task, or None where there are none to hold."""

    def __init__(self, panel: Panel, kit: Kit) -> None:
        self._panel, self._kit = panel, kit
        self._defaults: dict[str, Any] = {}
        self._widgets: dict[str, Any] = {}
        task = panel.call.name
        if task == "outpaint":
            self._make_sides()
        elif task == "upscale":
            self._make_factor()
        made = list(self._widgets.values())
        self.row = kit("HBox", layout="row", children=made) if made else None
        self.refresh()

    def _make_sides(self) -> None:
        native = self._panel.k.spec.native_size
        if not {"aspect", "size", *_SIDES} & set(self._panel.inputs):
            self._panel.give("right", native // 2)  # so that Run does something at once
        for name in _SIDES:
            widget = self._kit(
                "BoundedIntText",
                layout=None,
                description=name,
                min=0,
                max=_MOST,
                step=max(1, native // 8),
                tooltip=f"pixels to paint beyond the picture: {name}",
            )
            widget.layout.width, widget.style = "150px", {"description_width": "56px"}
            self._bind(name, widget, 0)

    def _make_factor(self) -> None:
        options = [(f"{n} times", n) for n in _FACTORS]
        tooltip = "how many times as many pixels a side"
        self._bind("factor", self._kit("Dropdown", options=options, tooltip=tooltip), 2)
        self._widgets["factor"].description = "factor"

    def _bind(self, name: str, widget: Any, default: Any) -> None:
        self._defaults[name], self._widgets[name] = default, widget
        widget.observe(lambda change: self._set(name, change["new"]), "value")

    def _set(self, name: str, value: Any) -> None:
        held = self._panel.inputs.get(name, self._defaults[name])
        if value != held:
            self._panel.give(name, None if value == self._defaults[name] else value)

    def refresh(self) -> None:
        """Show what the panel was given by code, too."""
        for name, widget in self._widgets.items():
            value = self._panel.inputs.get(name, self._defaults[name])
            if isinstance(value, int):
                write(widget, value=value)
