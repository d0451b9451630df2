"""Checks that draw: tasks, the same pixels again, languages, mixtures, adapters, recipes."""

from __future__ import annotations

import dataclasses
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...model.adapters.scales import check_takes
from ...model.pipelines import denoiser
from ...model.schedulers.table import schedulers as every_scheduler
from ...pictures.editing.shapes import rectangle
from ...tasks.checks import TASKS, every_task
from ...tasks.embeddings.clip import clip
from ...tasks.embeddings.embed import embed
from ...tasks.embeddings.mixing import mix
from ...tasks.generate import generate
from ...tasks.replay import replay
from ...words.cosines import cosines
from ...words.errors import KandiError
from .plain import Plain
from .rows import Row, Trial
from .scenes import QUIET, SCENES, difference, first, settings

BATCH = 2  # of 255: what a sum in another order may move
EXACT = 1  # of 255, in float32: see `kn.load`


def tasks(trial: Trial) -> Iterator[Row]:
    """Let each task draw: of the right size, and with what was to be kept identical."""
    import numpy as np

    k, source = trial.k, first(trial)
    side = k.spec.native_size
    mask = rectangle(source, (side // 4, 0, 3 * side // 4, side // 2))
    given = {
        "generate": ({}, (side, side)),
        "edit": ({"image": source}, (side, side)),
        "inpaint": ({"image": source, "mask": mask}, (side, side)),
        "outpaint": ({"image": source, "right": side // 2}, (side + side // 2, side)),
        "upscale": ({"image": source, "factor": 2}, (2 * side, 2 * side)),
    }
    for name, row in every_task().items():
        if name not in given:
            continue
        if name not in k.spec.tasks:
            yield trial.absent(name, f"this model has no {TASKS[name].role}")
            continue
        inputs, size = given[name]
        drawn = source if name == "generate" else row.function(
            k, settings(trial, seed=3), **inputs, **QUIET
        )  # fmt: skip
        flat = np.asarray(drawn[0].convert("L")).std()
        kept = drawn.proof[0]["kept"] if drawn.proof is not None else 1.0
        seen = f"{drawn[0].size[0]} × {drawn[0].size[1]}"
        seen += f", {kept:.2%} of the kept pixels identical" if drawn.proof is not None else ""
        seen += "" if flat > 1 else ", one colour"
        expected = f"a picture of {size[0]} × {size[1]}"
        expected += ", all kept pixels identical" if drawn.proof is not None else ""
        good = drawn[0].size == size and kept == 1 and flat > 1
        yield trial.row(name, expected, seen, bool(good), trial.save(drawn, name))
    if "depth" not in k.spec.roles:
        yield trial.absent("along a depth map", "this model has no depth")
        return
    ramp = np.repeat(np.linspace(0, 255, side, dtype=np.uint8)[:, None], side, 1)
    drawn = generate(k, settings(trial, seed=3), depth=ramp, **QUIET)
    good = drawn[0].size == (side, side) and drawn[0].tobytes() != source[0].tobytes()
    seen = f"{drawn[0].size[0]} × {drawn[0].size[1]}"
    expected = f"a picture of {side} × {side}"
    yield trial.row("along a depth map", expected, seen, good, trial.save(drawn, "depth"))


def exact(trial: Trial) -> Iterator[Row]:
    """Draw with plain diffusers, too: the largest difference, and the ratio of the times."""
    k = trial.k
    try:
        plain = Plain(k, k.device, dtype=k.dtype)
    except (RuntimeError, MemoryError):
        yield trial.row("pixels", "those of plain diffusers", "no memory for both", None)
        return
    rounds = 1 if trial.quick else 3
    clock = time.process_time if k.device == "cpu" else time.perf_counter
    params = settings(trial, seed=7)
    ours, theirs, times = None, None, []
    for _ in range(rounds):
        k.forget()
        began = clock()
        ours = generate(k, params, **QUIET)[0]
        middle = clock()
        theirs = plain.draw(params.prompt, params.seed, params.steps)
        end = clock()
        times.append((middle - began) / (end - middle))
    most = difference(ours, theirs)
    full = str(k.dtype).endswith("float32") and k.speed != "fast"
    own = k.scheduler is None and not k.adapters
    yield trial.row(
        "pixels",
        f"those of plain diffusers, within {EXACT} of 255, in float32",
        f"{most} of 255 at most",
        most <= EXACT if full and own else None,
        trial.save([ours, theirs], "exact"),
    )
    ratio = statistics.median(times)
    yield trial.row("time", "no more than plain diffusers", f"{ratio:.2f} ×", ratio <= 1.05)


def seeds(trial: Trial) -> Iterator[Row]:
    """Draw the same again, another seed, and several at once."""
    k, one = trial.k, first(trial)
    k.forget()
    again = generate(k, settings(trial, seed=7), **QUIET)
    most = difference(one[0], again[0])
    yield trial.row("same seed", "the same pixels", f"{most} of 255 at most", most == 0)
    batch = generate(k, settings(trial, seed=6, count=2), **QUIET)
    most = difference(one[0], batch[1])
    expected = f"the single picture, within {BATCH} of 255"
    full = str(k.dtype).endswith("float32")
    yield trial.row(
        "picture of a batch",
        expected,
        f"{most} of 255 at most",
        most <= BATCH if full else None,
    )
    other = difference(batch[0], batch[1])
    yield trial.row("another seed", "another picture", f"{other} of 255", other > BATCH)


def languages(trial: Trial) -> Iterator[Row]:
    """Compare what five languages ask for, and the pictures with their prompts."""
    k = trial.k
    if "prior" not in k.spec.roles:
        runs = [settings(trial, prompt=scenes[0], seed=7) for scenes in SCENES.values()]
        drawn = generate(k, runs, **QUIET)
        why = "pictures only: this model has no CLIP to read them"
        shown = trial.save(drawn, "language")
        yield trial.row("five languages", "the same scene", why, None, shown)
        return
    rows = {
        name: embed(k, [settings(trial, prompt=scene) for scene in scenes], progress=False)
        for name, scenes in SCENES.items()
    }
    english, few = rows["English"], len(SCENES["English"])
    between = cosines(english)
    shares = []
    strangers = _mean(between[n][m] for n in range(few) for m in range(few) if n != m)
    for name, theirs in list(rows.items())[1:]:
        near = cosines(theirs, english)
        alike = _mean(near.diagonal())
        shares.append(_mean(int(row.argmax()) == n for n, row in enumerate(near)))
        seen = f"{alike:.2f}; of other scenes {strangers:.2f}"
        speaks = name in k.spec.languages
        good = alike > (1 + strangers) / 2 if speaks else None
        found = trial.meaning(name, "near its English, far from other scenes", seen, good)
        last = len(shares) == len(rows) - 1
        yield dataclasses.replace(
            found, figures={"worst_language": min(shares)} if last else {}
        )
    drawn = generate(
        k,
        [settings(trial, prompt=scene, seed=7) for scene in SCENES["English"]],
        **QUIET,
    )
    # Not with what the prior imagined: a decoder may follow that however wrong it is.
    wanted = cosines(clip(k, list(drawn.images)), clip(k, list(SCENES["English"])))
    right = sum(int(row.argmax()) == n for n, row in enumerate(wanted))
    yield trial.meaning(
        "pictures and prompts",
        f"each picture is nearest to its own prompt, {few} of {few}",
        f"{right} of {few}",
        right == few,
        trial.save(drawn, "scene"),
    )


def _mean(numbers: Any) -> float:
    return statistics.fmean(map(float, numbers))


def mixing(trial: Trial) -> Iterator[Row]:
    """Draw the two ends of a mixture, which are the pictures of the items alone."""
    k = trial.k
    if "prior" not in k.spec.roles:
        yield trial.absent("mixtures", "this model has no prior")
        return
    items = list(SCENES["English"][:2])
    params = settings(trial, seed=7)
    worst = 0
    for n, weights in enumerate(([1, 0], [0, 1])):
        mixed = mix(k, params, items, weights, **QUIET)[0]
        row = embed(k, [params.replace(prompt=items[n])], progress=False)
        alone = generate(k, params, embedding=row, **QUIET)[0]
        worst = max(worst, difference(mixed, alone))
    seen = f"{worst} of 255 at most"
    yield trial.row("ends of a mixture", "each item's own picture", seen, worst <= EXACT)


def adapters(trial: Trial) -> Iterator[Row]:
    """Put an adapter of small random numbers on, at two scales, and take it off."""
    k, before = trial.k, first(trial)[0]
    try:
        check_takes(k.spec)
    except KandiError as error:
        yield trial.absent("adapters", str(error))
        return
    params = settings(trial, seed=7)
    with tempfile.TemporaryDirectory() as folder:
        file = _random_adapter(k, Path(folder))
        off = generate(k.with_adapter(file, 0), params, **QUIET)[0]
        on = generate(k.with_adapter(file, 1), params, **QUIET)[0]
        after = generate(k, params, **QUIET)[0]
    zero, one, back = (difference(before, each) for each in (off, on, after))
    yield trial.row("scale 0", "the model's own pixels", f"{zero} of 255 at most", zero == 0)
    yield trial.row("scale 1", "other pixels", f"{one} of 255 at most", one > 0)
    yield trial.row("taken off", "the model's own pixels", f"{back} of 255 at most", back == 0)


def _random_adapter(k: Any, folder: Path) -> Path:
    """Write low-rank matrices for the first layers of attention; return the file."""
    import torch
    from safetensors.torch import save_file

    rank, noise = 2, torch.Generator().manual_seed(0)
    weights = {}
    layers = [
        (name, layer)
        for name, layer in denoiser(k.decoder).named_modules()
        if name.endswith("to_q") and isinstance(layer, torch.nn.Linear)
    ]
    for name, layer in layers[:4]:
        for part, shape in (
            ("A", (rank, layer.in_features)),
            ("B", (layer.out_features, rank)),
        ):
            drawn = torch.randn(shape, generator=noise)
            weights[f"unet.{name}.lora_{part}.weight"] = drawn.contiguous()
        weights[f"unet.{name}.alpha"] = torch.tensor(float(rank))
    file = folder / "random.safetensors"
    save_file(weights, file)
    return file


def schedulers(trial: Trial) -> Iterator[Row]:
    """Count the schedulers that work with this model; the usual ones must."""
    table = every_scheduler(trial.k).rows
    works = sum(row["verdict"] == "works" for row in table)
    faults = []
    for name in ("ddim", "dpm++"):
        try:
            trial.k.with_scheduler(name)
        except KandiError as error:
            faults.append(str(error))
    seen = "; ".join([f"{works} of {len(table)} work", *faults])
    yield trial.row("schedulers", "DDIM and DPM++ work", seen, not faults)


def recipes(trial: Trial) -> Iterator[Row]:
    """Save a picture and draw it again from its file."""
    with tempfile.TemporaryDirectory() as folder:
        (path,) = first(trial).save(folder)
        again = replay(path, trial.k)
    most = difference(first(trial)[0], again[0])
    yield trial.row("recipe → replay", "the same pixels", f"{most} of 255 at most", most == 0)
