"""One control for each setting, made from its entry in `FIELDS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...words.fields import FIELDS
from ...words.seeds import random_seed
from .kit import Kit, problem, show, write
from .settings import SEEDS, SIZES, reach, seed_of, sizes, text_of

_AUTO = 0  # in a list, where None would mean that nothing is chosen
Tell = Callable[
    [str, Callable[[], Any]], None
]  # a setting's name, and what reads its new value


def control(name: str, kit: Kit, tell: Tell) -> Control:
    """Return the control of a setting; it calls `tell` when the user changes something."""
    setting = FIELDS[name]
    if name in SEEDS:
        return SeedControl(name, kit, tell)
    if name in SIZES:
        return SizeControl(name, kit, tell)
    if setting.type is str:
        return TextControl(name, kit, tell)
    return NumberControl(name, kit, tell)


class Control:
    """Hold a setting's widgets in `box`, below them a line for what is wrong with it."""

    def __init__(self, name: str, kit: Kit, tell: Tell) -> None:
        self.name, self.kit, self._tell = name, kit, tell
        self.setting = FIELDS[name]
        self.label = name.replace("_", " ")
        self._problem = kit("HTML", layout=None)
        row = kit("HBox", layout="row", children=self.widgets())
        self.box = kit("VBox", layout=None, children=[row, self._problem])

    def widgets(self) -> list[Any]:
        """Make the widgets."""
        raise NotImplementedError

    def show(self, value: Any) -> None:
        """Let the widgets show a value."""
        raise NotImplementedError

    def place(self, visible: bool, wrong: str | None) -> None:
        """Let the control be seen or not, with what is wrong."""
        show(self.box, visible)
        show(self._problem, bool(wrong))
        write(self._problem, value=problem(wrong))

    def changed(self, read: Callable[[Any], Any]) -> Callable[[Any], None]:
        """Return what an observer of a widget does: tell of what `read` makes of its value."""
        return lambda change: self._tell(self.name, lambda: read(change["new"]))


class TextControl(Control):
    """A text; the prompt has several lines."""

    def widgets(self) -> list[Any]:
        self.text = self.kit(
            "Textarea" if self.name == "prompt" else "Text",
            description=self.label,
            tooltip=self.setting.help,
            placeholder=self.setting.help,
            **({"rows": 2} if self.name == "prompt" else {}),
        )
        self.text.observe(self.changed(text_of), "value")
        return [self.text]

    def show(self, value: str | None) -> None:
        if text_of(self.text.value) != value:  # spaces are none, but stay while somebody types
            self.text.value = value or ""


class NumberControl(Control):
    """A slider with the number beside it; where None is allowed, a box that says so."""

    def widgets(self) -> list[Any]:
        kind = "Int" if self.setting.type is int else "Float"
        low, high, step = reach(self.name)
        # On the slider's own steps: the page moves other values there, and tells of it.
        middle = low + step * round((high - low) / 2 / step)
        self.slider = self.kit(
            f"{kind}Slider",
            layout="grow",
            min=low,
            max=high,
            step=step,
            value=round(middle) if kind == "Int" else round(middle, 6),
            description=self.label,
            tooltip=self.setting.help,
            readout=False,
        )
        self.number = self.kit(
            f"Bounded{kind}Text",
            layout="number",
            min=self.setting.low,
            max=self.setting.high,
            step=step,
            value=self.slider.value,
            tooltip=f"{self.label}: {self.setting.help}",
        )
        for part in (self.slider, self.number):  # browsers say 6.000000000000001
            part.observe(self.changed(lambda value: round(value, 6)), "value")
        self.auto = None
        if self.setting.optional:
            self.auto = self.kit("Checkbox", layout="own", description="auto", indent=False)
            self.auto.tooltip = f"{self.label}: let the task choose"
            self.auto.observe(
                self.changed(lambda automatic: None if automatic else self.number.value),
                "value",
            )
        return [self.slider, self.number, *([self.auto] if self.auto else [])]

    def show(self, value: float | None) -> None:
        if self.auto is not None:
            write(self.auto, value=value is None)
            write(self.slider, disabled=value is None)
            write(self.number, disabled=value is None)
        if value is None:
            return
        # A trait that is set beyond its limits is cut off: move those first.
        write(self.slider, min=min(value, reach(self.name)[0]), max=max(value, self.slider.max))
        write(self.slider, value=value)
        write(self.number, value=value)


class SeedControl(Control):
    """A whole number as text, for browsers keep only 53 of its 63 bits; and a die."""

    def widgets(self) -> list[Any]:
        self.text = self.kit(
            "Text",
            layout="grow",
            description=self.label,
            tooltip=self.setting.help,
            continuous_update=False,
        )
        die = self.kit("Button", layout="own", description="Roll")
        die.tooltip = f"another {self.label}"
        self.text.observe(self.changed(lambda typed: seed_of(self.name, typed)), "value")
        die.on_click(lambda _: self._tell(self.name, random_seed))
        return [self.text, die]

    def show(self, value: int) -> None:
        write(self.text, value=str(value))


class SizeControl(Control):
    """A list of sizes that suit the model; None is what it would choose."""

    def widgets(self) -> list[Any]:
        self.native = 0
        self.choice = self.kit("Dropdown", description=self.label, tooltip=self.setting.help)
        self.choice.observe(self.changed(lambda pixels: pixels or None), "value")
        return [self.choice]

    def suit(self, native: int) -> None:
        """Offer the sizes of a model with that native size."""
        if native != self.native:
            self.native = native
            self._offer(sizes(native), self.choice.value)

    def show(self, value: int | None) -> None:
        if value and value not in dict(self.choice.options).values():
            self._offer(sorted({*sizes(self.native), value}), value)
        write(self.choice, value=value or _AUTO)

    def _offer(self, pixels: list[int], value: int) -> None:
        self.choice.options = [("auto", _AUTO), *((f"{n} px", n) for n in pixels)]
        self.choice.value = value if value in pixels else _AUTO
