"""Films: every frame in its place, its recipe beside it, no file half-written or replaced."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image, ImageSequence

from kandi_nb.drivers.animation import animate
from kandi_nb.pictures.result import Result
from kandi_nb.words.errors import KandiError
from kandi_nb.words.params import Params

COLOURS = ["red", "green", "blue"]


def result(colours=COLOURS, size=(64, 64)) -> Result:
    frames = [Image.new("RGB", size, colour) for colour in colours]
    params = [Params("a cat", seed=seed) for seed in range(len(colours))]
    return Result(frames, params, model="mini-2.2")


@pytest.mark.parametrize("ending", ["gif", "webp", "GIF"])
def test_a_film_shows_each_picture_and_starts_again(tmp_path, ending):
    path = animate(result(), tmp_path / f"film.{ending}", seconds=0.2)
    with Image.open(path) as film:
        assert film.n_frames == 3 and film.info["loop"] == 0 and film.size == (256, 256)
        notes = film.info.get("comment") or film.info["xmp"]
        frames = [np.asarray(f.convert("RGB"), int) for f in ImageSequence.Iterator(film)]
        assert film.info["duration"] == 200
    for frame, colour in zip(frames, COLOURS, strict=True):
        wanted = np.asarray(Image.new("RGB", (1, 1), colour), int)
        assert np.abs(frame - wanted).max() <= 4
    assert [recipe["params"]["seed"] for recipe in json.loads(notes)] == [0, 1, 2]


def test_files_are_not_replaced_unless_asked(tmp_path):
    path = animate(result(), tmp_path / "film.gif")
    with pytest.raises(KandiError, match="exists"):
        animate(result(), path)
    animate(result(["red", "blue"]), path, overwrite=True)
    with Image.open(path) as film:
        assert film.n_frames == 2


@pytest.mark.parametrize(
    ("made", "name", "options", "words"),
    [
        (result(), "film.png", {}, "must end in one of .gif"),
        (result([]), "film.gif", {}, "a Result with pictures"),
        ("a cat", "film.gif", {}, "a Result with pictures"),
        (result(), "film.gif", {"seconds": 0}, "seconds is how long"),
        (result(), "film.gif", {"scale": 0.5}, "scale is a whole number"),
    ],
)
def test_what_makes_no_film_is_refused(tmp_path, made, name, options, words):
    with pytest.raises(KandiError) as caught:
        animate(made, tmp_path / name, **options)
    assert words in str(caught.value) and not list(tmp_path.iterdir())


def test_an_mp4_names_the_extra_that_it_needs(tmp_path, monkeypatch):
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "imageio_ffmpeg" else known(name),
    )
    with pytest.raises(KandiError, match=r'the extra "video": pip install "kandi_nb\[video\]"'):
        animate(result(), tmp_path / "film.mp4")


def test_an_mp4_is_written_where_the_extra_is_there(tmp_path):
    path = animate(result(), tmp_path / "film.mp4")
    assert path.read_bytes()[4:8] == b"ftyp"
