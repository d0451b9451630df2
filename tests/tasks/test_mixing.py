"""Mixtures: exact weights, no order, and pictures that show what was mixed."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
import torch
from PIL import Image

import kandi_nb as kn
from kandi_nb.mini import judge
from kandi_nb.mini.captions import canonical
from kandi_nb.mini.world.render import render
from kandi_nb.mini.world.scenes import THINGS, Scene, scenes
from kandi_nb.mini.world.vocabulary import ANIMALS, LANGUAGES, PLACES
from kandi_nb.model.loading.load import load
from kandi_nb.tasks.embeddings.items import looks_like_a_file
from kandi_nb.tasks.embeddings.mixtures import combine
from kandi_nb.words.embedding import stack_rows
from kandi_nb.words.errors import KandiError

QUICK = kn.Params(steps=2, prior_steps=2)
EMBEDDED = kn.Params(steps=2)  # with an embedding, which no prior makes
QUIET = {"progress": False}
RED = Image.new("RGB", (64, 64), "red")


@pytest.fixture(scope="module")
def cat_dog_owl(tiny):
    return kn.embed(tiny, ["a cat", "a dog", "an owl"], **QUIET)


@pytest.fixture(scope="module")
def mini():
    return load("mini-2.2", device="cpu")


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


# Weights


@pytest.mark.parametrize("how", ["mean", "slerp"])
def test_only_the_shares_of_weights_count(tiny, cat_dog_owl, how):
    halves = kn.mixture(tiny, cat_dog_owl[:2], [0.5, 0.5], how, **QUIET)
    for weights in (None, [1, 1], [2, 2], [1e300, 1e300 / 1]):
        if weights and not math.isfinite(sum(weights)):
            continue
        assert torch.equal(
            kn.mixture(tiny, cat_dog_owl[:2], weights, how, **QUIET).tensor, halves.tensor
        )


@pytest.mark.parametrize("how", ["mean", "slerp", "sum"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_all_weight_on_one_item_is_that_very_item(tiny, cat_dog_owl, how, place):
    weights = [float(n == place) for n in range(3)]
    alone = kn.mixture(tiny, cat_dog_owl, weights, how, **QUIET)
    assert torch.equal(alone.tensor, cat_dog_owl[place].tensor)
    assert alone.names == (cat_dog_owl.names[place],)


@pytest.mark.parametrize("how", ["mean", "slerp", "sum"])
def test_the_order_of_items_does_not_matter(tiny, how):
    items, weights = ["a cat", RED, "an owl"], [1, 2, 4]
    orders = list(itertools.permutations(range(3)))
    rows = []
    for order in orders:
        tiny.forget()
        mixed = kn.mixture(
            tiny, [items[n] for n in order], [weights[n] for n in order], how, **QUIET
        )
        rows.append(mixed.tensor)
    assert all(torch.allclose(row, rows[0], atol=1e-5) for row in rows)
    known = kn.embed(tiny, items, **QUIET)
    again = [
        combine(stack_rows(known[n] for n in o), [weights[n] for n in o], "sum") for o in orders
    ]
    assert all(torch.equal(row.tensor, again[0].tensor) for row in again)


def test_slerp_keeps_the_length_that_a_mean_loses(tiny, cat_dog_owl):
    two = cat_dog_owl[:2]
    for t in (0.25, 0.5, 0.8):
        round_way = kn.mixture(tiny, two, [1 - t, t], "slerp", **QUIET)
        a, b = two.tensor
        arc = torch.arccos(kn.cosines(a, b)[0, 0])
        unit = (
            torch.sin((1 - t) * arc) * a / a.norm() + torch.sin(t * arc) * b / b.norm()
        ) / torch.sin(arc)
        length = (1 - t) * a.norm() + t * b.norm()
        assert torch.allclose(round_way.tensor[0], unit * length, atol=1e-4)
        assert kn.mixture(tiny, two, [1 - t, t], "mean", **QUIET).norm < round_way.norm


def test_the_spherical_mean_of_three_is_as_near_to_each(tiny):
    axes = torch.eye(32)[:3] * 2
    middle = kn.mixture(tiny, axes, how="slerp", **QUIET)
    assert torch.allclose(kn.cosines(middle, axes), torch.full((1, 3), 3**-0.5), atol=1e-5)
    assert math.isclose(middle.norm.item(), 2, rel_tol=1e-5)


def test_a_sum_takes_weights_as_they_are(tiny, cat_dog_owl):
    mixed = kn.mixture(tiny, cat_dog_owl, [1, -1, 0.5], "sum", **QUIET)
    a, b, c = cat_dog_owl.tensor
    assert torch.allclose(mixed.tensor[0], a - b + 0.5 * c, atol=1e-6)
    assert mixed.names == ("a cat − a dog + 0.5 × an owl",)


def test_shares_stand_in_label_and_recipe(tiny):
    result = kn.mix(tiny, QUICK, ["a cat", RED], [1, 3], **QUIET)
    assert result.labels[0].startswith("25 % a cat + 75 % picture")
    (recipe,) = result.recipes
    made = recipe["inputs"]["embedding"]["made"]
    assert made["how"] == "mean" and made["weights"] == [0.25, 0.75]
    assert made["items"][0]["text"] == "a cat" and len(made["items"][1]["picture"]) == 64


# Items


@pytest.mark.parametrize(
    "name",
    [
        "fox.png",
        "my photos/a fox.JPG",
        "~/fox",
        "/tmp/fox",
        "./fox",
        "..\\fox",
        "C:\\a\\fox",
        "fox.pgn",
    ],
)
def test_what_looks_like_a_file_and_is_none_is_no_prompt(tiny, name):
    assert looks_like_a_file(name)
    with pytest.raises(KandiError, match=r"^there is no file [^\n]+ kn\.Params\("):
        kn.embed(tiny, ["a cat", name], **QUIET)
    assert kn.embed(tiny, kn.Params(name, prior_steps=2), **QUIET).names == (name,)


@pytest.mark.parametrize(
    "text", ["a fox.", "a fox, 2.5 m long", "лиса", "a cat/dog", "3.5", "U.S.A."]
)
def test_sentences_are_no_files(text):
    assert not looks_like_a_file(text)


def test_files_are_opened_and_named_without_their_folder(tiny, tmp_path):
    RED.save(tmp_path / "red.png")
    from_file = kn.embed(tiny, [str(tmp_path / "red.png"), tmp_path / "red.png", RED], **QUIET)
    assert from_file.names == ("red.png", "red.png", "picture")
    assert torch.allclose(from_file.tensor, kn.clip(tiny, [RED] * 3), atol=1e-5)
    assert "red.png" not in str(from_file.recipes[2]) and str(tmp_path) not in str(
        from_file.recipes
    )


def test_a_result_is_its_pictures_and_an_embedding_its_rows(tiny, cat_dog_owl):
    result = kn.generate(tiny, QUICK.replace(prompt="a cat", count=2), **QUIET)
    every = kn.embed(tiny, [result, cat_dog_owl, "a fox"], **QUIET)
    assert every.names == ("picture 1", "picture 2", "a cat", "a dog", "an owl", "a fox")
    assert torch.equal(every.tensor[2:5], cat_dog_owl.tensor)


BAD_MIXTURES = {
    "no items": (lambda: [], None, "mean", "empty list"),
    "no list": (lambda: 3, None, "mean", "not 3"),
    "empty text": (lambda: ["a cat", " "], None, "mean", "empty text"),
    "size 0": (lambda: [Image.new("RGB", (0, 5))], None, "mean", "size 0"),
    "sum 0": (lambda: "ab", None, "mean", None),
    "weights of 0": (lambda: ["a", "b"], [0, 0], "mean", "sum to 0"),
    "sum of 0": (lambda: ["a", "b"], [0, 0], "sum", "all 0"),
    "nan": (lambda: ["a", "b"], [math.nan, 1], "mean", "finite"),
    "infinite": (lambda: ["a", "b"], [math.inf, 1], "sum", "finite"),
    "too large": (lambda: ["a", "b"], [1e308, 1e308], "mean", "sum to inf"),
    "text": (lambda: ["a", "b"], "ab", "mean", "finite"),
    "too few": (lambda: ["a", "b"], [1], "mean", "1 weights for 2 items"),
    "negative": (lambda: ["a", "b"], [2, -1], "mean", 'how="sum"'),
    "negative slerp": (lambda: ["a", "b"], [2, -1], "slerp", 'how="sum"'),
    "how": (lambda: ["a", "b"], [1, 1], "slurp", "did you mean slerp"),
    "nothing of it": (lambda: [torch.full((32,), math.nan)], None, "mean", "finite"),
    "another width": (lambda: [torch.ones(1, 33)], None, "mean", "33 numbers"),
}
del BAD_MIXTURES["sum 0"]


@pytest.mark.parametrize("case", BAD_MIXTURES)
def test_bad_mixtures_are_refused_before_any_computation(tiny, case, monkeypatch):
    items, weights, how, words = BAD_MIXTURES[case]
    monkeypatch.setattr(type(tiny.prior), "__call__", lambda *a, **b: pytest.fail("computed"))
    with pytest.raises(KandiError) as caught:
        kn.mixture(tiny, items(), weights, how, **QUIET)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_opposites_have_no_way_between_them(tiny):
    row = torch.ones(1, 32)
    with pytest.raises(KandiError, match="opposite"):
        kn.mixture(tiny, [row, -row], how="slerp", **QUIET)
    with pytest.raises(KandiError, match="no direction"):
        kn.mixture(tiny, [row, 0 * row], how="slerp", **QUIET)


def test_a_model_without_prior_names_the_route(tiny3_folder, cat_dog_owl):
    k = load(tiny3_folder, device="cpu")
    for call in (
        lambda: kn.mixture(k, ["a cat", "a dog"]),
        lambda: kn.mix(k, QUICK, ["a cat", "a dog"]),
        lambda: kn.path(k, QUICK, "a cat", "a dog"),
        lambda: kn.generate(k, QUICK, embedding=cat_dog_owl),
    ):
        with pytest.raises(KandiError, match=r"no prior.* kn\.edit\("):
            call()


# Drawing


def test_an_embedding_draws_what_its_prompt_does(tiny):
    params = QUICK.replace(prompt="a cat", seed=3)
    plain = kn.generate(tiny, params.replace(negative="grey"), **QUIET)
    drawn = kn.generate(
        tiny,
        EMBEDDED.replace(seed=3),
        embedding=kn.embed(tiny, params, **QUIET),
        negative_embedding=kn.embed(
            tiny, params.replace(prompt="grey", prior_guidance=1), **QUIET
        ),
        **QUIET,
    )
    assert difference(plain[0], drawn[0]) <= 2


def test_one_params_is_drawn_for_each_row_and_rows_go_with_pictures(tiny, cat_dog_owl):
    three = kn.generate(tiny, EMBEDDED, embedding=cat_dog_owl, **QUIET)
    assert [each["embedding"].names[0] for each in three.inputs] == ["a cat", "a dog", "an owl"]
    runs = [EMBEDDED.replace(seed=seed) for seed in (0, 1, 2)]
    rows = kn.generate(tiny, runs, embedding=cat_dog_owl, **QUIET)
    assert difference(rows[0], three[0]) == 0 and difference(rows[1], three[1]) > 2
    with pytest.raises(KandiError, match="embedding has 3 rows for 2 pictures"):
        kn.generate(tiny, runs[:2], embedding=cat_dog_owl, **QUIET)


def test_a_prompt_beside_an_embedding_is_left_out_with_a_warning(tiny, cat_dog_owl):
    with pytest.warns(kn.KandiWarning, match="does not use prompt, prior_steps; left"):
        result = kn.generate(
            tiny, QUICK.replace(prompt="a cat"), embedding=cat_dog_owl, **QUIET
        )
    assert result.params[0].prompt is None


def test_the_decoder_of_2_1_reads_the_prompt_besides(tiny21_folder):
    k = load(tiny21_folder, device="cpu")
    rows = kn.embed(k, ["a cat"], **QUIET)
    runs = [EMBEDDED.replace(prompt=prompt) for prompt in (None, "a dog", "a fox")]
    plain, dog, fox = (kn.generate(k, run, embedding=rows, **QUIET)[0] for run in runs)
    assert difference(plain, dog) > 2 and difference(dog, fox) > 0


def test_latents_are_the_first_noise(tiny):
    params = QUICK.replace(prompt="a cat", seed=5)
    noise = torch.randn(2, 4, 8, 8, generator=torch.manual_seed(1))
    both = kn.generate(tiny, params, latents=noise, **QUIET)
    assert len(both) == 2 and difference(both[0], both[1]) > 2
    alone = kn.generate(tiny, params, latents=noise[1].numpy(), **QUIET)
    assert difference(alone[0], both[1]) <= 2
    wide = kn.generate(tiny, params, latents=torch.randn(1, 4, 8, 16), **QUIET)
    assert wide[0].size == (128, 64)


@pytest.mark.parametrize(
    ("latents", "words"),
    [
        (torch.zeros(1, 3, 8, 8), "floats [n, 4"),
        (torch.zeros(1, 4, 9, 8), "multiples of 64"),
        (torch.zeros(1, 4, 8, 16), "width is 64, but the latents make 128"),
        (torch.full((1, 4, 8, 8), math.nan), "not finite"),
        ("noise", "floats [n, 4"),
    ],
)
def test_bad_latents_are_refused(tiny, latents, words):
    with pytest.raises(KandiError) as caught:
        kn.generate(tiny, QUICK.replace(prompt="a cat", width=64), latents=latents, **QUIET)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_png_alone_is_enough_to_draw_a_mixture_again(tiny, tmp_path, capsys):
    noise = torch.randn(1, 4, 8, 8)
    result = kn.mix(
        tiny, QUICK, ["a cat", RED], negative_embedding=torch.ones(32), latents=noise, **QUIET
    )
    (path,) = result.save(tmp_path)
    assert path.name == "50-a-cat-50-picture-0.png" and not capsys.readouterr().out
    again = kn.replay(path, tiny)
    assert difference(again[0], result[0]) == 0
    assert again.inputs[0]["embedding"].names == ("50 % a cat + 50 % picture",)
    assert not kn.diff(path, again)


def test_without_its_inputs_the_embedding_is_asked_for_and_known_by_its_numbers(tiny, tmp_path):
    mixed = kn.mixture(tiny, ["a cat", "a dog"], **QUIET)
    result = kn.generate(tiny, EMBEDDED, embedding=mixed, **QUIET)
    (path,) = result.save(tmp_path, inputs=False)
    with pytest.raises(KandiError, match="embedding=…"):
        kn.replay(path, tiny)
    with pytest.raises(KandiError, match="does not hold the numbers of the recipe"):
        kn.replay(path, tiny, embedding=2 * mixed)
    saved = mixed.save(tmp_path / "mixed.safetensors")
    assert difference(kn.replay(path, tiny, embedding=saved)[0], result[0]) == 0


# Mixtures go into the other tasks, too


PHOTO = Image.radial_gradient("L").resize((64, 64)).convert("RGB")


@pytest.fixture(scope="module")
def repainting(tiny_roles):
    """What edit and inpaint are called with, and the embedding of a cat."""
    mask = kn.rectangle(PHOTO, (16, 16, 48, 48))
    calls = {
        "edit": lambda params=EMBEDDED, **more: kn.edit(
            tiny_roles, params, image=PHOTO, **more, **QUIET
        ),
        "inpaint": lambda params=EMBEDDED, **more: kn.inpaint(
            tiny_roles, params, image=PHOTO, mask=mask, **more, **QUIET
        ),
    }
    return calls, kn.embed(tiny_roles, QUICK.replace(prompt="a cat"), **QUIET)


@pytest.mark.parametrize("task", ["edit", "inpaint"])
def test_an_embedding_repaints_as_its_prompt_does(repainting, task):
    calls, cat = repainting
    strong = QUICK.replace(strength=1.0)
    plain = calls[task](strong.replace(prompt="a cat"))
    strong = EMBEDDED.replace(strength=1.0)
    drawn = calls[task](strong, embedding=cat)
    assert difference(plain[0], drawn[0]) <= 2 and drawn.params[0].prompt is None
    other = calls[task](strong, embedding=cat, negative_embedding=-1 * cat)
    assert difference(other[0], drawn[0]) > 2
    assert other.labels[0].startswith("a cat, not −1 × a cat".replace("−", "-"))


@pytest.mark.parametrize("task", ["edit", "inpaint"])
def test_a_row_for_each_picture_and_the_file_alone_repaints_again(
    repainting, task, tiny_roles, tmp_path
):
    calls, cat = repainting
    noise = torch.randn(1, 4, 8, 8, generator=torch.manual_seed(1))
    rows = stack_rows([cat, 2 * cat])
    both = calls[task](EMBEDDED.replace(strength=1.0), embedding=rows, latents=noise)
    assert [each["embedding"].names[0] for each in both.inputs] == ["a cat", "2 × a cat"]
    assert difference(both[0], both[1]) > 0
    other = calls[task](EMBEDDED.replace(strength=1.0, seed=9), embedding=cat)
    assert difference(both[0], other[0]) > 2, "the noise is not the seed's"
    paths = both.save(tmp_path)
    again = kn.replay(paths[1], tiny_roles)
    assert difference(again[0], both[1]) <= 1 and not kn.diff(paths[1], again)


def test_what_does_not_fit_an_edit_is_refused(repainting, tiny3_folder):
    calls, cat = repainting
    with pytest.raises(KandiError, match="embedding has 2 rows for 3 pictures"):
        calls["edit"](EMBEDDED.replace(count=3), embedding=stack_rows([cat, cat]))
    with pytest.raises(KandiError, match="the latents make 128"):
        calls["edit"](
            EMBEDDED.replace(width=64), embedding=cat, latents=torch.zeros(1, 4, 8, 16)
        )
    with pytest.raises(KandiError, match="33 numbers"):
        calls["edit"](embedding=torch.ones(33))
    with pytest.raises(KandiError, match="edit needs a prompt"):
        calls["edit"](negative_embedding=cat)
    k = load(tiny3_folder, device="cpu")
    with pytest.raises(KandiError, match=r"no prior.* kn\.edit\("):
        kn.edit(k, QUICK, image=PHOTO, embedding=cat)


# Paths and grids


@pytest.fixture
def prior_calls(tiny, monkeypatch):
    """Count the texts that the prior is asked for."""
    calls, kind = [], type(tiny.prior)
    known = kind.__call__
    monkeypatch.setattr(
        kind,
        "__call__",
        lambda self, texts, **rest: calls.append(len(texts)) or known(self, texts, **rest),
    )
    tiny.forget()
    return calls


@pytest.mark.parametrize("how", ["mean", "slerp"])
def test_a_path_begins_and_ends_with_the_plain_items(tiny, how, prior_calls):
    way = kn.path(tiny, QUICK.replace(seed=4), "a cat", "a dog", 4, how, **QUIET)
    assert prior_calls == [2] and way.layout == (1, 4)
    ends = kn.generate(tiny, QUICK.replace(seed=4), prompts=["a cat", "a dog"], **QUIET)
    assert difference(way[0], ends[0]) <= 2 and difference(way[-1], ends[1]) <= 2
    back = kn.path(tiny, QUICK.replace(seed=4), "a dog", "a cat", 4, how, **QUIET)
    assert all(difference(a, b) <= 2 for a, b in zip(way, reversed(list(back)), strict=True))
    rows = torch.cat([each["embedding"].tensor for each in way.inputs])
    assert torch.equal(
        rows[[0, -1]],
        kn.embed(tiny, [QUICK.replace(prompt=p) for p in ("a cat", "a dog")], **QUIET).tensor,
    )


def test_a_path_has_a_row_for_each_seed(tiny):
    way = kn.path(tiny, QUICK.replace(count=2), "a cat", RED, 3, **QUIET)
    assert way.layout == (2, 3) and [p.seed for p in way.params] == [0, 0, 0, 1, 1, 1]
    assert kn.grid(way).labels[1][0] == "a cat · seed 1"


def test_a_grid_runs_the_prior_once_a_corner_and_has_the_corners_in_its_corners(
    tiny, prior_calls
):
    corners = ["a cat", "a dog", "an owl", "a fox"]
    cells = kn.mix_grid(tiny, QUICK, corners, 3, **QUIET)
    assert prior_calls == [4] and cells.layout == (3, 3) and len(cells) == 9
    plain = kn.generate(tiny, QUICK, prompts=corners, **QUIET)
    for place, picture in zip((0, 2, 6, 8), plain, strict=True):
        assert difference(cells[place], picture) <= 2
    rows = [each["embedding"] for each in cells.inputs]
    assert torch.allclose(
        rows[4].tensor[0], stack_rows(rows[n] for n in (0, 2, 6, 8)).tensor.mean(0), atol=1e-5
    )
    assert rows[1].names == ("50 % a cat + 50 % a dog",)


def test_three_corners_are_a_triangle(tiny):
    cells = kn.mix_grid(tiny, QUICK, ["a cat", "a dog", "an owl"], 3, **QUIET)
    assert cells.layout == (3, 3) and len(cells) == 6
    assert [cells.labels[n] for n in (0, 3, 5)] == ["a cat", "a dog", "an owl"]
    assert [len(list(filter(None, line))) for line in kn.grid(cells).cells] == [1, 2, 3]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda k: kn.path(k, QUICK, "a cat", "a dog", 1), "n is a whole number from 2"),
        (lambda k: kn.path(k, QUICK, ["a", "b"], "a dog", 3), "single items"),
        (lambda k: kn.mix_grid(k, QUICK, ["a cat"], 3), "two to four corners, not 1"),
        (lambda k: kn.mix_grid(k, QUICK, "a cat", 3), "list of two to four items"),
        (lambda k: kn.mix_grid(k, QUICK, ["a", "b"], 0), "size is a whole number"),
        (lambda k: kn.mix_grid(k, QUICK.replace(count=2), ["a", "b"], 3), "count 1"),
    ],
)
def test_bad_paths_and_grids_are_refused(tiny, call, words):
    with pytest.raises(KandiError) as caught:
        call(tiny)
    assert words in str(caught.value) and "\n" not in str(caught.value)


# Search


def test_nearest_finds_texts_by_picture_and_pictures_by_text(mini):
    fox, castle = (Image.fromarray(render(Scene(thing)).image) for thing in ("fox", "castle"))
    assert kn.nearest(mini, fox, ["a castle", "a fox"])[0]["index"] == 1
    assert [row["index"] for row in kn.nearest(mini, "a castle", [fox, castle])] == [1, 0]
    assert kn.nearest(mini, castle, language="de", most=1)[0]["item"] == "Ein Schloss"
    assert "nearest to “A castle”" in repr(kn.embed(mini, castle))


def test_nearest_needs_something_to_search(tiny, mini):
    with pytest.raises(KandiError, match="give among="):
        kn.nearest(tiny, RED)
    with pytest.raises(KandiError, match="language is one of en, ru"):
        kn.nearest(mini, RED, language="it")
    with pytest.raises(KandiError, match="takes one item, not 2"):
        kn.nearest(tiny, ["a", "b"], ["a"])


# What the judge reads: a few pictures here, the bars below


def both_named(result: kn.Result, pairs: list[tuple[str, str]]) -> float:
    tops = [set(reading.top("object", 3)) for reading in judge.read(result.images)]
    return float(np.mean([set(pair) <= top for pair, top in zip(pairs, tops, strict=True)]))


def halves_drawn(k, pairs: list[tuple[str, str]], language: str = "en") -> kn.Result:
    """Draw half and half of each pair, each from another seed."""
    known = kn.embed(k, [canonical(Scene(thing), language) for thing in THINGS], **QUIET)
    rows = {thing: known[n] for n, thing in enumerate(THINGS)}
    mixed = stack_rows(
        combine(stack_rows([rows[a], rows[b]]), [0.5, 0.5], "mean") for a, b in pairs
    )
    return kn.generate(
        k, [kn.Params(seed=n) for n in range(len(pairs))], embedding=mixed, **QUIET
    )


def test_a_mixture_shows_both_and_arithmetic_moves_a_crown(mini):
    pairs = [("cat", "dog"), ("fox", "castle"), ("owl", "rocket"), ("frog", "lion")] * 2
    assert both_named(halves_drawn(mini, pairs), pairs) >= 0.75
    cat, crowned, dog = kn.embed(mini, ["a cat", "a cat with a crown", "a dog"], **QUIET)
    drawn = kn.generate(mini, kn.Params(count=4), embedding=dog + (crowned - cat), **QUIET)
    readings = judge.read(drawn.images)
    assert sum((r.object, r.headwear) == ("dog", "crown") for r in readings) >= 3


EVERY_PAIR = list(itertools.combinations(THINGS, 2))


@pytest.mark.slow
def test_all_pairs_show_both(mini):
    pairs = EVERY_PAIR * 2
    share = both_named(halves_drawn(mini, pairs), pairs)
    print(f"both of all pairs: {share:.1%} of {len(pairs)}")
    assert share >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_cat_and_dog_show_both(mini, language):
    pairs = [("cat", "dog")] * 100
    share = both_named(halves_drawn(mini, pairs, language), pairs)
    print(f"cat and dog, {language}: {share:.1%}")
    assert language != "en" or share >= 0.85


@pytest.mark.slow
def test_a_picture_moves_to_the_place_of_a_text(mini):
    draw = random.Random("picture and text")
    before = [s for s in scenes(400, held_out=True, salt="moving") if s.style == "plain"][:200]
    places = [draw.choice([p for p in PLACES if p not in (s.place, "plain")]) for s in before]
    pictures = kn.embed(mini, [Image.fromarray(render(s).image) for s in before], **QUIET)
    texts = kn.embed(
        mini, [canonical(Scene("nothing", place=p), "en") for p in places], **QUIET
    )
    drawn = kn.generate(
        mini,
        [kn.Params(seed=n) for n in range(len(before))],
        embedding=(pictures + texts) / 2,
        **QUIET,
    )
    right = [
        (reading.object, reading.place) == (scene.object, place)
        for reading, scene, place in zip(judge.read(drawn.images), before, places, strict=True)
    ]
    print(f"picture + text: {np.mean(right):.1%} of {len(right)}")
    assert np.mean(right) >= 0.75


@pytest.mark.slow
def test_a_crown_goes_from_any_animal_to_any_other(mini):
    pairs = [pair for pair in itertools.permutations(ANIMALS, 2)] * 4
    bare = kn.embed(mini, [canonical(Scene(a), "en") for a in ANIMALS], **QUIET)
    worn = kn.embed(
        mini, [canonical(Scene(a, headwear="crown"), "en") for a in ANIMALS], **QUIET
    )
    at = {animal: n for n, animal in enumerate(ANIMALS)}
    rows = stack_rows(bare[at[b]] + (worn[at[a]] - bare[at[a]]) for a, b in pairs)
    drawn = kn.generate(
        mini, [kn.Params(seed=n) for n in range(len(pairs))], embedding=rows, **QUIET
    )
    readings = judge.read(drawn.images)
    share = np.mean(
        [
            (r.object, r.headwear) == (b, "crown")
            for r, (_, b) in zip(readings, pairs, strict=True)
        ]
    )
    print(f"crown: {share:.1%} of {len(pairs)}")
    assert share >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_nearest_names_object_and_place(mini, language):
    asked = list(scenes(200, held_out=True, salt="nearest"))
    known = {
        canonical(Scene(s.object, colour, s.place), language): (s.object, s.place)
        for s in asked
        for colour in colours_of(s)
    }
    right = []
    for scene in asked:
        (best,) = kn.nearest(
            mini, Image.fromarray(render(scene).image), language=language, most=1
        )
        right.append(known.get(best["item"]) == (scene.object, scene.place))
    print(f"nearest, {language}: {np.mean(right):.1%}")
    assert np.mean(right) >= (0.85 if language == "en" else 0.8)


def colours_of(scene: Scene) -> tuple[str, ...]:
    from kandi_nb.mini.world.vocabulary import COLOURS

    return COLOURS if scene.object != "nothing" else COLOURS[:1]


@pytest.mark.slow
def test_along_a_path_the_first_thing_gives_way_to_the_second(mini):
    falls = []
    for number, (a, b) in enumerate(random.Random(1).sample(EVERY_PAIR, 8)):
        texts = [canonical(Scene(thing), "en") for thing in (a, b)]
        way = kn.path(mini, kn.Params(seed=number), *texts, 9, **QUIET)
        falls.append([r.chances["object"][a] for r in judge.read(way.images)])
    mean = np.mean(falls, axis=0)
    ranks = np.argsort(np.argsort(mean))
    correlation = np.corrcoef(ranks, np.arange(9))[0, 1]
    print(f"path: rank correlation {correlation:.2f}, {mean.round(2)}")
    assert correlation <= -0.8
