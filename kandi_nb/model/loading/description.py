"""One description of a loaded model: what another process, or another load, needs for the same.

Whatever makes a second model from a first goes through it: workers, Ray, `bench`, a service
that loads anew, and the options of the command line.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapters.adapter import Adapter
from ..adapters.scales import ScaledAdapter
from ..find import find, place_of
from .kandinsky import Kandinsky
from .load import load


@dataclass(frozen=True)
class Description:
    """Say what a model is and how it is loaded, by the arguments of `load`; None: its default.

    `model` is a key or a folder, `adapters` are read, with their scales. It can be pickled;
    `pack` makes JSON of it.
    """

    model: str
    device: str | None = None
    dtype: str | None = None
    scheduler: str | None = None
    variant: str | None = None
    memory: str = "resident"
    speed: str = "exact"
    adapters: tuple[ScaledAdapter, ...] = ()

    @classmethod
    def of(cls, k: Kandinsky | str | Path) -> Description:
        """Describe a loaded model, or one that is named; raise KandiError for an unknown name.

        What was done to its weights by hand is not in it.
        """
        if not isinstance(k, Kandinsky):
            find(k)
            return cls(str(k))
        return cls(
            place_of(k.spec, k.folders),
            device=k.device,
            dtype=str(k.dtype).removeprefix("torch."),
            scheduler=k.scheduler,
            variant=k.spec.variant if k.spec.must_vary else None,
            memory=str(k.memory),
            speed=k.speed,
            adapters=tuple(k.adapters),
        )

    def load(self, **instead: Any) -> Kandinsky:
        """Load the model, with some arguments of `load` in the place of its own."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        adapters = dict(fields.pop("adapters")) or None
        return load(fields.pop("model"), **{**fields, "adapter": adapters, **instead})

    def pack(self, folder: Path) -> dict[str, Any]:
        """Return it as JSON has it; adapters become files in the folder."""
        adapters = []
        for adapter, scale in self.adapters:
            path = folder / f"{adapter.mark}.safetensors"
            if not path.exists():
                adapter.save(path)
            adapters.append([str(path), adapter.name, scale])
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {**fields, "adapters": adapters}

    @classmethod
    def unpack(cls, described: Mapping[str, Any]) -> Description:
        """Read what `pack` returned."""
        adapters = tuple(
            ScaledAdapter(Adapter.load(path, name=name), scale)
            for path, name, scale in described["adapters"]
        )
        return cls(**{**described, "adapters": adapters})
