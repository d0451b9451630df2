"""To save the same run a second time adds nothing, and still overwrites nothing."""

from __future__ import annotations

import os

from PIL import Image

from kandi_nb.pictures.result import Result
from kandi_nb.words.params import Params


def test_the_same_run_again_names_its_files_instead_of_doubling_them(tmp_path):
    made = Result([Image.new("RGB", (8, 8))] * 3, [Params("a cat")] * 3, "m")
    paths = made.save(tmp_path)
    os.utime(paths[0], (0, 0))
    for _ in range(2):
        assert made.save(tmp_path) == paths and len(set(paths)) == 3
    assert paths[0].stat().st_mtime > 0, "it counts as saved now"
    paths[1].write_bytes(b"somebody's own")
    assert [p.name for p in made.save(tmp_path)] == [
        "a-cat-0.png", "a-cat-0-3.png", "a-cat-0-4.png",
    ]  # fmt: skip
    assert paths[1].read_bytes() == b"somebody's own"
