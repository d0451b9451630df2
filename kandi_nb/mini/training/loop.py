"""The training loop of every stage: resumable, seeded by the step, logged, averaged.

Master weights, optimiser and average are float32; the forward and backward passes run on a
bfloat16 copy where the hardware multiplies in it. Step ``n`` draws everything random from a
seed made of the stage's name and ``n``, so a training that was killed goes on along the same
loss curve.
"""

from __future__ import annotations

import copy
import csv
import json
import math
import os
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

Loss = Callable[[nn.Module, torch.Generator, float], tuple[torch.Tensor, dict[str, float]]]


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
        known = getattr(torch.cpu, "get_capabilities", dict)()
        fits = any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return torch.bfloat16 if fits else torch.float32


def cast(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """Return a module in another dtype, channels last.

    The `to` of diffusers' models warns of parts to be kept in float32 where there are none.
    """
    return nn.Module.to(module, dtype=dtype, memory_format=torch.channels_last)


@dataclass
class Plan:
    """How long and how fast one stage learns.

    Length is ``minutes`` of training time (interruptions not counted) or, if given, ``steps``.
    ``rate`` is the peak of a cosine decay with a linear warm-up of ``warmup`` steps; ``ema``
    the decay of the average.
    """

    stage: str
    folder: Path
    minutes: float = 10.0
    steps: int | None = None
    rate: float = 1e-3
    decay: float = 0.01
    warmup: int = 100
    ema: float = 0.999
    device: str = "cpu"
    dtype: torch.dtype | None = None  # of the passes; by default the fastest here
    save_every: float = 60.0
    log_every: int = 25
    began: str | None = None  # with which weights, if not anew; a checkpoint remembers it

    def __post_init__(self) -> None:
        self.dtype = self.dtype or fast_dtype(self.device)

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


def _resume(plan: Plan, master: nn.Module, average: nn.Module, optimiser) -> dict:
    from safetensors import safe_open

    tensors = load_file(plan.checkpoint)
    with safe_open(plan.checkpoint, "pt") as file:
        state = json.loads(file.metadata()["state"])
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
    return state


class _Log:
    """The CSV of a stage, without what a killed training logged after its checkpoint."""

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        if path.exists():
            head, *rows = path.read_text("utf-8").splitlines(keepends=True)
            kept = [row for row in rows if int(row.split(",", 1)[0]) <= step]
            part = path.with_suffix(".part")
            part.write_text("".join([head, *kept]), "utf-8")
            os.replace(part, path)

    def write(self, state: dict, rate: float) -> None:
        """Append the state after a step, below a header if it is the first."""
        shown = state["shown"]
        row = [state["step"], f"{state['seconds']:.0f}", f"{rate:.2e}"]
        fresh = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            if fresh:
                rows.writerow(["step", "seconds", "rate", *shown])
            rows.writerow([*row, *(f"{value:.4f}" for value in shown.values())])

    def tell(self, stage: str, state: dict, progress: float) -> None:
        """Print the state and the minutes that are left."""
        left = state["seconds"] * (1 / max(progress, 1e-6) - 1) / 60
        text = " ".join(f"{key} {value:.4f}" for key, value in state["shown"].items())
        head = f"{stage} {state['step']} {progress:.0%}"
        print(f"{head}, {left:.1f} min left: {text}", flush=True)


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


def averaged(folder: Path, stage: str) -> dict[str, torch.Tensor]:
    """Return the averaged weights of a stage's checkpoint, by their names in its module."""
    tensors = load_file(Path(folder) / f"{stage}.safetensors")
    return {k[len("average.") :]: v for k, v in tensors.items() if k.startswith("average.")}


def train(plan: Plan, module: nn.Module, loss_of: Loss) -> nn.Module:
    """Train ``module`` until the plan's length is reached and return its average, on the CPU.

    ``loss_of(compute, generator, progress)`` gets the copy, a seeded CPU generator and the
    progress 0…1 and returns a scalar loss and figures to log. Parameters that do not
    require a gradient stay as they are.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    master = module.to(plan.device).float().train()
    average = copy.deepcopy(master).eval().requires_grad_(False)
    learned = [p for p in master.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        learned, plan.rate, betas=(0.9, 0.99), weight_decay=plan.decay
    )
    state = {"step": 0, "seconds": 0.0, "began": plan.began}
    if plan.checkpoint.exists():
        state = _resume(plan, master, average, optimiser)
        plan.began = state.get("began")
    compute = cast(copy.deepcopy(master), plan.dtype)
    used = [p for p in compute.parameters() if p.requires_grad]
    every, mean = list(average.parameters()), list(master.parameters())

    log = _Log(plan.log, state["step"])
    shown: dict[str, float] = state.setdefault("shown", {})
    rate = 0.0
    last = saved = time.monotonic()
    with fast_group_norm(), sdpa_kernel(SDPBackend.MATH):
        while True:
            step = state["step"]
            progress = (
                step / plan.steps if plan.steps else state["seconds"] / (60 * plan.minutes)
            )
            if progress >= 1:
                break
            rate = plan.rate * min(1, (step + 1) / plan.warmup)
            rate *= 0.5 + 0.5 * math.cos(math.pi * min(1, progress))
            for group in optimiser.param_groups:
                group["lr"] = max(rate, plan.rate * 0.01)
            with torch.no_grad():
                torch._foreach_copy_(used, learned)
            generator = torch.Generator().manual_seed(seed_of(plan.stage, step))
            torch.manual_seed(seed_of(plan.stage, step))
            loss, figures = loss_of(compute, generator, progress)
            if not torch.isfinite(loss):
                raise FloatingPointError(f"{plan.stage}: loss is {loss.item()} at step {step}")
            loss.backward()
            for ours, theirs in zip(learned, used, strict=True):
                ours.grad = None if theirs.grad is None else theirs.grad.to(ours.dtype)
                theirs.grad = None
            nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step()
            with torch.no_grad():
                torch._foreach_lerp_(every, mean, 1 - min(plan.ema, (step + 1) / (step + 10)))
            for key, value in {"loss": loss.item(), **figures}.items():
                shown[key] = shown.get(key, value) * 0.96 + value * 0.04
            now = time.monotonic()
            state |= {"step": step + 1, "seconds": state["seconds"] + now - last}
            last = now
            if state["step"] % plan.log_every == 0:
                log.write(state, rate)
            if state["step"] % (4 * plan.log_every) == 0:
                log.tell(plan.stage, state, progress)
            if now - saved > plan.save_every:
                _save(plan, master, average, optimiser, state)
                saved = now
    if rate and state["step"] % plan.log_every:
        log.write(state, rate)
    _save(plan, master, average, optimiser, state)
    print(f"{plan.stage} done: {state['step']} steps, {state['seconds']:.0f} s", flush=True)
    return average.cpu()
