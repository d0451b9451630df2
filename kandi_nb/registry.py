"""The models that the package knows: ids, pipeline classes, tasks, sizes, licences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from .errors import KandiError, did_you_mean, shown
from .tables import Table

WEIGHTS = Path(__file__).parent / "mini" / "weights"
MINI_SIZE = 64  # pixels: the side of every picture the bundled models were trained on


@dataclass(frozen=True)
class ModelSpec:
    """Say everything that the package needs to know of one model.

    `prior` and `decoder` are ids on the hub; those of a bundled model are folders in
    `WEIGHTS`. Kandinsky 3 has no prior. `classes` maps role to the name of a diffusers
    class. `native_size` is in pixels, `download_gb` in 10⁹ bytes. `variant` is the weight
    variant to ask for. `advice` names a function ("module:function") that tells what a bundled
    model cannot draw of a prompt, or None.
    """

    key: str
    family: str
    prior: str | None
    decoder: str
    classes: Mapping[str, str] = field(hash=False)
    tasks: tuple[str, ...]
    native_size: int
    download_gb: float
    licence: str
    languages: str
    draws: str
    bundled: bool = False
    variant: str | None = None
    advice: str | None = None

    @property
    def ids(self) -> dict[str, str]:
        """Return role → id of the stages that the model has, in the order they run."""
        roles = {"prior": self.prior, "decoder": self.decoder}
        return {role: name for role, name in roles.items() if name}

    @property
    def folders(self) -> dict[str, Path]:
        """Return role → folder of a bundled model; empty for a published one."""
        return {role: WEIGHTS / name for role, name in self.ids.items()} if self.bundled else {}


def _published(key: str, family: str, prior: str | None, decoder: str, **rest) -> ModelSpec:
    publisher = "kandinsky-community/"
    return ModelSpec(
        key=key,
        family=family,
        prior=prior and publisher + prior,
        decoder=publisher + decoder,
        licence="Apache-2.0",
        **rest,
    )


_CLASSES = {
    "2.1": {"prior": "KandinskyPriorPipeline", "decoder": "KandinskyPipeline"},
    "2.2": {"prior": "KandinskyV22PriorPipeline", "decoder": "KandinskyV22Pipeline"},
    "3": {"decoder": "Kandinsky3Pipeline"},
}

_ANYTHING = "Photographs, drawings and paintings of anything"

_LIST = (
    ModelSpec(
        key="mini-2.2",
        family="2.2",
        prior="kandinsky-2-2-prior",
        decoder="kandinsky-2-2-decoder",
        classes=_CLASSES["2.2"],
        tasks=("generate",),
        native_size=MINI_SIZE,
        download_gb=0.0,
        licence="Apache-2.0",
        languages="English, Russian, Chinese, German, French",
        draws=(
            f"Only its own small drawn world, as pictures of {MINI_SIZE} × {MINI_SIZE} pixels: "
            "16 objects in 7 colours at 8 places, a crown or a hat for the animals, 3 styles, "
            "said in five languages; other words are ignored."
        ),
        bundled=True,
        advice="kandi_nb.mini.captions:advise",
    ),
    _published(
        "kandinsky-2.2",
        "2.2",
        "kandinsky-2-2-prior",
        "kandinsky-2-2-decoder",
        classes=_CLASSES["2.2"],
        tasks=("generate",),
        native_size=512,
        download_gb=9.3,
        languages="English; others poorly",
        draws=f"{_ANYTHING}; quick only on a GPU.",
    ),
    _published(
        "kandinsky-2.1",
        "2.1",
        "kandinsky-2-1-prior",
        "kandinsky-2-1",
        classes=_CLASSES["2.1"],
        tasks=("generate",),
        native_size=512,
        download_gb=13.3,
        languages="English; only its decoder reads more",
        draws=f"{_ANYTHING}; the text also reaches the decoder.",
    ),
    _published(
        "kandinsky-3",
        "3",
        None,
        "kandinsky-3",
        classes=_CLASSES["3"],
        tasks=("generate",),
        native_size=1024,
        download_gb=25.9,
        languages="English; others little tested",
        draws=f"{_ANYTHING}; needs the most memory.",
        variant="fp16",
    ),
)

SPECS: Mapping[str, ModelSpec] = MappingProxyType({entry.key: entry for entry in _LIST})


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
                "download": "bundled" if known.bundled else f"{known.download_gb:g} GB",
                "licence": known.licence,
                "languages": known.languages,
                "draws": known.draws,
            }
            for known in SPECS.values()
        ]
    )
