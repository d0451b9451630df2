"""What each command of kandi-nb does; each takes the parsed options and returns an exit code.

None counts as 0. Bad input raises KandiError, before any long work.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..words.errors import KandiError
from ..words.fields import FIELDS

FAILED = 1


def check(options: argparse.Namespace) -> None:
    from ..model.check import check

    print(check())


def models(options: argparse.Namespace) -> None:
    from ..words.models import models

    print(models())


def fetch(options: argparse.Namespace) -> int:
    from ..model.find import fetch
    from ..model.hub import NotFetched
    from ..model.integrity import Damaged

    try:
        print(fetch(options.model))
    except (NotFetched, Damaged) as error:
        print(f"kandi-nb: {error}", file=sys.stderr)
        return FAILED
    return 0


def draw(options: argparse.Namespace) -> None:
    params = _params(options)
    target = _png_target(options, params.count)

    from ..model.load import load
    from ..tasks.generate import generate

    result = generate(load(options.model, device=options.device), params)
    _save(result, target, options.force)


def _save(result: Any, target: Path | None, force: bool) -> None:
    """Write the pictures to the target, or under names of their own here, and print where."""
    from ..pictures.recipe import png_bytes
    from ..words.files import write

    if target is None:
        paths = result.save(Path.cwd())
    else:
        paths = [
            write(path, png_bytes(image, made, inputs), overwrite=force)
            for path, image, made, inputs in zip(
                _numbered(target, len(result)),
                result.images,
                result.recipes,
                result.inputs,
                strict=True,
            )
        ]
    for path in paths:
        print(path)
    print(result, file=sys.stderr)


def mix(options: argparse.Namespace) -> None:
    from ..tasks.embeddings.items import gathered
    from ..tasks.embeddings.mixing import mix
    from ..tasks.embeddings.mixtures import shares_of

    params = _params(options)
    target = _png_target(options, params.count)
    shares_of(options.weights, len(gathered(options.items, "mix")), options.how)

    from ..model.load import load

    k = load(options.model, device=options.device)
    result = mix(k, params, options.items, options.weights, options.how)
    _save(result, target, options.force)


def path(options: argparse.Namespace) -> None:
    from ..tasks.embeddings.items import gathered
    from ..tasks.embeddings.mixing import path
    from .animation import animate, target_file

    params = _params(options)
    target = target_file(options.output or Path("path.gif"), options.force)
    gathered(options.items, "path")

    from ..model.load import load

    k = load(options.model, device=options.device)
    result = path(k, params, *options.items, options.frames, options.how)
    print(animate(result, target, seconds=options.seconds, overwrite=options.force))
    print(result, file=sys.stderr)


def _params(options: argparse.Namespace) -> Any:
    from ..words.params import Params

    return Params(**{name: getattr(options, name) for name in FIELDS if hasattr(options, name)})


def _png_target(options: argparse.Namespace, count: int) -> Path | None:
    """Return the file to write, having made sure before any drawing that it can be."""
    from ..words.files import expanded, writable

    if options.output is None:
        writable(Path.cwd())
        return None
    target = expanded(options.output)
    if target.name.lower() == ".png":
        raise KandiError(f"{target} has no name before the ending; write -o fox.png")
    if target.suffix.lower() != ".png":
        raise KandiError(f"{target} must end in .png: only PNG files can hold the recipe")
    for path in map(expanded, _numbered(target, count)):
        if path.is_dir():
            raise KandiError(f"{path} is a folder; name a file in it: -o {path / 'fox.png'}")
        if path.exists() and not options.force:
            raise KandiError(f"{path} exists; take another name or add --force")
    writable(target.parent)
    return target


def _numbered(target: Path, count: int) -> list[Path]:
    """Return one path for each picture: the target itself, or target-1, target-2…"""
    if count == 1:
        return [target]
    return [target.with_stem(f"{target.stem}-{n}") for n in range(1, count + 1)]


def run(options: argparse.Namespace) -> int:
    from ..words.files import writable, write
    from ..words.tables import Table
    from .notebooks import run as notebooks
    from .notebooks.gallery import write_gallery
    from .notebooks.jobs import GALLERY
    from .notebooks.junit import junit

    everything = options.notebooks == ["all"]
    chosen = notebooks.listed() if everything else [*map(notebooks.find, options.notebooks)]
    parameters = _parameters(chosen, options.pairs)
    page = notebooks.output_folder(options.out) / GALLERY
    for file in filter(None, (page, options.junit)):
        if os.path.isdir(file):
            raise KandiError(f"{file} is a folder where a file is to be written; move it away")
    if options.junit:
        writable(options.junit.parent)
    runs = notebooks.run_notebooks(
        None if everything else options.notebooks,
        parameters,
        out=options.out,
        timeout=options.timeout,
        progress=_progress_line(),
    )
    _clear_line()
    if len(runs) == 1:
        print(runs[0])
    else:
        rows = [
            {
                "notebook": run.notebook,
                "status": run.status,
                "seconds": f"{run.seconds:.1f}",
                "pictures": run.pictures,
            }
            for run in runs
        ]
        print(Table(rows))
        for run in runs:
            if not run.ok:
                print(f"{run.notebook}: {run.reason}{run.where_to_look}")
    if options.junit:
        print(f"report: {write(options.junit, junit(runs), overwrite=True)}")
    write_gallery(runs, page, merge=True)
    print(f"gallery: {options.out / GALLERY}")
    return FAILED if any(not run.ok for run in runs) else 0


def _parameters(chosen: Sequence[Path], pairs: Sequence[str]) -> dict[str, Any] | None:
    """Return the parameters that `pairs` say, which every chosen notebook must have."""
    from .notebooks.run import from_text

    if not pairs:
        return None
    every = [from_text(path, pairs) for path in chosen]
    if any(values != every[0] for values in every):
        raise KandiError(
            "these notebooks read the same -p differently; run them one after the other"
        )
    return every[0] if every else None


def _progress_line():
    """Return what shows the runner's progress: one changing line, or a line per change."""
    last = ""

    def show(line: str) -> None:
        nonlocal last
        if sys.stderr.isatty():
            print(f"\r{line[:100]:<100}", end="", file=sys.stderr, flush=True)
        elif line.partition(" ")[0] != last:  # in a log: only when one more is done
            last = line.partition(" ")[0]
            print(line, file=sys.stderr, flush=True)

    return show


def _clear_line() -> None:
    if sys.stderr.isatty():
        print(f"\r{'':<100}\r", end="", file=sys.stderr, flush=True)


def new(options: argparse.Namespace) -> None:
    from .notebooks.new import new_notebook

    for path in new_notebook(options.name, options.folder):
        print(path)


def lab(options: argparse.Namespace) -> int:
    from .notebooks import run as notebooks

    if notebooks.foreign():
        print(f"kandi-nb: {notebooks.foreign()}", file=sys.stderr)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={notebooks.folder()}",
        # No look-up of news and releases: nothing leaves this machine.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    command += ["--no-browser"] if options.no_browser else []
    command += [f"--port={options.port}"] if options.port else []
    # In containers everybody is root, and Jupyter refuses root unless told so.
    command += ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    # This environment's kernel comes before one of the same name in the home folder.
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return FAILED if process.wait() else 0
            except KeyboardInterrupt:
                continue  # Jupyter got it too, and asks whether to stop


def bench(options: argparse.Namespace) -> None:
    from ..model.load import load
    from ..tasks.generate import generate
    from ..words.params import Params, sweep
    from ..words.tables import Table
    from .bench import bench, check_repeats

    runs = sweep(
        Params("a red fox in a snowy forest"), steps=options.steps, count=options.count
    )
    check_repeats(options.repeats)
    rows = bench(generate, load(options.model), runs, repeats=options.repeats)
    print(Table(rows, ("model", "steps", "count", "seconds", "per_picture", "peak_mb")))
