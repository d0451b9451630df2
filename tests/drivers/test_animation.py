"""Films: every frame in its place, its recipe beside it, no file half-written or replaced."""

from __future__ import annotations

import importlib.util
import json

import numpy as np
import pytest
from PIL import Image, ImageSequence

from kandi_nb.drivers.animation import animate, steps
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


@pytest.mark.parametrize("ending", ["gif", "webp"])
@pytest.mark.parametrize("seconds", [1 / 30, 0.025, 1 / 24, 0.0333, 0.1])
def test_a_film_lasts_as_long_as_was_asked(tmp_path, ending, seconds):
    """A GIF counts hundredths of a second: frames of 30, 30 and 40 ms make a tenth."""
    grey = [f"#{level:02x}{level:02x}{level:02x}" for level in range(30)]
    path = animate(result(grey), tmp_path / f"film.{ending}", seconds=seconds)
    clock = 10 if ending == "gif" else 1
    with Image.open(path) as film:
        times = []
        for frame in range(film.n_frames):
            film.seek(frame)
            film.load()
            times.append(film.info["duration"])
    assert len(times) == 30 and sum(times) == pytest.approx(30_000 * seconds, abs=clock)
    assert all(abs(each - 1000 * seconds) <= clock for each in times)
    assert min(times) >= 20, "browsers slow down what is shorter"


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
    with pytest.raises(KandiError, match=r"the extra video .*pip install .*\[video\].*or take"):
        animate(result(), tmp_path / "film.mp4")


def test_an_mp4_is_written_where_the_extra_is_there(tmp_path):
    path = animate(result(), tmp_path / "film.mp4")
    assert path.read_bytes()[4:8] == b"ftyp"


def test_steps_go_from_noise_to_the_picture_and_make_a_film(tiny, tmp_path):
    from kandi_nb.tasks.generate import generate

    params = Params("a red fox", steps=6, prior_steps=2, seed=3)
    way = steps(tiny, params, 4)
    assert len(way) == 4 and way.layout == (1, 4)
    finished = generate(tiny, params, progress=False)
    assert np.array_equal(way.arrays()[-1], finished.arrays()[0]), "the last is the picture"
    assert animate(way, tmp_path / "way.gif").stat().st_size > 0
    assert len(steps(tiny, params, 50)) == 6, "no more than there are"


def test_steps_refuse_what_is_no_single_picture(tiny):
    for params, count in (
        (Params("a fox", count=2), 4),
        ([Params("a fox")], 4),
        (Params("a"), 1),
    ):
        with pytest.raises(KandiError):
            steps(tiny, params, count)
