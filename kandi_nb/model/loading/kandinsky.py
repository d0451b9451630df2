"""`Kandinsky`, a loaded model: its pipelines by role, its lock, its embeddings."""

from __future__ import annotations

import copy
import dataclasses
import functools
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...words.errors import warn
from ...words.models import ModelSpec
from ...words.tasks import HintsAtTasks
from .. import integrity
from ..adapters.active import ActiveAdapters
from ..caches import LRUCache
from ..find import places, restorable
from ..machine import threads
from ..machine.out_of_memory import in_halves
from ..machine.switches import usual_switches
from ..pipelines import denoiser
from ..plan.names import Plan
from ..plan.placement import Network, Placement
from ..progress import interruptible
from ..quiet import quiet
from ..schedulers.classes import build
from ..schedulers.table import check_folder, usable
from ..schedulers.trial import Loop
from ..speed.traced import Traced
from . import speeds
from .assemble import Component, assemble, refuse_copy, without_gc
from .locks import remember, turn

if TYPE_CHECKING:
    import torch

    from ...words.tables import Table

RESIDENT = Plan("resident")
EMBEDDINGS_KEPT = 512  # each a few kilobytes


@dataclass(eq=False, repr=False)
class Kandinsky(HintsAtTasks):
    """Hold a loaded model; the task functions take it as their first argument `k`.

    Each role (prior, decoder, edit, inpaint …) is a diffusers pipeline, loaded when it is first
    asked for; what several share is one object. `revision` says role → commit on the hub, or
    the fingerprint of a folder's weights. A task holds `lock` while it runs, see `alone`.
    `embeddings` remembers the latest image embeddings. `scheduler` is None for the model's own,
    or that of "fast". `speed` is that of `load`. `placement` keeps networks where the memory
    plan says. `adapters` are what it was taught beside its weights, see `with_adapter`.
    """

    spec: ModelSpec
    device: str
    dtype: torch.dtype
    folders: Mapping[str, Path] = field(default_factory=dict)  # empty: in the hub's cache
    revision: dict[str, str] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.RLock)
    embeddings: LRUCache = field(default_factory=lambda: LRUCache(EMBEDDINGS_KEPT))
    scheduler: str | None = None
    speed: str = "exact"
    _own: dict[str, Any] = field(default_factory=dict)  # role → the scheduler of its folder
    _pipelines: dict[str, Any] = field(default_factory=dict)
    _components: list[Component] = field(default_factory=list)
    _running: list[bool] = field(default_factory=list)  # one entry while a task runs; as `lock`
    placement: Placement = None  # type: ignore[assignment]  # filled below
    adapters: ActiveAdapters = None  # type: ignore[assignment]  # filled below
    __reduce_ex__ = refuse_copy  # what copy and pickle ask for

    def __post_init__(self) -> None:
        if self.placement is None:
            self.placement = Placement(RESIDENT, self.device, self.dtype)
        if self.adapters is None:
            self.adapters = ActiveAdapters(self.spec.key)
        remember(self)

    def __repr__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        size = f"{self.spec.native_size} × {self.spec.native_size} pixels"
        plan = "" if self.memory == RESIDENT else str(self.memory)
        words = [repr(self.spec.key), self.device, dtype, size]
        scaled = [f"{each.adapter.name} × {each.scale:g}" for each in self.adapters]
        speed = self.speed.replace("exact", "")
        options = filter(None, [self.scheduler, plan, speed, *scaled])
        return f"Kandinsky({', '.join([*words, *options])})"

    @property
    def memory(self) -> Plan:
        """Return the memory plan in force: that of `load`, or a later one."""
        return self.placement.plan

    def retreat(self) -> bool:
        """Go on by the next memory plan, saying so; False when there is none."""
        before, short = self.memory, f"memory is short on {self.device}: {self.spec.key}"
        with self.adapters.taken_off(self._adaptable, self.placement):
            after = self.placement.retreat()
        if after:
            warn(f"{short} goes on by the plan {after} instead of {before} ({after.note})")
            for pipeline in self._pipelines.values():
                pipeline.traced = None  # weights move from now on
        return after is not None

    @property
    def prior(self) -> Any:
        """Return the pipeline text → embedding; None for Kandinsky 3, which has none."""
        return self.pipeline("prior") if "prior" in self.spec.roles else None

    @property
    def decoder(self) -> Any:
        """Return the pipeline embedding → picture."""
        return self.pipeline("decoder")

    @property
    def loaded_pipelines(self) -> Mapping[str, Any]:
        """Return role → the pipelines that are loaded by now, to be read alone."""
        return MappingProxyType(self._pipelines)

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
            "speed": "fast" if self.speed == "fast" else "exact",  # no other changes pixels
            **({"quantisation": self.memory.store} if self.memory.store else {}),
            **({"adapters": [each.note() for each in self.adapters]} if self.adapters else {}),
        }

    def loop(self) -> Loop:
        """Return what the trial of a scheduler needs to know of this model."""
        config = denoiser(self.decoder).config
        channels = getattr(config, "out_channels", None) or config.in_channels
        return Loop(type(self.decoder), self._own["decoder"], channels, self.dtype)

    def with_scheduler(self, name: str | None) -> Kandinsky:
        """Return this model with another scheduler, None for its own; the weights are shared.

        The lock is, too. Names are those of `kn.schedulers(k)` or common ones such as "ddim"
        and "dpm++". Raises KandiError for one that is unknown, crashes or draws wrongly.
        """
        wanted = None if name is None else usable(name, self.loop())
        return self._lightly(scheduler=wanted)

    def with_speed(self, speed: str) -> Kandinsky:
        """Return this model at another speed of `load`; weights and lock are shared.

        Raises KandiError for one that it cannot have.
        """
        wanted = speeds.check_speed(speed, self.spec, self.device, self.memory)
        return self._lightly(speed=wanted)

    def _lightly(self, **changes: Any) -> Kandinsky:
        light = dataclasses.replace(self, **changes, _pipelines={})
        for role, pipeline in list(self._pipelines.items()):
            light._pipelines[role] = copy.copy(pipeline)
            light._set_up(role)
        return light

    @property
    def unless_asked(self) -> Mapping[str, int]:
        """Return the settings that "fast" takes where none were given; none at other speeds."""
        return speeds.fast(self.spec.key).settings if self.speed == "fast" else {}

    def _set_up(self, role: str) -> None:
        """Give a pipeline the scheduler and the speed of this model; a prior keeps its own."""
        if role not in self._own:
            return
        pipeline, own, wanted = self._pipelines[role], self._own[role], self.scheduler
        if wanted is None and self.speed == "fast" and role == "decoder":
            wanted = speeds.fast(self.spec.key).scheduler
        pipeline.scheduler = own if wanted is None else build(wanted, own)
        recorded = self.speed in speeds.RECORDED
        pipeline.traced = Traced(self.speed == "compiled") if recorded else None

    def with_adapter(self, adapter: Any, scale: Any = 1.0) -> Kandinsky:
        """Return this model with what an adapter taught; weights and lock are shared.

        This one stays as it is, pixel for pixel. `adapter` is an Adapter or the path of one, a
        list of these with a list of scales, or a mapping of these → scale; it joins those that
        are there. None takes all away. `scale` 0 gives the model's own pixels, 1 what was
        taught; more exaggerates it. Raises KandiError for adapters of other models or parts,
        for different ones of one name, pickles, and Kandinsky 3.
        """
        rest = self.spec, lambda: (self.prior.prior, denoiser(self.decoder)), self.revision
        adapters = self.adapters.join(adapter, scale, *rest)
        # A prior with others imagines others.
        return self._lightly(adapters=adapters, embeddings=LRUCache(EMBEDDINGS_KEPT))

    def _adaptable(self) -> Iterator[tuple[str, Any]]:
        """Give all networks that adapters may change, as ("prior" or "decoder", network)."""
        for pipeline in self._pipelines.values():
            for part, name in (("prior", "prior"), ("decoder", self.spec.generation.denoiser)):
                if (network := getattr(pipeline, name, None)) is not None:
                    yield part, network

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
            self.spec.check_role(role)
        if all(role in self._pipelines for role in wanted):
            return  # without the lock, which another thread may hold for long
        with self.lock, usual_switches(), torch.inference_mode(False), without_gc(), quiet():
            key = self.spec.key
            missing = [role for role in wanted if role not in self._pipelines]
            here = places(self.spec, self.folders, missing)
            threads.choose(here.values(), self.device)
            if self.scheduler and "decoder" in here:
                check_folder(self.scheduler, self.spec, here["decoder"], self.dtype)
            for role, folder in here.items():
                with restorable(self.spec, local=bool(self.folders)):
                    work = functools.partial(map, functools.partial(self._open, folder))
                    in_halves(work, [role], self.device, lambda _: key, retreat=self.retreat)

    def _open(self, folder: Path, role: str) -> None:
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
        if role != "prior":
            self._own[role] = pipeline.scheduler
        self._set_up(role)

    def begin_anew(self, lock: Any, placement: Placement) -> None:
        """Forget all that was loaded: a thread that is no more was at work on it."""
        self.lock, self.placement, self.embeddings = lock, placement, LRUCache(EMBEDDINGS_KEPT)
        for shared in (self._components, self._own, self._running):
            shared.clear()
        self._pipelines, self.adapters = {}, ActiveAdapters(self.spec.key, self.adapters)

    def give_up(self) -> tuple[list[Component], list[Network]]:
        """Empty this model, and return what it held; it loads itself anew if it is used."""
        with self.lock:
            held = [*self._components], self.placement.networks
            for shared in (self._pipelines, self._components, self.embeddings):
                shared.clear()
            self.placement.networks = []
        return held

    def forget(self) -> None:
        """Drop the remembered embeddings, so that the next run computes them anew."""
        self.embeddings.clear()

    @contextmanager
    def alone(self, stop: Any = None, roles: Iterable[str] = ()) -> Iterator[None]:
        """Hold the model for one task, without gradients; other threads wait for their turn.

        Schedulers keep their place in the loop and tokenizers their padding, so two tasks must
        not use one model at once. `stop`, anything with is_set(), ends the waiting too. `roles`
        are loaded when the turn has come. Raises KandiError inside a task of the same thread,
        such as in its callback, and Cancelled when a notebook's kernel is interrupted.
        """
        with interruptible(), self._hold(stop, roles):
            yield

    @contextmanager
    def _hold(self, stop: Any, roles: Iterable[str]) -> Iterator[None]:
        import torch

        with turn(self.lock, self._running, self.spec.key, stop):
            try:
                self.open(roles)
                put_on = self.adapters.put_on(self._adaptable, self.placement)
                with usual_switches(), put_on, torch.inference_mode():
                    yield
            finally:
                self.placement.rest()
