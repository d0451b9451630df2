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

FAILED = 1


def check(options: argparse.Namespace) -> None:
    from ..model.check import check

    print(check())


def models(options: argparse.Namespace) -> None:
    from ..words.models import models, spec

    print(spec(options.model).vocabulary if options.model else models())


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


def run(options: argparse.Namespace) -> int:
    from ..words.files import writable, write
    from ..words.tables import Table
    from .notebooks.gallery import write_gallery
    from .notebooks.jobs import GALLERY
    from .notebooks.junit import junit
    from .notebooks.run import find, listed, output_folder, run_notebooks

    everything = options.notebooks == ["all"]
    chosen = listed() if everything else [*map(find, options.notebooks)]
    parameters = _parameters(chosen, options.pairs)
    page = output_folder(options.out) / GALLERY
    for file in filter(None, (page, options.junit)):
        if os.path.isdir(file):
            raise KandiError(f"{file} is a folder where a file is to be written; move it away")
    if options.junit:
        writable(options.junit.parent)
    runs = run_notebooks(
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
    print("to fill them in: kandi-nb lab --originals", file=sys.stderr)


def lab(options: argparse.Namespace) -> int:
    from .notebooks.new import TEMPLATES
    from .notebooks.run import folder, foreign

    if foreign():
        print(f"kandi-nb: {foreign()}", file=sys.stderr)
    root = _lab_root(folder(), options)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/lab/tree/{folder().name}",
        # No look-up of news and releases, nor a question whether to: nothing leaves here.
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--LabApp.app_settings_dir={TEMPLATES / 'settings'}",
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


def _lab_root(originals: Path, options: argparse.Namespace) -> Path:
    """Return what JupyterLab opens: the folder of working copies, or the clone itself."""
    from .notebooks.copies import WORK, working_copies

    if options.originals:
        return originals.parent
    work = originals.parent / WORK
    said = working_copies(originals, work, fresh=options.fresh)
    for line in [*said, f"your copies are in {work}, your pictures will be in {WORK}/outputs"]:
        print(f"kandi-nb: {line}", file=sys.stderr)
    return work


def serve(options: argparse.Namespace) -> None:
    from .service.options import serve

    serve(options)


def studio(options: argparse.Namespace) -> None:
    from .studio.command import serve_studio

    if options.service:
        from .client import Client

        Client(options.service)  # raises where there is none
    serve_studio(options)


def bench(options: argparse.Namespace) -> None:
    from ..model.loading.load import load
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
