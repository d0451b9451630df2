"""Find damaged weight folders before they draw garbage: the libraries load many silently.

All of it looks at files only and needs the standard library alone; `match` looks at what was
loaded.
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..words.errors import KandiError, quote
from . import trust

SUMS = "SHA256SUMS"  # optional, in a pipeline's folder, as written by the sha256sum command
_CONFIGS = {
    "Scheduler": "scheduler_config.json",
    "Tokenizer": "tokenizer_config.json",
    "ImageProcessor": "preprocessor_config.json",
}
_WHOLE = 256 * 2**20  # bytes: folders up to this size are fingerprinted completely
_LONGEST = 128 * 2**20  # bytes of a JSON file; XLM-R's words take 17 million
_SAMPLE = 2**20  # bytes from both ends of each file of a larger folder


class Damaged(KandiError):
    """A file of a model is missing or broken; who raises it names it, `find` the remedy."""


class Missing(Damaged):
    """A file of a model is not there at all."""


def components(
    folder: Path, family: str | None = None, stage: str = "decoder"
) -> dict[str, tuple[str, str]]:
    """Return component → (library, class) as the folder's model_index.json lists them.

    Raises KandiError for a class that no Kandinsky has; given a `family` and a `stage`, "prior"
    or "decoder", for one that this family does not have there.
    """
    return trust.entries(folder, _json(folder / "model_index.json"), family, stage)


def pipeline_class(folder: Path) -> str:
    """Return the class that a folder's model_index.json names, empty if it names none."""
    name = _json(folder / "model_index.json").get("_class_name")
    return name if isinstance(name, str) else ""


def is_model(class_name: str) -> bool:
    """Tell whether a class of model_index.json has weights (no scheduler, no tokenizer …)."""
    return _config_of(class_name) == "config.json"


def check_folder(folder: Path, variant: str | None = None) -> None:
    """Raise Damaged for a missing, empty, half-written or altered file of a pipeline's folder.

    Reads headers and lengths of the weights, not their numbers, except when the folder
    carries SHA256SUMS.
    """
    for name, (_, class_name) in components(folder).items():
        part = folder / name
        if not part.is_dir():
            raise Missing(f"{part} is missing")
        if not (part / _config_of(class_name)).is_file():
            raise Missing(f"{part / _config_of(class_name)} is missing")
        for file in sorted(part.iterdir()):
            _check_file(file)
        if is_model(class_name):
            for file in weight_files(part, variant):
                header(file)
    _check_sums(folder)


def check_settings(folder: Path) -> None:
    """Raise KandiError for configurations right in a folder that name code to run."""
    for file in sorted(folder.glob("*config*.json")):
        trust.check_settings(file, _json(file))


def _check_file(file: Path) -> None:
    """Raise KandiError for a file of a component that no library is to meet."""
    if file.is_dir() or not file.exists():
        return
    if file.suffix == ".json":
        content = _json(file)
        if "config" in file.name:
            trust.check_settings(file, content)
    elif file.suffix == ".py":
        raise KandiError(f"{file} is a program, and none is run from here; take it out")
    elif not file.is_file():
        raise Damaged(f"{file} is no ordinary file")
    if file.stat().st_size == 0:
        raise Damaged(f"{file} is empty")


def weight_files(part: Path, variant: str | None = None) -> list[Path]:
    """Return the safetensors files of one part, of the variant where it has one."""
    for stem in ("diffusion_pytorch_model", "model"):
        for infix in (f".{variant}", "") if variant else ("",):
            whole = part / f"{stem}{infix}.safetensors"
            if whole.is_file():
                return [whole]
            index = part / f"{stem}.safetensors.index{infix}.json"
            if index.is_file():
                shards = trust.shards(index, _json(index).get("weight_map", {}))
                missing = [shard for shard in shards if not (part / shard).is_file()]
                if missing or not shards:
                    raise Missing(f"{part / (missing or ['weights'])[0]} is missing")
                return [part / shard for shard in shards]
    stem = "diffusion_pytorch_model" if (part / "diffusion_pytorch_model.bin").exists() else ""
    stem = stem or _expected_stem(part)
    pickled = " (pickled .bin files are not read)" if list(part.glob("*.bin")) else ""
    raise Missing(f"{part / stem}.safetensors is missing{pickled}")


def check_variant(place: object, files: Iterable[str], variant: str | None) -> None:
    """Raise KandiError unless some weights among the paths of a checkpoint are of a variant."""
    found = {match[1] for file in files if (match := _VARIANT.search(file))}
    if variant not in found:
        there = ", ".join(sorted(found)) or "none but the plain weights"
        raise KandiError(
            f"{place} has no variant {variant!r} (it has: {there}); leave variant out"
        )


# model.fp16.safetensors, model.fp16-00001-of-00002.safetensors
_VARIANT = re.compile(r"model\.([a-z]\w*?)(?:-\d+-of-\d+)?\.safetensors$")


def header(file: Path) -> bytes:
    """Return the header of a safetensors file; raise Damaged unless the length fits it.

    Format: eight bytes little-endian length n, n bytes of JSON, then the numbers
    (https://huggingface.co/docs/safetensors).
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = stream.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, 100_000_000):
            raise Damaged(f"{file} is no safetensors file or was cut short")
        text = stream.read(length)
    try:
        entries = json.loads(text)
        ends = [tensor["data_offsets"][1] for n, tensor in entries.items() if n[:2] != "__"]
        expected = 8 + length + max(ends, default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise Damaged(f"{file} has a broken header") from None
    if size != expected:
        raise Damaged(f"{file} has {size} bytes instead of {expected}")
    return start + text


def check_pinned(folder: Path, files: Mapping[str, tuple[int, str | None]]) -> None:
    """Raise Damaged unless files have the sizes, and in a cache the names, that they must.

    `files` maps a path in the folder to bytes and SHA-256 or None. The hub's cache names a file
    after its checksum, so that one which was exchanged is found without reading it.
    """
    for name, (size, sha256) in files.items():
        file = folder / name
        if not file.is_file():
            raise Missing(f"{file} is missing")
        if file.stat().st_size != size:
            raise Damaged(f"{file} has {file.stat().st_size} bytes instead of {size}")
        blob = file.resolve().name
        if sha256 and file.is_symlink() and blob != sha256:
            raise Damaged(f"{file} is not as published (its blob is {blob[:12]}…)")


def digest(file: Path, like: str) -> str:
    """Return a file's checksum of the same kind as `like`: git's SHA-1, or SHA-256.

    The hub names small files by the first, in 40 digits, and large ones by the second, in 64.
    """
    if len(like) == 40:  # names of the content, not a safeguard
        found = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        found = hashlib.sha256()
    for piece in _pieces(file):
        found.update(piece)
    return found.hexdigest()


def fingerprint(folder: Path, variant: str | None = None) -> str:
    """Return twelve hex digits that stand for the weights of a folder.

    Up to 256 MiB it is a SHA-256 over all weights, beyond that over the files' headers, sizes
    and both ends, so that the published weights take a moment and not minutes.
    """
    files = [
        file
        for name, (_, class_name) in sorted(components(folder).items())
        if is_model(class_name)
        for file in weight_files(folder / name, variant)
    ]
    whole = sum(file.stat().st_size for file in files) <= _WHOLE
    mark = hashlib.sha256()
    for file in files:
        mark.update(f"{file.parent.name}/{file.name} {file.stat().st_size}".encode())
        for piece in _pieces(file) if whole else _ends(file):
            mark.update(piece)
    return mark.hexdigest()[:12]


def same_files(one: Path, other: Path, variant: str | None = None) -> bool:
    """Tell whether two components' folders hold the same network: configuration and weights.

    In the hub's cache both may be links to one file; elsewhere the bytes are compared.
    """
    if one.resolve() == other.resolve():
        return True
    plain = [
        {name: value for name, value in _json(folder / "config.json").items() if name[0] != "_"}
        for folder in (one, other)
    ]
    files = [weight_files(folder, variant) for folder in (one, other)]
    return (
        plain[0] == plain[1]
        and len(files[0]) == len(files[1])
        and all(
            a.resolve() == b.resolve() or filecmp.cmp(a, b, shallow=False)
            for a, b in zip(*files, strict=True)
        )
    )


def _config_of(class_name: str) -> str:
    return next((file for word, file in _CONFIGS.items() if word in class_name), "config.json")


def _expected_stem(part: Path) -> str:
    config = _json(part / "config.json")
    return "diffusion_pytorch_model" if "_diffusers_version" in config else "model"


def _json(file: Path) -> dict[str, Any]:
    if not file.exists():
        raise Missing(f"{file} is missing")
    if not file.is_file():  # a pipe would be waited for
        raise Damaged(f"{file} is no ordinary file")
    if (size := file.stat().st_size) > _LONGEST:
        raise Damaged(f"{file} has {size:,} bytes, far more than a configuration")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        raise Damaged(f"{file} is unreadable or half-written") from None
    if not isinstance(content, dict):
        raise Damaged(f"{file} does not hold what it should")
    return content


def _check_sums(folder: Path) -> None:
    listing = folder / SUMS
    if not listing.is_file():
        return
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except (ValueError, OSError):
        raise Damaged(f"{listing} is unreadable") from None
    for line in lines:
        wanted, _, name = line.partition(" ")
        name = name.strip().removeprefix("*")
        if not all(map(trust.is_inside, name.split("/"))):
            raise Damaged(f"{listing} names a file outside its folder ({quote(name)})")
        file = folder / name
        if not file.is_file():
            raise Missing(f"{file} is missing")
        if digest(file, wanted) != wanted:
            raise Damaged(f"{file} is not as published (its checksum differs)")


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as stream:
        while piece := stream.read(2**22):
            yield piece


def _ends(file: Path) -> Iterator[bytes]:
    yield header(file)
    with file.open("rb") as stream:
        yield stream.read(_SAMPLE)
        stream.seek(max(0, file.stat().st_size - _SAMPLE))
        yield stream.read(_SAMPLE)
