"""Carry a plan out: which networks are in memory now, and which wait until they run.

On a card the others wait in the machine's memory. Without one they wait on disk: their weights
are dropped, and read again from their files. What runs is seen by accelerate's hooks, which
diffusers' pipelines know, so that every pipeline that shares a network takes the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...words.errors import warn
from ...words.families import PICTURE_DECODER
from ..machine.device import free, give_back
from ..quiet import quiet
from . import stores
from .footprint import BLOCK_KINDS
from .names import PLACES, STORES_OF, Plan

if TYPE_CHECKING:
    import torch

# Diffusers' own names of the hooks that group offloading leaves on a network.
_GROUP_HOOKS = ("group_offloading", "layer_execution_tracker", "lazy_prefetch_group_offloading")


@dataclass(eq=False)
class Network:
    """Hold one network, its part in the pipelines, and how to read it again from its files."""

    name: str  # "unet", "text_encoder" …
    module: torch.nn.Module
    read: Callable[[], torch.nn.Module]
    kind: str  # what it is for, and when it runs: see `Family`
    phase: str
    here: bool = True
    mark: tuple = field(default_factory=tuple)

    def as_it_is(self) -> tuple:
        """Return what differs once weights are changed, added or taken away."""
        return tuple((id(weight), weight._version) for weight in self.module.parameters())


class Placement:
    """Keep of the networks of a loaded model those in memory that its plan says."""

    def __init__(self, plan: Plan, device: str, dtype: torch.dtype) -> None:
        self.plan, self.device, self.dtype = plan, device, dtype
        self.on_disk = not device.startswith("cuda")
        self.networks: list[Network] = []

    def anew(self) -> Placement:
        """Return another one of the same plan, without networks."""
        return Placement(self.plan, self.device, self.dtype)

    def reading(self, kind: str, library: str) -> dict[str, Any]:
        """Return what `from_pretrained` is told besides of a network, by its plan."""
        return stores.reading(self.plan.store, kind, library, self.dtype)

    def settle(
        self, name: str, module: Any, read: Callable[[], Any], *, kind: str, phase: str
    ) -> None:
        """Take in a network that was read just now; it stays only if the plan says so."""
        stores.cast(self.plan.store, kind, module, self.dtype)
        network = Network(name, module, read, kind, phase)
        network.mark = network.as_it_is()
        self.networks.append(network)
        self._arrange(network)

    def leave(self, modules: Collection[Any]) -> None:
        """Let networks go that belong to no pipeline after all."""
        self.networks = [n for n in self.networks if all(n.module is not m for m in modules)]

    def bring(self, network: Network) -> None:
        """Bring a network into memory that is about to run; others make room first."""
        leaving = [o for o in self.networks if o.here and not self._together(o, network)]
        for other in leaving:
            self._send(other)
        if leaving:
            give_back()  # weights go with their last owner: no look for garbage, which is slow
        if not network.here:
            self._fetch(network)

    def rest(self) -> None:
        """Leave the card to others once a task is done, where the plan keeps nothing there."""
        if self.plan.place in ("model-offload", "group-offload"):
            for network in self.networks:
                if network.here and _turns(network.module):
                    self._send(network)

    def retreat(self) -> Plan | None:
        """Go on by the next plan that needs less memory; None when there is no other.

        Weights stay as they are stored, so pixels do, too.
        """
        places = list(PLACES)
        for place in places[places.index(self.plan.place) + 1 :]:
            if self.plan.store in STORES_OF[place]:
                plan = Plan(place, self.plan.store)
                if not stores.lacks(plan, self.device):
                    self._change(plan)
                    return plan
        return None

    def _change(self, plan: Plan) -> None:
        for network in self.networks:
            self._release(network)
        self.plan = plan
        for network in self.networks:
            self._arrange(network)
        free()

    def _arrange(self, network: Network) -> None:
        """Put a network where the plan has it while it does not run."""
        from accelerate import cpu_offload
        from accelerate.hooks import add_hook_to_module

        module, place = network.module, self.plan.place
        if place == "resident":
            module.to(self.device)
        elif place == "sequential-offload":
            _keep_statistics(network, self.device)
            cpu_offload(module, execution_device=self.device, offload_buffers=True)
            network.here = False
        elif place == "group-offload" and network.kind != PICTURE_DECODER:
            _keep_statistics(network, self.device)
            _offload_groups(network, self.device)
            network.here = False
        else:
            add_hook_to_module(module, _turn(self, network))
            self._send(network)

    def _release(self, network: Network) -> None:
        """Take all hooks of a plan off a network, which waits in the machine's memory then."""
        import torch
        from accelerate.hooks import remove_hook_from_module
        from diffusers.hooks import HookRegistry

        module = network.module
        if hasattr(module, "_diffusers_hook"):
            registry = HookRegistry.check_if_exists_or_initialize(module)
            for name in _GROUP_HOOKS:
                registry.remove_hook(name, recurse=True)
        remove_hook_from_module(module, recurse=self.plan.place == "sequential-offload")
        if not self.on_disk:
            torch.nn.Module.to(module, "cpu")
            network.here = True

    def _together(self, one: Network, other: Network) -> bool:
        """Tell whether a network may stay while the other runs; never two of a kind."""
        if one is other or self.plan.place == "resident":
            return True
        alike = one.phase == other.phase and one.name != other.name
        return self.plan.place == "prior-first" and alike

    def _send(self, network: Network) -> None:
        import torch

        if not self.on_disk:
            torch.nn.Module.to(network.module, "cpu")
        elif network.as_it_is() == network.mark:
            torch.nn.Module.to(network.module, "meta")
        else:
            warn(
                f"the weights of {network.name} were changed since they were read, so they "
                "stay in memory, whatever the plan"
            )
            return
        network.here = False

    def _fetch(self, network: Network) -> None:
        import torch

        # Weights that are read within a task are weights like others.
        with torch.inference_mode(False), quiet():
            if self.on_disk:
                fresh = network.read()
                stores.cast(self.plan.store, network.kind, fresh, self.dtype)
                _hand_over(fresh, network.module)
            torch.nn.Module.to(network.module, self.device)
        network.here, network.mark = True, network.as_it_is()


def _hand_over(fresh: Any, module: Any) -> None:
    """Give a network the weights of another one of its shape, without a copy."""
    for new, old in zip(fresh.modules(), module.modules(), strict=True):
        old._parameters, old._buffers = new._parameters, new._buffers


def _turn(placement: Placement, network: Network) -> Any:
    """Return a hook that brings a network into memory whenever it runs."""
    from accelerate.hooks import ModelHook
    from accelerate.utils import send_to_device

    class Turn(ModelHook):
        execution_device = placement.device

        def pre_forward(self, module: Any, *args: Any, **named: Any) -> tuple[Any, Any]:
            placement.bring(network)
            return send_to_device((args, named), placement.device)

    return Turn()


def _turns(module: Any) -> bool:
    return type(getattr(module, "_hf_hook", None)).__name__ == "Turn"


def _offload_groups(network: Network, device: str) -> None:
    """Let diffusers bring a network block by block, an encoder layer by layer."""
    import torch
    from diffusers.hooks import apply_group_offloading

    blocks = network.kind in BLOCK_KINDS
    apply_group_offloading(
        network.module,
        onload_device=torch.device(device),
        offload_device=torch.device("cpu"),
        **(
            {"offload_type": "block_level", "num_blocks_per_group": 1}
            if blocks
            else {"offload_type": "leaf_level"}
        ),
    )


def _keep_statistics(network: Network, device: str) -> None:
    """Let a prior's mean and deviation stay on the card: they are used between its calls."""
    if network.kind != "prior":
        return
    mean, deviation = (
        getattr(network.module, name).detach().clone().to(device)
        for name in ("clip_mean", "clip_std")
    )
    network.module.post_process_latents = lambda latents: latents * deviation + mean
