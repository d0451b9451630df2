"""`studio`: every task of a model in tabs, made of panels, with one gallery for all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...tasks.checks import every_task
from ...tasks.embeddings.mixtures import check_mixes
from ...tasks.generate import generate
from ...words.errors import KandiError, Unsupported, did_you_mean, quote
from ...words.extras import check_extra
from ...words.params import Params
from ...words.tasks import TASKS
from ..panels.kit import Kit, show, write
from ..panels.panel import panel
from ..panels.state.calls import call_of, check_able, possible
from ..panels.state.examples import FIRST
from ..panels.state.history import Around
from ..widgets.encoding import message_of
from ..widgets.place import earlier_shown, is_visited, is_watched
from .compare import Rival, comparison, rivals
from .gallery import Entry, Gallery, GalleryView
from .mixing import Mixing, MixTab
from .tabs import NO_RIVALS, GalleryTab, PanelTab, WhyNot, runs_of

if TYPE_CHECKING:
    from PIL.Image import Image


def studio(
    k: Kandinsky,
    params: Params | None = None,
    *,
    models: Sequence[Rival] | None = None,
    folder: str | os.PathLike | None = "outputs",
) -> Studio:
    """Make tabs for all that a model can do, which show themselves in a notebook.

    Each task has the tab of its name; `mix` mixes, `compare` draws the same with `models`
    (None: those of its kind that are here), and `gallery` keeps what all of them drew.
    `params` are the settings to begin with. Save buttons write to `folder`; None leaves them
    out, for a page of visitors. `studio["edit"]` is the panel of a tab, made when it is first
    asked for, `studio.use(picture, "edit")` hands a picture over, `studio.pictures` are all
    pictures of the session, oldest first. A `kn.Client` draws elsewhere; it compares with
    `models` that are given, such as clients of other services. Raises KandiError for what is
    no loaded model.
    """
    check_able(call_of(generate), k)
    check_extra(
        "notebook", "the studio", "ipywidgets", *(["anywidget"] if is_watched() else [])
    )
    begin = Params(FIRST) if params is None else params
    return Studio(k, begin, rivals(k) if models is None else list(models), folder)


@dataclass(frozen=True)
class _Tab:
    """Say how a tab is called and made; `takes` tells whether a picture can be handed to it."""

    title: str
    make: Callable[[], Any]
    takes: bool = False


class Studio:
    """Hold the tabs of a model; make it by `kn.studio`."""

    def __init__(
        self,
        k: Kandinsky,
        params: Params,
        models: list[Rival],
        folder: str | os.PathLike | None,
    ) -> None:
        self.k, self._params, self._folder = k, params, folder
        self.gallery = Gallery()
        self._tabs = self._tabs_for(models)
        self._made: dict[str, Any] = {}
        self._boxes: dict[str, Any] = {}
        self._kit: Kit | None = None
        self._bar: Any = None

    def __repr__(self) -> str:
        return f"Studio({self.k.spec.key}: {', '.join(self)})"

    # --- what there is ---

    def _tabs_for(self, models: list[Rival]) -> dict[str, _Tab]:
        # A service may be of another version, or have tasks of somebody else's.
        tasks = every_task()
        served = getattr(self.k, "endpoints", [f"/{name}" for name in (*tasks, "mix")])
        tabs = {
            name: _Tab(
                row.title or name,
                lambda task=row.function: self._panel(task),
                row.starts_from_picture,
            )
            for name, row in tasks.items()
            if row.title and f"/{name}" in served and possible(call_of(row.function), self.k)
        }
        if _mixes(self.k) and "/mix" in served:
            tabs["mix"] = _Tab("Mix", self._mixing, True)
        if models:
            task = comparison(models)
            tabs["compare"] = _Tab("Compare", lambda: self._panel(task))
        elif not isinstance(self.k, Kandinsky):
            tabs["compare"] = _Tab("Compare", lambda: WhyNot(NO_RIVALS))
        tabs["gallery"] = _Tab("Gallery", lambda: GalleryTab(self.gallery))
        return tabs

    def _panel(self, task: Any) -> PanelTab:
        made = panel(task, self.k, self._params)
        made.folder = self._folder
        made.locked = not is_visited()  # on a page of its own each run draws another picture
        return PanelTab(made, self.gallery)

    def _mixing(self) -> MixTab:
        return MixTab(Mixing(self.k, self.gallery, self._params))

    def __iter__(self) -> Iterator[str]:
        return iter(self._tabs)

    def __len__(self) -> int:
        return len(self._tabs)

    def __getitem__(self, name: str) -> Any:
        """Return what a tab controls, made when it is first asked for: a panel, mostly."""
        return self._tab(name).control

    def _tab(self, name: str) -> Any:
        if name not in self._tabs:
            hint = did_you_mean(name, self._tabs) if isinstance(name, str) else ""
            kind = Unsupported if name in (*TASKS, "mix", "compare") else KandiError
            raise kind(f"this studio has no tab {quote(name)}; {hint}it has: {', '.join(self)}")
        if name not in self._made:
            self._made[name] = self._tabs[name].make()
        return self._made[name]

    @property
    def opened(self) -> list[str]:
        """Return the names of the tabs that were asked for: the others hold nothing yet."""
        return [name for name in self if name in self._made]

    @property
    def pictures(self) -> list[Image]:
        """Return all pictures of the session, oldest first, each with its recipe."""
        return [entry.picture for entry in self.gallery.entries]

    # --- what is done ---

    def use(self, picture: Any, name: str) -> None:
        """Hand a picture to a tab and open it: to start from, or as one more to mix."""
        tab = self._tab(name)
        if not self._tabs[name].takes:
            able = ", ".join(other for other in self if self._tabs[other].takes)
            raise KandiError(f"{name} starts from no picture; tabs that do: {able}")
        tab.take(picture)
        self.open(name)

    def open(self, name: str) -> None:
        """Show a tab, which is filled when it is first opened."""
        tab = self._tab(name)
        if self._kit is None:
            return
        if name not in self._boxes:
            self._lend(name, tab)
            box = self._kit("VBox", layout=None, children=[self._show(name, tab)])
            box.add_class("kandi-tab")
            box.add_class(f"kandi-tab-{name}")
            self._boxes[name] = box
        for other, box in self._boxes.items():
            if other != name:  # before this one comes: no moment shows two
                show(box, False)
        show(self._boxes[name], True)
        if self._boxes[name] not in self._body.children:
            self._body.children = (*self._body.children, self._boxes[name])
        self._refresh_gallery()
        write(self._bar, wanted=name, shown=name, fault="")

    def _lend(self, name: str, tab: Any) -> None:
        """Let a tab that nobody gave a picture start from the latest one."""
        latest, takes = self.gallery.latest, self._tabs[name].takes
        if latest is None or not takes or not isinstance(tab, PanelTab):
            return
        if "image" not in tab.control.inputs:
            tab.take(latest)

    def _show(self, name: str, tab: Any) -> Any:
        from .bar import examples

        onward = [
            (other, known.title)
            for other, known in self._tabs.items()
            if known.takes and other != name
        ]
        around = Around(
            onward=onward,
            go=self._use,
            film=self._films.film,
            picture=self._picture,
            step=self._films.step,
            prompts=lambda: [r.params.prompt for r in self._runs() if r.params.prompt],
            runs=self._runs,
            examples=examples(self.k.spec),
        )
        if isinstance(tab, GalleryTab):
            tab.films = self._films
        return tab.view(self._kit, around)

    def _picture(self, number: int) -> Image | None:
        entry = self.gallery.entry(number)
        return entry and entry.picture

    def _runs(self) -> list[Any]:
        return runs_of(self._made.values(), self.gallery)

    def _look_at(self, entry: Entry) -> None:
        """Show a picture of the film in the tab that is open."""
        tab = self._made.get(self._bar.shown)
        if tab is not None:
            tab.look(entry.picture)

    def _refresh_gallery(self) -> None:
        self._films.refresh()
        count = len(self.gallery.entries)
        write(self._bar, count=count)
        tab = self._made.get("gallery")
        if tab is not None and tab.films is not None and "gallery" in self._boxes:
            tab.look(None)

    def _use(self, picture: Any, name: str) -> None:
        try:
            self.use(picture, name)
        except KandiError as error:
            write(self._bar, fault=str(error))

    def _on_wanted(self, change: dict[str, Any]) -> None:
        if change["new"] in self._tabs and change["new"] != self._bar.shown:
            self.open(change["new"])

    def _on_message(self, _: Any, message: Any, buffers: Any) -> None:
        message = message_of(message)
        if message.get("kind") == "open" and message.get("name") in self._tabs:
            self.open(message["name"])

    # --- what is seen ---

    def view(self) -> Any:
        """Return the widget, made now if there is none."""
        from .bar import Bar

        if self._kit is None:
            self._kit = Kit()
            titles = [[name, tab.title] for name, tab in self._tabs.items()]
            facts = f"{self.k.spec.key} · {self.k.spec.native_size} px"
            self._bar = self._kit.keep(Bar(tabs=titles, facts=facts))
            self._bar.observe(self._on_wanted, "wanted")
            self._bar.on_msg(self._on_message)
            self._films = GalleryView(self.gallery, self._kit, self._look_at)
            self.gallery.changed = self._refresh_gallery
            self._body = self._kit("VBox", layout=None)
            self._body.add_class("kandi-body")
            self._root = self._kit("VBox", children=[self._bar, self._body])
            self._root.add_class("kandi-studio")
            self.open(next(iter(self)))
        return self._root

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if not is_watched():
            return {"text/plain": repr(self)}
        for old in earlier_shown(self):
            old.close()
        return {**self.view()._repr_mimebundle_(), "text/plain": repr(self)}

    def close(self) -> None:
        """End what runs and remove the widgets; settings and pictures stay."""
        for tab in self._made.values():
            tab.close()
        kit, self._kit, self._boxes = self._kit, None, {}
        self.gallery.changed = lambda: None
        if kit is not None:
            kit.close()


def _mixes(k: Any) -> bool:
    try:
        check_mixes(k)
    except KandiError:
        return False
    return True
