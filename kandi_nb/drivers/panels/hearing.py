"""What a page says to a panel, by messages that may hold anything."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...pictures.pixels import is_picture
from ...pictures.recipe import recipe_of
from ...words.errors import KandiError, heard_by
from ...words.fields import FIELDS
from ...words.params import SEEDS, random_seed
from ...words.tasks import INPUTS
from ..widgets.encoding import message_of
from .form import choice, read, shapes
from .state.examples import EXAMPLES, example
from .state.history import EACH
from .state.uploads import UploadReceiver, whole_picture
from .state.wording import sentence

if TYPE_CHECKING:
    from .view import View

_ASKED = "This picture holds its settings. Start from it, or take its settings?"


class Hearing:
    """Do what the messages of a panel's widgets ask for; others change nothing."""

    def __init__(self, view: View) -> None:
        self.view, self.panel = view, view.panel
        self._uploads: dict[int, UploadReceiver] = {}  # by widget: each sends its own
        self._turns = dict.fromkeys(EXAMPLES, 0)
        self._offered: Any = None  # a picture with a recipe, until it is said what it is for
        self._acts: dict[str, Callable[[Mapping], Any]] = {
            "set": self._set,
            "roll": self._roll,
            "language": self._language,
            "example": lambda message: self._example(message.get("value")),
            "remove": self._remove,
            "run": lambda message: self._run(),
            "stop": lambda message: self.panel.stop(),
            "use": self._use,
            "show": self._show,
            "all": lambda message: self._apart(False),
            "back": lambda message: self._back(),
            "step": self._step,
            "pick": self._pick,
            "go": self._go,
            "save": lambda message: self._save(),
            "keep": lambda message: self.panel.keep(),
            "answer": self._answer,
        }

    def __call__(self, widget: Any, message: Any, buffers: Sequence[Any]) -> None:
        """Handle a message of the browser."""
        message = message_of(message)
        if not message:
            return
        kind = message["kind"]
        receiver = self._uploads.setdefault(
            id(widget), UploadReceiver(self._take, self.panel.translate.whole)
        )
        if not receiver(widget, message, buffers) and kind in self._acts:
            name = message.get("name")
            self.view.doing(
                name if isinstance(name, str) else "", lambda: self._acts[kind](message)
            )

    # --- settings ---

    def _set(self, message: Mapping) -> None:
        name, value = message.get("name"), message.get("value")
        panel = self.panel
        if name in FIELDS:
            panel.change(name, read(name, value))
            panel.own.add(name)
        elif name == "shape" and value in shapes(panel.k.spec.native_size):
            width, height = shapes(panel.k.spec.native_size)[value]
            panel.resize(width, height)
            panel.own |= {"width", "height"}
        elif name == "locked":
            panel.locked = value is True
        elif name == "preview":
            panel.preview = value
        elif name == "task" and value in panel.calls:
            panel.task = value
        elif name == "model" and isinstance(value, int) and 0 <= value < len(panel.models):
            panel.k = panel.models[value]
        elif isinstance(name, str) and name in INPUTS and INPUTS[name].choices:
            panel.give(name, choice(panel.call, name, value))

    def _roll(self, message: Mapping) -> None:
        if message.get("name") in SEEDS:
            self.panel.change(message["name"], random_seed())

    def _language(self, message: Mapping) -> None:
        language = message.get("value")
        if language in EXAMPLES:
            text = example(self.panel.k.spec, language, self._turns[language])
            self._turns[language] += 1
            self._example(text)

    def _example(self, text: Any) -> None:
        if isinstance(text, str):
            self.panel.change("prompt", text)
            self.panel.own.add("prompt")

    # --- runs ---

    def _run(self) -> None:
        if not self.panel.locked and not self.panel.running:
            self.panel.change("seed", random_seed())
        if self.panel.start():
            self.view.looking, self.view.guest, self.view.apart = True, None, False
            self.view.refresh()

    def _save(self) -> None:
        printed, heard = io.StringIO(), []
        try:
            # What a button prints lands below some cell or none.
            with contextlib.redirect_stdout(printed), heard_by(heard.append):
                paths = [str(path) for path in self.panel.save()]
        except KandiError as error:
            self.view.stage.note = [self.panel.translate.whole(sentence(str(error))), True]
        else:
            said = self.panel.translate("saved {files}", files=", ".join(paths))
            lines = [said, *printed.getvalue().splitlines(), *heard]
            self.view.stage.note = ["; ".join(lines), False]

    # --- pictures ---

    def _remove(self, message: Mapping) -> None:
        if message.get("name") in self.panel.inputs:
            self.panel.give(message["name"], None)

    def _use(self, message: Mapping) -> None:
        """Take a picture of the film as an input, or onto the stage."""
        name, number = message.get("name"), message.get("number")
        around = self.view.around
        if not isinstance(number, int) or isinstance(number, bool):
            return
        found = around.picture(number) if around.picture else self._of_history(number)
        if found is None:
            return
        if name in self.panel.call.pictures:
            self._give(name, found)
        elif name == "stage":
            if "image" in self.panel.call.pictures:
                self._give("image", found)
            else:
                self.view.look(found)

    def _of_history(self, number: int) -> Any:
        run, index = divmod(number, EACH)
        known = {run.number: run for run in self.panel.history.runs}
        return known[run].result[index] if run in known else None

    def _give(self, name: str, value: Any) -> None:
        """Hand a picture to the panel; a mask that was painted for another size goes."""
        old = name == "image" and self.view.brush and self.view.brush.outgrown(value)
        self.panel.inputs = {
            **self.panel.inputs,
            **({"mask": None} if old else {}),
            name: value,
        }

    def _take(self, target: str, file: str, data: bytes) -> str:
        """Take a file for an input or for the stage; return what to say of it."""
        heard: list[str] = []
        with heard_by(heard.append):
            whole = whole_picture(data, file)
            if target == "stage":
                return "; ".join([self._on_stage(whole, file), *heard])
            if target not in self.panel.call.pictures:
                raise KandiError(f"{file} fits nowhere here; drop it on the picture")
            if target != "mask":  # a mask's transparency means something, and Mask asks what
                whole = picture(whole, target)
        whole.info["file"] = file
        with self.panel.lock:
            self._give(target, whole)
        return "; ".join([self._size_of(whole, file), *heard])

    def _on_stage(self, whole: Any, file: str) -> str:
        starts = "image" in self.panel.call.pictures
        if recipe_of(whole) is None:
            if not starts:
                raise KandiError(
                    f"{file} holds no settings that could come back; another tab starts from it"
                )
            return self._start(whole, file)
        if starts:
            self._offered = whole, file
            self.view.stage.ask = self.panel.translate.whole(_ASKED)
            return file
        return self._settings(whole, file)

    def _start(self, whole: Any, file: str) -> str:
        flat = picture(whole, "image")
        flat.info["file"] = file
        with self.panel.lock:
            self._give("image", flat)
        return self._size_of(flat, file)

    def _size_of(self, picture: Any, file: str) -> str:
        translate, (width, height) = self.panel.translate, picture.size
        words = {"file": file, "width": width, "height": height}
        return translate("{file}, {width} × {height} pixels", **words)

    def _settings(self, whole: Any, file: str) -> str:
        with self.panel.lock:
            notes = self.panel.recall(whole)
        translate = self.panel.translate
        back = translate("the settings of {file} are back", file=file)
        return "; ".join([back, *map(translate.whole, notes)])

    def _answer(self, message: Mapping) -> None:
        offered, self._offered = self._offered, None
        self.view.stage.ask = ""
        act = {"start": self._start, "settings": self._settings}.get(str(message.get("value")))
        if offered is None or act is None:
            return
        with heard_by(lambda _: None):
            self.view.stage.note = [act(*offered), False]

    # --- what is looked at ---

    def _apart(self, apart: bool) -> None:
        self.view.apart = apart
        self.view.refresh()

    def _show(self, message: Mapping) -> None:
        number = message.get("value")
        chosen = self.panel.history.chosen
        if chosen is not None and isinstance(number, int) and 0 <= number < len(chosen.result):
            self.panel.history.index = number
            self._apart(True)

    def _back(self) -> None:
        self.view.looking = not self.view.looking
        self.view.refresh()

    def _step(self, message: Mapping) -> None:
        by = message.get("value")
        if by not in (-1, 1):
            return
        history, view = self.panel.history, self.view
        chosen = history.chosen
        several = view.mode == "view" and view.guest is None and chosen is not None
        if several and 0 <= history.index + by < len(chosen.result):
            history.index += by
            view.refresh()
        elif view.around.step is not None:
            view.around.step(by)
        elif view.strip and (number := view.strip.neighbour(by)) is not None:
            self._pick({"number": number})

    def _pick(self, message: Mapping) -> None:
        number = message.get("number")
        if isinstance(number, int) and not isinstance(number, bool):
            run, index = divmod(number, EACH)
            with heard_by(lambda _: None):
                self.panel.recall(run, index)
            self.view.guest, self.view.looking, self.view.apart = None, True, True
            self.view.refresh()

    def _go(self, message: Mapping) -> None:
        name, shown = message.get("value"), self.view.picture
        if not is_picture(shown):
            return
        if name == "here":
            self._give("image", shown)
        elif self.view.around.go is not None and name in dict(self.view.around.onward):
            self.view.around.go(shown, name)
