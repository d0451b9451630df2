"""Sprites are made from the emoji font, and the bundled ones are what it gives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kandi_nb.mini.world.make_sprites import GLYPHS, SIDE, SPRITES, main, make_sprites
from kandi_nb.mini.world.vocabulary import HEADWEAR, OBJECTS
from kandi_nb.words.errors import KandiError

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
# Version 2.042: later ones redraw some of the pictures.
DIGEST = "e5899ed38b8ed83e08bd3ac5de09791e9d19d288333a796de1d35ad17396f1ec"


def has_the_font():
    return FONT.is_file() and hashlib.sha256(FONT.read_bytes()).hexdigest() == DIGEST


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGBA"))


def test_every_thing_of_the_world_has_a_sprite_and_nothing_else_has():
    words = {*OBJECTS[:-1], *HEADWEAR[1:]}
    assert set(GLYPHS) == words and len(words) == 18
    assert {path.stem for path in SPRITES.glob("*.png")} == words
    for word in words:
        drawn = pixels(SPRITES / f"{word}.png")
        assert drawn.shape == (SIDE, SIDE, 4)
        covered = drawn[..., 3] > 0
        assert 0.25 < covered.mean() < 1, word
        # Centred, and as large as fits: it reaches two opposite edges.
        assert covered[:, [0, -1]].any(0).all() or covered[[0, -1]].any(1).all(), word


@pytest.mark.skipif(not has_the_font(), reason="NotoColorEmoji.ttf 2.042 is not installed")
def test_the_font_gives_the_bundled_sprites(tmp_path, capsys):
    assert main([str(FONT), str(tmp_path)]) == 0
    assert "18 sprites" in capsys.readouterr().out
    made = sorted(tmp_path.iterdir())
    assert [path.stem for path in made] == sorted(GLYPHS)
    for path in made:
        # Libraries may round the scaling differently, by a step of 255.
        gap = np.abs(pixels(path).astype(int) - pixels(SPRITES / path.name))
        assert gap.max() <= 1, path.name
    made[0].write_text("mine")
    assert len(make_sprites(FONT, tmp_path, force=True)) == 18
    assert pixels(made[0]).shape == (SIDE, SIDE, 4), "replaced, as asked"


def test_existing_sprites_are_kept_unless_forced(tmp_path, capsys):
    mine = tmp_path / "owl.png"
    mine.write_text("mine")
    with pytest.raises(KandiError, match=r"owl\.png exists; .*--force"):
        make_sprites(FONT, tmp_path)
    assert [mine] == list(tmp_path.iterdir()) and mine.read_text() == "mine"
    with pytest.raises(SystemExit) as stopped:
        main(["no-such-font.ttf"])  # the bundled ones exist
    assert stopped.value.code == 2
    assert "exists" in capsys.readouterr().err


def test_a_file_that_is_no_colour_font_is_refused_before_anything_is_written(tmp_path):
    import matplotlib

    no_font = tmp_path / "font.ttf"
    no_font.write_text("no font")
    letters = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    target = tmp_path / "sprites"
    for font, words in [
        (tmp_path / "missing.ttf", "there is no font file"),
        (tmp_path, "there is no font file"),
        (no_font, "no bitmaps of size 109"),
        (letters, "has no colours"),
    ]:
        with pytest.raises(KandiError, match=words):
            make_sprites(font, target, force=True)
    assert not target.exists()
