"""The model registry and the tables that show it."""

import dataclasses
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kandi_nb.model.bundled import folders_of
from kandi_nb.words.models import SPECS, WEIGHTS, models, spec
from kandi_nb.words.params import KandiError
from kandi_nb.words.tables import Table

MINIS = ["mini-2.2", "mini-2.1", "mini-3"]
KEYS = [*MINIS, "kandinsky-2.2", "kandinsky-2.1", "kandinsky-3"]


def test_known_keys():
    assert list(SPECS) == KEYS
    assert all(key == known.key for key, known in SPECS.items())


@pytest.mark.parametrize("key", KEYS)
def test_specs_are_whole(key):
    known = spec(key)
    assert set(known.ids) == {"prior", "decoder"} & set(known.roles)
    assert ("prior" not in known.roles) == (known.family == "3")
    assert known.roles["edit"].id == known.roles["decoder"].id
    assert known.native_size % 64 == 0
    assert known.licence == "Apache-2.0"
    assert "generate" in known.tasks
    assert known.draws.endswith(".") and known.languages
    assert known.bundled == (known.download_gb == 0) == (known.advice is not None)
    assert known.bundled != all(
        i.startswith("kandinsky-community/") for i in known.ids.values()
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        known.key = "x"
    assert hash(known)


def test_class_names_are_those_of_diffusers():
    # Read from the text: importing the pipelines takes seconds.
    where = Path(importlib.util.find_spec("diffusers").origin)
    names = {role.pipeline for known in SPECS.values() for role in known.roles.values()}
    assert len(names) == 11
    text = where.read_text()
    assert all(f'"{name}"' in text for name in names)


@pytest.mark.parametrize("key", MINIS)
def test_bundled_weights_lie_in_the_package(key):
    folders = folders_of(spec(key))
    assert list(folders) == list(spec(key.replace("mini", "kandinsky")).roles)
    assert {path.parent for path in folders.values()} == {WEIGHTS}
    assert all((path / "model_index.json").is_file() for path in folders.values())
    assert folders_of(spec("kandinsky-2.2")) == {}


def test_the_bundled_model_says_what_it_draws():
    words = spec("mini-2.2").draws
    for fact in ("16 objects", "7 colours", "8 places", "crown", "hat", "3 styles", "five"):
        assert fact in words
    assert f"{spec('mini-2.2').native_size} × " in words


@pytest.mark.parametrize(
    ("key", "close"),
    [("kandinsky2.2", "kandinsky-2.2"), ("MINI-2.2", "mini-2.2"), ("xyz", None), (3, None)],
)
def test_unknown_keys_list_the_known(key, close):
    with pytest.raises(KandiError) as caught:
        spec(key)
    text = str(caught.value)
    assert all(known in text for known in KEYS)
    assert ("did you mean" in text) == (close is not None)
    if close:
        assert f"did you mean {close}?" in text


def test_models_is_a_table_of_dicts_that_shows_itself():
    table = models()
    assert [row["key"] for row in table] == KEYS
    assert list(table[0]) == [
        "key", "family", "tasks", "native size", "tokens", "download", "licence", "languages",
        "draws",
    ]  # fmt: skip
    assert table[0]["download"] == "bundled"
    assert len(table) == 6
    text = repr(table)
    assert all(key in text for key in KEYS)
    page = table._repr_html_()
    assert page.count("<tr>") == 7 and 'scope="col"' in page
    assert "16 objects" in page
    json.dumps(list(table))


def test_table_fits_the_terminal_without_cutting_words():
    for width in (100, 130):
        lines = models().text(width).splitlines()
        assert max(map(len, lines)) <= width
    narrow = models().text(20)
    assert all(key in narrow for key in KEYS)


def test_table_aligns_wide_characters():
    table = Table([{"a": "雪，", "b": "x"}, {"a": "fox!", "b": "y"}])
    assert table.text(80).splitlines() == ["a     b", "────  ─", "雪，  x", "fox!  y"]


def test_table_folds_text_without_spaces():
    lines = Table([{"a": "k", "b": "雪" * 60}]).text(40).splitlines()
    assert sum(line.count("雪") for line in lines) == 60
    assert len(lines) > 3
    assert lines[2].startswith("k")


def test_table_values():
    table = Table([{"a": None, "b": 1.23456, "c": [1, 2], "d": "<b>\nx"}], note="done")
    cells = table.text(80).splitlines()[2].split("  ")
    assert [c for c in cells if c] == ["—", "1.235", "1, 2", "<b> x"]
    assert table.text(80).splitlines()[-1] == "done"
    assert "&lt;b&gt; x" in table._repr_html_() and "<b>" not in table._repr_html_()
    assert repr(Table([], ("a",), empty="no differences")) == "no differences"
    assert "no differences" in Table([], ("a",), empty="no differences")._repr_html_()


def test_headers_of_a_table_stand_over_their_cells():
    page = Table([{"a": "x y", "b": 1}])._repr_html_()
    assert page.count("text-align:left") == 4 and "text-align:right" not in page


def test_long_texts_fold_and_keys_do_not_break_at_their_hyphens():
    rows = [{"key": "kandinsky-2.2", "text": "a red fox " * 40, "path": "/a" * 40}]
    cells = re.findall(r'<td data-column="(\w+)" style="([^"]*)"', Table(rows)._repr_html_())
    styles = dict(cells)
    assert "nowrap" in styles["key"]
    assert "nowrap" not in styles["text"] + styles["path"]
    assert "anywhere" in styles["path"]


def test_a_bundled_model_lists_its_words_and_a_published_one_what_it_reads():
    assert "butterfly" in repr(SPECS["mini-2.2"].vocabulary)
    assert "English" in repr(SPECS["kandinsky-2.2"].vocabulary)


def test_words_need_only_the_standard_library():
    code = (
        "import sys, kandi_nb.words.params, kandi_nb.words.models\n"
        "heavy = {'numpy', 'PIL', 'torch', 'diffusers', 'transformers', 'matplotlib'}\n"
        "sys.exit(' '.join(heavy & set(sys.modules)) or 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
