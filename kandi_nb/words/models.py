"""The models that the package knows: their roles, sizes, licences, and what they can do."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .errors import KandiError, Unsupported, did_you_mean, quote
from .families import FAMILIES, Family
from .families import Role as Role
from .tables import Table

PUBLISHER = "kandinsky-community"
WEIGHTS = Path(__file__).parent.parent / "mini" / "weights"  # what several share, once
MINI_SIZE = 64  # pixels: the side of every picture the bundled models were trained on


@dataclass(frozen=True)
class Pin:
    """Say which commit of a published checkpoint is taken, and what its files must be.

    `size` is that of the whole download in bytes; `files` maps a weight file to its size in
    bytes and its SHA-256, which is None where it is not known.
    """

    revision: str
    size: int
    files: Mapping[str, tuple[int, str | None]]


_UNET, _MOVQ = (f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "movq"))
# The same file in three checkpoints.
_MOVQ_FILE = (271_380_364, "43a5860fea195a7116f2471396c5cc9535fade9b63c4857d8a192ffd924b7002")

# Published id → pin. The sizes agree with the tensors: each file is four bytes a parameter (two
# in the image encoder) and a header, and the rest of a download is configurations and words.
PINS: Mapping[str, Pin] = {
    f"{PUBLISHER}/kandinsky-2-2-prior": Pin(
        "9fc51ad5732afc5d031724219d22e6c42179c5a8",
        10_574_964_619,
        {
            "prior/diffusion_pytorch_model.safetensors": (4_104_940_968, None),
            "image_encoder/model.safetensors": (3_689_912_664, None),
            "text_encoder/model.safetensors": (2_778_702_976, None),
        },
    ),
    f"{PUBLISHER}/kandinsky-2-2-decoder": Pin(
        "9ae140d347fed8ce6e8bb3005dcc1f48543bb8e3",
        5_283_700_183,
        {
            _UNET: (5_012_309_584, None),
            _MOVQ: _MOVQ_FILE,
        },
    ),
    f"{PUBLISHER}/kandinsky-2-2-decoder-inpaint": Pin(
        "db790ad5cbcabed886f069ef2710774657621702",
        5_283_767_688,
        {
            _UNET: (
                5_012_378_704,
                "098b846d2378b4b44a33e0bd47f89f2886b72a10200cbf9e96d5fae3c471543f",
            ),
            _MOVQ: _MOVQ_FILE,
        },
    ),
    # The main branch holds pickles only; this commit of an open pull request has safetensors.
    f"{PUBLISHER}/kandinsky-2-2-controlnet-depth": Pin(
        "08632524a2b7e3bed39a7901d92cdd07e37544d0",
        5_285_192_144,
        {
            _UNET: (
                5_013_798_992,
                "6549f8c8471357ed8ed6b700a80ffdd8fe45bd5b54f4c486d7f81ac9fe5f343b",
            ),
            _MOVQ: _MOVQ_FILE,
        },
    ),
}


FIRST = ("prior", "decoder")  # roles that `load` reads at once; others when first asked for


@dataclass(frozen=True)
class ModelSpec:
    """Say everything that the package needs to know of one model.

    `roles` maps role to what it is, in the order they run; Kandinsky 3 has no prior.
    `native_size` is in pixels. `claimed_gb` is a download's size in 10⁹ bytes as guides say it,
    for checkpoints without a pin. `variant` is the weight variant to ask for; with `must_vary`
    it must be there. `advice` names a function ("module:function") that tells what a bundled
    model cannot draw of a prompt, `words` one that gives a table of what it can draw,
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
        return function_at(self.words)()

    sentences: str | None = None

    @property
    def generation(self) -> Family:
        """Return the row that says how its family differs from others."""
        return FAMILIES[self.family]

    @property
    def tokens(self) -> int:
        """Return how many tokens of a text every stage reads, marks included."""
        return self.generation.tokens

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the tasks that the model's roles serve."""
        return tuple(dict.fromkeys(t for role in self.roles.values() for t in role.tasks))

    def role_of(self, task: str) -> str | None:
        """Return the role that serves a task, None when there is none."""
        return next((name for name, role in self.roles.items() if task in role.tasks), None)

    def check_role(self, role: str) -> None:
        """Raise KandiError, with the models that have one, unless it has a part for a role."""
        if role not in self.roles:
            able = ", ".join(key for key, known in SPECS.items() if role in known.roles)
            raise Unsupported(
                f"{self.key} has no part for {role}; models that have one: {able or 'none'}"
            )

    @property
    def ids(self) -> dict[str, str]:
        """Return role → id of what `load` reads at once, in the order they run."""
        return {name: role.id for name, role in self.roles.items() if name in FIRST}

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


def _published_spec(key: str, family: str, **rest: Any) -> ModelSpec:
    roles = {
        name: dataclasses.replace(role, id=f"{PUBLISHER}/{role.id}")
        for name, role in FAMILIES[family].roles.items()
    }
    return ModelSpec(key, family, roles, **rest)


_ANYTHING = "Photographs, drawings and paintings of anything"


def _bundled_spec(key: str, family: str, draws: str) -> ModelSpec:
    return ModelSpec(
        key,
        family,
        FAMILIES[family].roles,
        native_size=MINI_SIZE,
        languages="English, Russian, Chinese, German, French",
        draws=draws,
        bundled=True,
        advice="kandi_nb.mini.captions:advise",
        words="kandi_nb.mini.captions:vocabulary",
        sentences="kandi_nb.mini.captions:sentences",
    )


_LIST = (
    _bundled_spec(
        "mini-2.2",
        "2.2",
        f"Only its own small drawn world, as pictures of {MINI_SIZE} × {MINI_SIZE} pixels: "
        "16 objects in 7 colours at 8 places, a crown or a hat for the animals, 3 styles, "
        "said in five languages; other words are ignored.",
    ),
    _bundled_spec(
        "mini-2.1", "2.1", "The world of mini-2.2; its decoder reads the text, too, by XLM-R."
    ),
    _bundled_spec(
        "mini-3", "3", "The world of mini-2.2, without a prior: its decoder reads by T5 alone."
    ),
    _published_spec(
        "kandinsky-2.2",
        "2.2",
        native_size=512,
        languages="English; others poorly",
        draws=f"{_ANYTHING}; quick only on a GPU.",
    ),
    _published_spec(
        "kandinsky-2.1",
        "2.1",
        native_size=512,
        claimed_gb=13.3,
        languages="English; only its decoder reads more",
        draws=f"{_ANYTHING}; the text also reaches the decoder.",
    ),
    _published_spec(
        "kandinsky-3",
        "3",
        native_size=1024,
        # T5 4.99 + 4.93 + 4.83 + 5.00 + 1.98, UNet 6.11, MoVQ 0.54, all in float16.
        claimed_gb=28.4,
        languages="English; others little tested",
        draws=f"{_ANYTHING}; needs the most memory.",
        variant="fp16",
    ),
)

ROWS: dict[str, ModelSpec] = {entry.key: entry for entry in _LIST}
SPECS: Mapping[str, ModelSpec] = MappingProxyType(ROWS)  # a view: whoever reads may not write


def function_at(place: str) -> Callable[..., Any]:
    """Return the function that a row names as "module:function"; its module is imported now."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def spec(key: str) -> ModelSpec:
    """Return the ModelSpec of a key such as "mini-2.2"; raise KandiError for an unknown one."""
    if isinstance(key, str) and key in SPECS:
        return SPECS[key]
    hint = did_you_mean(key, SPECS) if isinstance(key, str) else ""
    raise KandiError(f"unknown model {quote(key)}; {hint}known: {', '.join(SPECS)}")


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
