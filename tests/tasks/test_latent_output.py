"""`output="latent"`: no picture is decoded, and edits go on from latents as they are."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import kandi_nb as kn
from kandi_nb.model.loading.load import load
from kandi_nb.tasks.loop.start import Latents, pixel_sides
from kandi_nb.words.errors import KandiError, KandiWarning
from kandi_nb.words.families import Family
from kandi_nb.words.params import Params

FEW = Params("a red fox", steps=4, prior_steps=2, seed=7)
SOFT = FEW.replace(strength=0.5, seed=1)
MASK = np.pad(np.full((32, 32), 255, np.uint8), 16)


@pytest.fixture(scope="module")
def drawn(tiny_roles):
    """Two pictures, and the latents of the same run."""
    pair = FEW.replace(count=2)
    return SimpleNamespace(
        pictures=kn.generate(tiny_roles, pair),
        latents=kn.generate(tiny_roles, pair, output="latent"),
    )


def tensor_edit(k, held, change):
    return kn.edit(k, SOFT, image=change(held.latents()))


def far(a, b):
    return np.abs(a.arrays().astype(int) - b.arrays()).max()


def test_latents_are_those_of_the_pictures_and_movq_was_not_asked(
    drawn, tiny_roles, monkeypatch
):
    assert isinstance(drawn.latents, Latents) and len(drawn.latents) == 2
    assert torch.equal(drawn.latents.latents(), drawn.pictures.latents())
    assert np.array_equal(drawn.latents.floats(), drawn.pictures.floats())
    assert drawn.latents[0].size == (8, 8) and "latent" in repr(drawn.latents)
    assert drawn.latents[1:].latents().shape == (1, 4, 8, 8)

    def decode(*args, **named):
        raise AssertionError("MoVQ was asked")

    monkeypatch.setattr(type(tiny_roles.decoder.movq), "decode", decode)
    kn.generate(tiny_roles, FEW, output="latent")


def test_an_edit_goes_on_without_a_way_through_pixels(drawn, tiny_roles, monkeypatch):
    encoded = []
    movq = type(tiny_roles.decoder.movq)
    own = movq.encode
    monkeypatch.setattr(movq, "encode", lambda *a, **n: (encoded.append(1), own(*a, **n))[1])
    held = drawn.latents[:1]
    on = kn.edit(tiny_roles, SOFT, image=held)
    assert not encoded and on[0].size == (64, 64)
    assert far(on, kn.edit(tiny_roles, SOFT, image=held.latents())) == 0, "a tensor is the same"
    through = kn.edit(tiny_roles, SOFT, image=drawn.pictures[:1])
    assert encoded and far(on, through) > 0, "a picture is encoded anew"


def test_the_edit_is_that_of_diffusers_from_the_same_latents(drawn, tiny_roles, monkeypatch):
    k, last, held = tiny_roles, [], drawn.latents[:1]
    kn.edit(k, SOFT, image=held, on_step=lambda n, t, x: last.append(x))
    embeddings = k.prior(
        [SOFT.prompt],
        num_inference_steps=SOFT.prior_steps,
        generator=[torch.Generator().manual_seed(SOFT.prior_seed)],
    )
    # Their pipeline encodes whatever it is given: here to the same latents.
    monkeypatch.setattr(k.decoder.movq, "encode", lambda x: {"latents": held.latents()})
    theirs = k.pipeline("edit")(
        **embeddings,
        image=drawn.pictures[0],
        **{"width": 64, "height": 64, "strength": 0.5, "num_inference_steps": 4},
        generator=[torch.Generator().manual_seed(SOFT.seed)],
        output_type="latent",
    ).images
    assert torch.allclose(last[-1], theirs, atol=1e-4)


def test_inpainting_keeps_what_the_latents_show(drawn, tiny_roles):
    painted = kn.inpaint(tiny_roles, FEW.replace(seed=1), image=drawn.latents, mask=MASK)
    assert [row["kept"] for row in painted.proof] == [1, 1]
    kept = MASK == 0
    assert (painted.arrays()[:, kept] == drawn.pictures.arrays()[:, kept]).all()


@pytest.mark.parametrize("folder", ["tiny21_roles_folder", "tiny3_folder"])
def test_the_other_generations_do_it_too(folder, request):
    k = load(request.getfixturevalue(folder), device="cpu")
    few = Params("a red fox", steps=4, seed=7, width=64, height=64)
    held = kn.generate(k, few, output="latent")
    assert torch.equal(held.latents(), kn.generate(k, few).latents())
    assert kn.edit(k, few.replace(strength=0.5), image=held)[0].size == (64, 64)
    assert kn.inpaint(k, few, image=held, mask=MASK).proof[0]["kept"] == 1


def test_a_recipe_carries_latents_and_replays_to_the_same_pixels(drawn, tiny_roles, tmp_path):
    made = kn.edit(tiny_roles, SOFT, image=drawn.latents[:1])
    assert kn.recipe(made[0])["inputs"]["image"]["shape"] == [1, 4, 8, 8]
    (path,) = made.save(tmp_path)
    assert far(kn.replay(path, tiny_roles), made) == 0


def test_other_tasks_take_the_picture_that_latents_are(drawn, tiny_roles):
    wide = kn.outpaint(tiny_roles, FEW, image=drawn.latents[:1], right=64)
    assert wide[0].size == (128, 64) and wide.proof[0]["kept"] == 1
    assert (wide.arrays()[0][:, :64] == drawn.pictures.arrays()[0]).all()


def test_latents_of_another_model_are_said(drawn, tiny3_folder):
    with pytest.warns(KandiWarning, match="these latents are of"):
        kn.edit(load(tiny3_folder, device="cpu"), Params("a", steps=2), image=drawn.latents[:1])


def test_a_tensor_of_a_picture_with_transparent_parts_is_one(tiny_roles):
    with pytest.warns(KandiWarning, match="transparent parts"):
        made = kn.edit(tiny_roles, SOFT, image=torch.rand(1, 4, 64, 64))
    assert made[0].size == (64, 64)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda k, held: kn.generate(k, FEW, output="latents"), "did you mean latent?"),
        (lambda k, held: kn.generate(k, FEW, output=7), "output is pictures or latent, not 7"),
        (lambda k, held: held.save("x"), "not saved as pictures"),
        (lambda k, held: held.arrays(), "have no pixels yet"),
        (lambda k, held: held.tensors(), "have no pixels yet"),
        (lambda k, held: kn.edit(k, SOFT.replace(width=128), image=held), "of 64 × 64 pixels"),
        (lambda k, held: kn.edit(k, SOFT, image=-torch.ones(1, 4, 9, 8)), "multiples of 64"),
        (
            lambda k, held: kn.edit(k, SOFT, image=-torch.inf * torch.ones(1, 4, 8, 8)),
            "finite",
        ),
        (lambda k, held: tensor_edit(k, held, lambda x: x[:0]), "holds no numbers"),
        (lambda k, held: tensor_edit(k, held, lambda x: x.to("meta")), "on the device meta"),
        (lambda k, held: tensor_edit(k, held, lambda x: x.to_sparse()), "sparse tensor"),
        (
            lambda k, held: tensor_edit(k, held, lambda x: x * torch.nan),
            "NaN or infinity at 512",
        ),
        (lambda k, held: tensor_edit(k, held, lambda x: x / 0), "NaN or infinity at 512"),
        (lambda k, held: tensor_edit(k, held, lambda x: x.clamp(0, 1)), "may be latents or"),
        (lambda k, held: tensor_edit(k, held, lambda x: x > 0), "may be latents or"),
        (lambda k, held: kn.mix(k, FEW, items=[held[:1], "a cat"]), "latents"),
        (lambda k, held: kn.lettering(held[:1], "A", (0, 0, 8, 8)), "latents"),
    ],
)
def test_what_latents_cannot_do_is_one_line(drawn, tiny_roles, call, says):
    with pytest.raises(KandiError, match=says) as caught:
        call(tiny_roles, drawn.latents)
    assert "\n" not in str(caught.value)


def test_how_many_pixels_a_latent_stands_for_is_said_by_its_family_alone():
    coarse = SimpleNamespace(
        spec=SimpleNamespace(generation=Family("coarse", "Coarse", latent_factor=16))
    )
    assert pixel_sides(coarse, torch.zeros(1, 4, 2, 3)) == [32, 48]
