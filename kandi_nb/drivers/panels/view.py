"""The parts of a panel as widgets: what is set goes in, what somebody does comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...pictures.images import picture
from ...words.errors import KandiError, heard_by
from ..widgets.encoding import thumbnail
from .brush import Brush, Framing, one_picture, takes_margins
from .cells import cell
from .form import form
from .kit import Kit, write
from .shown import Shown, Strip, beside, file_of, of_run, stage_entries
from .state.examples import advice
from .state.history import Around
from .state.settings import used_fields
from .state.wording import ACTIONS, MISSING, sentence, translate_form

if TYPE_CHECKING:
    from PIL.Image import Image

    from .state.runs import Runs

WAITING = "waiting for the model, which another run holds"
_EMPTY = {
    "title": "Nothing is drawn yet",
    "text": "Say what the picture shows, and press Draw.",
}
_START = {"title": MISSING["image"].rstrip(".")}


class View:
    """Show a panel. `box` is the widget; `refresh` brings it in line with what is set."""

    def __init__(self, panel: Runs, around: Around | None = None) -> None:
        from ..widgets.parts import Film, Rail, RunBar, Stage

        self.panel, self.kit, self.around = panel, Kit(), around or Around()
        self._writing = False
        self.looking = True  # at what was drawn, not at what it starts from
        self.apart = False  # one picture of several
        self.guest: Any = None  # a picture of another tab that is looked at
        self._sent: Any = None  # what the stage shows
        self._started: Any = None  # what the panel's image was
        self._small: dict[str, tuple[Any, str]] = {}  # name of an input → it and its thumbnail
        self.rail, self.runbar, self.stage = (self.part(made) for made in (Rail, RunBar, Stage))
        names = {name for call in panel.calls.values() for name in call.pictures}
        self.brush = Brush(panel, self.kit, self.doing) if {"image", "mask"} <= names else None
        framed = any(map(takes_margins, panel.calls.values()))
        self.framing = Framing(panel, self.kit, self.doing) if framed else None
        self.strip = None
        if self.around.film is None:
            film = self.part(Film, title=panel.translate("Drawn here"))
            self.strip = Strip(panel.history, film)
        self.box = self._laid_out()
        self.refresh()

    def part(self, made: type, **words: Any) -> Any:
        """Return a new widget of a class, which speaks the panel's language."""
        words["translation"] = self.panel.translate.for_page(made)
        return self.kit.keep(made(**words))

    def listen(self, hearing: Callable[[Any, Any, Any], None]) -> None:
        """Have what the page sends heard."""
        film = [self.strip.film] if self.strip else []
        for part in (self.rail, self.runbar, self.stage, *film):
            part.on_msg(hearing)

    def _laid_out(self) -> Any:
        kit = self.kit
        instead = [part.box for part in (self.brush, self.framing) if part]
        stage = kit("VBox", layout=None, children=[*instead, self.stage])
        stage.add_class("kandi-stagebox")
        film = self.strip.film if self.strip else self.around.film
        inner = kit("VBox", layout=None, children=[self.rail, self.runbar, stage, film])
        inner.add_class("kandi-panel")
        root = kit("VBox", layout=None, children=[inner])
        root.add_class("kandi-outer")
        return root

    def doing(self, name: str, act: Callable[[], Any]) -> None:
        """Do what the user asked for; a KandiError is a fault of the control of that name."""
        with self.panel.lock:
            if self._writing:
                return
            try:
                act()
            except KandiError as error:
                self.panel.complain(name, str(error))

    # --- what is shown ---

    def refresh(self) -> None:
        """Let every widget show what is set, and offer what can be done."""
        with self.panel.lock:
            if self._writing:
                return
            self._writing = True
            try:
                self._refresh()
            finally:
                self._writing = False

    def _refresh(self) -> None:
        panel = self.panel
        if panel.inputs.get("image") is not self._started:
            self._started = panel.inputs.get("image")
            self.looking, self.guest = self._started is None, None
        reason = panel.reason()
        wrong = {**panel.problems, **dict([reason] if reason else []), **panel.faults}
        with self.rail.hold_sync():
            made = form(panel, self._faults_of_rail(wrong), self._prompts())
            write(self.rail, form=translate_form(made, panel.translate))
            write(self.rail, thumbnails=self._thumbnails())
        self._show_stage()
        if self.strip:
            self.strip.refresh()
        self._show_runbar(wrong, reason)

    def _faults_of_rail(self, wrong: dict[str, str]) -> dict[str, str]:
        """Leave out what the stage shows itself: that nothing is painted or framed yet."""
        return {
            name: text
            for name, text in wrong.items()
            if name not in ("mask", "left", "image") or text != self.panel.missing.get(name)
        }

    def _prompts(self) -> list[str]:
        if self.around.prompts is not None:
            return self.around.prompts()
        return [
            run.params.prompt for run in reversed(self.panel.history.runs) if run.params.prompt
        ]

    def _thumbnails(self) -> dict[str, str]:
        """Return name → thumbnail of the inputs, each made once."""
        held = {name: self.panel.inputs.get(name) for name in self.panel.call.pictures}
        for name, value in held.items():
            if self._small.get(name, (None,))[0] is not value:
                self._small[name] = value, _small(value)
        return {name: self._small[name][1] for name, value in held.items() if value is not None}

    def _show_runbar(self, wrong: dict[str, str], reason: Any) -> None:
        panel, whole = self.panel, self.panel.translate.whole
        home = {*used_fields(panel.call.name, panel.k.spec.roles), *panel.call.pictures}
        doubt = advice(panel.k.spec, panel.params.prompt)  # the rail says it already
        said = [
            ["bad", whole(sentence(text))]
            for name, text in wrong.items()
            if name not in {*home, "left"}
        ]
        if panel.message:
            said.append(["bad", whole(sentence(panel.message))])
        if not panel.running:
            said += [["note", whole(sentence(line))] for line in panel.notes if line != doubt]
        words = {"action": whole(ACTIONS.get(panel.call.name, "Run")), "said": said}
        said_of = "" if reason is None else MISSING.get(reason[0], sentence(reason[1]))
        words["reason"] = whole(said_of)
        if not panel.running:
            words |= {"done": 0, "words": ""}
        elif not self.runbar.words:
            words["words"] = whole(WAITING)
        write(self.runbar, **words, running=panel.running)

    # --- the stage ---

    @property
    def in_view(self) -> Shown | None:
        """Return what can be looked at: another tab's picture, or what was drawn last."""
        if self.guest is not None:
            return Shown((self.guest,))
        chosen = self.panel.history.chosen
        return None if chosen is None else of_run(chosen)

    @property
    def picture(self) -> Image | None:
        """Return the picture that is shown, or was chosen last."""
        return self.guest if self.guest is not None else self.panel.history.picture

    def look(self, picture: Image) -> None:
        """Show a picture that another tab drew."""
        self.guest, self.looking = picture, True
        self.refresh()

    @property
    def mode(self) -> str:
        """Return what the stage does: empty, view, grid, paint or frame."""
        shown, call = self.in_view, self.panel.call
        if shown is not None and self.looking:
            return "grid" if len(shown.pictures) > 1 and not self.apart else "view"
        if one_picture(self.panel.inputs.get("image")) is not None:
            if "mask" in call.pictures and self.brush:
                return "paint"
            if takes_margins(call):
                return "frame"
            if call.takes("image"):
                return "view"
        return "empty"

    def _show_stage(self) -> None:
        panel, mode = self.panel, self.mode
        shown = self.in_view if self.looking else None
        if shown is None and mode == "view":
            shown = Shown((one_picture(panel.inputs["image"]),))
        index = panel.history.index if shown and shown.run and mode == "view" else 0
        words: dict[str, Any] = {"running": panel.running, "mode": mode}
        key = (mode, shown and tuple(map(id, shown.pictures)), index)
        if key != self._sent:
            self._sent = key
            words |= self._pictures(shown, index, mode)
        if not panel.running:
            words["preview"] = b""
        words |= self._around_it(shown, mode)
        with self.stage.hold_sync():
            write(self.stage, **words)
        for part, its in ((self.brush, "paint"), (self.framing, "frame")):
            if part:
                part.refresh(mode == its)

    def _pictures(self, shown: Shown | None, index: int, mode: str) -> dict[str, Any]:
        if shown is None or mode in ("paint", "frame", "empty"):
            return {"pictures": [], "shown": [], "index": 0, "before": b"", "proof": ""}
        before = shown.before(index) if mode == "view" else None
        return {
            "pictures": [file_of(picture) for picture in shown.pictures],
            "shown": stage_entries(shown),
            "index": index,
            "before": b"" if before is None else file_of(before),
            "proof": self.panel.translate.whole(shown.proof),
        }

    def _around_it(self, shown: Shown | None, mode: str) -> dict[str, Any]:
        panel, translate = self.panel, self.panel.translate
        run = shown.run if shown else None
        drawn = self.looking and shown is not None
        start = "image" in panel.call.pictures
        back = ""
        if drawn and start and "image" in panel.inputs:
            back = {
                "mask": translate("Paint on the mask"),
                "left": translate("Change the frame"),
            }.get(
                next((n for n in ("mask", "left") if panel.call.takes(n)), ""),
                translate("The picture before"),
            )
        elif not drawn and self.in_view is not None and mode != "empty":
            back = translate("Show what was drawn")
        onward = [["here", translate("Start from this")]] if drawn and start else []
        if drawn:
            onward += [[name, translate(title)] for name, title in self.around.onward]
        empty = {n: translate.whole(t) for n, t in (_START if start else _EMPTY).items()}
        examples = [] if start else [list(each) for each in self.around.examples]
        can_save = panel.folder is not None and run is not None
        return {
            "back": back,
            "onward": onward,
            "several": bool(drawn and shown and len(shown.pictures) > 1 and mode == "view"),
            "code": "" if run is None or panel.running else cell(run, self._runs(), panel),
            "keeps": panel.keeps and run is not None,
            "saves": translate("Save to {folder}", folder=panel.folder) if can_save else "",
            "empty": {**empty, "drops": start, "examples": examples},
        }

    def _runs(self) -> list[Any]:
        return (
            self.around.runs() if self.around.runs else list(reversed(self.panel.history.runs))
        )

    # --- what a run tells, in its thread ---

    def progress(self, done: int, total: int, words: str) -> None:
        """Show how far the run is."""
        words = self.panel.translate.whole(words)
        write(self.runbar, total=max(1, total), done=done, words=words)

    def preview(self, pictures: list[Image]) -> None:
        """Show unfinished pictures."""
        data, size = beside(pictures)
        write(self.stage, preview_size=list(size), preview=data)

    def close(self) -> None:
        """Remove all widgets."""
        self.kit.close()


def _small(held: Any) -> str:
    """Return a thumbnail of an input where it is one picture."""
    try:
        with heard_by(lambda _: None):
            return "" if held is None else thumbnail(picture(getattr(held, "image", held)))
    except KandiError:  # a list, or what the task will complain of
        return ""
