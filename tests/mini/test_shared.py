"""Files of several checkpoints are stored once, and every checkpoint is whole all the same."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from pathlib import Path

import pytest

from kandi_nb.mini import names, shared
from kandi_nb.mini.export import export
from kandi_nb.words.errors import KandiError

ROOT = Path(__file__).parents[2]
STORED, LINK = f"{names.DECODER}/movq/m.safetensors", f"{names.DECODER_21}/movq/m.safetensors"


def test_the_manifest_names_all_that_is_large_and_the_same():
    same = shared.manifest(names.WEIGHTS)
    assert same == shared.find_same(names.WEIGHTS), "type: python -m kandi_nb.mini.shared"
    assert not set(same) & set(same.values()), "a stored file is no link"
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    prefix = "/kandi_nb/mini/weights/"
    links = {line.removeprefix(prefix) for line in ignored if line.startswith(prefix)}
    assert {line for line in links if line.endswith(".safetensors")} == set(same)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    left_out = project["tool"]["hatch"]["build"]["exclude"]
    assert {path.removeprefix(prefix) for path in left_out} == set(same)
    for link, home in same.items():
        assert (names.WEIGHTS / link).samefile(names.WEIGHTS / home)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A small folder of weights as an installed package has it, and an empty cache."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "cache"))
    shared.whole.cache_clear()
    folder = tmp_path / "site" / "kandi_nb" / "mini" / "weights"
    for name in names.FAMILY:
        (folder / name).mkdir(parents=True)
        (folder / name / "model_index.json").write_text("{}")
    put(folder, STORED, "numbers")
    note(folder, LINK, "numbers")
    (folder / shared.MANIFEST).write_text(json.dumps({LINK: STORED}))
    yield folder
    shared.whole.cache_clear()


def put(folder, name, text):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    note(folder, name, text)


def note(folder, name, text):
    part, _, rest = name.partition("/")
    checksum = hashlib.sha256(text.encode()).hexdigest()
    (folder / part / "SHA256SUMS").write_text(f"{checksum}  {rest}\n")


def clone(weights):
    (weights.parents[2] / "pyproject.toml").touch()
    return weights


def again(weights):
    shared.whole.cache_clear()
    return shared.whole(weights)


def listed(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_an_installed_package_stays_as_it_was_installed(weights):
    before = listed(weights)
    here = shared.whole(weights)
    assert listed(weights) == before and LINK not in before
    assert listed(here) == before | {LINK} and (here / LINK).read_text() == "numbers"
    assert again(weights) == here, "links that are there are taken"
    put(weights, STORED, "other numbers")  # a new version was installed
    note(weights, LINK, "other numbers")
    assert (again(weights) / LINK).read_text() == "other numbers"


def test_a_clone_has_links_that_move_with_it(weights, tmp_path):
    assert shared.whole(clone(weights)) == weights
    assert (weights / LINK).samefile(weights / STORED)
    (tmp_path / "site").rename(tmp_path / "moved")
    moved = tmp_path / "moved" / "kandi_nb" / "mini" / "weights"
    assert (moved / LINK).read_text() == "numbers"
    assert not (tmp_path / "cache").exists()


def test_what_was_trained_here_is_kept_and_what_is_older_is_not(weights):
    put(clone(weights), LINK, "trained here")
    assert (again(weights) / LINK).read_text() == "trained here"
    (weights / LINK).write_text("of an older version")
    note(weights, LINK, "numbers")
    assert (again(weights) / LINK).read_text() == "numbers"


@pytest.mark.parametrize("without", [["symlink"], ["symlink", "link"]])
def test_where_there_are_no_links_files_are_copied_once(weights, monkeypatch, without):
    def refuses(*_):
        raise OSError("no links here")

    for name in without:
        monkeypatch.setattr(os, name, refuses)
    assert (shared.whole(clone(weights)) / LINK).read_text() == "numbers"
    inode = (weights / LINK).stat().st_ino
    assert (again(weights) / LINK).stat().st_ino == inode, "copied a second time"


def test_a_cache_that_cannot_be_written_to_is_done_without(weights, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder is wanted")
    assert (shared.whole(weights) / LINK).read_text() == "numbers"


def test_what_is_exported_is_whole(weights, tmp_path):
    paths = export(tmp_path / "out", weights=weights)
    assert [path.name for path in paths] == sorted(names.FAMILY)
    copied = tmp_path / "out" / names.PUBLISHER / LINK
    assert copied.read_text() == "numbers" and not copied.is_symlink()
    (weights / STORED).unlink()
    with pytest.raises(KandiError):
        export(tmp_path / "out", weights=weights)
