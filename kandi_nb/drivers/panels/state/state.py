"""What is set in a panel: its task, model, settings and inputs, and what is wrong with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ....model.loading.kandinsky import Kandinsky
from ....words.bounds import whole
from ....words.errors import KandiError, quote, warn
from ....words.fields import FIELDS, check_value
from ....words.params import Params
from ....words.tasks import SIDES
from .calls import Call, check_able
from .examples import FIRST
from .history import Run
from .settings import idle

Task = Callable[..., Any]
_HOW_FAR = (*SIDES, "aspect", "size")  # ways to say how far a picture grows


class State:
    """Hold everything that can be set; whoever shows it is told of changes by `on_change`."""

    def __init__(self, calls: Sequence[Call], models: Sequence[Kandinsky]) -> None:
        self.calls = {call.name: call for call in calls}
        self.models = list(models)
        self.call, self._k = calls[0], self.models[0]
        self.problems: dict[str, str] = {}  # name of a setting or input → what a run said of it
        self.faults: dict[str, str] = {}  # the same of what was typed and is no value
        self.lock = threading.RLock()
        self.on_change: Callable[[], None] | None = None
        self._values = Params().to_dict()
        self._inputs: dict[str, Any] = {}
        self._preview, self._folder = 5, "outputs"
        self._locked = True
        self.own: set[str] = set()  # settings that somebody set on the page

    # --- settings ---

    @property
    def params(self) -> Params:
        """Return all settings; set them by a `Params`: `panel.params.replace(seed=7)`."""
        return Params.from_dict(self._values)

    @params.setter
    def params(self, params: Params) -> None:
        if not isinstance(params, Params):
            raise KandiError(
                "a panel's params are kn.Params, such as panel.params.replace(seed=7), not "
                f"{quote(params)}"
            )
        without = idle(self.call.name, self._k.spec.roles)
        left = [n for n, default in without.items() if getattr(params, n) != default]
        if left:
            warn(f"{self.call.name} with {self._k.spec.key} does not use {', '.join(left)}")
        self._set_values(params.to_dict())

    def change(self, name: str, value: Any) -> None:
        """Set one setting by its name; raise KandiError for what it cannot be."""
        self._set_values({name: check_value(name, value)})

    def resize(self, width: int | None, height: int | None) -> None:
        """Set width and height together; None leaves them to model and task."""
        self._set_values({"width": width, "height": height})

    def _set_values(self, values: Mapping[str, Any]) -> None:
        with self.lock:
            wanted = {**self._values, **values}
            Params.from_dict(wanted)  # some exclude each other
            self._values = wanted
            self._tell_change(*values)

    # --- inputs ---

    @property
    def inputs(self) -> dict[str, Any]:
        """Return name → what the task starts from; set it by such a dict."""
        return dict(self._inputs)

    @inputs.setter
    def inputs(self, inputs: Mapping[str, Any]) -> None:
        given = {name: value for name, value in dict(inputs).items() if value is not None}
        for name in given:
            if not any(call.takes(name) for call in self.calls.values()):
                self.call.check([name])
        with self.lock:
            self._inputs = given
            self._forget_faults()
            self._tell_change()

    def give(self, name: str, value: Any) -> None:
        """Set one input by its name; None takes it away."""
        self.inputs = {**self._inputs, name: value}

    # --- task and model ---

    @property
    def task(self) -> Task:
        """Return the task; set it by one of those, or their names, that the panel offers."""
        return self.call.function

    @task.setter
    def task(self, task: Task | str) -> None:
        for call in self.calls.values():
            if task in (call.function, call.name):
                self._turn_to(call, self._k)
                return
        raise KandiError(f"this panel has the tasks {', '.join(self.calls)}, not {quote(task)}")

    @property
    def k(self) -> Kandinsky:
        """Return the model; set it by one of those that the panel was made with."""
        return self._k

    @k.setter
    def k(self, k: Kandinsky) -> None:
        if not any(k is model for model in self.models):
            keys = ", ".join(model.spec.key for model in self.models)
            raise KandiError(f"this panel has the models {keys}, not {quote(k)}")
        self._turn_to(self.call, k)

    def _turn_to(self, call: Call, k: Kandinsky) -> None:
        check_able(call, k)
        with self.lock:
            self.call, self._k = call, k
            self._tell_change(*self.problems)

    # --- what is no setting of a picture ---

    @property
    def locked(self) -> bool:
        """Return whether the Run button keeps the seed, or takes another one each time."""
        return self._locked

    @locked.setter
    def locked(self, locked: bool) -> None:
        self._locked = bool(locked)
        self._tell_change()

    @property
    def preview(self) -> int:
        """Return every how many steps the background run shows its pictures; 0: never."""
        return self._preview

    @preview.setter
    def preview(self, every: int) -> None:
        says = "preview is a number of steps, 0 for never"
        self._preview = whole("preview", every, says=says)
        self._tell_change("preview")

    @property
    def folder(self) -> str | None:
        """Return the folder that Save writes to; None: there is no Save."""
        return self._folder

    @folder.setter
    def folder(self, folder: Any) -> None:
        self._folder = None if folder is None else str(folder)
        self._tell_change("folder")

    # --- what is wrong ---

    def complain(self, name: str, fault: str) -> None:
        """Note that what was typed for a setting or input is no value of it: nothing runs."""
        with self.lock:
            self.problems.pop(name, None)
            self.faults[name] = fault
            self._tell()

    def reason(self) -> tuple[str, str] | None:
        """Return the name of what keeps a run from beginning and why, None if nothing does."""
        for name, fault in self.faults.items():
            return name, fault
        return next(iter(self.missing.items()), None)

    @property
    def missing(self) -> dict[str, str]:
        """Return name → what is said of all that a run cannot do without and does not have."""
        call, found = self.call, {}
        if call.prompt and "embedding" not in self._inputs and not self._values["prompt"]:
            found["prompt"] = f'prompt is empty; say what to draw, for example "{FIRST}"'
        for name in call.needed:
            if name not in self._inputs:
                how = "drop one onto the panel, or " if name in call.pictures else ""
                found[name] = (
                    f'{call.name} needs {_article(name)}: {how}panel.give("{name}", …)'
                )
        if set(SIDES) <= set(call.others) and not any(map(self._inputs.get, _HOW_FAR)):
            found["left"] = (
                f'{call.name} needs to know how far: drag a side, or panel.give("right", 64)'
            )
        return found

    def as_run(self) -> Run:
        """Return what is set as a run, or raise KandiError for what keeps it from beginning.

        Settings that the task does not use stay behind, for another task.
        """
        with self.lock:
            if reason := self.reason():
                raise KandiError(reason[1], about=reason[0])
            without = idle(self.call.name, self._k.spec.roles)
            params = Params.from_dict({**self._values, **without})
            inputs = {n: held for n, held in self._inputs.items() if self.call.takes(n)}
            return Run(self.call, self._k, params, inputs)

    def _tell_change(self, *names: str) -> None:
        """Forget what was wrong with some settings, and tell whoever shows them."""
        for name in names:
            self.problems.pop(name, None)
            self.faults.pop(name, None)
        self._tell()

    def _forget_faults(self) -> None:
        """Forget what was said of other inputs: a fault of one may be mended by another."""
        for name in [n for n in (*self.problems, *self.faults) if n not in FIELDS]:
            self.problems.pop(name, None)
            self.faults.pop(name, None)

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"
