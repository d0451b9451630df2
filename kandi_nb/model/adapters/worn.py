"""Adapters on networks: which ones with which scale, whether they fit, and put on for a task.

While a task holds the model's lock, each changed layer has the weight W + scale × up · down in
the place of W, and gets its own back afterwards: so the model without the adapter draws the
very same pixels as ever. Where a memory plan moves weights about, or keeps them in fewer bits,
a hook on the layer adds scale × up · down · input to what it says instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...words.errors import KandiError, warn
from ...words.models import SPECS, ModelSpec
from .adapter import Adapter
from .layouts import LowRank
from .scales import Worn, check_takes, together, worn_of

if TYPE_CHECKING:
    import torch

    from ..loading.kandinsky import Kandinsky


def check_fits(worn: Sequence[Worn], spec: ModelSpec, networks: Mapping[str, Any]) -> None:
    """Raise KandiError unless adapters fit a model's networks, "prior" and "decoder"."""
    check_takes(spec)
    for adapter, _ in worn:
        _check_generation(adapter, spec)
        for part, places in adapter.weights.items():
            for place, pair in places.items():
                _layer(networks[part], place, pair, f"the {part} of {spec.key}", adapter)


def warn_of_other_weights(worn: Sequence[Worn], revision: Mapping[str, str]) -> None:
    """Warn of adapters that were taught to other weights of the same model."""
    for adapter, _ in worn:
        for part, mark in adapter.card.get("revision", {}).items():
            if part in adapter.weights and revision.get(part) not in (None, mark):
                warn(
                    f"{adapter.name} was taught to another {part} ({mark[:12]}, here "
                    f"{revision[part][:12]}); it may draw worse"
                )


def _check_generation(adapter: Adapter, spec: ModelSpec) -> None:
    """Raise KandiError for an adapter of another known model; folders' names say nothing."""
    taught_to = adapter.card.get("model")
    if taught_to != spec.key and {taught_to, spec.key} <= SPECS.keys():
        raise KandiError(
            f"{adapter.name} was taught to {taught_to}, and this is {spec.key}; load "
            f"{taught_to}, or teach this model"
        )


def _layer(network: Any, place: str, pair: LowRank, where: str, adapter: Adapter) -> Any:
    """Return the layer that a pair of matrices changes; raise KandiError unless it fits."""
    try:
        layer = network.get_submodule(place)
    except AttributeError:
        raise KandiError(
            f"{adapter.name} changes {place}, which {where} does not have"
        ) from None
    inside, outside = pair.down.shape[1], pair.up.shape[0]
    convolves = pair.down.ndim == 4
    names = ("in_channels", "out_channels") if convolves else ("in_features", "out_features")
    here = tuple(getattr(layer, name, None) for name in names)
    if here != (inside, outside) or getattr(layer, "groups", 1) != 1:
        raise KandiError(
            f"{adapter.name} is for another model: its {place} takes {inside} numbers and "
            f"gives {outside}, that of {where} {' and '.join(map(str, here))}"
        )
    return layer


def joined(k: Kandinsky, adapter: Any, scale: Any) -> tuple[Worn, ...]:
    """Return the adapters of a model and those that join them; none for None. See `worn_of`.

    Raises KandiError unless those that join fit, and warns where they knew other weights.
    """
    added = worn_of(adapter, scale)
    if not added:
        return ()
    check_takes(k.spec)
    check_fits(added, k.spec, {"prior": k.prior.prior, "decoder": k.decoder.unet})
    warn_of_other_weights(added, k.revision)
    return together([*k.adapters, *added])


class Layer(NamedTuple):
    """Hold a layer of a network, what is added to it, and its weight before and with it.

    `pair` has the scales inside. `merged` is None where the weights may leave the memory, or
    are stored in fewer bits.
    """

    layer: Any
    pair: LowRank
    weight: Any
    merged: Any


def _fitted(part: str, network: Any, k: Kandinsky) -> list[Layer]:
    """Return the layers of a network that adapters change, several as one pair.

    Raises KandiError unless they fit.
    """
    import torch

    pairs: dict[str, list[LowRank]] = {}
    for adapter, scale in k.adapters:
        for place, pair in adapter.weights.get(part, {}).items():
            if scale:  # 0 leaves the model's own pixels, bit by bit
                pairs.setdefault(place, []).append(LowRank(pair.down, pair.up * scale))
                _layer(network, place, pair, f"the {part} of {k.spec.key}", adapter)
    plain = k.memory.place == "resident" and not k.memory.store
    layers = []
    with torch.inference_mode(False), torch.no_grad():
        for place, each in pairs.items():
            layer = network.get_submodule(place)
            down = torch.cat([pair.down for pair in each]).to(k.device)
            up = torch.cat([pair.up for pair in each], dim=1).to(k.device)
            merged = _merged(layer.weight, down, up) if plain else None
            pair = LowRank(down.to(k.dtype), up.to(k.dtype))
            layers.append(Layer(layer, pair, layer.weight, merged))
    return layers


def _merged(weight: torch.Tensor, down: torch.Tensor, up: torch.Tensor) -> Any:
    """Return W + up · down as a weight of its own, so that pictures take no longer."""
    import torch

    delta = (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)
    return torch.nn.Parameter((weight.float() + delta).to(weight), requires_grad=False)


def _changed_layers(k: Kandinsky) -> list[Layer]:
    """Return the layers that adapters change, of all networks that a model has loaded."""
    networks = {
        id(network): (part, network)
        for pipeline in k._pipelines.values()
        for part, name in (("prior", "prior"), ("decoder", "unet"))
        if (network := getattr(pipeline, name, None)) is not None
    }
    for number, (part, network) in networks.items():
        if number not in k._fitted:
            k._fitted[number] = _fitted(part, network, k)
    return [layer for number in networks for layer in k._fitted[number]]


@contextmanager
def put_on(k: Kandinsky) -> Iterator[None]:
    """Let a model's networks have its adapters in the block, while it holds the lock."""
    if not k.adapters:
        yield
        return
    try:
        _put_on(k)
        yield
    finally:
        _take_off(k)


@contextmanager
def taken_off(k: Kandinsky) -> Iterator[None]:
    """Let networks be as they were read in the block, in which the memory plan changes."""
    dressed = bool(k._undo)
    _take_off(k)
    try:
        yield
    finally:
        if dressed:
            _put_on(k)


def _put_on(k: Kandinsky) -> None:
    resident = k.memory.place == "resident"
    for each in _changed_layers(k):
        if resident and each.merged is not None and each.layer.weight is each.weight:
            k._undo.append(partial(_exchange, each.layer, each.weight))
            _exchange(each.layer, each.merged)
        else:
            k._undo.append(each.layer.register_forward_hook(_addition(each.pair)).remove)


def _take_off(k: Kandinsky) -> None:
    while k._undo:
        k._undo.pop()()


def _exchange(layer: Any, weight: Any) -> None:
    layer._parameters["weight"] = weight


def _addition(pair: LowRank) -> Any:
    """Return a hook that adds up · down · input to what a layer says."""
    from torch.nn.functional import conv2d, linear

    down, up = pair

    def add(layer: Any, inputs: tuple, output: torch.Tensor) -> torch.Tensor:
        states = inputs[0].to(output.device, down.dtype)
        if down.ndim == 2:
            more = linear(linear(states, down), up)
        else:
            narrow = conv2d(states, down, None, layer.stride, layer.padding, layer.dilation)
            more = conv2d(narrow, up)
        return output + more.to(output.dtype)

    return add
