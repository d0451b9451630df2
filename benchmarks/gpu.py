"""Measure full-size models with random weights on a graphics card: seconds, peaks, the floor.

    python benchmarks/gpu.py --out gpu.json              # every part, each in a fresh process
    python benchmarks/gpu.py --out gpu.json --only second,plans-2.2
    python benchmarks/gpu.py --out gpu.json --tiny       # small models, on the CPU if need be
    python benchmarks/gpu.py --out gpu.json --keep       # and show them in docs/benchmarks.md

Nothing is downloaded: networks are built from the published configurations, tokenizers are the
bundled ones. A part that fails or takes too long leaves its error and does not end the others.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import statistics
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import report

import kandi_nb as kn
from kandi_nb.model.bundled import folders_of
from kandi_nb.model.loading.assemble import quicken
from kandi_nb.model.loading.kandinsky import Kandinsky
from kandi_nb.model.plan import architecture, placement, stores
from kandi_nb.model.plan.names import PLANS, read_plan
from kandi_nb.model.plan.placement import Placement
from kandi_nb.model.speed.traced import Traced, compiler
from kandi_nb.words.models import SPECS

GB = 1e9
LIMIT = 175  # seconds of one part
PROMPT = "a red fox in a snowy forest"
SIX_GB = 6.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="a JSON file")
    parser.add_argument("--only", default="", help=f"parts, of: {','.join(PARTS)}")
    parser.add_argument("--tiny", action="store_true", help="bundled sizes, any device")
    parser.add_argument("--limit", type=int, default=LIMIT, help="seconds of one part")
    parser.add_argument(
        "--keep", action="store_true", help="write them to the benchmarks' page"
    )
    parser.add_argument("--part", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.part:
        return _one(words.part, words.tiny, words.out)
    wanted = [name for name in words.only.split(",") if name] or list(PARTS)
    if strange := set(wanted) - set(PARTS):
        parser.error(f"unknown part {', '.join(strange)}; known: {', '.join(PARTS)}")
    rows = json.loads(words.out.read_text("utf-8")) if words.out.exists() else {}
    for name in wanted:
        print(f"{name} …", flush=True)
        rows[name] = _in_process(name, words)
        words.out.write_text(json.dumps(rows, indent=1), "utf-8")
        print(json.dumps(rows[name], indent=1), flush=True)
    if words.keep:
        report.keep("gpu", table(rows), report.circumstances(1) | {"processor": card()})
    return 0


def table(parts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row of each thing that was timed, of the JSON that a run of this writes."""
    rows = []
    for name, part in parts.items():
        for way, value in part.items():
            row = {"what": TITLES.get(name, name), "way": way, "seconds": None}
            if isinstance(value, float) and way != "seconds" and name != "floor":
                rows.append(row | {"seconds": value})
            elif isinstance(value, dict) and "seconds" in value:
                peaks = [value["predicted_gb"], value.get("allocated_gb")]
                rows.append(row | {"seconds": value["seconds"], "peak_gb": peaks})
            elif isinstance(value, dict) and (fault := value.get("fault")):
                rows.append(row | {"note": f"failed: {fault.strip().splitlines()[-1][:120]}"})
            elif isinstance(value, dict) and "not run" in value:
                rows.append(row | {"note": f"not run here: {value['not run']}"[:120]})
        if "fault" in part:
            rows.append(
                {
                    "what": TITLES.get(name, name),
                    "way": "the rest",
                    "note": "not run to its end",
                }
            )
    return [row for row in rows if row["way"] not in ("operations_tflop", "first")]


def _in_process(name: str, words: argparse.Namespace) -> Any:
    """Run a part in a process of its own; return its rows, with what it had when it failed."""
    part = words.out.with_suffix(f".{name}.part")
    part.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--out", str(part), "--part", name]
    began = time.perf_counter()
    fault = None
    try:
        done = subprocess.run(
            [*command, *(["--tiny"] if words.tiny else [])],
            timeout=words.limit,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            fault = done.stderr.strip()[-1500:]
    except subprocess.TimeoutExpired:
        fault = f"ended after {words.limit} s"
    rows = json.loads(part.read_text("utf-8")) if part.exists() else {}
    part.unlink(missing_ok=True)
    return {**rows, "seconds": round(time.perf_counter() - began, 1)} | (
        {"fault": fault} if fault else {}
    )


class Rows(dict):
    """Hold what a part measured, on disk from the first row on."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        self.file.write_text(json.dumps(self), "utf-8")


def _one(name: str, tiny: bool, file: Path) -> int:
    warnings.simplefilter("ignore")
    PARTS[name](Rows(file), tiny)
    return 0


# Models ------------------------------------------------------------------------------------


def card() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else report.processor()


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def loaded(
    key: str, tiny: bool, plan: str = "resident", dtype: str = "float16", quick: bool = True
) -> Kandinsky:
    """Return a model of a published key with random weights, placed as its plan says."""
    import diffusers
    import torch

    from kandi_nb.model.quiet import quiet

    where = device()
    number_format = getattr(torch, "float32" if where == "cpu" else dtype)
    known = SPECS[key]
    small = SPECS[f"mini-{known.family}"]
    known = small if tiny else known
    place = Placement(read_plan(plan), where, number_format)
    pipelines = {}
    for role in known.ids:
        networks = {}
        for part in architecture.parts(known, folders_of(known)):
            if part.stage == role:
                networks[part.name] = network(part, place, quick)
        pipeline_class = getattr(diffusers, known.roles[role].pipeline)
        with quiet():
            pipelines[role] = pipeline_class.from_pretrained(
                folders_of(small)[role], local_files_only=True, dtype=number_format, **networks
            )
        pipelines[role].set_progress_bar_config(disable=True)
    return Kandinsky(
        known,
        where,
        number_format,
        folders_of(small),
        revision=dict.fromkeys(pipelines, "random"),
        placement=place,
        _pipelines=pipelines,
        _own={"decoder": pipelines["decoder"].scheduler},
    )


def network(part: architecture.Part, place: Placement, quick: bool) -> Any:
    """Return one network with random weights, as `load` would have it."""
    import torch

    def build() -> Any:
        with torch.device(place.device):
            made = architecture.build(part)
        return architecture.narrow(made, place.dtype).requires_grad_(False)

    made = build()
    if quick:
        quicken(part.kind, made, place.device)
    place.settle(part.name, made, build, kind=part.kind, phase=part.phase)
    return made


def params(tiny: bool, size: int, steps: int) -> kn.Params:
    steps = 2 if tiny else steps
    size = 64 if tiny else size
    return kn.Params(PROMPT, steps=steps, prior_steps=25 if not tiny else 2).replace(
        width=size, height=size
    )


def synchronise() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(draw: Callable[[], Any], repeats: int = 3) -> float:
    """Return the median time of a call, after one that is not counted."""
    draw()
    taken = []
    for _ in range(repeats):
        synchronise()
        began = time.perf_counter()
        draw()
        synchronise()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


@contextlib.contextmanager
def peak() -> Iterator[dict[str, float]]:
    """Measure the most that a block has on the card, in 10⁹ bytes, weights and all."""
    import torch

    gc.collect()
    measured: dict[str, float] = {}
    if not torch.cuda.is_available():
        yield measured
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield measured
    measured["allocated_gb"] = round(torch.cuda.max_memory_allocated() / GB, 2)
    measured["reserved_gb"] = round(torch.cuda.max_memory_reserved() / GB, 2)


def ours(k: Kandinsky, asked: kn.Params) -> Callable[[], Any]:
    def draw() -> Any:
        k.forget()
        return kn.generate(k, asked, progress=False)

    return draw


def plain(k: Kandinsky, asked: kn.Params) -> Callable[[], Any]:
    """Return the guides' way on the same networks: one pipeline, then the other."""
    import torch

    def draw() -> Any:
        with torch.no_grad():
            told: dict[str, Any] = {"guidance_scale": asked.guidance}
            if k.prior is None:
                told = {"guidance_scale": asked.guidance - 1, "prompt": PROMPT}
            else:
                told |= k.prior(
                    PROMPT, num_inference_steps=asked.prior_steps, guidance_scale=4.0
                )
            return k.decoder(
                **told,
                num_inference_steps=asked.steps,
                width=asked.width,
                height=asked.height,
                generator=torch.Generator().manual_seed(0),
            ).images

    return draw


# Parts -------------------------------------------------------------------------------------


def floor(rows: Rows, tiny: bool) -> None:
    """What the card reaches in the two operations that a UNet consists of."""
    import torch

    where, side = device(), 256 if tiny else 8192
    dtype = torch.float32 if where == "cpu" else torch.float16
    rows["card"] = torch.cuda.get_device_name() if where == "cuda" else "CPU"
    rows["torch"] = torch.__version__
    one = torch.randn(side, side, device=where, dtype=dtype)
    taken = seconds(lambda: [one @ one for _ in range(10)]) / 10
    rows["matmul_tflops"] = round(2 * side**3 / taken / 1e12, 1)
    for channels, size in ((384, 96), (768, 48), (1152, 24), (1536, 12)):
        if tiny:
            channels, size = channels // 16, size // 4
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1).to(where, dtype)
        for name, order in (
            ("rows", torch.contiguous_format),
            ("channels_last", torch.channels_last),
        ):
            layer = layer.to(memory_format=order)
            image = torch.randn(2, channels, size, size, device=where, dtype=dtype)
            image = image.to(memory_format=order)
            with torch.no_grad():
                taken = seconds(lambda: [layer(image) for _ in range(50)]) / 50  # noqa: B023
            flops = 2 * 2 * channels**2 * 9 * size**2
            rows[f"conv_{channels}_{size}_{name}_tflops"] = round(flops / taken / 1e12, 1)
    rows["compiler"] = compiler()


def _operations(key: str, tiny: bool, asked: kn.Params) -> float:
    """Return the operations of one picture, as kn.plan counts them."""
    from kandi_nb.model.plan.footprint import activity

    known = SPECS[f"mini-{SPECS[key].family}" if tiny else key]
    calls = {"unet": asked.steps, "prior": asked.prior_steps}
    return sum(
        calls.get(part.name, 1)
        * activity(part, asked.height, asked.width, 1, "float16").operations
        for part in architecture.parts(known, folders_of(known))
        if part.name != "image_encoder"
    )


def second(rows: Rows, tiny: bool) -> None:
    """Kandinsky 2.2 at 768², 50 steps: diffusers, ours, and recorded; the floor beside them."""
    import torch

    asked = params(tiny, 768, 50)
    k = loaded("kandinsky-2.2", tiny, quick=False)
    rows["plain"] = seconds(plain(k, asked))
    for pipeline in k.loaded_pipelines.values():
        for name, part in pipeline.components.items():
            if isinstance(part, torch.nn.Module):
                quicken(k.spec.generation.kind_of(name), part, k.device)
    rows["exact"] = seconds(ours(k, asked))
    unet = k.decoder.unet
    unet.to(memory_format=torch.channels_last)
    rows["exact, channels last"] = seconds(ours(k, asked))
    if device() == "cuda":
        k.decoder.traced = Traced()
        rows["traced, channels last"] = seconds(ours(k, asked))
    unet.to(memory_format=torch.contiguous_format)
    k.decoder.traced = Traced()
    rows["traced"] = seconds(ours(k, asked))
    k.decoder.traced = None
    rows["operations_tflop"] = round(_operations("kandinsky-2.2", tiny, asked) / 1e12, 2)
    rows["plain again"] = seconds(plain(k, asked), 2)


def compiled(rows: Rows, tiny: bool) -> None:
    """The same with torch.compile, which takes a C compiler and about a minute."""
    import torch

    asked = params(tiny, 768, 50)
    k = loaded("kandinsky-2.2", tiny)
    rows["exact"] = seconds(ours(k, asked), 2)
    k.decoder.unet.to(memory_format=torch.channels_last)
    k.decoder.traced = Traced(compiled=True)
    began = time.perf_counter()
    ours(k, asked)()
    rows["first"] = time.perf_counter() - began
    rows["compiled, channels last"] = seconds(ours(k, asked))


def formats(rows: Rows, tiny: bool) -> None:
    """2.2 at 512², 25 steps, in each number format."""
    for dtype in ("float16", "bfloat16", "float32"):
        k = loaded("kandinsky-2.2", tiny, dtype=dtype)
        rows[dtype] = seconds(ours(k, params(tiny, 512, 25)), 2)
        del k
        gc.collect()


def third(rows: Rows, tiny: bool) -> None:
    """Kandinsky 3 at 1024², 25 steps, with all of the card: diffusers, ours, recorded."""
    asked = params(tiny, 1024, 25)
    k = loaded("kandinsky-3", tiny)
    with peak() as top:
        rows["exact"] = seconds(ours(k, asked), 2)
    rows["exact, peak"] = top
    k.decoder.traced = Traced()
    rows["traced"] = seconds(ours(k, asked), 2)
    k.decoder.traced = None
    rows["plain"] = seconds(plain(k, asked), 2)
    rows["operations_tflop"] = round(_operations("kandinsky-3", tiny, asked) / 1e12, 2)


def _plans(
    key: str, size: int, steps: int, names: list[str], streamed: bool = False
) -> Callable[[Rows, bool], None]:
    """Return a part: seconds and peak of plans, beside what kn.plan predicts."""

    def part(rows: Rows, tiny: bool) -> None:
        asked = params(tiny, size, steps)
        known = f"mini-{SPECS[key].family}" if tiny else key
        predicted = {
            row["plan"]: row["peak_gb"]
            for row in kn.plan(known, width=asked.width, height=asked.height)
        }
        rows["steps"] = asked.steps
        for name in names:
            entry = read_plan(name)
            missing = stores.lacks(entry, device())
            if missing or entry.store == "4bit":  # which is made while files are read
                rows[name] = {"not run": ", ".join(missing) or "read from files alone"}
                continue
            with _streamed() if streamed else contextlib.nullcontext():
                rows[name] = _measured(key, tiny, name, asked, predicted[name])

    return part


def _measured(
    key: str, tiny: bool, plan: str, asked: kn.Params, predicted: float
) -> dict[str, Any]:
    """Return seconds and peak of one plan; its error where it has one."""
    try:
        k = loaded(key, tiny, plan)
        with peak() as top:
            draw = ours(k, asked)
            taken = [_timed(draw) for _ in range(2)]
        row = {"first": taken[0], "seconds": taken[1], "predicted_gb": predicted, **top}
        row["fits 6 GB"] = top.get("reserved_gb", 0) <= SIX_GB
        return row
    except Exception:
        return {"fault": traceback.format_exc()[-800:]}
    finally:
        k = None
        gc.collect()
        kn.free()


def _timed(draw: Callable[[], Any]) -> float:
    synchronise()
    began = time.perf_counter()
    draw()
    synchronise()
    return time.perf_counter() - began


@contextlib.contextmanager
def _streamed() -> Iterator[None]:
    """Let groups come on a stream of their own, while the one before them runs."""
    import diffusers.hooks as hooks

    usual = hooks.apply_group_offloading

    def streamed(*args: Any, **named: Any) -> Any:
        return usual(*args, **named, use_stream=True, record_stream=True)

    hooks.apply_group_offloading = streamed
    assert placement._offload_groups  # reads the name when it is called
    try:
        yield
    finally:
        hooks.apply_group_offloading = usual


_WHOLE = [str(entry) for entry in PLANS if entry.place in ("resident", "prior-first")]
_MOVED = [str(entry) for entry in PLANS if entry.place in ("model-offload", "group-offload")]
_GROUPS = ["group-offload", "group-offload+fp8"]
_LAST = ["sequential-offload"]

PARTS: dict[str, Callable[[Rows, bool], None]] = {
    "floor": floor,
    "second": second,
    "third": third,
    "plans-2.2": _plans("kandinsky-2.2", 768, 10, [*_WHOLE, *_MOVED]),
    "plans-3": _plans("kandinsky-3", 1024, 25, _WHOLE),
    "plans-3-moved": _plans("kandinsky-3", 1024, 25, _MOVED),
    "plans-3-streamed": _plans("kandinsky-3", 1024, 25, _GROUPS, streamed=True),
    "compiled": compiled,
    "formats": formats,
    "layers-2.2": _plans("kandinsky-2.2", 768, 3, _LAST),
    "layers-3": _plans("kandinsky-3", 1024, 3, _LAST),
}

TITLES = {
    "second": "2.2, 768 px, 50 steps",
    "compiled": "2.2, 768 px, 50 steps, torch.compile",
    "formats": "2.2, 512 px, 25 steps",
    "third": "3, 1024 px, 25 steps",
    "plans-2.2": "2.2, 768 px, 10 steps, plan",
    "plans-3": "3, 1024 px, 25 steps, plan",
    "plans-3-moved": "3, 1024 px, 25 steps, plan",
    "plans-3-streamed": "3, 1024 px, 25 steps, plan, groups on a stream",
    "layers-2.2": "2.2, 768 px, 3 steps, plan",
    "layers-3": "3, 1024 px, 3 steps, plan",
}

if __name__ == "__main__":
    raise SystemExit(main())
