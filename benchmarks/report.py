"""Measure goals and options, and write benchmarks/results.json and docs/benchmarks.md.

    make bench                             # all of it, in some minutes
    make bench ARGS="--only goals"         # one part; the others stay as they were measured
    make bench ARGS="--only memory"        # full-size networks: long, and 9 GB of memory

Parts that are not measured now keep their figures and their date. Says what got slower since
the last time: by ratios, as another machine or a busy one moves both sides.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import goals
import memory

import kandi_nb as kn

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results.json", ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "benchmarks-options.png"
SLOWER = 0.1  # of a ratio: what counts as a change
PARAMS = kn.Params("a red fox in a snowy forest", steps=25, prior_steps=25)
INTRODUCTION = (
    "Written by `make bench` ([report.py](../benchmarks/report.py)); do not edit. Times are "
    "of the bundled mini-2.2 on a CPU. A ratio names both sides. On a busy machine (load above "
    "its cores) seconds say little. Goals are ratios of two sides that took turns; options "
    "with a process of their own met whatever else ran then: read their pixels and memory "
    "first."
)
PLANS = ["resident", "prior-first", "resident+fp8", "prior-first+fp8", "model-offload"]


def measure_goals(repeats: int, only: list[str]) -> list[dict[str, Any]]:
    goals.ROWS.clear()
    goals.main([*only, "--repeats", str(repeats)])
    return list(goals.ROWS)


def measure_options(repeats: int, only: list[str]) -> list[dict[str, Any]]:
    """Return rows of plans, number formats, threads and batches, each beside the usual."""

    def bench(**options: Any) -> Any:
        return kn.bench(kn.generate, "mini-2.2", PARAMS, repeats=repeats, **options)

    tables = {
        "memory": bench(memory=PLANS),
        "dtype": bench(dtype=["float32", "bfloat16"]),
        "threads": bench(threads=[1, 2]),
    }
    rows = [
        {"option": f"{name} {row[name]}", **{c: row.get(c) for c in COLUMNS}}
        for name, table in tables.items()
        for row in table
    ]
    return rows + in_process(repeats)


COLUMNS = ("per_picture", "peak_mb", "drift", "drift_most", "effect")


def in_process(repeats: int) -> list[dict[str, Any]]:
    """Return rows of what is no option of ours: a batch, channels_last, int8."""
    import torch

    k = kn.load("mini-2.2", device="cpu")
    usual = kn.generate(k, PARAMS, progress=False)

    def draw(params: kn.Params = PARAMS) -> kn.Result:
        k.forget()
        return kn.generate(k, params, progress=False)

    batch = kn.pair(draw, lambda: draw(PARAMS.replace(count=8)), repeats)
    rows = [compared("a batch of 8, a picture of it", batch, 8, None, usual)]
    fast = kn.load("mini-2.2", device="cpu")
    for network in (fast.decoder.unet, fast.decoder.movq):
        network.to(memory_format=torch.channels_last)
    small = kn.load("mini-2.2", device="cpu")
    try:
        for pipeline, name in ((small.prior, "prior"), (small.decoder, "unet")):
            network = getattr(pipeline, name)
            torch.ao.quantization.quantize_dynamic(
                network, {torch.nn.Linear}, dtype=torch.qint8, inplace=True
            )
        tried = {"channels_last": fast, "int8, linear layers": small}
    except Exception as error:  # deprecated in torch: it may be gone
        tried = {"channels_last": fast}
        rows.append({"option": "int8, linear layers", "effect": f"refused: {error}"[:160]})
    for name, other in tried.items():

        def changed(other: Any = other) -> kn.Result:
            other.forget()
            return kn.generate(other, PARAMS, progress=False)

        try:
            rows.append(compared(name, kn.pair(draw, changed, repeats), 1, changed(), usual))
        except Exception as error:  # a crash is a finding, too
            rows.append({"option": name, "effect": f"crashes: {error}".splitlines()[0][:160]})
    return rows


def compared(
    name: str, pair: Any, pictures: int, drawn: Any, usual: kn.Result
) -> dict[str, Any]:
    """Return a row of an option that was timed in turns with the usual way."""
    ratio = pair.ratio * pictures  # how many times as long the usual way takes
    words = "quicker" if ratio > 1.2 else "slower" if ratio < 1 / 1.2 else ""
    row = {"option": name, "per_picture": sorted(pair.b)[len(pair.b) // 2] / pictures}
    row |= {"usual": sorted(pair.a)[len(pair.a) // 2], "drift": None, "drift_most": None}
    if drawn is not None:
        gap = abs(drawn.arrays().astype(int) - usual.arrays())
        row |= {"drift": float(gap.mean()), "drift_most": int(gap.max())}
        words = ", ".join(filter(None, ["other pixels" if gap.max() else "", words]))
    return row | {"effect": words or "does nothing"}


def measure_memory(repeats: int, only: list[str]) -> list[dict[str, Any]]:
    return [memory.compare(case) for case in memory.CASES]


PARTS: dict[str, Callable[[int, list[str]], list[dict[str, Any]]]] = {
    "goals": measure_goals,
    "options": measure_options,
    "memory": measure_memory,
}


def circumstances(repeats: int) -> dict[str, Any]:
    """Return when and on what something was measured, and how busy that was."""
    names = ("torch", "diffusers", "transformers", "accelerate", "numpy")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "rounds": repeats,
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def slower(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Say which goals' ratios got worse since the last time, in words."""
    earlier = {row["what"]: row for row in before.get("goals", {}).get("rows", [])}
    found = []
    for row in after.get("goals", {}).get("rows", []):
        old = earlier.get(row["what"])
        if old is None or old is row:
            continue
        change = row["ratio"] / old["ratio"]
        worse = (
            change < 1 - SLOWER if row["goal"].startswith("at least") else change > 1 + SLOWER
        )
        if worse:
            found.append(f"{row['what']}: {old['ratio']:.2f} × → {row['ratio']:.2f} ×")
    return found


def page(results: dict[str, Any], worse: list[str]) -> str:
    """Return the page as Markdown."""
    lines = ["# Benchmarks", "", textwrap.fill(INTRODUCTION, 96)]
    titles = {
        "goals": "Goals: seconds of both sides, and their ratio",
        "options": "Options: each beside the usual way",
        "memory": "Memory predicted : measured, full-size networks of 2.2, random weights",
        "gpu": "A graphics card: whole pictures at full size, random weights, float16",
    }
    for name, title in titles.items():
        part = results.get(name)
        lines += ["", f"## {title}", ""]
        if not part:
            lines.append("Not run here.")
            continue
        lines += [textwrap.fill(said(part["circumstances"]), 96), "", *markdown(part["rows"])]
        if name == "gpu":
            lines += ["", "`peak_gb` is predicted : measured, weights and all."]
        if name == "options" and PLOT.exists():
            lines += ["", f"![seconds and memory of each option]({PLOT.name})"]
    lines += ["", "## Slower than the last time", ""]
    lines += [f"* {line}" for line in worse] or ["Nothing by more than 10 % of a ratio."]
    return "\n".join(lines) + "\n"


def keep(name: str, rows: list[dict[str, Any]], known: dict[str, Any]) -> None:
    """Write the rows of one part, and the page anew; the others stay as they were measured."""
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results[name] = {"rows": rows, "circumstances": known}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(results, []), "utf-8")


def said(known: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {known[name]}" for name in known if name not in PLACE)
    load = "" if known["load"] is None else f", load {known['load']} at the end"
    return (
        f"{known['date']}; {known['processor']}, {known['cores']} cores{load}, "
        f"{known['rounds']} rounds; {versions}."
    )


PLACE = ("date", "processor", "cores", "load", "rounds")


def markdown(rows: list[dict[str, Any]]) -> list[str]:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    return lines + [
        f"| {' | '.join(cell(row.get(name)) for name in columns)} |" for row in rows
    ]


def cell(value: Any) -> str:
    if isinstance(value, list):
        return " : ".join(map(cell, value))
    if isinstance(value, float):
        return f"{value:.3g}"
    return "—" if value is None else str(value).replace("|", "/")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=PARTS, help="measure this part; others stay")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--goals", nargs="*", default=[], help="these goals alone")
    chosen = parser.parse_args(words)
    before = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results = dict(before)
    for name in [chosen.only] if chosen.only else ("goals", "options"):
        measured = PARTS[name](chosen.repeats, chosen.goals)
        results[name] = {"rows": measured, "circumstances": circumstances(chosen.repeats)}
    rows = [row for row in results.get("options", {}).get("rows", []) if row.get("peak_mb")]
    # One reference is enough, and names that lie over each other say nothing.
    rows = [row for row in rows if row is rows[0] or row["effect"] != "reference"]
    if rows:
        kn.plot(rows, x="per_picture", y="peak_mb", label="option").savefig(PLOT, dpi=100)
    worse = slower(before, results)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(results, worse), "utf-8")
    print(f"written: {RESULTS.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")
    print("\n".join(["slower than the last time:", *worse]) if worse else "nothing got slower")
    return 0


if __name__ == "__main__":
    sys.exit(main())
