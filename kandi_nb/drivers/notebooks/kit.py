"""A folder from which a class installs without a network: wheels, notebooks, an installer."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ...words.bounds import check_port
from ...words.errors import KandiError
from ...words.files import expand_path, writable
from .run import own_folder

EXTRAS = "studio,serve,teach,video"  # what the notebooks need
MARK = "kit.txt"  # tells a folder of ours from another
PARTS = ("notebooks", "docs", "README.md", "NOTICE", "LICENSE")
_INSTALLER = Path(__file__).parent / "templates" / "install.py.txt"


def kit(
    folder: str | os.PathLike, platforms: Sequence[str] = (), python: str | None = None
) -> Path:
    """Fill a folder with all that an installation without a network needs; return it.

    Wheels (the weights travel inside ours), the notebooks and an installer, `install.py`, of
    Python's own library. `platforms` are further ones, in pip's words (win_amd64,
    macosx_11_0_arm64, manylinux_2_28_x86_64), `python` their version, by default this one's.
    Called again, it brings what is missing. Raises KandiError.
    """
    root = own_folder().parent
    if not (root / "pyproject.toml").is_file():
        raise KandiError("a kit is made from a clone of the workbook; go to one and try again")
    target = expand_path(folder)
    if target.is_dir() and any(target.iterdir()) and not (target / MARK).is_file():
        raise KandiError(f"{target} holds something else; name an empty folder for the kit")
    wheels = writable(target / "wheels")
    (target / MARK).write_text("A kit of kandi_nb: python install.py\n", encoding="utf-8")
    _pip("wheel", "--no-deps", "-q", "-w", str(wheels), str(root))
    (own,) = sorted(wheels.glob("kandi_nb-*.whl"))[-1:]
    asked = ["download", "-q", "-d", str(wheels), "-c", str(root / "constraints.txt")]
    wanted = f"kandi_nb[{EXTRAS}] @ {own.as_uri()}"
    version = python or "{}.{}".format(*sys.version_info)
    _pip(*asked, wanted)
    for platform in platforms:
        elsewhere = ["--only-binary=:all:", "--platform", platform, "--python-version", version]
        _pip(*asked, *elsewhere, wanted)
    for part in PARTS:
        _copy(root / part, target / part)
    _zip([target / part for part in PARTS], target / "notebooks.zip")
    shutil.copyfile(_INSTALLER, target / "install.py")
    return target


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        why = (last or done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise KandiError(f"pip {words[0]} failed: {why.removeprefix('ERROR: ')}")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        ignored = shutil.ignore_patterns(".ipynb_checkpoints", "__pycache__")
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignored)
    elif source.is_file():
        shutil.copyfile(source, target)


def _zip(parts: Sequence[Path], target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            files = sorted(part.rglob("*")) if part.is_dir() else [part]
            for file in files:
                if file.is_file():
                    archive.write(file, file.relative_to(target.parent).as_posix())


def kit_server(
    folder: str | os.PathLike, port: int = 8000, host: str = "0.0.0.0"
) -> http.server.ThreadingHTTPServer:
    """Return a server of a kit's files for the local network, not yet running.

    Raises KandiError for a folder that is no kit, and for a port that is taken.
    """
    check_port(port)
    target = expand_path(folder)
    if not (target / MARK).is_file():
        raise KandiError(f"{target} is no kit; make one first: kandi-nb kit {target}")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(target))
    try:
        return http.server.ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise KandiError(
            f"port {port} cannot be used ({error}); name another: --port"
        ) from None
