"""The rows of a panel that are no setting: help with the prompt, Run and Stop, Save."""

from __future__ import annotations

import contextlib
import html
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, heard_by
from .examples import EXAMPLES, advice, example
from .kit import Kit, notes, problem, show, write
from .settings import used_fields

if TYPE_CHECKING:
    from .panel import Panel

Doing = Callable[[str, Callable[[], Any]], None]  # a name to blame, and what to do
WAITING = "waiting for the model, which another run holds"


class PromptHelp:
    """Offer a prompt in each language; say what the model knows, and not, of what is typed."""

    def __init__(self, panel: Panel, kit: Kit, doing: Doing) -> None:
        self.panel, self._doing = panel, doing
        self._advised: Any = None  # model and prompt of the advice that is shown
        self._described: Any = None  # the model whose vocabulary is shown
        self._turns = dict.fromkeys(EXAMPLES, 0)
        self.buttons = {language: self._button(kit, language) for language in EXAMPLES}
        self.advice, self.known = kit("HTML", layout=None), kit("HTML")
        examples = kit("HBox", layout="row", children=list(self.buttons.values()))
        self.widgets = [examples, self.advice, self.known]

    def _button(self, kit: Kit, language: str) -> Any:
        called, _ = EXAMPLES[language]
        button = kit("Button", layout="own", description=called)
        button.tooltip = f"an example in {called}; again: another one"
        button.on_click(lambda _: self._doing("prompt", lambda: self._put(language)))
        return button

    def _put(self, language: str) -> None:
        text = example(self.panel.k.spec, language, self._turns[language])
        self._turns[language] += 1
        self.panel.change("prompt", text)

    def refresh(self) -> None:
        """Let both lines fit the model and the prompt."""
        spec, prompt = self.panel.k.spec, self.panel.params.prompt
        if self._advised != (spec.key, prompt):
            self._advised = spec.key, prompt
            doubt = advice(spec, prompt)
            show(self.advice, bool(doubt))
            write(self.advice, value=notes([doubt]) if doubt else "")
        if self._described is not spec:
            self._described = spec
            head = html.escape(f"What {spec.key} knows")
            body = spec.vocabulary._repr_html_()
            self.known.value = f"<details><summary>{head}</summary>{body}</details>"


class RunRow:
    """Run and Stop, how far it is, and below it the messages that no control is named in."""

    def __init__(self, panel: Panel, kit: Kit, doing: Doing) -> None:
        self.panel = panel
        self.run = kit("Button", layout="own", description="Run")
        self.run.button_style = "primary"
        self.stop = kit("Button", layout="own", description="Stop")
        self.run.tooltip = "draw with these settings"
        self.stop.tooltip = "stop this run; the model stays usable"
        self.run.on_click(lambda _: doing("", panel.start))
        self.stop.on_click(lambda _: panel.stop())
        self.bar = kit("IntProgress", layout=None, max=1)
        self.bar.layout.width, self.bar.layout.flex = "auto", "1 1 80px"
        self.time = kit("HTML", layout="own")
        self.message = kit("HTML", layout=None)
        parts = [self.run, self.stop, self.bar, self.time]
        self.widgets = [kit("HBox", layout="row", children=parts), self.message]

    def refresh(self, wrong: dict[str, str], held: bool) -> None:
        """Offer Run or Stop; `held` says that something keeps a run from beginning."""
        panel, running = self.panel, self.panel.running
        write(self.run, disabled=running or held)
        write(self.stop, disabled=not running)
        placed = {*used_fields(panel.call.name, panel.k.spec.roles), *panel.call.pictures}
        homeless = [text for name, text in wrong.items() if name not in placed]
        if panel.message:
            homeless.append(panel.message)
        text = "".join(map(problem, homeless)) + notes([] if running else panel.notes)
        show(self.message, bool(text))
        write(self.message, value=text)
        if not running:
            write(self.bar, value=0)
            write(self.time, value="")
        elif not self.time.value:
            write(self.time, value=html.escape(WAITING))

    def progress(self, done: int, total: int, words: str) -> None:
        """Show how far the run is; called in its thread."""
        write(self.bar, max=max(1, total))
        write(self.bar, value=done)
        write(self.time, value=html.escape(words))


class SaveRow:
    """The folder, Save, and what became of it."""

    def __init__(self, panel: Panel, kit: Kit, doing: Doing) -> None:
        self.panel = panel
        self.folder = kit("Text", layout="grow", description="folder", continuous_update=False)
        save = kit("Button", layout="own", description="Save")
        save.tooltip = "write the pictures that are shown, with their recipes, to the folder"
        self.row = kit("HBox", layout=None, children=[self.folder, save])
        self.said = kit("HTML", layout=None)
        if panel.folder is not None:
            save.on_click(lambda _: self.save())
            self.folder.observe(
                lambda change: doing("folder", lambda: setattr(panel, "folder", change["new"])),
                "value",
            )
        # Whoever may not write to this machine's disk gets no widget that could be made to.
        self.widgets = [] if panel.folder is None else [self.row, self.said]

    def save(self) -> None:
        """Save what is shown and say where."""
        printed, heard = io.StringIO(), []
        try:
            # What a button prints lands below some cell or none.
            with contextlib.redirect_stdout(printed), heard_by(heard.append):
                paths = [str(path) for path in self.panel.save()]
        except KandiError as error:
            text = problem(str(error))
        else:
            text = notes(
                [f"saved {', '.join(paths)}", *printed.getvalue().splitlines(), *heard]
            )
        self.said.value = text
        show(self.said, True)

    def refresh(self) -> None:
        """Show the folder where there is something to save."""
        write(self.folder, value=self.panel.folder or "")
        show(self.row, self.panel.history.chosen is not None)

    def forget(self) -> None:
        """Take away what was said of another picture."""
        show(self.said, False)
