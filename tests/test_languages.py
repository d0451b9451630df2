"""The token X-ray: pieces that can be read, counts that add up, and the end that is lost."""

from __future__ import annotations

import pytest

from kandi_nb.errors import KandiError
from kandi_nb.languages import pieces, tokens
from kandi_nb.loading import load


def test_one_row_a_language_with_its_counts(tiny):
    table = tokens(tiny, {"English": "red fox", "Русский": "лиса"})
    assert list(table.columns) == ["language", "prompt", "tokens", "room", "cut", "lost"]
    assert [row["language"] for row in table] == ["English", "Русский"]
    # The tiny tokenizer knows single bytes: a Cyrillic letter is two of them.
    assert [row["tokens"] for row in table] == [2 + 6, 2 + 8]
    assert table[0]["cut"] == "r | e | d | f | o | x"
    assert table[1]["cut"] == "л×2 | и×2 | с×2 | а×2"
    assert [row["room"] for row in table] == [77, 77]
    assert [row["lost"] for row in table] == ["", ""]


def test_texts_without_names_have_no_column_for_them(tiny):
    assert [row["tokens"] for row in tokens(tiny, ["fox", "狐"])] == [5, 5]
    assert "language" not in tokens(tiny, "fox").columns


def test_what_is_kept_and_what_is_lost_is_the_whole_text(tiny):
    text = "abcdefghij" * 8  # 80 letters, 82 tokens
    (row,) = tokens(tiny, text)
    assert row["tokens"] == 82
    kept = text[: row["room"] - 2]  # room for both marks
    assert kept + row["lost"] == text
    assert row["cut"].endswith("… 56 more")


def test_the_pieces_of_any_text_hold_all_its_letters(tiny):
    tokenizer = tiny.prior.tokenizer
    for text in ("a red fox", "снежный лес", "雪林中的红狐狸", "fée d'été", "🦊 fox"):
        found = pieces(tokenizer, tokenizer(text).input_ids)
        letters = "".join(piece.partition("×")[0] for piece in found)
        assert letters == text.replace(" ", "")


def test_half_a_letter_at_the_end_is_no_text():
    class Bytes:
        all_special_ids = (0,)

        def decode(self, ids):
            return bytes(ids).decode("utf-8", errors="replace")

    assert pieces(Bytes(), [0, *"a狐".encode()[:-1], 0]) == ["a", "?×2"]


def test_other_families_are_read_by_their_own_tokenizer(tiny3_folder):
    (row,) = tokens(load(tiny3_folder, device="cpu"), ["x" * 200])
    assert row["room"] == 128
    assert row["lost"]


@pytest.mark.parametrize("prompts", [3, None, [], {}, [3], {"English": None}])
def test_what_is_no_text_is_refused_in_one_line(tiny, prompts):
    with pytest.raises(KandiError, match=r"^tokens [^\n]+$"):
        tokens(tiny, prompts)


def test_the_model_comes_first(tiny):
    with pytest.raises(KandiError, match="first argument is a loaded model"):
        tokens("a red fox", tiny)
