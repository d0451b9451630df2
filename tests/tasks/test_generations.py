"""2.1, 2.2 and 3 alike: one guidance, and texts that do not depend on their neighbours."""

from __future__ import annotations

import itertools
import json
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from kandi_nb.model.adapters.adapter import Adapter
from kandi_nb.model.anatomy.pieces import pieces
from kandi_nb.model.loading.load import load
from kandi_nb.model.plan import footprint
from kandi_nb.model.plan.architecture import parts
from kandi_nb.tasks.edit import edit
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.inpaint import inpaint
from kandi_nb.words.errors import KandiError, KandiWarning
from kandi_nb.words.families import DENOISER, FAMILIES, PICTURE_DECODER, Family, Role
from kandi_nb.words.models import ROWS, ModelSpec
from kandi_nb.words.params import Params

TOLERANCE = 2  # of 255: the order of a batch's sums differs from a single run's
QUICK = Params("a red fox", steps=3, seed=7, width=64, height=64)
LONG = "a blue house on a green meadow, in the style of an oil painting"


def apart(a, b) -> int:
    """Return the largest difference of any two pixels, in 1/255."""
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


@pytest.fixture(params=["tiny_folder", "tiny21_folder", "tiny3_folder"])
def family(request):
    """A tiny model of each family in turn."""
    return load(request.getfixturevalue(request.param), device="cpu")


@pytest.fixture(scope="module")
def three(tiny3_folder):
    """The tiny Kandinsky 3, loaded once; leave it as it was."""
    return load(tiny3_folder, device="cpu")


@pytest.fixture(scope="module")
def mini_3():
    """The bundled Kandinsky 3, whose texts do say something."""
    return load("mini-3", device="cpu")


def predictions(k, role, call):
    """Return (unguided, guided, what the scheduler was handed) of each step of a call."""
    pipeline = k.pipeline(role)
    halves, handed, step = [], [], pipeline.scheduler.step
    channels = pipeline.movq.config.latent_channels

    def spy(predicted, *args, **named):
        handed.append(predicted[:, :channels])
        return step(predicted, *args, **named)

    hook = pipeline.unet.register_forward_hook(
        lambda module, args, output: halves.append(output[0][:, :channels].chunk(2))
    )
    pipeline.scheduler.step = spy
    try:
        call()
    finally:
        hook.remove()
        del pipeline.scheduler.step
    return [(*half, rows) for half, rows in zip(halves, handed, strict=True)]


@pytest.mark.parametrize("guidance", [1.5, 4.0])
@pytest.mark.parametrize("role", ["decoder", "edit"])
def test_guidance_is_the_same_weight_in_every_family(family, role, guidance):
    import torch

    # What is not used is said once, and is not what is tested here.
    params = QUICK.replace(guidance=guidance, strength=1.0 if role == "edit" else None)
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)

    def call():
        if role == "edit":
            edit(family, params, image=picture)
        else:
            generate(family, params)

    steps = predictions(family, role, call)
    assert len(steps) == 3
    for unguided, guided, handed in steps:
        weighed = unguided + guidance * (guided - unguided)
        torch.testing.assert_close(handed, weighed, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(guided, handed, atol=1e-5), "guidance does something"


def test_the_published_default_of_3_is_ours(mini_3):
    import torch

    texts = ["A red fox in a snowy forest", "雪林中的红狐狸"]
    ours = generate(mini_3, QUICK.replace(steps=8), prompts=texts)  # guidance 4, one batch
    for picture, text in zip(ours, texts, strict=True):
        (theirs,) = mini_3.decoder(
            text,
            num_inference_steps=8,
            guidance_scale=3.0,
            width=64,
            height=64,
            generator=torch.Generator().manual_seed(7),
        ).images
        assert apart(picture, theirs) <= TOLERANCE


def test_guidance_of_3_begins_to_work_at_1(three):
    pictures = [generate(three, QUICK.replace(guidance=g))[0] for g in (1, 1.01, 1.5, 2, 2.01)]
    gaps = [apart(a, b) for a, b in itertools.pairwise(pictures)]
    assert 0 < gaps[0] < gaps[1] and gaps[3] < gaps[2], "no jump, and no dead range up to 2"


def test_prompts_of_3_in_one_batch_equal_their_singles(mini_3):
    three = mini_3  # of chance weights the lengths do next to nothing
    runs = [
        QUICK,
        QUICK.replace(prompt=LONG),
        QUICK.replace(negative=LONG),
        QUICK.replace(prompt=LONG, negative="snow"),
        QUICK.replace(prompt="fox", negative="  "),
    ]
    sizes = []
    hook = three.decoder.unet.register_forward_pre_hook(
        lambda module, args: sizes.append(len(args[0]))
    )
    try:
        batch = generate(three, runs)
    finally:
        hook.remove()
    assert sizes == [10] * 3, "one batch, guided and not"
    for picture, run in zip(batch, runs, strict=True):
        assert apart(picture, generate(three, run)[0]) <= TOLERANCE
    assert apart(batch[0], batch[2]) > 20


def test_3_reads_the_whole_negative_text(mini_3):
    """Its pipeline cuts it to the prompt's length: what stands behind has no effect there."""
    runs = [QUICK.replace(prompt="fox", negative=f"a cat{end}") for end in ("", " in space")]
    assert apart(*generate(mini_3, runs)) > 20


def test_a_negative_text_of_3_does_not_change_what_the_prompt_says(three):
    import torch

    seen = []
    hook = three.decoder.unet.register_forward_hook(
        lambda module, args, output: seen.append(output[0].chunk(2)[1])
    )
    try:
        for negative in (None, "grey", LONG):
            generate(three, QUICK.replace(steps=2, negative=negative))
    finally:
        hook.remove()
    plain, *others = seen[::2]  # the first step of each: the same noise, the same prompt
    for other in others:
        torch.testing.assert_close(other, plain, atol=1e-5, rtol=1e-4)


def test_equal_texts_of_3_are_read_once(three):
    rows = []
    hook = three.decoder.text_encoder.register_forward_pre_hook(
        lambda module, args: rows.append(len(args[0]))
    )
    try:
        generate(three, QUICK.replace(count=3))
        generate(three, QUICK.replace(count=2, negative="grey"), prompts=["fox", "cat"])
    finally:
        hook.remove()
    assert rows == [1, 3]


def test_the_limit_of_3_is_announced_before_drawing(three):
    begun = []
    hook = three.decoder.unet.register_forward_pre_hook(lambda *_: begun.append(1))
    warned = []

    def note(message, *rest, **named):
        warned.append((str(message), len(begun)))

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", KandiWarning)
            warnings.showwarning = note
            generate(three, QUICK.replace(prompt="fox " * 50))
    finally:
        hook.remove()
    ((words, steps),) = [each for each in warned if "128 tokens" in each[0]]
    assert steps == 0 and "does not see the end" in words and "put what matters first" in words


# A family of somebody else's, told by its row alone


@pytest.fixture
def toy(tiny3_folder, tmp_path, monkeypatch):
    """The tiny Kandinsky 3 as a family of its own, whose denoiser is called "painter"."""
    import diffusers
    from diffusers import DiffusionPipeline, Kandinsky3Pipeline

    class KandinskyToyPipeline(Kandinsky3Pipeline):
        def __init__(self, tokenizer, text_encoder, painter, scheduler, movq):
            DiffusionPipeline.__init__(self)
            parts = {"tokenizer": tokenizer, "text_encoder": text_encoder, "movq": movq}
            self.register_modules(**parts, painter=painter, scheduler=scheduler)

    folder = tmp_path / "toy"
    shutil.copytree(tiny3_folder / "kandinsky-3", folder)
    (folder / "unet").rename(folder / "painter")
    index = json.loads((folder / "model_index.json").read_text())
    index |= {"_class_name": "KandinskyToyPipeline", "painter": index.pop("unet")}
    (folder / "model_index.json").write_text(json.dumps(index))

    stage = dict(FAMILIES["3"].stages["decoder"])
    stage["painter"] = stage.pop("unet")
    role = Role(str(folder), "KandinskyToyPipeline", ("generate", "inpaint"))
    row = Family(
        "toy",
        "KandinskyToy",
        {"decoder": stage},
        {"decoder": role},
        denoiser="painter",
        tokens=40,
        no_adapters="it is a toy",
    )
    spec = ModelSpec("toy", "toy", row.roles, 64, "", "", bundled=True)
    monkeypatch.setattr(diffusers, "KandinskyToyPipeline", KandinskyToyPipeline, raising=False)
    monkeypatch.setitem(FAMILIES, "toy", row)
    monkeypatch.setitem(ROWS, "toy", spec)
    return load("toy", device="cpu")


def test_a_family_is_added_by_its_row_and_draws(toy, three):
    assert toy.prior is None and not hasattr(toy.decoder, "unet")
    drawn = generate(toy, QUICK, progress=False)
    assert apart(drawn[0], generate(three, QUICK, progress=False)[0]) <= 1
    half = Image.new("L", (64, 64))
    half.paste(255, (32, 0, 64, 64))
    painted = inpaint(toy, QUICK, image=drawn[0], mask=half, progress=False)
    assert apart(np.asarray(painted[0])[:, :24], np.asarray(drawn[0])[:, :24]) == 0

    with pytest.warns(KandiWarning, match="toy reads at most 40 tokens"):
        generate(toy, QUICK.replace(prompt="a red fox " * 9, steps=1), progress=False)
    with pytest.raises(KandiError, match="toy takes no adapters: it is a toy"):
        toy.with_adapter(Adapter("hat", {}))
    kinds = {piece.kind: piece.name for piece in pieces(toy)}
    assert kinds[DENOISER] == "painter" and kinds[PICTURE_DECODER] == "movq"
    (painter,) = (p for p in parts(toy.spec, toy.folders) if p.kind == DENOISER)
    assert painter.name == "painter" and footprint.activity(painter, 64, 64, 1).operations
