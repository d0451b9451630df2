"""`Kandinsky`, a loaded model: its pipelines by role, its lock, its embeddings."""

from __future__ import annotations

import copy
import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, warn
from ...words.models import SPECS, ModelSpec
from ...words.plans import Plan
from ...words.recent import Recent
from .. import integrity, threads
from ..adapters import worn as wearing
from ..adapters.scales import Worn
from ..find import places, restorable
from ..plan.placement import Placement
from ..progress import interruptible, progress_bar
from ..quiet import quiet
from ..schedulers.classes import build
from ..schedulers.table import loop_of, usable
from ..schedulers.trial import Loop
from ..shortage import in_halves
from ..speed import modes
from ..speed.traced import Traced
from .assemble import Component, assemble, uncollected

if TYPE_CHECKING:
    import torch

    from ...words.tables import Table

RESIDENT = Plan("resident")
EMBEDDINGS_KEPT = 512  # each a few kilobytes
_WAIT = 0.05  # seconds between two looks at the stop button while another thread draws


@dataclass(eq=False, repr=False)
class Kandinsky:
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
    embeddings: Recent = field(default_factory=lambda: Recent(EMBEDDINGS_KEPT))
    scheduler: str | None = None
    speed: str = "exact"
    _own: dict[str, Any] = field(default_factory=dict)  # role → the scheduler of its folder
    _pipelines: dict[str, Any] = field(default_factory=dict)
    _components: list[Component] = field(default_factory=list)
    # One entry while a task runs. Belongs to the lock, so that copies share both.
    _running: list[bool] = field(default_factory=list)
    placement: Placement = None
    adapters: tuple[Worn, ...] = ()
    # Networks by their id → the layers that adapters change.
    _fitted: dict[int, list[wearing.Layer]] = field(default_factory=dict)
    _undo: list[Callable[[], None]] = field(default_factory=list)  # what takes them off again

    def __post_init__(self) -> None:
        if self.placement is None:
            self.placement = Placement(RESIDENT, self.device, self.dtype)

    def __repr__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        size = self.spec.native_size
        plan = "" if self.memory == RESIDENT else str(self.memory)
        words = [repr(self.spec.key), self.device, dtype, f"{size} × {size} pixels"]
        worn = [f"{each.adapter.name} × {each.scale:g}" for each in self.adapters]
        speed = "" if self.speed == "exact" else self.speed
        options = filter(None, [self.scheduler, plan, speed, *worn])
        return f"Kandinsky({', '.join([*words, *options])})"

    @property
    def memory(self) -> Plan:
        """Return the memory plan in force: that of `load`, or a later one."""
        return self.placement.plan

    def retreat(self) -> bool:
        """Go on by the next memory plan, saying so; False when there is none."""
        before = self.memory
        with wearing.taken_off(self):
            after = self.placement.retreat()
        if after:
            warn(
                f"memory is short on {self.device}: {self.spec.key} goes on by the plan "
                f"{after} instead of {before} ({after.note})"
            )
            for pipeline in self._pipelines.values():
                pipeline.traced = None  # weights move from now on
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
            "speed": "fast" if self.speed == "fast" else "exact",  # no other changes pixels
            **({"quantisation": self.memory.store} if self.memory.store else {}),
            **({"adapters": [w.noted() for w in self.adapters]} if self.adapters else {}),
        }

    def loop(self) -> Loop:
        """Return what the trial of a scheduler needs to know of this model."""
        config = self.decoder.unet.config
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
        wanted = modes.checked(speed, self.spec, self.device, self.memory)
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
        return modes.fast(self.spec.key).settings if self.speed == "fast" else {}

    def _set_up(self, role: str) -> None:
        """Give a pipeline the scheduler and the speed of this model; a prior keeps its own."""
        if role not in self._own:
            return
        pipeline, own, wanted = self._pipelines[role], self._own[role], self.scheduler
        if wanted is None and self.speed == "fast" and role == "decoder":
            wanted = modes.fast(self.spec.key).scheduler
        pipeline.scheduler = own if wanted is None else build(wanted, own)
        recorded = self.speed in modes.RECORDED
        pipeline.traced = Traced(self.speed == "compiled") if recorded else None

    def with_adapter(self, adapter: Any, scale: Any = 1.0) -> Kandinsky:
        """Return this model with what an adapter taught; weights and lock are shared.

        This one stays as it is, pixel for pixel. `adapter` is an Adapter or the path of one, a
        list of these with a list of scales, or a mapping of these → scale; it joins those that
        are there. None takes all away. `scale` 0 gives the model's own pixels, 1 what was
        taught; more exaggerates it. Raises KandiError for adapters of other models or parts,
        for different ones of one name, pickles, and Kandinsky 3.
        """
        return self._lightly(
            adapters=wearing.joined(self, adapter, scale),
            embeddings=Recent(EMBEDDINGS_KEPT),  # the prior imagines others
            _fitted={},
            _undo=[],
        )

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
        with self.lock, torch.inference_mode(False), quiet(), uncollected():
            missing = [role for role in wanted if role not in self._pipelines]
            here = places(self.spec, self.folders, missing)
            threads.choose(here.values(), self.device)
            self._check_scheduler(here)
            for role, folder in here.items():
                with restorable(self.spec, role, local=bool(self.folders)):
                    in_halves(
                        lambda roles, folder=folder: [self._open(roles[0], folder)],
                        [role],
                        self.device,
                        lambda role: self.spec.key,
                        retreat=self.retreat,
                    )

    def _check_scheduler(self, here: Mapping[str, Path]) -> None:
        """Raise KandiError for a scheduler that does not work, before any weights are read."""
        if not self.scheduler or "decoder" not in here:
            return
        try:
            loop = loop_of(self.spec.roles["decoder"].pipeline, here["decoder"], self.dtype)
        except (OSError, ValueError, KeyError, AttributeError):
            return  # damaged files, which are named when they are read
        usable(self.scheduler, loop)

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
        if hasattr(pipeline, "unet"):
            self._own[role] = pipeline.scheduler
        self._set_up(role)

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
                with wearing.put_on(self), torch.inference_mode():
                    yield
            finally:
                self.placement.rest()
                self._running.clear()
        finally:
            self.lock.release()
