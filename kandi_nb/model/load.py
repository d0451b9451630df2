"""Load a model, from the package, the hub's cache, the hub or a folder, by one table."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError, warn
from ..words.models import SPECS, ModelSpec
from ..words.plans import Plan
from . import integrity, threads
from .assemble import Component, assemble, native_size
from .device import device as device_for
from .device import dtype as dtype_for
from .find import find, places, restorable
from .plan import fit, stores
from .plan.placement import Placement
from .progress import interruptible, progress_bar
from .quiet import quiet
from .shortage import in_halves

if TYPE_CHECKING:
    import torch

    from ..words.tables import Table

RESIDENT = Plan("resident")
EMBEDDINGS_KEPT = 512  # each a few kilobytes
_WAIT = 0.05  # seconds between two looks at the stop button while another thread draws


class Recent(OrderedDict):
    """Hold at most `limit` entries and drop the ones used longest ago."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __getitem__(self, key: Any) -> Any:
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.limit:
            self.popitem(last=False)


@dataclass(eq=False, repr=False)
class Kandinsky:
    """Hold a loaded model; the task functions take it as their first argument `k`.

    Each role (prior, decoder, edit, inpaint …) is a diffusers pipeline, loaded when it is first
    asked for; what several share is one object. `revision` says role → commit on the hub, or
    the fingerprint of a folder's weights. A task holds `lock` while it runs, see `alone`.
    `embeddings` remembers the latest image embeddings. `placement` keeps networks where the
    memory plan says.
    """

    spec: ModelSpec
    device: str
    dtype: torch.dtype
    folders: Mapping[str, Path] = field(default_factory=dict)  # empty: in the hub's cache
    revision: dict[str, str] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.RLock)
    embeddings: Recent = field(default_factory=lambda: Recent(EMBEDDINGS_KEPT))
    _pipelines: dict[str, Any] = field(default_factory=dict)
    _components: list[Component] = field(default_factory=list)
    # One entry while a task runs. Belongs to the lock, so that copies share both.
    _running: list[bool] = field(default_factory=list)
    placement: Placement = None

    def __post_init__(self) -> None:
        if self.placement is None:
            self.placement = Placement(RESIDENT, self.device, self.dtype)

    def __repr__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        size = f"{self.spec.native_size} × {self.spec.native_size} pixels"
        plan = "" if self.memory == RESIDENT else f", {self.memory}"
        return f"Kandinsky({self.spec.key!r}, {self.device}, {dtype}, {size}{plan})"

    @property
    def memory(self) -> Plan:
        """Return the memory plan in force: that of `load`, or a later one."""
        return self.placement.plan

    def retreat(self) -> bool:
        """Go on by the next memory plan, saying so; False when there is none."""
        before, after = self.memory, self.placement.retreat()
        if after:
            warn(
                f"memory is short on {self.device}: {self.spec.key} goes on by the plan "
                f"{after} instead of {before} ({after.note})"
            )
        return after is not None

    @property
    def prior(self) -> Any | None:
        """Return the pipeline text → embedding; None for Kandinsky 3, which has none."""
        return self.pipeline("prior") if "prior" in self.spec.roles else None

    @property
    def decoder(self) -> Any:
        """Return the pipeline embedding → picture."""
        return self.pipeline("decoder")

    @property
    def vocabulary(self) -> Table:
        """Return a table of the words that a bundled model knows."""
        return self.spec.vocabulary

    @property
    def options(self) -> dict[str, Any]:
        """Return what else than params may change pixels, for the recipe."""
        return {
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.partition(":")[0],
            "scheduler": type(self.decoder.scheduler).__name__,
            **({"quantisation": self.memory.store} if self.memory.store else {}),
        }

    def pipeline(self, role: str) -> Any:
        """Return the diffusers pipeline of a role, loaded now if it was not.

        Raises KandiError for a role that the model does not have, and what `load` raises.
        """
        if role not in self._pipelines:
            self.open([role])
        return self._pipelines[role]

    def open(self, roles: Iterable[str]) -> None:
        """Load what is not loaded yet of some roles, once all their files are checked."""
        import torch

        wanted = list(roles)
        for role in wanted:
            if role not in self.spec.roles:
                able = ", ".join(key for key, known in SPECS.items() if role in known.roles)
                raise KandiError(
                    f"{self.spec.key} has no part for {role}; models that have one: "
                    f"{able or 'none'}"
                )
        if all(role in self._pipelines for role in wanted):
            return  # without the lock, which another thread may hold for long
        with self.lock, torch.inference_mode(False), quiet():
            missing = [role for role in wanted if role not in self._pipelines]
            here = places(self.spec, self.folders, missing)
            threads.choose(here.values(), self.device)
            for role, folder in here.items():
                with restorable(self.spec, role, local=bool(self.folders)):
                    in_halves(
                        lambda roles, folder=folder: [self._open(roles[0], folder)],
                        [role],
                        self.device,
                        lambda role: self.spec.key,
                        retreat=self.retreat,
                    )

    def _open(self, role: str, folder: Path) -> None:
        there = len(self._components)
        try:
            pipeline = assemble(self.spec, role, folder, self.placement, self._components)
        except BaseException:  # the keyboard too: networks of no pipeline would fill the memory
            self.placement.leave([each.network for each in self._components[there:]])
            del self._components[there:]
            raise
        # A snapshot's folder is named after its commit.
        self.revision[role] = (
            integrity.fingerprint(folder, self.spec.variant) if self.folders else folder.name
        )
        self._pipelines[role] = pipeline

    def forget(self) -> None:
        """Drop the remembered embeddings, so that the next run computes them anew."""
        self.embeddings.clear()

    @contextmanager
    def alone(self, stop: Any = None, roles: Iterable[str] = ()) -> Iterator[None]:
        """Hold the model for one task, without gradients; other threads wait for their turn.

        Schedulers keep their place in the step loop and tokenizers their padding, so two tasks
        must not use one model at once. `stop`, anything with is_set(), ends the waiting too.
        `roles` are loaded when the turn has come. Raises KandiError inside a task of the same
        thread, such as in its callback, and Cancelled when the kernel of a notebook is
        interrupted meanwhile.
        """
        with interruptible(), self._held(stop, roles):
            yield

    @contextmanager
    def _held(self, stop: Any, roles: Iterable[str]) -> Iterator[None]:
        import torch

        while not self.lock.acquire(timeout=_WAIT):
            progress_bar(0, "", shown=False, stop=stop).check()
        try:
            if self._running:
                raise KandiError(
                    f"this {self.spec.key} is at work on another task, from whose callback it "
                    "cannot be used; wait until that task is done, or load the model once more"
                )
            self._running.append(True)
            try:
                self.open(roles)
                with torch.inference_mode():
                    yield
            finally:
                self.placement.rest()
                self._running.clear()
        finally:
            self.lock.release()


def load(
    key_or_folder: str | Path,
    *,
    device: str | None = None,
    dtype: Any = None,
    memory: str | Plan = "resident",
) -> Kandinsky:
    """Load a model by its key, such as "mini-2.2" or "kandinsky-2.2", or from a folder.

    A folder holds the publisher's sub-folders, such as kandinsky-2-2-prior and
    kandinsky-2-2-decoder, itself or in a sub-folder kandinsky-community; where several models
    lie together, give the decoder's own folder. A published key is looked for in the hub's
    cache, then downloaded. `device` and `dtype` (a torch dtype or its name) are chosen by the
    machine unless given. `memory` is a plan of `kn.plan`, by its name, or "auto" for the first
    that fits what is free now; when memory is short all the same, the next one is taken. Raises
    KandiError, before any weights are read, for unknown names, plans that this machine cannot
    carry out, and missing or damaged files; Cancelled when the kernel is interrupted.
    """
    chosen, folders = find(key_or_folder)
    where = device_for(device)
    number_format = dtype_for(where, dtype)
    plan = _planned(memory, chosen, folders, where, number_format)
    placement = Placement(plan, where, number_format)
    k = Kandinsky(chosen, where, number_format, folders, placement=placement)
    with interruptible("nothing is loaded, and what is downloaded is kept"):
        k.open(chosen.ids)
    if chosen.key not in SPECS:
        k.spec = dataclasses.replace(chosen, native_size=native_size(k.decoder, chosen))
    return k


def _planned(
    memory: Any, chosen: ModelSpec, folders: Mapping[str, Path], where: str, dtype: torch.dtype
) -> Plan:
    """Return the plan that was asked for, or the one that fits here now."""
    if memory == stores.AUTO:
        return fit.choose(chosen, folders, where, str(dtype).removeprefix("torch."))
    return stores.checked(memory, where)
