"""Open JupyterLab on copies of the notebooks, for this machine only."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from ....words.bounds import check_port
from ....words.extras import check_extra
from ....words.fields import number_or_text
from ..terminal import FAILED, say


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add which copies are opened, in which language, and where."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--fresh", action="store_true", help="begin with new copies; yours are kept aside"
    )
    which.add_argument(
        "--originals", action="store_true", help="open the notebooks themselves, to write them"
    )
    parser.add_argument(
        "--language",
        help="of prose and panels: en, de, …; default: KANDI_LANGUAGE, or else en",
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "--port", type=number_or_text, help="default: 8888 or the next free one"
    )


def run(options: argparse.Namespace) -> int:
    """Open JupyterLab, and wait until it ends."""
    from ...notebooks.new import TEMPLATES
    from ...notebooks.reading.messages import check_language
    from ...notebooks.run import folder, foreign
    from ...widgets.translation import VARIABLE, languages

    if options.port is not None:
        check_port(options.port)
    check_extra("notebook", "lab", "jupyterlab", "ipykernel")
    if foreign():
        say(foreign())
    language = check_language(folder(), options.language or os.environ.get(VARIABLE) or "en")
    root = _lab_root(folder(), options, language)
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
    command += [f"--port={options.port}"] if options.port is not None else []
    # In containers everybody is root, and Jupyter refuses root unless told so.
    command += ["--allow-root"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
    # This environment's kernel comes before one of the same name in the home folder.
    environment = {**os.environ, "JUPYTER_PREFER_ENV_PATH": "1"}
    environment[VARIABLE] = language if language in languages() else "en"  # of the panels
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return FAILED if process.wait() else 0
            except KeyboardInterrupt:
                continue  # Jupyter got it too, and asks whether to stop


def _lab_root(originals: Path, options: argparse.Namespace, language: str) -> Path:
    """Return what JupyterLab opens: the folder of working copies, or the clone itself."""
    from ...notebooks.copies import WORK, working_copies
    from ...notebooks.run import work_root

    if options.originals:
        return originals.parent
    # A folder a language: what was changed in one stays there.
    work = work_root() / WORK / ("" if language == "en" else language)
    lines = working_copies(originals, work, fresh=options.fresh, language=language)
    for line in [*lines, f"your copies are in {work}, your pictures will be in {WORK}/outputs"]:
        say(line)
    return work
