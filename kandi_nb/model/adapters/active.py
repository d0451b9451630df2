"""`ActiveAdapters`: which adapters change a model, with which scale, and put on for a task.

While a task holds the model's lock, each changed layer has the weight W + scale × up · down in
the place of W, and gets its own back afterwards: so the model without the adapter draws the
very same pixels as ever. Where a memory plan moves weights about, or keeps them in fewer bits,
a hook on the layer adds scale × up · down · input to what it says instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...words.errors import KandiError, warn
from ...words.models import SPECS, ModelSpec
from ..plan.placement import Placement
from .adapter import Adapter
from .layouts import LowRank
from .scales import ScaledAdapter, check_takes, scaled_adapters, together

if TYPE_CHECKING:
    import torch

Networks = Iterable[tuple[str, Any]]  # ("prior" or "decoder", network), as often as it is held


class ChangedLayer(NamedTuple):
    """Hold a layer of a network, what is added to it, and its weight before and with it.

    `pair` has the scales inside. `merged` is None where the weights may leave the memory, or
    are stored in fewer bits.
    """

    layer: Any
    pair: LowRank
    weight: Any
    merged: Any


class ActiveAdapters(Sequence[ScaledAdapter]):
    """Own what adapters change in a model's networks; read, it is a sequence of them.

    `model` is the model's key, for errors. The networks are handed over by whoever holds them,
    as more may have been loaded since.
    """

    def __init__(self, model: str, scaled: Iterable[ScaledAdapter] = ()) -> None:
        self.model, self._scaled = model, tuple(scaled)
        self._layers: dict[int, list[ChangedLayer]] = {}  # by the id of their network
        self._undo: list[Callable[[], None]] = []  # what takes them off again

    def __len__(self) -> int:
        return len(self._scaled)

    def __getitem__(self, index: Any) -> Any:
        return self._scaled[index]

    def join(
        self,
        adapter: Any,
        scale: Any,
        spec: ModelSpec,
        networks: Callable[[], tuple[Any, Any]],
        revision: Mapping[str, str],
    ) -> ActiveAdapters:
        """Return these and those that join them; none for None. See `scaled_adapters`.

        `networks` gives those of the first and of the second stage.
        Raises KandiError unless those that join fit, and warns where they knew other weights.
        """
        added = scaled_adapters(adapter, scale)
        if not added:
            return ActiveAdapters(self.model)
        check_takes(spec)
        _check_fits(added, spec, dict(zip(("prior", "decoder"), networks(), strict=True)))
        _warn_of_other_weights(added, revision)
        return ActiveAdapters(self.model, together([*self, *added]))

    @contextmanager
    def put_on(self, networks: Callable[[], Networks], placement: Placement) -> Iterator[None]:
        """Let networks have the adapters in the block, while a task holds the lock."""
        if not self:
            yield
            return
        try:
            self._put_on(networks(), placement)
            yield
        finally:
            self._take_off()

    @contextmanager
    def taken_off(
        self, networks: Callable[[], Networks], placement: Placement
    ) -> Iterator[None]:
        """Let networks be as they were read in the block, in which the memory plan changes."""
        were_on = bool(self._undo)
        self._take_off()
        try:
            yield
        finally:
            if were_on:
                self._put_on(networks(), placement)

    def _put_on(self, networks: Networks, placement: Placement) -> None:
        resident = placement.plan.place == "resident"
        for each in self._changed_layers(networks, placement):
            if resident and each.merged is not None and each.layer.weight is each.weight:
                self._undo.append(partial(_exchange, each.layer, each.weight))
                _exchange(each.layer, each.merged)
            else:
                hook = each.layer.register_forward_hook(_addition(each.pair))
                self._undo.append(hook.remove)

    def _take_off(self) -> None:
        while self._undo:
            self._undo.pop()()

    def _changed_layers(self, networks: Networks, placement: Placement) -> list[ChangedLayer]:
        """Return the layers that the adapters change, of all networks."""
        by_id = {id(network): (part, network) for part, network in networks}
        for number, (part, network) in by_id.items():
            if number not in self._layers:
                self._layers[number] = self._fit(part, network, placement)
        return [layer for number in by_id for layer in self._layers[number]]

    def _fit(self, part: str, network: Any, placement: Placement) -> list[ChangedLayer]:
        """Return the layers of a network that the adapters change, several as one pair.

        Raises KandiError unless they fit.
        """
        import torch

        pairs: dict[str, list[LowRank]] = {}
        for adapter, scale in self:
            for place, pair in adapter.weights.get(part, {}).items():
                if scale:  # 0 leaves the model's own pixels, bit by bit
                    pairs.setdefault(place, []).append(LowRank(pair.down, pair.up * scale))
                    _layer(network, place, pair, f"the {part} of {self.model}", adapter)
        plain = placement.plan.place == "resident" and not placement.plan.store
        device, dtype = placement.device, placement.dtype
        layers = []
        with torch.inference_mode(False), torch.no_grad():
            for place, each in pairs.items():
                layer = network.get_submodule(place)
                down = torch.cat([pair.down for pair in each]).to(device)  # [rank, in]
                up = torch.cat([pair.up for pair in each], dim=1).to(device)  # [out, rank]
                merged = _merge(layer.weight, down, up) if plain else None
                pair = LowRank(down.to(dtype), up.to(dtype))
                layers.append(ChangedLayer(layer, pair, layer.weight, merged))
        return layers


def _check_fits(
    scaled: Sequence[ScaledAdapter], spec: ModelSpec, networks: Mapping[str, Any]
) -> None:
    """Raise KandiError unless adapters fit a model's networks, "prior" and "decoder"."""
    for adapter, _ in scaled:
        _check_generation(adapter, spec)
        for part, places in adapter.weights.items():
            for place, pair in places.items():
                _layer(networks[part], place, pair, f"the {part} of {spec.key}", adapter)


def _warn_of_other_weights(
    scaled: Sequence[ScaledAdapter], revision: Mapping[str, str]
) -> None:
    """Warn of adapters that were taught to other weights of the same model."""
    for adapter, _ in scaled:
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


def _merge(weight: torch.Tensor, down: torch.Tensor, up: torch.Tensor) -> Any:
    """Return W + up · down as a weight of its own, so that pictures take no longer."""
    import torch

    delta = (up.flatten(1) @ down.flatten(1)).reshape(weight.shape)  # [out, in, …]
    return torch.nn.Parameter((weight.float() + delta).to(weight), requires_grad=False)


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
