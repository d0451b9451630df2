"""`studio`: every task of a model in tabs, made of panels, with one gallery for all."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...tasks.checks import check_prior
from ...tasks.edit import edit
from ...tasks.embeddings.mixtures import MIXERS
from ...tasks.generate import generate
from ...tasks.inpaint import inpaint
from ...tasks.outpaint import outpaint
from ...tasks.upscale import upscale
from ...words.errors import KandiError, did_you_mean, shown
from ...words.params import Params
from ..panels.calls import call_of, check_able, possible
from ..panels.examples import FIRST
from ..panels.kit import Kit, show, write
from ..panels.panel import panel
from ..widgets.place import replaced, watched
from .bar import bar_class
from .compare import Rival, comparison, rivals
from .gallery import Gallery
from .mixing import Mixing, MixTab
from .tabs import GalleryTab, PanelTab

if TYPE_CHECKING:
    from PIL.Image import Image

_TASKS = {
    "generate": ("Generate", generate),
    "edit": ("Edit", edit),
    "inpaint": ("Inpaint", inpaint),
    "outpaint": ("Outpaint", outpaint),
    "upscale": ("Enlarge", upscale),
}


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
    pictures of the session, oldest first. A `kn.Client` draws elsewhere; what a service does
    not do has no tab. Raises KandiError for what is no loaded model.
    """
    check_able(call_of(generate), k)
    if watched() and importlib.util.find_spec("anywidget") is None:
        raise KandiError("the studio needs one more package: pip install anywidget")
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
        self._tabs = self._offered(models)
        self._made: dict[str, Any] = {}
        self._boxes: dict[str, Any] = {}
        self._kit: Kit | None = None
        self._bar: Any = None

    def __repr__(self) -> str:
        return f"Studio({self.k.spec.key}: {', '.join(self)})"

    # --- what there is ---

    def _offered(self, models: list[Rival]) -> dict[str, _Tab]:
        tabs = {
            name: _Tab(title, lambda task=task: self._panel(task), "image" in call.pictures)
            for name, (title, task) in _TASKS.items()
            if possible(call := call_of(task), self.k)
        }
        here = isinstance(
            self.k, Kandinsky
        )  # a service neither mixes for a client nor compares
        if here and _mixes(self.k):
            tabs["mix"] = _Tab("Mix", self._mixing, True)
        if here and models:
            task = comparison(models)
            tabs["compare"] = _Tab("Compare", lambda: self._panel(task))
        tabs["gallery"] = _Tab("Gallery", lambda: GalleryTab(self.gallery))
        return tabs

    def _panel(self, task: Any) -> PanelTab:
        made = panel(task, self.k, self._params)
        made.folder = self._folder
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
            raise KandiError(
                f"this studio has no tab {shown(name)}; {hint}it has: {', '.join(self)}"
            )
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
            box = self._kit("VBox", layout=None, children=[self._shown(name, tab)])
            box.add_class("kandi-tab")
            box.add_class(f"kandi-tab-{name}")
            self._boxes[name] = box
            self._body.children = (*self._body.children, box)
        for other, box in self._boxes.items():
            show(box, other == name)
        write(self._bar, wanted=name, shown=name, fault="")

    def _lend(self, name: str, tab: Any) -> None:
        """Let a tab that nobody gave a picture start from the latest one."""
        latest, takes = self.gallery.latest, self._tabs[name].takes
        if latest is None or not takes or not isinstance(tab, PanelTab):
            return
        if "image" not in tab.control.inputs:
            tab.take(latest)

    def _shown(self, name: str, tab: Any) -> Any:
        takers = [
            (other, known.title)
            for other, known in self._tabs.items()
            if known.takes and other != name
        ]
        return tab.view(self._kit, takers, self._use)

    def _use(self, picture: Any, name: str) -> None:
        try:
            self.use(picture, name)
        except KandiError as error:
            write(self._bar, fault=str(error))

    def _wanted(self, change: dict[str, Any]) -> None:
        if change["new"] in self._tabs and change["new"] != self._bar.shown:
            self.open(change["new"])

    # --- what is seen ---

    def view(self) -> Any:
        """Return the widget, made now if there is none."""
        if self._kit is None:
            self._kit = Kit()
            titles = [[name, tab.title] for name, tab in self._tabs.items()]
            self._bar = self._kit.keep(bar_class()(tabs=titles))
            self._bar.observe(self._wanted, "wanted")
            self._body = self._kit("VBox", layout=None)
            self._root = self._kit("VBox", children=[self._bar, self._body])
            self._root.add_class("kandi-studio")
            self.open(next(iter(self)))
        return self._root

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if not watched():
            return {"text/plain": repr(self)}
        for old in replaced(self):
            old.close()
        return {**self.view()._repr_mimebundle_(), "text/plain": repr(self)}

    def close(self) -> None:
        """End what runs and remove the widgets; settings and pictures stay."""
        for tab in self._made.values():
            tab.close()
        kit, self._kit, self._boxes = self._kit, None, {}
        if kit is not None:
            kit.close()


def _mixes(k: Any) -> bool:
    try:
        check_prior(k, MIXERS)
    except KandiError:
        return False
    return True
