"""Measure what users ask, goals and options; write benchmarks/results.json and a page of it.

    make bench                             # all of it, in some minutes
    make bench ARGS="--only questions"     # one part; the others stay as they were measured
    make bench ARGS="--only memory"        # full-size networks: long, and 9 GB of memory
    make bench ARGS="--try --repeats 1"    # print, write nothing: in haste

Parts that are not measured now keep their figures and their date. Says what got slower since
the last time and since the last release: by ratios, as another machine moves both sides.
Nothing is written where the load is above the cores, or of fewer than five rounds.
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
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import goals
import memory
import questions

import kandi_nb as kn

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results.json", ROOT / "docs" / "benchmarks.md"
PLOT = ROOT / "docs" / "benchmarks-options.png"
# Of the clone: an environment may have been installed long ago.
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
SLOWER = 0.1  # of a ratio: what counts as a change
PARAMS = kn.Params("a red fox in a snowy forest", steps=25, prior_steps=25)
INTRODUCTION = (
    "Written by `make bench` ([report.py](../benchmarks/report.py)); do not edit. Times are "
    "of the bundled mini-2.2 on a CPU. A ratio names both sides, which took turns: above 1 the "
    "second one is quicker. `make bench` writes nothing where the load is above the cores, "
    "nor of fewer than five rounds."
)
QUESTIONS = (
    "Medians of the process's own seconds, everything anew for each call as in the guides; "
    "`from_to` are the smallest and the largest ratio of a round."
)
OPTIONS = (
    "Each option ran in a process of its own, and met whatever else ran then: read pixels and "
    "memory first."
)
PLANS = ["resident", "prior-first", "resident+fp8", "prior-first+fp8", "model-offload"]


def measure_questions(repeats: int, only: list[str]) -> list[dict[str, Any]]:
    rows = questions.measure(repeats)
    print("\n".join(markdown(rows)))
    return rows


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
    "questions": measure_questions,
    "goals": measure_goals,
    "options": measure_options,
    "memory": measure_memory,
}


def circumstances(repeats: int) -> dict[str, Any]:
    """Return when and on what something was measured, and how busy that was."""
    names = ("torch", "diffusers", "transformers", "accelerate", "numpy")
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "rounds": repeats,
        "system": platform.system(),
        "python": platform.python_version(),
        "kandi_nb": VERSION,
        **{name: importlib.metadata.version(name) for name in names},
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def slower(before: dict[str, Any], after: dict[str, Any], since: str = "") -> list[str]:
    """Say which ratios got worse by more than a tenth, in words; `since` names the release."""
    found = []
    for name in ("questions", "goals"):
        earlier = {row["what"]: row for row in rows_of(before, name)}
        for row in rows_of(after, name):
            old = earlier.get(row["what"])
            if old is None or old is row:
                continue
            change = row["ratio"] / old["ratio"]
            if row.get("goal", "").startswith("at most"):  # how much longer ours takes
                change = 1 / change
            if change < 1 - SLOWER:
                ratios = f"{old['ratio']:.2f} × → {row['ratio']:.2f} ×"
                found.append(f"{row['what']}: {ratios}{since and f' since {since}'}")
    return found


def rows_of(results: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return results.get(name, {}).get("rows", [])


def last_release(before: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the questions as the release before `version` answered them, empty if unknown."""
    measured = before.get("questions", {})
    other = measured.get("circumstances", {}).get("kandi_nb") not in (None, version)
    return measured if other else before.get("release", {})


def beside(rows: list[dict[str, Any]], release: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows with the ratios of the last release in a column of their own."""
    if not release:
        return rows
    ratios = {row["what"]: row["ratio"] for row in release["rows"]}
    name = f"ratio of {release['circumstances']['kandi_nb']}"
    return [row | {name: ratios.get(row["what"])} for row in rows]


TITLES = {
    "questions": "What users ask",
    "goals": "Goals: seconds of both sides, and their ratio",
    "options": "Options: each beside the usual way",
    "memory": "Memory predicted : measured, full-size networks of 2.2, random weights",
    "gpu": "A graphics card: whole pictures at full size, random weights, float16",
}


def page(results: dict[str, Any], worse: list[str]) -> str:
    """Return the page as Markdown: what users ask first, the rest folded."""
    lines = ["# Benchmarks", "", textwrap.fill(INTRODUCTION, 96)]
    lines += ["", f"## {TITLES['questions']}", "", *section(results, "questions")]
    lines += ["", "## Slower than the last time, or than the last release", ""]
    lines += [f"* {line}" for line in worse] or ["Nothing by more than 10 % of a ratio."]
    lines += ["", "## The rest"]
    for name in list(TITLES)[1:]:
        lines += ["", f"<details><summary>{TITLES[name]}</summary>", ""]
        lines += [*section(results, name), "", "</details>"]
    return "\n".join(lines) + "\n"


def section(results: dict[str, Any], name: str) -> list[str]:
    """Return the lines of one part: when and where it was measured, and its table."""
    part = results.get(name)
    if not part:
        return ["Not run here."]
    rows = part["rows"]
    if name == "questions":
        rows = beside(rows, results.get("release", {}))
    lines = [textwrap.fill(said(part["circumstances"]), 96), "", *markdown(rows)]
    if name == "questions":
        lines += ["", textwrap.fill(QUESTIONS, 96)]
    if name == "gpu":
        lines += ["", "`peak_gb` is predicted : measured, weights and all."]
    if name == "options":
        lines += ["", textwrap.fill(OPTIONS, 96)]
        if PLOT.exists():
            lines += ["", f"![seconds and memory of each option]({PLOT.name})"]
    return lines


def keep(name: str, rows: list[dict[str, Any]], known: dict[str, Any]) -> None:
    """Write the rows of one part, and the page anew; the others stay as they were measured."""
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results[name] = {"rows": rows, "circumstances": known}
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(results, []), "utf-8")


def is_busy(so: str) -> bool:
    """Tell whether more runs here than there are cores; say so, and what to do about it."""
    cores = os.cpu_count() or 1
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load <= cores:
        return False
    print(
        f"bench: {so}: a load of {load:.1f} on {cores} cores says little about a program; wait "
        "until the machine is idle, or add --try, which writes nothing",
        file=sys.stderr,
    )
    return True


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
    parser.add_argument(
        "--repeats",
        type=int,
        default=questions.ROUNDS,
        help=f"rounds (default: {questions.ROUNDS}, the fewest that are written)",
    )
    parser.add_argument("--goals", nargs="*", default=[], help="these goals alone")
    parser.add_argument("--try", action="store_true", dest="tries", help="write nothing")
    chosen = parser.parse_args(words)
    if not chosen.tries and chosen.repeats < questions.ROUNDS:
        parser.error(f"--repeats is at least {questions.ROUNDS}; with fewer add --try")
    if not chosen.tries and is_busy("nothing is measured"):
        return 2
    before = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results = dict(before)
    for name in [chosen.only] if chosen.only else ("questions", "goals", "options"):
        measured = PARTS[name](chosen.repeats, chosen.goals)
        results[name] = {"rows": measured, "circumstances": circumstances(chosen.repeats)}
    if chosen.tries:
        return 0
    if is_busy("nothing is written"):
        return 2
    release = last_release(before, VERSION)
    if release and results.get("questions"):
        results["release"] = release
    rows = [row for row in results.get("options", {}).get("rows", []) if row.get("peak_mb")]
    # One reference is enough, and names that lie over each other say nothing.
    rows = [row for row in rows if row is rows[0] or row["effect"] != "reference"]
    if rows:
        kn.plot(rows, x="per_picture", y="peak_mb", label="option").savefig(PLOT, dpi=100)
    worse = slower(before, results)
    if release:
        since = release["circumstances"]["kandi_nb"]
        worse += slower({"questions": release}, {"questions": results["questions"]}, since)
    RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", "utf-8")
    PAGE.write_text(page(results, worse), "utf-8")
    print(f"written: {RESULTS.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")
    print("\n".join(["slower than the last time:", *worse]) if worse else "nothing got slower")
    return 0


if __name__ == "__main__":
    sys.exit(main())
