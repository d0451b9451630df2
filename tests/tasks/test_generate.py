"""Drawing: batches equal single runs, runs can be stopped, bad input fails at once."""

from __future__ import annotations

import dataclasses
import threading
import warnings

import numpy as np
import pytest
from calls import StopAt

from kandi_nb.model import progress
from kandi_nb.model.finite import check_finite
from kandi_nb.model.loading.load import load
from kandi_nb.tasks import job, prior, run
from kandi_nb.tasks.embeddings.clip import clip
from kandi_nb.tasks.embeddings.embed import embed
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.loop import texts
from kandi_nb.tasks.replay import replay
from kandi_nb.words.errors import Cancelled, KandiError, KandiWarning
from kandi_nb.words.fields import FIELDS
from kandi_nb.words.params import Params, sweep

# One setting for every family: the third has no prior.
pytestmark = pytest.mark.filterwarnings(r"ignore:\w+ with tiny3\d+/ does not use prior_steps")
QUICK = Params("a red fox", steps=3, prior_steps=2, seed=7)
TOLERANCE = 2  # of 255: the order of a batch's sums differs from a single run's


def difference(a, b) -> int:
    """The largest difference of any two pixels, in 1/255."""
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


@pytest.fixture(autouse=True)
def nothing_remembered(request):
    if "tiny" in request.fixturenames:
        request.getfixturevalue("tiny").embeddings.clear()


@pytest.fixture(params=["tiny_folder", "tiny21_folder", "tiny3_folder"])
def family(request):
    """A tiny model of each family in turn."""
    return load(request.getfixturevalue(request.param), device="cpu")


def passes(k, network="decoder.unet"):
    """Count the forward passes of one of the model's networks, in a list of batch sizes."""
    stage, part = network.split(".")
    sizes = []
    module = getattr(getattr(k, stage), part)

    def seen(module, args, named, output):
        sizes.append(len(args[0] if args else named["sample"]))

    return sizes, module.register_forward_hook(seen, with_kwargs=True)


def test_a_batch_equals_its_single_runs_in_every_family(family):
    unguided = {"guidance": 1} if family.prior is None else {"guidance": 1, "prior_guidance": 1}
    mixed = [
        QUICK.replace(width=64, height=64),
        QUICK.replace(prompt="a blue house behind two old trees", width=64, height=64, count=2),
        QUICK.replace(negative="grey", width=128, height=64),
        QUICK.replace(**unguided, negative="grey", width=64, height=64),
    ]
    together = generate(family, mixed)
    assert [image.size for image in together] == [(64, 64)] * 3 + [(128, 64), (64, 64)]
    for image, params in zip(together.images, together.params, strict=True):
        family.embeddings.clear()
        (alone,) = generate(family, params)
        assert difference(image, alone) <= TOLERANCE
    one = together[0]
    assert all(difference(one, other) > 20 for other in together[1:3])


def test_the_result_holds_all_that_a_recipe_needs(tiny):
    result = generate(tiny, QUICK.replace(count=2))
    assert [params.seed for params in result.params] == [7, 8]
    assert all(params.count == 1 for params in result.params)
    assert result.model == tiny.spec.key
    assert result.revision == {r: tiny.revision[r] for r in ("prior", "decoder")}
    assert {"torch", "diffusers", "transformers"} <= set(result.versions)
    assert result.task == "generate"
    assert result.seconds > 0
    assert result.peak_mb is not None


def test_prompts_vary_slowest_and_come_back_in_order(tiny):
    runs = sweep(QUICK, seed=[1, 2])
    result = generate(tiny, runs, prompts=["a cat", "a dog"])
    asked = [(params.prompt, params.seed) for params in result.params]
    assert asked == [("a cat", 1), ("a cat", 2), ("a dog", 1), ("a dog", 2)]
    (dog,) = generate(tiny, QUICK.replace(prompt="a dog", seed=1))
    assert difference(result[2], dog) <= TOLERANCE


def test_pixels_are_those_of_plain_diffusers(tiny):
    import torch

    (ours,) = generate(tiny, QUICK)
    found = tiny.prior(
        "a red fox", num_inference_steps=2, generator=torch.Generator().manual_seed(0)
    )
    (plain,) = tiny.decoder(
        **found,
        width=64,
        height=64,
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(7),
    ).images
    assert difference(ours, plain) <= TOLERANCE


def test_equal_settings_share_a_batch_and_prompts_share_a_prior_run(tiny):
    in_decoder, decoder_hook = passes(tiny)
    in_prior, prior_hook = passes(tiny, "prior.prior")
    try:
        generate(tiny, QUICK.replace(count=3), prompts=["a cat", "a dog"])
        assert in_decoder == [12] * 3  # six pictures, guided and not
        assert in_prior == [4] * 2  # two texts, guided and not
        generate(tiny, QUICK.replace(prompt="a dog", seed=99))
        assert len(in_prior) == 2, "a known embedding was made again"
    finally:
        decoder_hook.remove()
        prior_hook.remove()


def test_large_batches_are_cut(tiny, monkeypatch):
    monkeypatch.setattr(job, "BATCH_PIXELS", 2 * 64 * 64)
    sizes, hook = passes(tiny)
    try:
        generate(tiny, QUICK.replace(count=5))
    finally:
        hook.remove()
    assert sizes == [4] * 3 + [4] * 3 + [2] * 3
    assert job.batch_limit(4096, 4096) == 1


def memory_errors():
    """Errors of a GPU, of a CPU (the real one) and of Python where memory is short."""
    import torch

    yield torch.OutOfMemoryError("CUDA out of memory")
    try:
        torch.empty(2**60)
    except RuntimeError as error:
        yield RuntimeError(str(error))
    yield MemoryError()


MEMORY_ERRORS = list(memory_errors())


def poor(module, most, error):
    """Let a network fail beyond a batch of that size; return the sizes tried, and a hook."""
    tried = []

    def refuse(module, args, named):
        sample = [*args, *named.values()][0]
        tried.append(len(sample))
        if len(sample) > most:
            raise error

    return tried, module.register_forward_pre_hook(refuse, with_kwargs=True)


@pytest.mark.parametrize("error", MEMORY_ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.filterwarnings("ignore:memory is short on cpu")
def test_a_batch_too_large_for_the_memory_is_halved(tiny_folder, error):
    tiny = load(tiny_folder)  # which goes on by another plan afterwards
    whole = generate(tiny, QUICK.replace(count=3))
    tried, hook = poor(tiny.decoder.unet, 2, error)  # each picture guided and not
    try:
        halved = generate(tiny, QUICK.replace(count=3))
    finally:
        hook.remove()
    assert tried == [6, *[2] * 3, 4, *[2] * 3, *[2] * 3]
    assert max(map(difference, halved, whole)) <= TOLERANCE
    tried, hook = poor(tiny.decoder.unet, 0, error)
    try:
        with pytest.raises(KandiError) as caught:
            generate(tiny, QUICK)
    finally:
        hook.remove()
    assert str(caught.value) == (
        "cpu has too little memory for one picture of 64 × 64 pixels; ask for a smaller one, "
        "close other programs and notebooks' kernels, or take a smaller model; see "
        "docs/troubleshooting.md#memory"
    )


@pytest.mark.filterwarnings("ignore:memory is short on cpu")
def test_texts_too_many_for_the_memory_are_halved(tiny_folder):
    error = MEMORY_ERRORS[0]  # pictures above meet every kind
    tiny = load(tiny_folder)  # which goes on by another plan afterwards
    runs = [QUICK.replace(prompt=prompt) for prompt in ("a cat", "a dog", "a red house")]
    prompts = [run.prompt for run in runs]
    calls = {
        lambda: embed(tiny, runs): (tiny.prior.prior, 2, "the embedding of one text"),
        lambda: clip(tiny, prompts): (tiny.prior.text_encoder, 1, "one text or picture"),
    }
    for call, (network, least, what) in calls.items():
        tiny.embeddings.clear()
        whole = call()
        tiny.embeddings.clear()
        tried, hook = poor(network, least, error)
        try:
            assert np.allclose(call(), whole, atol=1e-5)
        finally:
            hook.remove()
        assert max(tried) == 3 * least
        tiny.embeddings.clear()
        _, hook = poor(network, 0, error)
        try:
            with pytest.raises(
                KandiError, match=f"cpu has too little memory for {what}; close"
            ):
                call()
            if network is tiny.prior.prior:
                with pytest.raises(KandiError, match="for 3 embeddings at once; close"):
                    embed(tiny, runs, on_step=print)
        finally:
            hook.remove()


def test_other_errors_are_not_taken_for_a_want_of_memory(tiny):
    tried, hook = poor(tiny.decoder.unet, 0, RuntimeError("shapes do not fit"))
    try:
        with pytest.raises(RuntimeError, match="shapes do not fit"):
            generate(tiny, QUICK.replace(count=2))
    finally:
        hook.remove()
    assert len(tried) == 1


def test_no_global_random_numbers_are_touched(tiny):
    import random

    import torch

    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    first = generate(tiny, QUICK)
    torch.manual_seed(123)
    state = torch.get_rng_state()
    assert difference(first[0], generate(tiny, QUICK)[0]) == 0
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]


# Embeddings


def test_the_embedding_depends_on_the_text_alone(tiny):
    import torch

    alone = embed(tiny, QUICK).tensor
    tiny.embeddings.clear()
    company = [QUICK.replace(prompt="a dog"), QUICK.replace(seed=5, negative="grey"), QUICK]
    with pytest.warns(KandiWarning, match="embed does not use negative"):
        together = embed(tiny, company).tensor
    assert together.shape == (3, 32)
    assert torch.allclose(together[1], alone[0], atol=1e-5)
    assert torch.equal(together[1], together[2])
    assert not torch.allclose(together[0], alone[0], atol=1e-2)
    other = embed(tiny, QUICK.replace(prior_seed=1)).tensor
    assert not torch.allclose(other, alone, atol=1e-2)


def test_a_negative_text_leaves_the_positive_embedding_alone(tiny):
    import torch

    run = QUICK.replace(negative="grey")
    wanted = [prior.positive(run), prior.negative(run)]
    with torch.inference_mode():
        found = prior.embeddings(tiny, wanted, lambda: None)
        tiny.embeddings.clear()
        alone = prior.embeddings(tiny, [prior.positive(QUICK)], lambda: None)
    assert torch.allclose(found[wanted[0]], alone[wanted[0]], atol=1e-5)
    assert prior.negative(QUICK) == prior.negative(QUICK.replace(negative=" "))
    assert prior.negative(QUICK) == prior.NOTHING


def test_the_negative_embedding_is_the_one_of_diffusers(tiny):
    import torch

    run = QUICK.replace(negative="grey")
    wanted = prior.negative(run)
    with torch.inference_mode():
        ours = prior.embeddings(tiny, [wanted], lambda: None)[wanted]
    both = [torch.Generator().manual_seed(0) for _ in range(2)]
    theirs = tiny.prior(
        ["a red fox"], negative_prompt=["grey"], num_inference_steps=2, generator=both
    )
    assert torch.allclose(ours, theirs.negative_image_embeds, atol=1e-4)


def test_a_negative_text_changes_the_picture(tiny):
    plain, steered = generate(tiny, [QUICK, QUICK.replace(negative="grey")])
    assert difference(plain, steered) > TOLERANCE


@pytest.mark.parametrize("guidance", [1, 4])
def test_on_step_ends_at_the_embedding(tiny, guidance):
    import torch

    runs = [QUICK.replace(prior_guidance=guidance, prior_steps=4, prompt=p) for p in "aba"]
    seen = []
    found = embed(tiny, runs, on_step=lambda i, t, e: seen.append((i, t, e))).tensor
    assert [i for i, _, _ in seen] == [0, 1, 2, 3]
    assert [t for _, t, _ in seen] == [999, 666, 333, 0]
    assert all(e.shape == found.shape == (3, 32) for _, _, e in seen)
    # The scheduler's own rounding at its last step is a twentieth of a per cent.
    assert torch.allclose(seen[-1][2], found, rtol=2e-3, atol=1e-4)
    assert not torch.allclose(seen[0][2], found, atol=1e-2)
    again = []
    embed(tiny, runs, on_step=lambda *step: again.append(step))
    assert len(again) == 4, "remembered embeddings have no steps to show"


def test_on_step_sees_all_of_many_texts(tiny, monkeypatch):
    monkeypatch.setattr(prior, "PRIOR_BATCH", 2)
    runs = [QUICK.replace(prompt=prompt) for prompt in "abc"]
    seen = []
    embed(tiny, runs, on_step=lambda i, t, e: seen.append(len(e)))
    assert seen == [3, 3]


def test_embeddings_may_be_used_freely(tiny):
    found = embed(tiny, QUICK).tensor
    assert not found.is_inference()
    found += 1  # in place, as no tensor of inference mode allows
    assert not np.allclose(embed(tiny, QUICK), found)


def test_embed_needs_a_prior_and_one_path(tiny, tiny3_folder):
    with pytest.raises(KandiError, match=r"has no prior stage; models that have one: mini-2.2"):
        embed(load(tiny3_folder, device="cpu"), QUICK)
    with pytest.raises(KandiError, match="on_step needs the same prior_steps"):
        embed(tiny, sweep(QUICK, prior_steps=[2, 3]), on_step=print)


def test_more_texts_than_are_remembered_are_drawn_in_one_call(tiny, monkeypatch):
    monkeypatch.setattr(tiny.embeddings, "limit", 3)
    texts = [QUICK.replace(prompt=f"a cat {number}") for number in range(6)]
    known = embed(tiny, texts[0])
    together = embed(tiny, texts)
    assert np.allclose(together[0], known[0])
    assert len(tiny.embeddings) == 3
    tiny.embeddings.clear()
    assert np.allclose(embed(tiny, texts[5]), together[5], atol=1e-5)
    generate(tiny, texts[0])
    assert len(generate(tiny, texts)) == 6


# Stopping


@pytest.mark.parametrize("looks", [0, 1, 2, 4])
def test_a_stop_ends_the_run_at_its_next_step(family, looks):
    run = QUICK.replace(steps=6, prior_steps=4, width=64, height=64)
    before = generate(family, run)
    family.embeddings.clear()
    decoder, hook = passes(family)
    try:
        with pytest.raises(Cancelled, match=r"stopped after \d+ of ") as stopped:
            generate(family, run, stop=StopAt(looks))
    finally:
        hook.remove()
    # It is looked at before each network, so no later than at the next step.
    assert int(str(stopped.value).split()[2]) <= looks and len(decoder) <= looks
    assert difference(before[0], generate(family, run)[0]) == 0
    assert not family.lock._is_owned()


def test_an_event_set_in_the_middle_stops(tiny):
    stop = threading.Event()
    seen = []

    def look(pictures, step):
        seen.append(step)
        if step == 2:
            stop.set()

    with pytest.raises(Cancelled):
        generate(tiny, QUICK.replace(steps=50), on_preview=look, stop=stop)
    assert seen == [1, 2]


def test_the_keyboard_stops_too_and_the_model_stays_usable(family):
    run = QUICK.replace(width=64, height=64)
    before = generate(family, run)
    freed = []

    def interrupt(pictures, step):
        raise KeyboardInterrupt

    family.decoder.maybe_free_model_hooks = lambda: freed.append(True)
    with pytest.raises(KeyboardInterrupt):
        generate(family, run.replace(steps=9), on_preview=interrupt)
    assert freed == [True]
    del family.decoder.maybe_free_model_hooks
    assert difference(before[0], generate(family, run)[0]) == 0


@pytest.mark.parametrize(
    "block",
    [
        "prior.prior.transformer_blocks.0",
        "prior.text_encoder.text_model.encoder.layers.0",
        "decoder.unet.mid_block",
        "decoder.movq.decoder.mid_block",
    ],
)
def test_an_interrupt_inside_a_network_leaves_the_model_as_it_was(tiny, block):
    def interrupt(*call):
        raise KeyboardInterrupt

    before = generate(tiny, QUICK)
    role, network, *rest = block.split(".")
    module = getattr(getattr(tiny, role), network)
    whole = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    hook = module.get_submodule(".".join(rest)).register_forward_hook(interrupt)
    tiny.embeddings.clear()
    try:
        with pytest.raises(KeyboardInterrupt):
            generate(tiny, QUICK)
    finally:
        hook.remove()
    state = module.state_dict()
    assert all(np.array_equal(tensor, state[name]) for name, tensor in whole.items())
    tiny.embeddings.clear()
    assert difference(before[0], generate(tiny, QUICK)[0]) == 0


def test_an_error_in_the_prior_leaves_no_hook_behind(tiny):
    network = tiny.prior.prior
    hooks, places = list(network._forward_hooks), network.positional_embedding.shape
    with pytest.raises(ZeroDivisionError):
        embed(tiny, QUICK, on_step=lambda *step: 1 / 0)
    assert list(network._forward_hooks) == hooks
    assert network.positional_embedding.shape == places


def test_a_stop_ends_the_waiting_for_another_thread(tiny):
    stop = threading.Event()
    caught = []

    def wait():
        try:
            generate(tiny, QUICK, stop=stop)
        except Cancelled as error:
            caught.append(error)

    with tiny.lock:
        thread = threading.Thread(target=wait)
        thread.start()
        stop.set()
        thread.join(10)
        assert not thread.is_alive()
    assert len(caught) == 1


def test_two_threads_may_use_one_model(tiny):
    runs = [QUICK.replace(steps=4), QUICK.replace(steps=9)]
    alone = [generate(tiny, run)[0] for run in runs]
    drawn = {}

    def work(number):
        drawn[number] = [generate(tiny, runs[number % 2])[0] for _ in range(3)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 4
    for number, images in drawn.items():
        assert all(difference(image, alone[number % 2]) == 0 for image in images)


@pytest.mark.parametrize("inner", ["generate", "embed", "clip", "replay"])
def test_a_callback_cannot_use_the_model_that_is_drawing(tiny, tmp_path, inner):
    (path,) = generate(tiny, QUICK).save(tmp_path)
    calls = {
        "generate": lambda: generate(tiny, QUICK.replace(seed=1)),
        "embed": lambda: embed(tiny, QUICK.replace(prior_seed=1)),
        "clip": lambda: clip(tiny, "a red fox"),
        "replay": lambda: replay(path, tiny),
    }
    run = QUICK.replace(steps=4, prior_steps=3)
    plain, embedding = generate(tiny, run), embed(tiny, run)
    refused = []

    def within(*step):
        with pytest.raises(KandiError, match="is at work on another task") as caught:
            calls[inner]()
        refused.append(str(caught.value))

    assert difference(plain[0], generate(tiny, run, on_preview=within)[0]) == 0
    assert np.array_equal(embedding, embed(tiny, run, on_step=within))
    assert len(refused) == 6
    assert all("\n" not in message for message in refused)
    calls[inner]()  # afterwards it may


def test_a_model_with_the_same_weights_is_in_use_too(tiny):
    twin = dataclasses.replace(tiny)

    def within(pictures, step):
        with pytest.raises(KandiError, match="is at work"):
            generate(twin, QUICK)

    generate(tiny, QUICK, on_preview=within)


# Numbers that are none


@pytest.fixture
def poisoned(request, tiny_folder):
    """A tiny model, and the component that got a weight that is no number after loading."""
    k = load(tiny_folder, device="cpu")
    role, component = request.param.split(".")
    weights = getattr(getattr(k, role), component).state_dict()
    list(weights.values())[-1].fill_(float("nan"))
    return k, component


@pytest.mark.parametrize(
    "poisoned",
    ["prior.text_encoder", "prior.prior", "prior.image_encoder", "decoder.unet"],
    indirect=True,
)
def test_what_is_no_number_is_an_error_and_never_a_black_picture(poisoned):
    k, component = poisoned
    with pytest.raises(KandiError, match=f"weights of the {component} are not") as caught:
        generate(k, QUICK)
    assert "\n" not in str(caught.value)
    assert all(embedding.isfinite().all() for embedding in k.embeddings.values())
    assert not k.decoder.movq.decoder._forward_hooks, "a check stayed behind"


@pytest.mark.parametrize("poisoned", ["decoder.movq"], indirect=True)
def test_a_picture_of_no_numbers_is_an_error_in_a_preview_too(poisoned):
    k, _ = poisoned
    seen = []
    k.decoder.movq.decoder.conv_out.bias.data.fill_(float("nan"))
    with pytest.raises(KandiError, match="the picture that MoVQ decoded"):
        generate(k, QUICK)
    with pytest.raises(KandiError, match="weights of the movq are not"):
        generate(k, QUICK, on_preview=lambda *step: seen.append(step))
    assert not seen


@pytest.mark.parametrize("poisoned", ["prior.text_encoder"], indirect=True)
def test_embeddings_of_no_numbers_are_errors(poisoned):
    k, _ = poisoned
    with pytest.raises(KandiError, match="weights of the text_encoder are not"):
        embed(k, QUICK)
    with pytest.raises(KandiError, match="weights of the text_encoder are not"):
        clip(k, "a red fox")


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        ("float16", 'in float16; load it with dtype="float32"'),
        ("float32", "take other weights"),
    ],
)
def test_numbers_that_overflow_point_at_the_number_format(tiny, dtype, remedy):
    import torch

    latents = torch.full((1, 4, 8, 8), float("inf"), dtype=getattr(torch, dtype))
    with pytest.raises(KandiError, match=remedy):
        check_finite(latents, tiny.decoder, "what the UNet drew")


# What bad input gets


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mini-2.2", QUICK), r"first argument is a loaded model, k = kn.load"),
        ((None, QUICK), "first argument is a loaded model"),
        (("k", "a red fox"), r"second argument is Params\(.* not 'a red fox'"),
        (("k", [QUICK, "a red fox"]), r"second argument is Params"),
        (("k", []), "list of Params is empty"),
        (("k", QUICK, {"prompts": "a cat"}), "prompts is a list of texts"),
        (("k", QUICK, {"prompts": []}), "prompts is a list of texts"),
        (("k", QUICK, {"prompts": ["a cat", " "]}), "prompt is empty"),
        (("k", QUICK, {"prompts": ["a cat", 3]}), "prompt must be text"),
        (("k", QUICK, {"preview": -1}), "preview is a number of steps"),
        (("k", QUICK, {"preview": True}), "preview is a number of steps"),
        (("k", QUICK, {"on_preview": 3}), "on_preview is a function"),
        (("k", QUICK, {"stop": True}), r"stop is a threading.Event, not True"),
    ],
)
def test_bad_input_fails_before_any_computation(tiny, monkeypatch, arguments, message):
    k, params, *rest = arguments
    touched = lambda *a, **b: pytest.fail("computed before the input was checked")  # noqa: E731
    monkeypatch.setattr(prior, "embeddings", touched)
    monkeypatch.setattr("kandi_nb.tasks.decoder.draw", touched)
    with pytest.raises(KandiError, match=message):
        generate(tiny if k == "k" else k, params, **(rest[0] if rest else {}))


def test_a_sweep_of_what_is_not_used_is_refused(tiny, tiny3_folder):
    with pytest.raises(KandiError, match=r"does not use strength, so 0\.1 and 0\.9 would give"):
        generate(tiny, sweep(QUICK, strength=[0.1, 0.9]))
    plain = Params("a red fox", steps=2, width=64, height=64)
    k = load(tiny3_folder, device="cpu")
    for name in ("prior_steps", "prior_guidance", "prior_seed"):
        with pytest.raises(KandiError, match=rf"use {name}, so 3\S* and 4\S* would"):
            generate(k, sweep(plain, **{name: [3, 4]}))


def test_what_is_not_used_is_left_out_with_one_warning(tiny, tiny3_folder):
    with pytest.warns(KandiWarning) as caught:
        result = generate(tiny, sweep(QUICK.replace(strength=0.9), seed=[1, 2]))
    (said,) = [str(warning.message) for warning in caught]
    assert said.endswith("does not use strength; left out")
    assert [params.strength for params in result.params] == [FIELDS["strength"].default] * 2
    assert [params.seed for params in result.params] == [1, 2]
    with pytest.warns(KandiWarning) as caught:
        generate(
            load(tiny3_folder, device="cpu"),
            QUICK.replace(prior_seed=3, strength=0.9, width=64, height=64),
        )
    (said,) = [str(warning.message) for warning in caught]
    assert said.endswith("does not use prior_steps, strength, prior_seed; left out")


def test_fields_say_which_tasks_use_them():
    idle = {n for n, field in FIELDS.items() if not field.used_by("generate", ["decoder"])}
    assert idle == {"strength", "prior_steps", "prior_guidance", "prior_seed"}
    assert all(field.used_by("edit", ["prior", "decoder"]) for field in FIELDS.values())


def test_a_task_that_the_model_cannot_do_names_those_that_can(tiny):
    roles = {name: dataclasses.replace(r, tasks=()) for name, r in tiny.spec.roles.items()}
    unable = dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, roles=roles))
    with pytest.raises(KandiError, match=r"cannot generate; models that can: mini-2.2"):
        generate(unable, QUICK)


# Warnings


def test_a_text_beyond_the_token_limit_shows_what_is_cut(family):
    usual = FIELDS["prior_steps"].default  # of which Kandinsky 3 need not warn
    run = QUICK.replace(
        prompt="a cat " * 50 + "in space", width=64, height=64, prior_steps=usual
    )
    with pytest.warns(KandiWarning) as caught:
        generate(family, run, prompts=[run.prompt, run.prompt])
    (said,) = [str(warning.message) for warning in caught]
    limit = 128 if family.spec.family == "3" else 77
    assert f"at most {limit} tokens" in said
    assert "in space”" in said
    assert len(said.split("“")[1]) < len(run.prompt)


def test_what_is_cut_is_exactly_what_is_not_read(tiny):
    import torch

    words = ["x"] * 75 + ["y", "z"]  # one token each, and a mark at either end
    long, fitting, shorter = (" ".join(words[:n]) for n in (77, 75, 74))
    assert texts.unread(tiny, long) == (77, "y z")
    assert texts.unread(tiny, fitting) is None
    runs = [QUICK.replace(prompt=prompt) for prompt in (long, fitting, shorter)]
    with pytest.warns(KandiWarning):
        cut, whole, shorter = embed(tiny, runs).tensor
    assert torch.allclose(cut, whole, atol=1e-5)
    assert not torch.allclose(cut, shorter, atol=1e-5)


def test_a_long_negative_text_warns_too(tiny):
    with pytest.warns(KandiWarning, match="does not see the end"):
        generate(tiny, QUICK.replace(negative="no " * 80))


def test_advice_of_a_bundled_model_is_given_once_a_prompt(tiny, monkeypatch):
    spec = dataclasses.replace(tiny.spec, advice="kandi_nb.tasks.loop.texts:advise_for_test")
    advised = dataclasses.replace(tiny, spec=spec)
    monkeypatch.setattr(
        texts,
        "advise_for_test",
        lambda prompt, taught: "knows no dogs" if "dog" in prompt else None,
        raising=False,
    )
    with pytest.warns(KandiWarning) as caught:
        generate(advised, QUICK.replace(count=2), prompts=["a dog", "a cat", "a dog"])
    assert [str(warning.message) for warning in caught] == ["knows no dogs"]
    assert caught[0].filename == __file__, "a warning points at the caller's line"


def test_nothing_is_printed_and_nothing_warned_about(tiny, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generate(tiny, QUICK)
    out = capfd.readouterr()
    assert (out.out, out.err) == ("", "")


# Previews


def test_previews_come_every_n_steps_and_change_nothing(tiny):
    seen = []
    run = QUICK.replace(steps=7, count=2)
    watched = generate(tiny, run, preview=3, on_preview=lambda p, step: seen.append((p, step)))
    assert [step for _, step in seen] == [3, 6]
    assert all(len(p) == 2 and p[0].size == (64, 64) for p, _ in seen)
    assert difference(seen[0][0][0], seen[1][0][0]) > TOLERANCE
    assert max(map(difference, watched, generate(tiny, run))) == 0


def test_previews_of_every_family(family):
    seen = []
    run = QUICK.replace(width=64, height=64)
    generate(family, run, on_preview=lambda pictures, step: seen.append(step))
    assert seen == [1, 2]  # the last step's picture is the result


@pytest.mark.parametrize(
    ("watching", "progress_shown", "expected"),
    [
        ("notebook", True, 2),
        ("notebook", False, 0),
        ("nobody", True, 0),
        ("terminal", False, 0),
    ],
)
def test_previews_that_nobody_would_see_are_not_made(
    tiny, monkeypatch, watching, progress_shown, expected
):
    made, to_pictures = [], run.to_pictures
    monkeypatch.setattr(progress, "place", lambda: watching)
    monkeypatch.setattr(run, "to_pictures", lambda *args: made.append(1) or to_pictures(*args))
    with progress.shown_by(progress.Progress):  # there is no notebook for a bar
        generate(tiny, QUICK, preview=1, progress=progress_shown)
    assert len(made) == expected


def test_a_terminal_says_that_it_has_no_previews(tiny, monkeypatch):
    monkeypatch.setattr(progress, "place", lambda: "terminal")
    with pytest.warns(KandiWarning, match="previews are shown in notebooks only"):
        generate(tiny, QUICK, preview=1)


# Replay


def test_replay_makes_the_same_pixels(tiny_folder, tiny, tmp_path):
    result = generate(tiny, QUICK.replace(count=2, width=128))
    _, path = result.save(tmp_path)
    again = replay(path, load(tiny_folder, device="cpu"))
    assert difference(result[1], again[0]) <= TOLERANCE
    assert again.params == result.params[1:]
    with pytest.raises(KandiError, match=r"'tiny0/' .*kn\.replay\(picture, k\)"):
        replay(path)


def test_replay_warns_about_other_weights_and_keeps_the_size(tiny, tmp_path):
    (path,) = generate(tiny, QUICK).save(tmp_path)
    other = dataclasses.replace(
        tiny,
        spec=dataclasses.replace(tiny.spec, native_size=128),
        revision=tiny.revision | {"decoder": "0123456789ab"},
    )
    with pytest.warns(KandiWarning, match="the decoder of .* 0123456789ab, the recipe's was"):
        again = replay(path, other)
    assert again[0].size == (64, 64)


def test_replay_refuses_what_has_no_recipe(tiny, tmp_path):
    result = generate(tiny, QUICK)
    result[0].save(tmp_path / "bare.png")
    with pytest.raises(KandiError, match="holds no recipe"):
        replay(tmp_path / "bare.png", tiny)
    result.task = "conjure"
    (path,) = result.save(tmp_path)
    with pytest.raises(KandiError, match="made by 'conjure', which is unknown here; known: "):
        replay(path, tiny)
