"""Will it run on my card? Plans of where weights stay, predicted before anything is downloaded.

A plan says which networks are on the card together. Its peak is that of the network that runs
while most is there: weights on the card, what one call makes, and a workspace.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...words.bounds import real
from ...words.errors import KandiError, quote
from ...words.families import DENOISER, PICTURE_DECODER
from ...words.fields import FIELDS, check_value
from ...words.models import SPECS, ModelSpec
from ...words.tables import Table
from ..find import find, place_of
from ..machine.device import available_mb
from ..machine.peak import MIB
from .architecture import Part, parts
from .footprint import (
    BLOCK_KINDS,
    CPU_LAYERS,
    CPU_WORKSPACE,
    Activity,
    Weights,
    activity,
    weights,
)
from .names import PLANS, Card, Plan, read_card
from .stores import lacks

GB = 1e9
# What a card holds beside weights and activations: CUDA's own context, and what cuDNN and the
# allocator keep. An assumption, not measured.
CARD_WORKSPACE = 0.6 * GB
# The share of a card's data sheet that is reached: a fifth, so that the times that guides say
# for an RTX 3090 come out. And bytes a second from the machine's memory to a card, PCIe 3 × 16.
EFFICIENCY, BUS = 0.2, 12 * GB


class Plans(Table):
    """Show plans with their predicted peaks; `best` names the first that fits, or is None."""

    @property
    def best(self) -> str | None:
        """Return the plan to take: pixels that stay before others, then quick before slow."""
        return next((row["plan"] for row in self.rows if row["fits"]), None)


def plan(
    model: Any,
    *,
    memory_gb: float | None = None,
    card: str | None = None,
    width: int | None = None,
    height: int | None = None,
    count: int = 1,
) -> Plans:
    """Predict what fits into a card's memory, and what it costs, before any download.

    `model` is a key, a folder or a loaded model; `card` a name such as "RTX 3070", which also
    gives seconds, and `memory_gb` its memory (8 unless a card is named). Peaks are for float16,
    guidance on, `count` pictures at once, in 10⁹ bytes: a card that is sold as 8 GB has 7 %
    more, which is left to the screen. `drift` is how far pixels move, of 255, where it is
    known. Nothing is measured on this machine. Raises KandiError.
    """
    named = None if card is None else read_card(card)
    memory = _memory(memory_gb, named)
    known, folders = find(_key(model))
    networks = parts(known, folders)
    height = check_value("height", height) or known.native_size
    width = check_value("width", width) or known.native_size
    costs = _Costs(networks, height, width, check_value("count", count), named)
    peaks = {entry: costs.peak(entry) for entry in PLANS}
    rows = [
        {
            "plan": str(entry),
            "fits": peak <= memory * GB,
            "peak_gb": round(peak / GB, 2),
            "at": at,
            "seconds": costs.seconds(entry),
            "download_gb": known.download_gb,
            "drift": None if entry.store else 0.0,
            "note": _remark(entry, peak, peaks),
        }
        for entry, (peak, at) in peaks.items()
    ]
    table = Plans(rows)
    table.note = _closing(memory, named, table.best)
    return table


def choose(known: ModelSpec, folders: Mapping[str, Path], device: str, dtype: str) -> Plan:
    """Return the first plan that fits what is free here now, at the model's native size.

    Of those that this machine can carry out; the least of them if none fits.
    """
    side, on_cpu = known.native_size, not device.startswith("cuda")
    costs = _Costs(parts(known, folders), side, side, 1, dtype=dtype, on_cpu=on_cpu)
    peaks = {entry: costs.peak(entry)[0] for entry in PLANS if not lacks(entry, device)}
    free = available_mb(device) * MIB
    fits = [entry for entry, peak in peaks.items() if peak <= free]
    return fits[0] if fits else min(peaks, key=peaks.__getitem__)


class _Costs:
    """Hold what each network costs at one size, and add it up for a plan."""

    def __init__(
        self,
        networks: tuple[Part, ...],
        height: int,
        width: int,
        count: int,
        card: Card | None = None,
        *,
        dtype: str = "float16",
        on_cpu: bool = False,
    ) -> None:
        self.networks, self.card, self.on_cpu = networks, card, on_cpu
        self.weights: dict[Part, Weights] = {part: weights(part, dtype) for part in networks}
        # A picture is read when there is one, and the empty picture's embedding is remembered.
        self.runs: dict[Part, Activity] = {
            part: activity(part, height, width, count, dtype)
            for part in networks
            if part.kind != "image_encoder"
        }

    def peak(self, entry: Plan) -> tuple[float, str]:
        """Return the bytes of the worst moment, and the network that runs then."""
        return max(
            (self._there(entry, part) + run.peak + self._workspace(part), part.name)
            for part, run in self.runs.items()
        )

    def _workspace(self, part: Part) -> float:
        if self.on_cpu:
            return CPU_WORKSPACE + CPU_LAYERS * self.weights[part].leaf
        return CARD_WORKSPACE

    def seconds(self, entry: Plan) -> float | None:
        """Return how long a picture takes on the card, or None without one."""
        if self.card is None:
            return None
        rate, bandwidth = EFFICIENCY * self.card.tflops * 1e12, self.card.bandwidth_gb * GB
        total = 0.0
        for part, run in self.runs.items():
            size, calls = self._stored_bytes(entry, part), _calls(part)
            total += calls * max(run.operations / rate, size / bandwidth)
            total += self._moves(entry, part) * size / BUS
        return round(total, 1)

    def _there(self, entry: Plan, running: Part) -> float:
        """Return the bytes of weights on the card while a network runs."""
        here = self.weights[running]
        unpacked = here.leaf if self._stored_bytes(entry, running) < here.plain else 0
        if entry.place == "resident":
            together = self.networks
        elif entry.place == "prior-first":
            together = tuple(p for p in self.runs if p.phase == running.phase)
        elif entry.place == "model-offload" or (
            entry.place == "group-offload" and running.kind == PICTURE_DECODER
        ):
            together = (running,)
        elif entry.place == "group-offload" and running.kind in BLOCK_KINDS:
            share = self._stored_bytes(entry, running) / here.plain
            return here.group * share + unpacked
        else:
            return here.leaf
        return sum(self._stored_bytes(entry, part) for part in together) + unpacked

    def _stored_bytes(self, entry: Plan, part: Part) -> int:
        sizes = self.weights[part]
        return {"": sizes.plain, "fp8": sizes.fp8, "4bit": sizes.nf4}[entry.store]

    def _moves(self, entry: Plan, part: Part) -> int:
        """Return how often the weights of a network go to the card for one picture."""
        if entry.place == "resident":
            return 0
        piecewise = entry.place in ("group-offload", "sequential-offload")
        return _calls(part) if piecewise else 1


def _calls(part: Part) -> int:
    steps = {DENOISER: "steps", "prior": "prior_steps"}.get(part.kind)
    return FIELDS[steps].default if steps else 1


def _remark(entry: Plan, peak: float, peaks: dict[Plan, tuple[float, str]]) -> str:
    """Return a plan's note, or that its way of storing buys nothing."""
    plain, at = peaks[Plan(entry.place)]
    if entry.store and peak >= plain:
        return f"{entry.store} buys nothing here: {at} sets the peak"
    return entry.note


def _closing(memory: float, card: Card | None, best: str | None) -> str:
    first = f"{best} for {memory:g} GB" if best else f"nothing fits {memory:g} GB: take smaller"
    steps = FIELDS["steps"].default
    if card:
        return f"{first}; all predicted, seconds for {steps} steps on {card.name}"
    return f'{first}; all predicted; name a card for seconds: card="RTX 3070"'


def _key(model: Any) -> str | Path:
    if hasattr(model, "spec"):
        return place_of(model.spec, getattr(model, "folders", {}))
    if isinstance(model, (str, Path)):
        return model
    raise KandiError(
        f"plan takes a model's key, a folder or a loaded model, not {quote(model)}; "
        f"known: {', '.join(SPECS)}"
    )


def _memory(memory_gb: Any, card: Card | None) -> float:
    if memory_gb is None:
        return card.memory_gb if card else 8.0
    says = "memory_gb must be gigabytes, a number above 0 such as 8"
    return real("memory_gb", memory_gb, says=says, above=0)
