"""The token X-ray: pieces that can be read, counts that add up, and the end that is lost."""

from __future__ import annotations

import itertools
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from kandi_nb.model.loading.load import load
from kandi_nb.tasks.embeddings.clip import clip
from kandi_nb.tasks.embeddings.embed import embed
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.loop import texts
from kandi_nb.tasks.tokens import pieces, tokens
from kandi_nb.words.errors import KandiError, KandiWarning
from kandi_nb.words.params import Params

QUICK = Params("a red fox", steps=2, prior_steps=2)
SECONDS = 2  # of six threads at work; without turns the first error comes within one


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


MARKED = "a red fox<|endoftext|> in snow"


def test_a_mark_typed_in_the_text_ends_it_and_the_rest_is_shown_as_lost(tiny):
    (row,) = tokens(tiny, MARKED)
    assert row["lost"] == "in snow"
    assert row["cut"].split(" | ")[7] == "<|endoftext|>"
    # What is lost makes no difference to what CLIP reads.
    assert torch.allclose(clip(tiny, MARKED), clip(tiny, "a red fox"), atol=1e-5)
    (row,) = tokens(tiny, "a red fox<|endoftext|>")
    assert row["lost"] == ""


def test_typed_marks_are_warned_of(tiny):
    with pytest.warns(KandiWarning, match=r"<\|endoftext\|>” for the end .*“in snow”"):
        generate(tiny, QUICK.replace(prompt=MARKED))
    with pytest.warns(KandiWarning, match=r"reads “<\|startoftext\|>” as a mark"):
        embed(tiny, QUICK.replace(prompt="a <|startoftext|>fox"))


def test_marks_of_other_families_are_warned_of_and_strange_letters_are_not(tiny3_folder):
    k = load(tiny3_folder, device="cpu")
    with pytest.warns(KandiWarning, match="reads “</s>” as a mark") as caught:
        texts.warn_about_texts(k, [Params("a fox</s> in snow 雪")])
    assert len(caught) == 1
    assert tokens(k, "a fox</s> in snow")[0]["lost"] == "", "T5 reads on behind its mark"


def test_warnings_of_long_texts_are_short():
    prompts = ["x" * 10_000, "雪" * 10_000, "лис, " * 2_000]
    with pytest.warns(KandiWarning) as caught:
        texts.warn_about_texts(load("mini-2.2"), [Params(prompt) for prompt in prompts])
    assert len(caught) >= len(prompts)
    assert max(len(str(warning.message)) for warning in caught) < 600


@pytest.mark.parametrize(
    ("text", "words"), [("\ud800", "half a character"), ("x" * 100_001, "at most 100,000")]
)
def test_texts_that_no_model_can_be_given_are_refused_everywhere(tiny, text, words):
    for use in (
        lambda: tokens(tiny, text),
        lambda: tokens(tiny, {text: "a fox"}),
        lambda: clip(tiny, text),
        lambda: generate(tiny, QUICK, prompts=[text]),
        lambda: QUICK.replace(negative=text),
    ):
        with pytest.raises(KandiError, match=rf"^[^\n]*{words}[^\n]*$"):
            use()


def test_no_tokenizer_is_used_without_the_lock(tiny, monkeypatch):
    owned, call = [], PreTrainedTokenizerBase.__call__

    def spy(self, *args, **named):
        owned.append(tiny.lock._is_owned())
        return call(self, *args, **named)

    monkeypatch.setattr(PreTrainedTokenizerBase, "__call__", spy)
    tiny.embeddings.clear()
    for use in (
        lambda: tokens(tiny, "a red fox"),
        lambda: texts.unread(tiny, "a red fox"),
        lambda: clip(tiny, "a red fox"),
        lambda: embed(tiny, QUICK),
        lambda: generate(tiny, QUICK.replace(negative="a cat"), progress=False),
    ):
        before = len(owned)
        use()
        assert len(owned) > before
    assert all(owned)


@pytest.fixture
def restless():
    """Let threads take over from each other as often as they can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def test_six_threads_get_what_each_gets_alone(restless):
    """Fast tokenizers keep how they pad and cut from call to call, so calls must take turns."""
    k = load("mini-2.2")
    short = Params("a red fox", steps=2, prior_steps=2)
    long = "a red fox in a snowy forest " * 8
    calls = [
        lambda: [row["tokens"] for row in tokens(k, ["a red fox", "ein Hund"] * 10)],
        lambda: [row["lost"] for row in tokens(k, [long, "a cat"])],
        lambda: clip(k, ["a red fox", long]).numpy(),
        # Heard in on, for then nothing is taken from memory.
        lambda: embed(k, short, on_step=lambda *step: None).tensor.numpy(),
        lambda: [texts.unread(k, text) for text in (long, short.prompt)],
        lambda: np.asarray(generate(k, short, progress=False)[0], float),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        alone = [call() for call in calls]
    wrong, end = [], time.monotonic() + SECONDS

    def same(a, b):
        return np.allclose(a, b, atol=1e-5) if isinstance(a, np.ndarray) else a == b

    def work(number):
        turn = itertools.cycle([number] * 6 + [*range(len(calls))])  # mostly its own, but all
        while time.monotonic() < end and not wrong:
            which = next(turn)
            try:
                if not same(calls[which](), alone[which]):
                    wrong.append((which, "other numbers than alone"))
            except Exception as error:
                wrong.append((which, repr(error)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
