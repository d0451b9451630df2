"""Schedulers: which work is found out, the others are refused, pictures say which drew them."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

import kandi_nb as kn
from kandi_nb.model.loading import kandinsky
from kandi_nb.model.loading.load import load
from kandi_nb.model.schedulers.classes import build, candidates, missing_package, scheduler_name
from kandi_nb.model.schedulers.table import check_steps, loop_of, most_steps
from kandi_nb.model.schedulers.trial import CRASHES, UNTRIED, WORKS, WRONG, try_scheduler
from kandi_nb.words.errors import KandiError

QUICK = kn.Params("a cat", steps=2, prior_steps=2)
QUIET = {"progress": False}
PIPELINES = {
    "kandinsky-2-2-decoder": "KandinskyV22Pipeline",
    "kandinsky-2-1": "KandinskyPipeline",
    "kandinsky-3": "Kandinsky3Pipeline",
}
USUAL = ("DDIM", "DDPM", "DPMSolverMultistep", "DPMSolverSinglestep", "LCM", "SASolver", "TCD")


def difference(a, b) -> int:
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


@pytest.fixture(scope="module")
def verdicts(tiny):
    return {row["scheduler"]: row for row in kn.schedulers(tiny)}


# The table


def test_the_usual_ones_work_and_the_others_say_why_not(verdicts):
    assert all(verdicts[name]["verdict"] == WORKS for name in USUAL)
    assert verdicts["DPMSolverMultistepInverse"]["verdict"] == WRONG
    for row in verdicts.values():
        assert row["verdict"] in (WORKS, WRONG, CRASHES, UNTRIED)
        assert row["verdict"] == WORKS or row["why"]
    order = [row["verdict"] != WORKS for row in verdicts.values()]
    assert order == sorted(order), "those that work come first"


def test_what_is_left_over_of_the_old_scheduler_is_a_row(verdicts):
    assert verdicts["DDIM, from_config"]["verdict"] == CRASHES
    assert "size of tensor" in verdicts["DPMSolverMultistep, from_config"]["why"]


@pytest.mark.parametrize("name", candidates())
def test_a_trial_crashes_where_the_real_pipeline_does(tiny, verdicts, name):
    if missing_package(candidates()[name]):
        assert verdicts[name]["verdict"] == UNTRIED
        return
    light = dataclasses.replace(tiny, _pipelines=dict(tiny._pipelines))
    light._pipelines["decoder"] = copy.copy(tiny.decoder)
    light.decoder.scheduler = build(name, tiny.decoder.scheduler)
    try:
        # Those of two calls a step need more than two steps.
        kn.generate(light, QUICK.replace(steps=4), **QUIET)
    except Exception:
        assert verdicts[name]["verdict"] == CRASHES
    else:
        assert verdicts[name]["verdict"] in (WORKS, WRONG)


@pytest.mark.parametrize("folder", ["tiny_folder", "tiny21_folder", "tiny3_folder"])
def test_a_model_s_own_scheduler_and_ddim_pass_the_trial_in_every_format(folder, request):
    (decoder,) = {"kandinsky-2-2-decoder", "kandinsky-2-1", "kandinsky-3"} & {
        path.name for path in request.getfixturevalue(folder).iterdir()
    }
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        loop = loop_of(PIPELINES[decoder], request.getfixturevalue(folder) / decoder, dtype)
        for scheduler in (
            loop.own,
            build("DDIM", loop.own),
            build("DPMSolverMultistep", loop.own),
        ):
            assert try_scheduler(scheduler, loop).verdict == WORKS


def test_one_that_does_not_arrive_or_scales_is_found_wrong(tiny):
    from diffusers import DDIMScheduler

    class Lazy(DDIMScheduler):
        def step(self, predicted, t, sample, **rest):
            moved = super().step(predicted, t, sample, **rest)
            if t == self.timesteps[-1]:
                moved.prev_sample = sample + torch.ones_like(sample) * sample.std()
                moved.prev_sample[:, :2] = 0
            return moved

    loop = tiny.loop()
    lazy = Lazy(**{k: loop.own.config[k] for k in ("beta_start", "beta_end", "beta_schedule")})
    assert try_scheduler(lazy, loop).verdict == WRONG
    assert "does not arrive" in try_scheduler(lazy, loop).why
    verdict, why = try_scheduler(build("EulerDiscrete", loop.own), loop)
    assert verdict == WRONG and "scale_model_input" in why


def test_a_trial_leaves_the_global_noise_alone(tiny):
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    try_scheduler(build("DDIM", tiny.loop().own), tiny.loop())
    assert torch.equal(torch.rand(1), wanted)


def test_schedulers_takes_a_loaded_model():
    with pytest.raises(KandiError, match=r"takes a loaded model, k = kn\.load"):
        kn.schedulers("mini-2.2")


# Names


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ddim", "DDIM"),
        ("DDIMScheduler", "DDIM"),
        ("dpm++", "DPMSolverMultistep"),
        ("DPM++ 2M", "DPMSolverMultistep"),
        ("dpmsolver-multistep", "DPMSolverMultistep"),
        ("euler a", "EulerAncestralDiscrete"),
        ("unipc", "UniPCMultistep"),
        ("uni_pc", "UniPCMultistep"),
        ("p_sampler", "DDPM"),
        ("ddim_sampler", "DDIM"),
        ("plms_sampler", "PNDM"),
        ("k_euler", "EulerDiscrete"),
        ("K_EULER_ANCESTRAL", "EulerAncestralDiscrete"),
        ("k_dpm_2_a", "KDPM2AncestralDiscrete"),
        ("K_DPMPP_2M", "DPMSolverMultistep"),
        ("dpmpp_sde_gpu", "DPMSolverSDE"),
        ("kdpm_2", "KDPM2Discrete"),
        ("LMS", "LMSDiscrete"),
    ],
)
def test_names_are_read_as_people_write_them(name, wanted):
    assert scheduler_name(name) == wanted


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DPM++ 2M Karras", "DPMSolverMultistep"),
        ("dpmpp_2m_k", "DPMSolverMultistep"),
        ("Euler a SGM Uniform", "EulerAncestralDiscrete"),
        ("lms_karras", "LMSDiscrete"),
        *(
            (name, None)
            for name in (
                "DPM++ 2M SDE", "DPM++ 3M SDE Karras", "DPM++ 2S a", "dpmpp_2s_ancestral",
                "dpm_fast", "DPM adaptive", "heunpp2", "uni_pc_bh2", "KarrasDPM", "Restart",
                "FlowMatchEulerDiscreteScheduler", "euler_cfg_pp", "k",
            )
        ),
    ],
)  # fmt: skip
def test_samplers_of_other_programs_get_the_right_suggestion_or_none(name, meant):
    with pytest.raises(KandiError) as caught:
        scheduler_name(name)
    said = str(caught.value).partition("Known:")[0]
    assert (f"did you mean {meant}? It has the model's own noise" in said) == bool(meant)
    assert meant or "did you mean" not in said


@pytest.mark.parametrize(
    ("name", "words"),
    [("dimm", r"did you mean DDIM\?"), ("", "unknown"), (3, "not 3|unknown scheduler 3")],
)
def test_unknown_names_are_refused_with_the_nearest_one(name, words):
    with pytest.raises(KandiError, match=words) as caught:
        load("mini-2.2", device="cpu", scheduler=name)
    assert "\n" not in str(caught.value) and "DPMSolverMultistep" in str(caught.value)


# Made for a model


def test_nothing_is_left_over_in_one_made_for_a_model(tiny):
    own = tiny.decoder.scheduler
    for name in USUAL:
        made = build(name, own)
        for key in ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule"):
            assert made.config[key] == own.config[key]
        if name != "DDPM":
            assert made.config.get("variance_type") in (None, "fixed_small")
    assert build("DDPM", own) is own
    assert build("DDPMParallel", own).config.variance_type == "learned_range"
    assert build("DDIM", own).config.clip_sample is False


@pytest.mark.parametrize("folder", ["tiny_roles_folder", "tiny21_folder", "tiny3_folder"])
@pytest.mark.filterwarnings(r"ignore:\w+ with tiny3\d+/ does not use prior_steps")
def test_every_generation_draws_edits_and_inpaints_with_another(folder, request):
    k = load(request.getfixturevalue(folder), device="cpu", scheduler="dpm++")
    assert k.options["scheduler"] == "DPMSolverMultistepScheduler"
    params = QUICK.replace(steps=6, width=64, height=64)
    drawn = kn.generate(k, params, **QUIET)
    assert drawn.recipes[0]["options"]["scheduler"] == "DPMSolverMultistepScheduler"
    inputs = {"image": Image.new("RGB", (64, 64), "red")}
    results = [drawn, kn.edit(k, params.replace(strength=0.5), **inputs, **QUIET)]
    own = k.with_scheduler(None)
    plain = [
        kn.generate(own, params, **QUIET),
        kn.edit(own, params.replace(strength=0.5), **inputs, **QUIET),
    ]
    if "inpaint" in k.spec.tasks:
        inputs["mask"] = kn.rectangle((64, 64), (16, 16, 48, 48))
        results.append(kn.inpaint(k, params, **inputs, **QUIET))
        plain.append(kn.inpaint(own, params, **inputs, **QUIET))
    assert all(difference(a[0], b[0]) > 2 for a, b in zip(results, plain, strict=True))


def test_another_scheduler_shares_weights_and_lock_and_changes_nothing_here(tiny_roles):
    light = tiny_roles.with_scheduler("ddim")
    assert light.lock is tiny_roles.lock and light.decoder.unet is tiny_roles.decoder.unet
    assert light.pipeline("inpaint").unet is tiny_roles.pipeline("inpaint").unet
    assert type(light.pipeline("inpaint").scheduler).__name__ == "DDIMScheduler"
    assert light.prior.scheduler is tiny_roles.prior.scheduler
    assert tiny_roles.options["scheduler"] == "DDPMScheduler" and "DDIM" in repr(light)
    again = light.with_scheduler("dpm++").with_scheduler(None)
    assert again.decoder.scheduler is tiny_roles.decoder.scheduler


# Refusals


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("heun", "HeunDiscrete is no scheduler for this model: it crashes (its step takes no"),
        ("euler", "it draws wrongly (the network meets"),
    ],
)
def test_those_that_do_not_work_are_refused_before_any_weights_are_read(
    tiny_folder, name, words, monkeypatch
):
    monkeypatch.setattr(kandinsky, "assemble", lambda *a, **b: pytest.fail("weights are read"))
    with pytest.raises(KandiError) as caught:
        load(tiny_folder, device="cpu", scheduler=name)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert "take one of DDIMParallel, DDIM, DDPM" in str(caught.value)


def test_one_whose_package_is_missing_names_it(tiny):
    (name, package) = next(
        (name, missing_package(cls))
        for name, cls in candidates().items()
        if missing_package(cls)
    )
    with pytest.raises(KandiError, match=f"it needs the package {package}; take one of"):
        tiny.with_scheduler(name)


def test_more_steps_than_a_scheduler_takes_are_refused_before_any_computation(
    tiny, monkeypatch
):
    light = tiny.with_scheduler("lcm")
    monkeypatch.setattr(type(tiny.prior), "__call__", lambda *a, **b: pytest.fail("computed"))
    for task, inputs in ((kn.generate, {}), (kn.edit, {"image": Image.new("RGB", (64, 64))})):
        with pytest.raises(KandiError, match="LCM takes at most 50 steps, not 51; lower steps"):
            task(light, QUICK.replace(steps=51), **inputs, **QUIET)
    assert most_steps(light.decoder.scheduler) == 50
    check_steps(light.decoder.scheduler, [50])


# Replay


def test_a_picture_is_drawn_again_with_its_scheduler(tiny, tmp_path, recwarn):
    light = tiny.with_scheduler("ddim")
    drawn = kn.generate(light, QUICK, **QUIET)
    (path,) = drawn.save(tmp_path)
    again = kn.replay(path, tiny)
    assert difference(again[0], drawn[0]) == 0 and not kn.diff(path, again)
    plain = kn.generate(tiny, QUICK, **QUIET)
    assert difference(kn.replay(plain[0], light)[0], plain[0]) == 0
    assert not recwarn.list


def test_a_scheduler_that_is_unknown_here_is_said(tiny):
    drawn = kn.generate(tiny, QUICK, **QUIET)
    drawn.options["scheduler"] = "MagicScheduler"
    made = kn.Result(**{f.name: getattr(drawn, f.name) for f in dataclasses.fields(drawn)})
    with pytest.warns(kn.KandiWarning, match="scheduler here is DDPM.* was MagicScheduler"):
        kn.replay(made[0], tiny)
