"""The models that the package knows: their roles, sizes, licences, and what they can do."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import KandiError, did_you_mean, shown
from .pins import PINS, PUBLISHER, Pin
from .tables import Table

WEIGHTS = Path(__file__).parent.parent / "mini" / "weights"
MINI_SIZE = 64  # pixels: the side of every picture the bundled models were trained on


@dataclass(frozen=True)
class Role:
    """Say what one pipeline of a model is: its checkpoint, its class, the tasks that it serves.

    `id` names a checkpoint on the hub, or the folder of a bundled model; `pipeline` a class of
    diffusers. Roles of one checkpoint share its files.
    """

    id: str
    pipeline: str
    tasks: tuple[str, ...] = ()


FIRST = ("prior", "decoder")  # roles that `load` reads at once; others when first asked for


@dataclass(frozen=True)
class ModelSpec:
    """Say everything that the package needs to know of one model.

    `roles` maps role to what it is, in the order they run; Kandinsky 3 has no prior.
    `native_size` is in pixels. `claimed_gb` is a download's size in 10⁹ bytes as guides say it,
    for checkpoints without a pin. `tokens` is how many of a text every stage reads, marks
    included. `variant` is the weight variant to ask for; with `must_vary` it must be there.
    `advice` names a
    function ("module:function") that tells what a bundled model cannot draw of a prompt,
    `words` one that gives a table of what it can draw.
    `sentences` one that gives sentences of all that it knows in a language.
    """

    key: str
    family: str
    roles: Mapping[str, Role] = field(hash=False)
    native_size: int
    languages: str
    draws: str
    licence: str = "Apache-2.0"
    claimed_gb: float = 0.0
    tokens: int = 77
    bundled: bool = False
    variant: str | None = None
    must_vary: bool = False
    advice: str | None = None
    words: str | None = None

    @property
    def vocabulary(self) -> Table:
        """Return a table of what a bundled model draws; an empty one for those that do all."""
        if self.words is None:
            return Table([], empty=f"{self.draws} It reads: {self.languages}.")
        module, _, name = self.words.partition(":")
        return getattr(importlib.import_module(module), name)()

    sentences: str | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the tasks that the model's roles serve."""
        return tuple(dict.fromkeys(t for role in self.roles.values() for t in role.tasks))

    def role_of(self, task: str) -> str | None:
        """Return the role that serves a task, None when there is none."""
        return next((name for name, role in self.roles.items() if task in role.tasks), None)

    @property
    def ids(self) -> dict[str, str]:
        """Return role → id of what `load` reads at once, in the order they run."""
        return {name: role.id for name, role in self.roles.items() if name in FIRST}

    @property
    def folders(self) -> dict[str, Path]:
        """Return role → folder of a bundled model; empty for a published one."""
        if not self.bundled:
            return {}
        return {name: WEIGHTS / role.id for name, role in self.roles.items()}

    @property
    def pins(self) -> dict[str, Pin]:
        """Return role → pin of the checkpoints whose commit and sizes are known."""
        return {name: PINS[r.id] for name, r in self.roles.items() if r.id in PINS}

    @property
    def revisions(self) -> dict[str, str]:
        """Return role → commit to ask the hub for; without a pin the main branch is taken."""
        return {role: pin.revision for role, pin in self.pins.items()}

    @property
    def download_gb(self) -> float:
        """Return the size of what `load` downloads in 10⁹ bytes, 0 for a bundled model."""
        if self.bundled or not self.pins:
            return 0.0 if self.bundled else self.claimed_gb
        return round(sum(PINS[name].size for name in self.ids.values()) / 1e9, 2)

    @property
    def download(self) -> str:
        """Return the size of the download in words, and that it is not verified if so."""
        if self.bundled:
            return "bundled"
        return f"{self.download_gb:g} GB{'' if self.pins else ', unverified'}"


_REPAINT, _REDRAW = ("inpaint", "outpaint"), ("edit", "upscale")
# Family → role → folder, class and tasks. The folders bear the publisher's names.
_ROLES = {
    "2.2": {
        "prior": Role("kandinsky-2-2-prior", "KandinskyV22PriorPipeline"),
        "decoder": Role("kandinsky-2-2-decoder", "KandinskyV22Pipeline", ("generate",)),
        "edit": Role("kandinsky-2-2-decoder", "KandinskyV22Img2ImgPipeline", _REDRAW),
        "inpaint": Role(
            "kandinsky-2-2-decoder-inpaint", "KandinskyV22InpaintPipeline", _REPAINT
        ),
        "depth": Role("kandinsky-2-2-controlnet-depth", "KandinskyV22ControlnetPipeline"),
    },
    "2.1": {
        "prior": Role("kandinsky-2-1-prior", "KandinskyPriorPipeline"),
        "decoder": Role("kandinsky-2-1", "KandinskyPipeline", ("generate",)),
        "edit": Role("kandinsky-2-1", "KandinskyImg2ImgPipeline", _REDRAW),
        "inpaint": Role("kandinsky-2-1-inpaint", "KandinskyInpaintPipeline", _REPAINT),
    },
    "3": {
        # Inpainting needs no weights of its own here: what is kept is put back at each step.
        "decoder": Role("kandinsky-3", "Kandinsky3Pipeline", ("generate", *_REPAINT)),
        "edit": Role("kandinsky-3", "Kandinsky3Img2ImgPipeline", _REDRAW),
    },
}


def _published(key: str, family: str, **rest: Any) -> ModelSpec:
    roles = {
        name: dataclasses.replace(role, id=f"{PUBLISHER}/{role.id}")
        for name, role in _ROLES[family].items()
    }
    return ModelSpec(key, family, roles, **rest)


_ANYTHING = "Photographs, drawings and paintings of anything"


_TOKENS_3 = 128  # of T5; fixed inside its pipeline, as CLIP's 77 are inside of the others


def _bundled(key: str, family: str, draws: str) -> ModelSpec:
    return ModelSpec(
        key,
        family,
        _ROLES[family],
        native_size=MINI_SIZE,
        languages="English, Russian, Chinese, German, French",
        draws=draws,
        tokens=_TOKENS_3 if family == "3" else 77,
        bundled=True,
        advice="kandi_nb.mini.captions:advise",
        words="kandi_nb.mini.captions:vocabulary",
        sentences="kandi_nb.mini.captions:sentences",
    )


_LIST = (
    _bundled(
        "mini-2.2",
        "2.2",
        f"Only its own small drawn world, as pictures of {MINI_SIZE} × {MINI_SIZE} pixels: "
        "16 objects in 7 colours at 8 places, a crown or a hat for the animals, 3 styles, "
        "said in five languages; other words are ignored.",
    ),
    _bundled(
        "mini-2.1", "2.1", "The world of mini-2.2; its decoder reads the text, too, by XLM-R."
    ),
    _bundled(
        "mini-3", "3", "The world of mini-2.2, without a prior: its decoder reads by T5 alone."
    ),
    _published(
        "kandinsky-2.2",
        "2.2",
        native_size=512,
        languages="English; others poorly",
        draws=f"{_ANYTHING}; quick only on a GPU.",
    ),
    _published(
        "kandinsky-2.1",
        "2.1",
        native_size=512,
        claimed_gb=13.3,
        languages="English; only its decoder reads more",
        draws=f"{_ANYTHING}; the text also reaches the decoder.",
    ),
    _published(
        "kandinsky-3",
        "3",
        native_size=1024,
        claimed_gb=25.9,
        languages="English; others little tested",
        draws=f"{_ANYTHING}; needs the most memory.",
        tokens=_TOKENS_3,
        variant="fp16",
    ),
)

ROWS: dict[str, ModelSpec] = {entry.key: entry for entry in _LIST}
SPECS: Mapping[str, ModelSpec] = MappingProxyType(ROWS)  # a view: whoever reads may not write


def spec(key: str) -> ModelSpec:
    """Return the ModelSpec of a key such as "mini-2.2"; raise KandiError for an unknown one."""
    if isinstance(key, str) and key in SPECS:
        return SPECS[key]
    hint = did_you_mean(key, SPECS) if isinstance(key, str) else ""
    raise KandiError(f"unknown model {shown(key)}; {hint}known: {', '.join(SPECS)}")


def models() -> Table:
    """Return a table of the known models that shows itself; its rows are dicts."""
    return Table(
        [
            {
                "key": known.key,
                "family": known.family,
                "tasks": ", ".join(known.tasks),
                "native size": f"{known.native_size} px",
                "tokens": known.tokens,
                "download": known.download,
                "licence": known.licence,
                "languages": known.languages,
                "draws": known.draws,
            }
            for known in SPECS.values()
        ]
    )
