"""Embeddings to hold: rows with names, arithmetic, files that say where they come from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kandi_nb.pictures.charts import heat
from kandi_nb.pictures.grid import plot
from kandi_nb.words.cosines import cosines
from kandi_nb.words.embedding import Embedding
from kandi_nb.words.errors import KandiError


def made(rows: int = 2, *, mark: str = "a" * 64, dim: int = 3) -> Embedding:
    numbers = torch.arange(rows * dim).reshape(rows, dim) + 1.0
    names = tuple("abcdefgh"[:rows])
    return Embedding(numbers, names, tuple({"text": n} for n in names), "mini-2.2", mark)


def test_rows_are_embeddings_with_their_names():
    three = made(3)
    assert len(three) == 3 and three.shape == (3, 3)
    assert three[1].names == ("b",) and torch.equal(three[-1].tensor, three.tensor[2:])
    assert three[1:].names == ("b", "c") and [row.names[0] for row in three] == ["a", "b", "c"]
    assert torch.allclose(three.norm, three.tensor.norm(dim=1))
    assert np.array_equal(np.asarray(three), three.tensor.numpy())
    for index in (3, "a", (0, 1)):
        with pytest.raises(KandiError, match="none of the 3 rows"):
            three[index]


def test_arithmetic_computes_with_rows_and_says_so():
    a, b = made(2)
    crown = made(2) - a
    assert torch.equal(crown.tensor, made(2).tensor - a.tensor) and crown.names == (
        "a − a",
        "b − a",
    )
    moved = b + (a - b)
    assert torch.equal(moved.tensor, a.tensor) and moved.names == ("b + a − b",)
    assert (b - (a + b)).names == ("b − (a + b)",)
    assert torch.equal((2 * a / 4).tensor, a.tensor / 2) and (2 * a).names == ("2 × a",)
    assert torch.equal((-a).tensor, -a.tensor)
    assert (a - b).recipes == (
        {"how": "sum", "weights": [1, -1], "items": [{"text": "a"}, {"text": "b"}]},
    )


def test_numbers_of_two_models_do_not_go_together():
    for stranger in (made(mark="b" * 64), made(dim=4)):
        for call in (lambda s=stranger: made() + s, lambda s=stranger: cosines(made(), s)):
            with pytest.raises(
                KandiError, match=r"^these embeddings are of two models [^\n]+$"
            ):
                call()
    with pytest.raises(KandiError, match="2 and 3 rows do not go together"):
        made(2) + made(3)
    with pytest.raises(TypeError):
        made() * "two"
    with pytest.raises(TypeError):
        made() + 1


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e300, 10**400])
def test_products_that_are_not_finite_are_refused_in_one_line(factor):
    with pytest.raises(KandiError, match=r"^[^\n]+ is not finite; take another number$"):
        made() * factor
    with pytest.raises(KandiError, match=r"^[^\n]+ is not finite; take another number$"):
        made() / 0


def test_what_is_saved_is_loaded_again(tmp_path):
    path = made().save(tmp_path / "cats.safetensors")
    again = Embedding.load(path)
    assert torch.equal(again.tensor, made().tensor)
    for name in ("names", "recipes", "model", "mark"):
        assert getattr(again, name) == getattr(made(), name)
    with pytest.raises(KandiError, match="exists"):
        made().save(path)
    with pytest.raises(KandiError, match=r"must end in \.safetensors"):
        made().save(tmp_path / "cats.pt")


def test_damaged_files_are_refused_in_one_line(tmp_path):
    path = made().save(tmp_path / "good.safetensors")
    whole = path.read_bytes()
    damaged = tmp_path / "bad.safetensors"
    contents = [
        whole[:-3],
        whole[:20],
        b"",
        b"PK",
        whole.replace(b'\\"names\\"', b'\\"nam3s\\"'),
    ]
    contents += [whole.replace(b'[\\"a\\", \\"b\\"]', b'[\\"a\\",   1  ]')]
    for content in contents:
        damaged.write_bytes(content)
        with pytest.raises(KandiError, match=r"^[^\n]+ holds no embedding[^\n]+$"):
            Embedding.load(damaged)
    save_file({"embedding": torch.full((1, 3), float("nan"))}, damaged)
    with pytest.raises(KandiError, match="numbers are damaged"):
        Embedding.load(damaged)
    with pytest.raises(KandiError, match="cannot be read"):
        Embedding.load(tmp_path / "none.safetensors")


def test_it_shows_names_and_norms_and_no_hundred_rows():
    text = repr(made())
    assert text.splitlines()[0] == "Embedding(2 × 3, mini-2.2)" and "a: norm 3.7" in text
    many = Embedding(torch.ones(50, 3), ("x\ny",) * 50, ({},) * 50)
    assert len(repr(many).splitlines()) == 10 and "… and 42 more" in repr(many)


def test_heat_and_plot_take_it():
    table = heat(made())
    assert table.rows == ["a", "b"] and abs(table.values[0][0] - 1) < 1e-6
    (axes,) = plot(made(3)).axes
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    assert plot(made(1)).axes
    with pytest.raises(KandiError, match="as a map, without x"):
        plot(made(), x="a")
