"""CLIP's embeddings: those that the prior itself uses, in the order asked for."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import kandi_nb as kn
from kandi_nb.model.loading.load import load
from kandi_nb.tasks.embeddings.clip import clip
from kandi_nb.tasks.embeddings.embed import embed
from kandi_nb.tasks.embeddings.mixing import mix
from kandi_nb.tasks.embeddings.mixtures import mixture
from kandi_nb.tasks.generate import generate
from kandi_nb.words.cosines import cosines
from kandi_nb.words.errors import KandiError, collected_warnings
from kandi_nb.words.params import Params

RED = Image.new("RGB", (64, 64), "red")
BLUE = Image.new("RGB", (100, 70), "blue")


def test_texts_get_the_embedding_that_the_prior_reads(tiny):
    # What the pipeline's own encoding gives at guidance 1.
    theirs, _, _ = tiny.prior._encode_prompt(["a red fox"], "cpu", 1, False)
    assert torch.allclose(clip(tiny, "a red fox"), theirs.float(), atol=1e-5)


def test_a_grey_picture_gets_the_embedding_of_nothing(tiny):
    # get_zero_embed feeds pixels of value 0 *after* normalising: a middling grey.
    mean = tiny.prior.image_processor.image_mean
    grey = Image.new("RGB", (32, 32), tuple(round(255 * m) for m in mean))
    nearest = cosines(clip(tiny, [grey]), tiny.prior.get_zero_embed()).item()
    assert nearest > 0.999


def test_texts_and_pictures_mix_and_keep_their_order(tiny):
    mixed = clip(tiny, [RED, "a fox", BLUE, "an owl"])
    assert mixed.shape == (4, 32) and mixed.dtype == torch.float32
    for row, item in zip(mixed, [RED, "a fox", BLUE, "an owl"], strict=True):
        assert torch.allclose(row, clip(tiny, item)[0], atol=1e-5)
    assert not torch.allclose(mixed[0], mixed[2], atol=1e-3)
    assert not torch.allclose(mixed[1], mixed[3], atol=1e-3)


def test_more_than_a_batch_of_texts_and_any_kind_of_picture(tiny):
    assert len(clip(tiny, [f"fox {n}" for n in range(70)])) == 70
    assert torch.allclose(clip(tiny, RED.convert("RGBA")), clip(tiny, RED))


def test_the_embeddings_can_be_computed_with(tiny):
    rows = clip(tiny, ["a fox"]).requires_grad_()
    rows.sum().backward()
    assert rows.grad is not None


@pytest.mark.parametrize("items", [3, None, [], [3], ["a fox", None]])
def test_what_is_neither_text_nor_picture_is_refused(tiny, items):
    with pytest.raises(KandiError, match=r"^clip [^\n]+$"):
        clip(tiny, items)


def test_models_without_clip_name_those_that_have_it(tiny3_folder):
    with pytest.raises(KandiError, match=r"no CLIP inside; models that have it: mini-2\.2"):
        clip(load(tiny3_folder, device="cpu"), "a fox")


def test_cosines_know_direction_and_not_length():
    right, up = [3.0, 0.0], [0.0, 0.5]
    found = cosines([right, up, [-1.0, 0.0]], [right, [1.0, 1.0]])
    wanted = torch.tensor([[1, 0.5**0.5], [0, 0.5**0.5], [-1, -(0.5**0.5)]])
    assert torch.allclose(found, wanted)


def test_cosines_with_itself_and_of_single_embeddings():
    rows = torch.randn(5, 8, generator=torch.manual_seed(0))
    matrix = cosines(rows)
    assert torch.allclose(matrix, matrix.T) and torch.allclose(matrix.diag(), torch.ones(5))
    assert torch.allclose(cosines(rows[0], rows), matrix[:1])


def test_cosines_of_half_precision_are_as_good():
    rows = torch.randn(2, 8, generator=torch.manual_seed(0))
    assert torch.allclose(cosines(rows.half()), cosines(rows), atol=2e-3)


@pytest.mark.parametrize(
    ("a", "b"), [("fox", None), (3.0, None), ([], None), ([[1.0, 2.0]], [[1.0, 2.0, 3.0]])]
)
def test_cosines_of_other_things_are_refused(a, b):
    with pytest.raises(KandiError, match=r"^[^\n]+$"):
        cosines(a, b)


def test_what_an_embedding_cannot_hold_is_said(tiny):
    quick = Params("a red fox", prior_steps=2, steps=3, seed=4, width=128)
    calls = {
        "count": quick.replace(count=3),
        "negative": quick.replace(negative="snow"),
        "negative, count": quick.replace(negative="snow", count=2),
    }
    for names, params in calls.items():
        for call in (embed, mixture):
            with collected_warnings() as said:
                rows = call(tiny, [params, quick], progress=False)
            assert said == [f"embed does not use {names}; left out"], call
            assert len(rows) == (2 if call is embed else 1)
    with collected_warnings() as said:
        embed(tiny, quick, progress=False)
        mix(tiny, quick.replace(negative="snow", count=2), ["a fox", "a cat"], progress=False)
    assert not [line for line in said if line.startswith("embed")], (
        "the decoder's settings are for later, those of mix are used"
    )


def test_numbers_of_strange_tensors_are_one_line(tiny):
    width = tiny.prior.prior.config.embedding_dim
    row, noise = torch.ones(1, width), torch.ones(1, 4, 8, 8)
    strange = {
        "sparse": (lambda x: x.to_sparse(), "x.to_dense()"),
        "meta": (lambda x: x.to("meta"), "not tensor"),
        "complex": (lambda x: x.to(torch.complex64), "complex"),
        "text": (lambda x: np.full(x.shape, "x"), ""),
    }
    quick = Params("a fox", steps=2, prior_steps=2)
    for change, words in strange.values():
        calls = [
            lambda change=change: generate(tiny, quick, embedding=change(row)),
            lambda change=change: generate(tiny, quick, latents=change(noise)),
            lambda change=change: embed(tiny, change(row)),
            lambda change=change: cosines(change(row)),
        ]
        for call in calls:
            with pytest.raises(KandiError) as raised:
                call()
            assert words in str(raised.value) and "\n" not in str(raised.value)
    for dtype in (torch.bfloat16, torch.float8_e5m2):
        assert len(embed(tiny, row.to(dtype))) == 1
        assert len(generate(tiny, quick, latents=noise.to(dtype), progress=False)) == 1


def test_an_embedding_travels_to_another_process_and_is_copied(tiny):
    made = kn.embed(tiny, ["a cat", "a dog"])
    for other in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert torch.equal(other.tensor, made.tensor) and other.names == made.names
        assert (other.model, other.mark) == (made.model, made.mark) and repr(other)
        assert kn.generate(tiny, kn.Params(steps=2), embedding=other[:1], progress=False)
