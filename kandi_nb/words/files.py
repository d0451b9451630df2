"""Write files so that nothing is half-written and nothing is overwritten in silence."""

from __future__ import annotations

import hashlib
import itertools
import os
import platform
import re
import secrets
import shutil
import unicodedata
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import KandiError, quote, shorten

# Windows keeps these names for devices, with any ending.
_DEVICES = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)}
_FORBIDDEN = set('<>:"/\\|?*')
_TEMPORARY = re.compile(r"\.([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.part")
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes: the limits of Linux, which others come near


def expand_path(path: str | os.PathLike) -> Path:
    """Return a path that a user gave, ~ and ~name replaced by the home folder.

    What it returns can be asked whether it exists. Raises KandiError for what no file can be
    called, and for users without a home.
    """
    try:
        whole = Path(path).expanduser()
        longest = max((len(os.fsencode(part)) for part in whole.parts), default=0)
        length = len(os.fsencode(whole))
    except TypeError:
        raise KandiError(f"expected a path, not {quote(path)}") from None
    except RuntimeError:
        raise KandiError(
            f"{quote(str(path))} begins with the home folder of a user that is not known here; "
            "write the whole path"
        ) from None
    except ValueError:  # half a letter, a surrogate
        raise KandiError(f"{quote(str(path))} is no path: it holds half a letter") from None
    if path == "" or "\0" in str(whole):
        raise KandiError(f"{quote(path)} is no path; name a file or folder")
    if longest > _LONGEST_NAME or length > _LONGEST_PATH:
        raise KandiError(
            f"{quote(str(path))} is too long for a path: a name has at most {_LONGEST_NAME} "
            f"bytes, all together {_LONGEST_PATH}"
        )
    return whole


def refuse_device(path: Path, called: object, wanted: str) -> None:
    """Raise KandiError for a device or a pipe, whose bytes may never end or never come."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise KandiError(f"{called} is a device, no file; give the path of {wanted}")


def beside(folder: Path, name: str) -> Path:
    r"""Return the file in a folder that a table names, as other programs and systems write it.

    In quotes, as Windows copies paths; with its backslashes, .\fox.png; or with letters put
    together otherwise (NFC, NFD) than in the folder. Where there is none, the plain path.
    """
    name = name.strip()
    bare = name.strip("\"'“”„") or name
    for each in dict.fromkeys((name, bare, bare.replace("\\", "/"))):
        for form in (None, "NFC", "NFD"):
            path = folder / expand_path(unicodedata.normalize(form, each) if form else each)
            if path.exists():
                return path
    return folder / expand_path(bare)


def writable(folder: str | os.PathLike) -> Path:
    """Make the folder if need be and prove that files can be written there.

    Call it before a long computation. Half-written files of processes that were killed are
    cleared away. Raises KandiError.
    """
    with _plain_errors(folder):
        path = expand_path(folder)
        path.mkdir(parents=True, exist_ok=True)
        clear(path)
        _temporary(path, b"").unlink()
    return path


def write(path: str | os.PathLike, data: bytes, *, overwrite: bool = False) -> Path:
    """Write a whole file or none; an existing one is kept unless `overwrite`.

    Raises KandiError when the file exists or the folder cannot be written to.
    """
    with _plain_errors(path):
        path = expand_path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _temporary(path.parent, data)
        try:
            if overwrite:
                os.replace(part, path)
            else:
                _claim(part, path)
        except FileExistsError:
            raise KandiError(
                f"{path} exists; take another name or pass overwrite=True"
            ) from None
        finally:
            part.unlink(missing_ok=True)
    return path


def write_new(
    folder: str | os.PathLike,
    stem: str,
    suffix: str,
    data: bytes,
    *,
    apart_from: Container[Path] = (),
) -> Path:
    """Write `<stem><suffix>`, or `<stem>-2<suffix>`, `-3`… where names are taken.

    A file with just these bytes is not written twice: it gets the time of now and its path is
    returned, unless it is one of `apart_from`. Two processes that save different bytes at once
    get two files. Raises KandiError.
    """
    with _plain_errors(folder):
        path = expand_path(folder)
        path.mkdir(parents=True, exist_ok=True)
        part = _temporary(path, data)
        try:
            more = (f"{stem}-{n}{suffix}" for n in itertools.count(2))
            names = itertools.chain([f"{stem}{suffix}"], more)
            while True:
                target = path / next(names)
                try:
                    _claim(part, target)
                except FileExistsError:
                    if target in apart_from or not _holds(target, data):
                        continue
                    os.utime(target)
                return target
        finally:
            part.unlink(missing_ok=True)


def _holds(path: Path, data: bytes) -> bool:
    """Return whether a file holds these bytes; a link may be changed from elsewhere, so no."""
    try:
        same = not path.is_symlink() and path.stat().st_size == len(data)
        return same and path.read_bytes() == data
    except OSError:
        return False


def replace_folder(fresh: Path, folder: Path) -> None:
    """Give a finished folder the place of another; wherever this stops, nothing is lost.

    Both must lie on one disk. The old one waits in ``.replaced`` beside it until the new one
    stands; what a killed process left waiting there comes back with the next call.
    """
    waiting = folder.parent / ".replaced" / folder.name
    _bring_back(waiting, folder)
    if folder.exists():
        waiting.parent.mkdir(parents=True, exist_ok=True)
    try:
        if folder.exists():
            folder.rename(waiting)
        fresh.rename(folder)
    finally:
        _bring_back(waiting, folder)


def _bring_back(waiting: Path, folder: Path) -> None:
    """Put a waiting folder back where it was, or remove it if its place is taken."""
    if waiting.exists():
        if folder.exists():
            shutil.rmtree(waiting)
        else:
            waiting.rename(folder)
    with suppress(OSError):  # not there, or others wait in it
        waiting.parent.rmdir()


def slug(text: str, limit: int = 48) -> str:
    """Return a file name made of the text's own letters, in any script, safe on Windows too.

    At most `limit` characters and 120 bytes; "picture" when no letter or digit is left.

    >>> slug("Красная лиса, в снегу!")
    'красная-лиса-в-снегу'
    """
    # Marks are part of a letter in many scripts; the rest becomes a hyphen.
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = (c if unicodedata.category(c)[0] in "LMN" else " " for c in plain)
    name = unicodedata.normalize("NFC", "-".join("".join(kept).split()))[:limit]
    name = name.encode("utf-8", "ignore")[:120].decode("utf-8", "ignore").strip("-")
    return f"{name}_" if name in _DEVICES else name or "picture"


def file_stem(name: str) -> str:
    """Return a name the user chose, without ".png"; KandiError if a file cannot have it."""
    if not isinstance(name, str):
        raise KandiError(f"name must be text, not {quote(name)}")
    stem = name[:-4] if name.lower().endswith(".png") else name
    control = any(unicodedata.category(c) in {"Cc", "Cs"} for c in stem)
    device = stem.split(".")[0].casefold() in _DEVICES
    if not stem.strip(". ") or control or device or set(stem) & _FORBIDDEN:
        raise KandiError(
            f"{quote(name)} cannot be a file name; use letters, digits, spaces, - _ and ."
        )
    if len(stem.encode()) > 200:
        raise KandiError(f"{quote(name)} is too long for a file name; use at most 200 bytes")
    return stem.rstrip(". ")


def _temporary(folder: Path, data: bytes) -> Path:
    # Not tempfile: its files are private to the user, and os.replace would keep them so.
    part = folder / temporary_name()
    try:
        with open(part, "xb") as file:
            file.write(data)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _claim(part: Path, target: Path) -> None:
    """Give a finished file its name; raise FileExistsError if another has it."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # no hard links here (FAT, some network disks): reserve the name instead
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        os.replace(part, target)


@contextmanager
def _plain_errors(place: str | os.PathLike) -> Iterator[None]:
    try:
        yield
    except TypeError:
        raise KandiError(f"expected a path, not {quote(place)}") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            reason = "it is, or lies below, a file"
        name = shorten(str(place), 200)
        raise KandiError(f"cannot write to {name}: {reason}; choose another folder") from error


def temporary_name() -> str:
    """Return a hidden file name that tells which process of which machine is writing.

    Give the file its own name when it is whole; `clear` finds it if that never happens.
    """
    return f".{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.part"


def clear(folder: Path) -> None:
    """Remove the temporary files in a folder whose processes have ended on this machine.

    Never raises: what cannot be removed is in nobody's way.
    """
    with suppress(OSError):
        for path in list(folder.iterdir()):
            name = _TEMPORARY.fullmatch(path.name)
            if name and name[1] == _machine() and not _lives(int(name[2])):
                with suppress(OSError):
                    path.unlink()


def _machine() -> str:
    # A folder on a network disk also holds files of processes that cannot be seen from here.
    return hashlib.sha256(platform.node().encode("utf-8", "replace")).hexdigest()[:8]


def _lives(process: int) -> bool:
    import psutil

    # A number beyond what the system hands out belongs to nobody.
    with suppress(OverflowError):
        return psutil.pid_exists(process)
    return False
