"""The loop that trains low-rank matrices on one frozen network: seeded, resumable, timed.

Step n draws all its noise from a seed made of the schedule's and n, so that one that was killed
goes on along the same losses.
"""

from __future__ import annotations

import copy
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.adapters import lora
from ...model.adapters.layouts import LowRank
from ...model.loading.kandinsky import Kandinsky
from ...model.quiet import quiet
from ...words.errors import KandiError
from ...words.files import refuse_device, write
from ..prior import generator

if TYPE_CHECKING:
    import torch

BETAS = (0.9, 0.99)  # AdamW's: a memory of 100 steps, in trainings of some hundred
LARGEST_GRADIENT = 1.0  # its norm is clipped there, as usual
WARMUP = 20  # steps until the learning rate is what it was set to
LOGGED = 10  # steps between two entries of the losses
SAVED = 20.0  # seconds of training between two checkpoints: what a kill may cost
FRESH = 0.1  # of a step's loss in the smoothed one

# Network, step's places and generator → loss; see `losses`.
Loss = Callable[[Any, "torch.Generator"], "torch.Tensor"]


@dataclass(frozen=True)
class Schedule:
    """Say how long and how fast a part is taught: `steps`, or `seconds` where that is None."""

    part: str
    steps: int | None
    seconds: float
    rank: int
    scale: float
    rate: float
    seed: int
    checkpoint: Path | None = None
    subject: str = ""  # what is taught: a checkpoint of something else is refused

    def done(self, state: State) -> float:
        """Return which share of the schedule is done, 1 or more at its end."""
        if self.steps is not None:
            return state.step / self.steps
        return state.seconds / self.seconds

    def rate_at(self, state: State) -> float:
        """Return the learning rate: a short warm-up, then half a cosine down to 0."""
        left = 0.5 + 0.5 * math.cos(math.pi * min(1.0, self.done(state)))
        return self.rate * min(1.0, (state.step + 1) / WARMUP) * left


@dataclass
class State:
    """Hold how far a schedule is: steps, seconds of training, smoothed losses now and then."""

    step: int = 0
    seconds: float = 0.0
    loss: float = math.nan
    losses: list[tuple[int, float, float]] = field(default_factory=list)


class Training:
    """Train low-rank matrices on a network; `weights()` are what was learned until now."""

    def __init__(self, schedule: Schedule, network: Any, loss: Loss) -> None:
        import torch

        self.schedule, self.network, self.loss, self.state = schedule, network, loss, State()
        self.layers = _with_lora(network, schedule)
        self.learned = [p for layer in self.layers.values() for p in _pair(layer)]
        self.optimiser = torch.optim.AdamW(
            self.learned, schedule.rate, betas=BETAS, weight_decay=0.0
        )
        half = next(network.parameters()).dtype == torch.float16
        self.scaler = torch.amp.GradScaler("cuda", enabled=half and self._on_card())
        self._saved = 0.0
        if schedule.checkpoint is not None and schedule.checkpoint.exists():
            self._resume(schedule.checkpoint)

    def _on_card(self) -> bool:
        return self.learned[0].is_cuda

    @property
    def done(self) -> float:
        """Return which share of the schedule is done."""
        return self.schedule.done(self.state)

    def step(self) -> None:
        """Take one step; raise KandiError where the loss is no number any more."""
        import torch

        state, began = self.state, time.monotonic()
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.rate_at(state)
        noise = generator(self.schedule.seed * 1_000_003 + state.step)
        with torch.inference_mode(False), torch.enable_grad():
            loss = self.loss(self.network, noise)
            value = loss.item()
            if not math.isfinite(value):
                raise KandiError(
                    f"the loss of the {self.schedule.part} is {value} at step {state.step}; "
                    f"teach it more slowly: rate={self.schedule.rate / 4:g}"
                )
            self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        torch.nn.utils.clip_grad_norm_(self.learned, LARGEST_GRADIENT)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        state.loss = (
            value if math.isnan(state.loss) else state.loss + FRESH * (value - state.loss)
        )
        state.step += 1
        state.seconds += time.monotonic() - began
        if state.step % LOGGED == 0 or state.step == 1:
            state.losses.append((state.step, round(state.seconds, 2), round(state.loss, 5)))
        if self.schedule.checkpoint is not None and state.seconds - self._saved > SAVED:
            self.save()

    def weights(self) -> dict[str, LowRank]:
        """Return place → what was learned there, float32 copies on the CPU."""
        weights = {}
        for place, layer in self.layers.items():
            down, up = (p.detach().float().cpu().clone() for p in _pair(layer))
            weights[place] = LowRank(down, up * self.schedule.scale)
        return weights

    def save(self) -> None:
        """Write the checkpoint, if the schedule has one: whole or not at all."""
        from safetensors.torch import save

        if self.schedule.checkpoint is None:
            return
        tensors = {f"learned.{n}": p.detach().clone() for n, p in enumerate(self.learned)}
        for number, slots in self.optimiser.state_dict()["state"].items():
            tensors |= {
                f"adam.{number}.{name}": t.detach().clone() for name, t in slots.items()
            }
        state = json.dumps(
            {
                **vars(self.state),
                "subject": self.schedule.subject,
                "scaler": self.scaler.state_dict(),
            }
        )
        write(self.schedule.checkpoint, save(tensors, {"state": state}), overwrite=True)
        self._saved = self.state.seconds

    def _resume(self, path: Path) -> None:
        import torch

        tensors, state = read_checkpoint(path)
        if state.pop("subject") != self.schedule.subject:
            raise KandiError(
                f"{path.parent} holds the teaching of other pictures, captions or settings; "
                "take another folder, or remove that one"
            )
        scaler = state.pop("scaler")
        if scaler:
            self.scaler.load_state_dict(scaler)
        with torch.no_grad():
            for number, parameter in enumerate(self.learned):
                parameter.copy_(tensors[f"learned.{number}"])
        slots: dict[int, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            if name.startswith("adam."):
                _, place, slot = name.split(".")
                slots.setdefault(int(place), {})[slot] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": slots, "param_groups": groups})
        self.state = State(**state)
        self._saved = self.state.seconds


def read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the tensors and the state of a checkpoint; raise KandiError for a damaged one."""
    from safetensors import SafetensorError, safe_open

    refuse_device(path, path, "a checkpoint")
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, json.loads(file.metadata()["state"])
    except (
        SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError
    ) as error:  # fmt: skip
        raise KandiError(
            f"{path} is no whole checkpoint ({os.strerror(getattr(error, 'errno', 0) or 5)}); "
            "remove it to begin anew"
        ) from None


def over_the_same_weights(k: Kandinsky, network: Any) -> Any:
    """Return a network for training whose frozen weights are those of `k`.

    Its modules are its own, so that the model draws as ever meanwhile. Where the memory plan
    moves weights about, it is read from its files once more.
    """
    import torch

    with torch.inference_mode(False), quiet():
        if k.memory.place != "resident":
            held = next(each for each in k.placement.networks if each.module is network)
            return torch.nn.Module.to(held.read(), k.device)
        known: dict[int, Any] = {
            id(p): torch.nn.Parameter(p.detach(), requires_grad=False)
            for p in network.parameters()
        }
        known |= {id(buffer): buffer for buffer in network.buffers()}
        return copy.deepcopy(network, known)


def _with_lora(network: Any, schedule: Schedule) -> Mapping[str, Any]:
    """Put trainable pairs on a network, seeded; return place → peft's layer."""
    import torch

    devices = [p.device for p in network.parameters() if p.is_cuda][:1]
    # peft draws from everybody's source of chance, which stays as it was.
    with torch.random.fork_rng(devices), torch.inference_mode(False), quiet():
        layers = lora.put_on(network, schedule.rank, schedule.scale)
    noise = generator(schedule.seed)
    for layer in layers.values():
        down, up = _pair(layer)
        down.data = _first(down, noise)
        up.data = torch.zeros_like(up, dtype=torch.float32)
    return layers


def _first(down: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    """Return uniform numbers within 1 / √inputs, as peft's own first weights are, float32."""
    import torch

    bound = 1 / math.sqrt(down.shape[1])
    numbers = torch.rand(down.shape, generator=noise) * 2 * bound - bound
    return numbers.to(down.device)


def _pair(layer: Any) -> tuple[Any, Any]:
    return layer.lora_A[lora.NAME].weight, layer.lora_B[lora.NAME].weight
