"""The training loop of every stage: resumable, seeded by the step, logged, averaged.

Master weights, optimiser and average are float32; the forward and backward passes run on a
bfloat16 copy where the hardware multiplies in it. Step ``n`` draws everything random from a
seed made of the stage's name and ``n``, so a training that was killed goes on along the same
loss curve.
"""

from __future__ import annotations

import copy
import json
import math
import os
import random
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...words.errors import KandiError
from .fast import fast_group_norm
from .store.record import Log

# A loss takes the module to train and a seeded generator on the CPU; it returns a scalar and
# figures to log.
Loss = Callable[[nn.Module, torch.Generator], tuple[torch.Tensor, dict[str, float]]]

BETAS = (0.9, 0.99)  # AdamW's: a memory of 100 steps, in trainings of a few thousand
LARGEST_GRADIENT = 1.0  # its norm is clipped there, as usual
LEAST_RATE = 0.01  # of the peak, where the cosine would end at nothing
FRESH = 0.04  # of a logged figure: a mean over about 25 steps, which a row of the log covers


def seed_from(generator: torch.Generator) -> int:
    """Draw a seed for another source of chance."""
    return int(torch.randint(2**62, (), generator=generator))


def python_random(generator: torch.Generator) -> random.Random:
    """Return Python's own source of chance, seeded by a generator of PyTorch."""
    return random.Random(seed_from(generator))


def seed_of(stage: str, step: int) -> int:
    """Return the seed of one step of one stage."""
    return zlib.crc32(stage.encode()) * 2_000_003 + step


def fast_dtype(device: str = "cpu") -> torch.dtype:
    """Return the dtype in which a device trains fastest.

    That is bfloat16 where the hardware multiplies in it, as recent GPUs and CPUs do, and
    float32 elsewhere: a CPU with AVX2 alone was nine times slower in bfloat16 (7 samples of
    `decoder-2.2` a second, not 69).
    """
    if device.startswith("cuda"):
        fits = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        features = getattr(torch.cpu, "get_capabilities", dict)()
        fits = any(features.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if fits else torch.float32


def clock(device: str = "cpu") -> float:
    """Return seconds of training so far: of a card's time, or of a CPU's that a thread got.

    A training in the background, which gets what is idle, would pass its time waiting.
    """
    if device.startswith("cuda"):
        return time.monotonic()
    return time.process_time() / torch.get_num_threads()


def cast(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a module in another dtype, channels last.

    The `to` of diffusers' models warns of parts to be kept in float32 where there are none.
    """
    return nn.Module.to(module, dtype=dtype, memory_format=torch.channels_last)


@dataclass(frozen=True)
class Plan:
    """How long and how fast one stage learns.

    Length is ``minutes`` of training time (see `clock`) or, if given, ``steps``.
    ``rate`` is held after a linear warm-up of ``warmup`` steps and falls in a cosine over the
    last share ``fall`` of the length: with a small one, a training can be cut short at any time
    and keeps most of its rate until then. ``decay`` is that of the weights, ``ema`` that of the
    average, ``batch`` the number of pictures a step, if not the stage's own.
    """

    stage: str
    folder: Path
    minutes: float = 10.0
    steps: int | None = None
    rate: float = 1e-3
    decay: float = 0.01
    warmup: int = 100
    fall: float = 1.0
    batch: int | None = None
    ema: float = 0.999
    device: str = "cpu"
    dtype: torch.dtype | None = None  # of the passes; by default the fastest here
    save_every: float = 60.0  # seconds, which is what a kill may cost
    log_every: int = 25
    began: str | None = None  # with which weights, if not anew; a checkpoint remembers it
    hardware: str | None = None  # in words; a checkpoint remembers the last

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", self.dtype or fast_dtype(self.device))

    def progress(self, state: dict) -> float:
        """Return which share of the plan is done, 1 or more at its end."""
        if self.steps:
            return state["step"] / self.steps
        return state["seconds"] / (60 * self.minutes)

    def rate_at(self, step: int, progress: float) -> float:
        """Return the learning rate of a step."""
        warm = self.rate * min(1, (step + 1) / self.warmup)
        fallen = min(1, max(0, progress - 1 + self.fall) / self.fall)
        return warm * (0.5 + 0.5 * math.cos(math.pi * fallen))

    def ema_at(self, step: int) -> float:
        """Return the average's decay at a step: what is young forgets its first weights fast.

        The formula is that of TensorFlow's `ExponentialMovingAverage` with ``num_updates``.
        """
        return min(self.ema, (step + 1) / (step + 10))

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.stage}.safetensors"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.stage}.csv"


def _save(plan: Plan, master: nn.Module, average: nn.Module, optimiser, state: dict) -> None:
    tensors = {f"master.{k}": v for k, v in master.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for i, slot in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{k}": v for k, v in slot.items()}
    part = plan.checkpoint.with_suffix(".part")
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    save_file(tensors, part, {"state": json.dumps(state)})
    os.replace(part, plan.checkpoint)


def state_of(plan: Plan) -> dict:
    """Return the state of a checkpoint: step, seconds, began, hardware, the logged figures."""
    from safetensors import safe_open

    with safe_open(plan.checkpoint, "pt") as file:
        return json.loads(file.metadata()["state"])


def _resume(plan: Plan, master: nn.Module, average: nn.Module, optimiser) -> dict:
    tensors = load_file(plan.checkpoint)
    for name, module in (("master.", master), ("average.", average)):
        module.load_state_dict(
            {k[len(name) :]: v for k, v in tensors.items() if k.startswith(name)}
        )
    slots: dict[int, dict] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, i, slot = key.split(".", 2)
            slots.setdefault(int(i), {})[slot] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": slots, "param_groups": groups})
    return state_of(plan)


@contextmanager
def alone(stage: str, folder: Path) -> Iterator[None]:
    """Let nobody else train a stage in a folder meanwhile: both would write one checkpoint.

    The system frees the lock of a process that was killed. Raises KandiError if it is taken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{stage}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise KandiError(
            f"stage {stage} is being trained in {folder} already: wait for it, stop it, or "
            "train in another --folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def average_weights(folder: Path, stage: str) -> dict[str, torch.Tensor]:
    """Return the averaged weights of a stage's checkpoint, by their names in its module."""
    tensors = load_file(Path(folder) / f"{stage}.safetensors")
    return {k[len("average.") :]: v for k, v in tensors.items() if k.startswith("average.")}


def train(plan: Plan, module: nn.Module, loss_of: Loss) -> nn.Module:
    """Train ``module`` until the plan's length is reached and return its average, on the CPU.

    ``loss_of(compute, generator)`` gets the copy and a seeded CPU generator and returns a
    scalar loss and figures to log. Parameters that do not require a gradient stay as they are.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    master = module.to(plan.device).float().train()
    average = copy.deepcopy(master).eval().requires_grad_(False)
    learned = [p for p in master.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, plan.rate, betas=BETAS, weight_decay=plan.decay)
    state = {"step": 0, "seconds": 0.0, "began": plan.began}
    if plan.checkpoint.exists():
        state = _resume(plan, master, average, optimiser)
    state["hardware"] = plan.hardware
    compute = cast(copy.deepcopy(master), plan.dtype)
    used = [p for p in compute.parameters() if p.requires_grad]
    every, mean = list(average.parameters()), list(master.parameters())

    log = Log(plan.log, state["step"])
    smoothed: dict[str, float] = state.setdefault("shown", {})
    rate = 0.0
    last, saved = clock(plan.device), time.monotonic()
    with fast_group_norm(), sdpa_kernel(SDPBackend.MATH):
        while (progress := plan.progress(state)) < 1:
            step = state["step"]
            rate = plan.rate_at(step, progress)
            for group in optimiser.param_groups:
                group["lr"] = max(rate, plan.rate * LEAST_RATE)
            with torch.no_grad():
                torch._foreach_copy_(used, learned)
            generator = torch.Generator().manual_seed(seed_of(plan.stage, step))
            torch.manual_seed(seed_of(plan.stage, step))
            loss, figures = loss_of(compute, generator)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"{plan.stage}: loss is {loss.item()} at step {step}")
            loss.backward()
            for ours, theirs in zip(learned, used, strict=True):
                ours.grad = None if theirs.grad is None else theirs.grad.to(ours.dtype)
                theirs.grad = None
            nn.utils.clip_grad_norm_(learned, LARGEST_GRADIENT)
            optimiser.step()
            with torch.no_grad():
                torch._foreach_lerp_(every, mean, 1 - plan.ema_at(step))
            for key, value in {"loss": loss.item(), **figures}.items():
                smoothed[key] = smoothed.get(key, value) * (1 - FRESH) + value * FRESH
            now = clock(plan.device)
            state |= {"step": step + 1, "seconds": state["seconds"] + now - last}
            last = now
            if state["step"] % plan.log_every == 0:
                log.write(state, rate)
            if state["step"] % (4 * plan.log_every) == 0:
                log.report(plan.stage, state, progress)
            if time.monotonic() - saved > plan.save_every:
                _save(plan, master, average, optimiser, state)
                saved = time.monotonic()
    if rate and state["step"] % plan.log_every:
        log.write(state, rate)
    _save(plan, master, average, optimiser, state)
    print(f"{plan.stage} done: {state['step']} steps, {state['seconds']:.0f} s", flush=True)
    return average.cpu()
