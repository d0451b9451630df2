"""Load a model, from the package, the hub's cache, the hub or a folder, by one table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, quote
from ...words.models import SPECS, ModelSpec
from ..adapters.scales import check_takes, scaled_adapters
from ..find import find, places
from ..machine.device import device as device_for
from ..machine.device import dtype as dtype_for
from ..machine.device import free
from ..plan import fit, stores
from ..plan.names import Plan
from ..plan.placement import Placement
from ..progress import interruptible
from ..schedulers.classes import scheduler_name
from . import speeds
from .assemble import Component, components_of, native_size, without_gc
from .kandinsky import RESIDENT, Kandinsky

if TYPE_CHECKING:
    import torch


@without_gc()
def load(
    key_or_folder: str | Path,
    *,
    device: str | None = None,
    dtype: Any = None,
    scheduler: str | None = None,
    variant: str | None = None,
    memory: str | Plan = "resident",
    speed: str = "exact",
    adapter: Any = None,
) -> Kandinsky:
    """Load a model by its key, such as "mini-2.2" or "kandinsky-2.2", or from a folder.

    A folder holds the publisher's sub-folders, such as kandinsky-2-2-prior and
    kandinsky-2-2-decoder, itself or in a sub-folder kandinsky-community; where several models
    lie together, give the decoder's own folder. A published key is looked for in the hub's
    cache, then downloaded. `device` and `dtype` (a torch dtype or its name) are chosen by the
    machine unless given. `scheduler`, such as "ddim" or "dpm++", takes the steps instead of the
    model's own; `kn.schedulers(k)` says which of them work. `variant`, such as "fp16", asks for
    that kind of weight files; left out, 3 takes "fp16" where there is some, the others the
    plain ones. `memory` is a plan of `kn.plan`, by its name, or "auto" for the first that fits
    what is free now; when memory is short all the same, the next one is taken.

    `speed="exact"` draws the pixels of plain diffusers in float32, within 1 of 255, for less
    work (docs/exact.md has where ours differs on purpose); "traced" records the calls of the
    first picture of a size and repeats them; "compiled" has torch.compile fuse them first,
    which takes a C compiler and about a minute. "fast" draws other pixels: it takes fewer steps
    by a quicker scheduler, as `kn.curve(key)` has them measured, wherever `scheduler`, `steps`
    or `prior_steps` were not given, and only in tasks that draw from noise alone.

    `adapter` is what it was taught beside its weights, as `k.with_adapter` takes it: a LoRA
    file of 2.1 or 2.2, a kn.Adapter, a list of these, or a mapping of these → scale.

    Raises KandiError, before any weights are read, for unknown names, schedulers that do not
    work, plans and speeds that this machine or this model cannot have, and missing or damaged
    files; Cancelled when the kernel is interrupted.
    """
    chosen, folders = find(key_or_folder)
    name = None if scheduler is None else scheduler_name(scheduler)
    if variant is not None:
        if not isinstance(variant, str) or not variant.isidentifier():
            raise KandiError(f'variant is a word such as "fp16", not {quote(variant)}')
        chosen = dataclasses.replace(chosen, variant=variant, must_vary=True)
    scaled = scaled_adapters(adapter)
    if scaled:
        check_takes(chosen)
    where = device_for(device)
    k = _load(chosen, folders, where, dtype, memory, scheduler=name, speed=speed)
    return k.with_adapter(dict(scaled)) if scaled else k


@without_gc()
def load_instead(
    old: Kandinsky | None,
    key_or_folder: str | Path,
    *,
    roles: Iterable[str] = (),
    device: str | None = None,
    dtype: Any = None,
    memory: str | Plan = "resident",
    scheduler: str | None = None,
    speed: str = "exact",
    adapter: Any = None,
) -> Kandinsky:
    """Load a model in the place of another, which gives its memory back first.

    What both have of the same files, on the same device and in the same number format, is
    handed on: networks of what `load` reads, and of `roles`. `old` is empty from then on, and
    loads itself anew if it is used again; None for none. Raises what `load` raises.
    """
    chosen, folders = find(key_or_folder)
    where = device_for(device)
    scaled = scaled_adapters(adapter)
    if scaled:
        check_takes(chosen)
    name = None if scheduler is None else scheduler_name(scheduler)
    more: dict[str, Any] = {"memory": memory, "scheduler": name, "speed": speed}
    if old is None:
        k = _load(chosen, folders, where, dtype, **more)
        return k.with_adapter(dict(scaled)) if scaled else k
    wanted = [*chosen.ids, *(role for role in roles if role in chosen.roles)]
    here = places(chosen, folders, wanted)
    alike = (old.device, old.dtype, old.memory) == (where, dtype_for(where, dtype), RESIDENT)
    alike = alike and memory == "resident"
    there, settled = old.give_up()
    components = components_of(there, chosen, here) if alike else []
    handed_on = {id(component.network) for component in components}
    settled = [n for n in settled if id(n.module) in handed_on]
    del there
    free()
    k = _load(chosen, folders, where, dtype, components=components, **more)
    k.placement.networks += settled
    return k.with_adapter(dict(scaled)) if scaled else k


def _load(
    chosen: ModelSpec,
    folders: dict[str, Path],
    where: str,
    dtype: Any,
    memory: Any = "resident",
    components: Iterable[Component] = (),
    scheduler: str | None = None,
    speed: Any = "exact",
) -> Kandinsky:
    number_format = dtype_for(where, dtype)
    plan = _plan_for(memory, chosen, folders, where, number_format)
    k = Kandinsky(
        chosen,
        where,
        number_format,
        folders,
        scheduler=scheduler,
        speed=speeds.check_speed(speed, chosen, where, plan),
        placement=Placement(plan, where, number_format),
        _components=[*components],
    )
    with interruptible("nothing is loaded, and what is downloaded is kept"):
        k.open(chosen.ids)
    if chosen.key not in SPECS:
        k.spec = dataclasses.replace(chosen, native_size=native_size(k.decoder, chosen))
    return k


def _plan_for(
    memory: Any, chosen: ModelSpec, folders: Mapping[str, Path], where: str, dtype: torch.dtype
) -> Plan:
    """Return the plan that was asked for, or the one that fits here now."""
    if memory == stores.AUTO:
        if folders:  # whole and known, before anything is read of them
            places(chosen, folders, chosen.ids)
        return fit.choose(chosen, folders, where, str(dtype).removeprefix("torch."))
    return stores.check_plan(memory, where)
