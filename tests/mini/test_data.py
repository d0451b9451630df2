"""What stages learn from: made once, by one process, and anew when what made it changes."""

from __future__ import annotations

import ast
import contextlib
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kandi_nb.mini.training import data
from kandi_nb.mini.training.data import Data
from kandi_nb.mini.world import render
from kandi_nb.mini.world.scenes import scenes


def _imported(source: Path) -> set[str]:
    """Return the file names of the modules beside a module that it imports."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            names |= {node.module} if node.module else {alias.name for alias in node.names}
    return {f"{name}.py" for name in names}


@pytest.fixture
def other_sprites(tmp_path, monkeypatch):
    """Swap two sprites, as another version of the world might."""

    def swap():
        sprites = tmp_path / "sprites"
        shutil.copytree(render.SPRITES, sprites)
        (sprites / "fox.png").write_bytes((sprites / "castle.png").read_bytes())
        monkeypatch.setattr(render, "SPRITES", sprites)
        monkeypatch.setattr(data, "SPRITES", sprites, raising=False)
        render._sprite.cache_clear()

    yield swap
    render._sprite.cache_clear()


def test_another_world_is_painted_anew(tmp_path, other_sprites):
    some = list(scenes(40))
    fox = next(n for n, scene in enumerate(some) if scene.object == "fox")
    before = Data(tmp_path, count=40).pictures
    latents = Data(tmp_path, count=40).latents()
    assert np.array_equal(before[fox], render.render(some[fox]).image)
    other_sprites()
    painted = Data(tmp_path, count=40)
    assert not np.array_equal(painted.pictures[fox], before[fox])
    assert np.array_equal(painted.pictures[fox], render.render(some[fox]).image)
    assert not np.array_equal(painted.latents()[fox], latents[fox])
    assert np.array_equal(
        painted.blended_pictures[0], Data(tmp_path, count=40).blended_pictures[0]
    )


def test_the_world_is_known_by_all_of_its_code():
    files = {Path(module.__file__) for module in data.WORLD}
    needed = set().union(*map(_imported, files))
    assert {"render.py", "blends.py"} <= {file.name for file in files}
    assert needed <= {file.name for file in files}


def test_a_digest_changes_with_any_file_and_not_with_line_ends(tmp_path):
    one, other = tmp_path / "one.py", tmp_path / "other.png"
    one.write_bytes(b"a = 1\nb = 2\n")
    other.write_bytes(b"\r\n")
    first = data.digest_of([one, other])
    assert data.digest_of([other, one]) == first
    one.write_bytes(b"a = 1\r\nb = 2\r\n")
    assert data.digest_of([one, other]) == first
    other.write_bytes(b"\n")
    assert data.digest_of([one, other]) != first


def test_stages_that_start_at_once_paint_the_scenes_once(tmp_path, monkeypatch, capsys):
    """Both meet before the first file gets its name; neither may trip over the other's."""
    meeting, replace = threading.Barrier(2, timeout=1), data.os.replace

    def late(part, path):
        with contextlib.suppress(threading.BrokenBarrierError):  # the other one waits: good
            meeting.wait()
        replace(part, path)

    monkeypatch.setattr(data.os, "replace", late)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: Data(tmp_path, count=12)._render("pictures"), range(2)))
    assert np.array_equal(*both)
    assert np.array_equal(both[0][3], render.render(next(scenes(1, start=3))).image)
    assert capsys.readouterr().out.count("rendering 12 scenes") == 1
    assert not list(tmp_path.glob("*.part"))
