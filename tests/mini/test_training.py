"""The training loop: resumable without a trace, and fast code that computes the same."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import threading
import types

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from kandi_nb.mini import names
from kandi_nb.mini.training import loop, networks, queue
from kandi_nb.mini.training.fast import fast_group_norm
from kandi_nb.mini.training.losses import decoder, movq, prior
from kandi_nb.mini.training.losses.movq import fit_codebook
from kandi_nb.mini.training.stage import Stage
from kandi_nb.mini.training.stages import GROUPS, STAGES
from kandi_nb.mini.training.train import main, mixed_loss
from kandi_nb.model import integrity

MOVQ_FILE = "diffusion_pytorch_model.safetensors"


def _train(folder, steps, stop_after=None):
    """Train a small net on noise; stop as if killed after ``stop_after`` steps."""
    data = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    done = 0

    def loss(model, generator):
        nonlocal done
        if done == stop_after:
            raise KeyboardInterrupt
        done += 1
        index = torch.randint(64, (16,), generator=generator)
        x = data[index] + 0.1 * torch.randn(16, 8)
        error = (model(x)[:, 0] - data[index].sum(1)).square().mean()
        return error, {"figure": x.mean().item()}

    plan = loop.Plan(
        "test",
        folder,
        steps=steps,
        rate=3e-2,
        warmup=5,
        log_every=1,
        dtype=torch.float32,
        save_every=0,
    )
    return loop.train(plan, net, loss)


def _losses(folder):
    with (folder / "test.csv").open(newline="") as file:
        return [(row["step"], row["loss"]) for row in csv.DictReader(file)]


def test_what_a_training_began_with_is_known_after_it_was_killed(tmp_path):
    def run(began, steps):
        plan = loop.Plan("test", tmp_path, steps=steps, began=began)
        loop.train(plan, nn.Linear(1, 1), lambda m, g: (next(m.parameters()).sum(), {}))
        return loop.state_of(plan)["began"]

    assert run("what had landed", 2) == "what had landed"
    assert run(None, 4) == run("something newer", 6) == "what had landed"


def test_a_killed_training_goes_on_along_the_same_curve(tmp_path):
    whole = _train(tmp_path / "whole", 20)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "killed", 20, stop_after=9)
    resumed = _train(tmp_path / "killed", 20)
    for ours, theirs in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert [step for step, _ in _losses(tmp_path / "whole")] == [str(n) for n in range(1, 21)]
    assert _losses(tmp_path / "killed") == _losses(tmp_path / "whole")


def test_time_that_other_work_takes_is_not_training(tmp_path, monkeypatch):
    wall = iter(range(0, 10**6, 1000))  # a thousand seconds pass between any two looks
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(wall))
    _train(tmp_path, 3)
    assert 0 < loop.state_of(loop.Plan("test", tmp_path))["seconds"] < 100
    assert loop.clock("cuda") % 1000 == 0


def test_training_learns(tmp_path):
    _train(tmp_path, 150)
    losses = [float(loss) for _, loss in _losses(tmp_path)]
    assert losses[-1] < 0.7 * losses[0]


def test_passes_run_in_the_dtype_that_is_fast_here(tmp_path, monkeypatch):
    def known(**features):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)
        return loop.fast_dtype("cpu")

    assert known(avx2=True, avx512_bf16=False) == torch.float32
    assert known(avx512_bf16=True) == known(amx_bf16=True) == torch.bfloat16
    assert loop.Plan("test", tmp_path).dtype == torch.bfloat16
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)  # an older PyTorch
    assert loop.Plan("test", tmp_path).dtype == torch.float32
    assert loop.Plan("test", tmp_path, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_a_loss_that_is_not_a_number_stops_the_training(tmp_path):
    plan = loop.Plan("nan", tmp_path, steps=3)
    with pytest.raises(FloatingPointError, match="step 0"):
        loop.train(
            plan, nn.Linear(1, 1), lambda m, g: (next(m.parameters()).sum() * torch.nan, {})
        )


@pytest.mark.parametrize("groups, channels, side", [(8, 32, 5), (32, 96, 8), (16, 16, 7)])
def test_fast_group_norm_computes_the_same(groups, channels, side):
    torch.manual_seed(0)
    norm = nn.GroupNorm(groups, channels)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.randn(3, channels, side, side) + 2
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    upstream = torch.randn(3, channels, side, side)
    inputs = [x, norm.weight, norm.bias]
    plain = norm(x)
    wanted = torch.autograd.grad(plain, inputs, upstream)
    with fast_group_norm():
        quick = norm(x)
        got = torch.autograd.grad(quick, inputs, upstream)
    torch.testing.assert_close(quick, plain, atol=2e-5, rtol=1e-4)
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-3)
    assert quick.grad_fn.name() != plain.grad_fn.name()
    assert norm(x).grad_fn.name() == plain.grad_fn.name()  # and the plain code is back


def test_the_true_noise_has_no_loss_and_the_bound_prefers_the_true_variance():
    alphas = decoder.schedule()
    torch.manual_seed(0)
    clean, noise = torch.randn(6, 8, 4, 4).clamp(-3, 3), torch.randn(6, 8, 4, 4)
    t = torch.tensor([1, 50, 200, 500, 800, 999])
    a = alphas[t].view(-1, 1, 1, 1)
    noisy = a.sqrt() * clean + (1 - a).sqrt() * noise

    def loss(found, between):
        out = torch.cat([found, torch.full_like(found, between)], 1)
        return decoder.diffusion_loss(out, noise, clean, noisy, t, alphas)

    _, error, small = loss(noise, -1.0)  # -1: the posterior's own variance
    assert error.abs().max() == 0
    assert small.item() == pytest.approx(0, abs=1e-4)
    assert loss(noise, 1.0)[2] > small
    assert loss(noise + 0.3, -1.0)[1].min() > 0.08


def test_codebook_fits_the_latents():
    model = types.SimpleNamespace(
        quantize=types.SimpleNamespace(
            embedding=nn.Embedding(networks.CODES, networks.LATENT_CHANNELS)
        )
    )
    latents = torch.randn(200, networks.LATENT_CHANNELS, 4, 4)
    assert fit_codebook(model, latents, rounds=3) < 0.6 * latents.square().mean()


def test_a_lengthened_prior_gives_the_same_embedding():
    torch.manual_seed(0)
    short = networks.prior(prior.WINDOW).eval()
    nn.init.normal_(short.positional_embedding)
    long = prior.lengthen(short).eval()
    length = 12
    noisy, text = torch.randn(2, networks.EMBEDDING), torch.randn(2, networks.EMBEDDING)
    states = torch.randn(2, networks.TOKENS, networks.EMBEDDING)
    mask = torch.arange(networks.TOKENS).expand(2, -1) < length

    def run(model, tokens):
        with torch.inference_mode():
            return model(
                noisy,
                10,
                proj_embedding=text,
                encoder_hidden_states=states[:, :tokens],
                attention_mask=mask[:, :tokens],
            ).predicted_image_embedding

    torch.testing.assert_close(
        run(long, networks.TOKENS), run(short, prior.WINDOW), atol=1e-5, rtol=1e-4
    )


def test_commands_name_every_stage(capsys):
    wanted = "judge clip movq movq-decoder prior decoder-2.2 inpaint-2.2 depth-2.2"
    wanted += " text-2.1 decoder-2.1 inpaint-2.1 text-3 decoder-3"
    assert list(STAGES) == wanted.split()
    with pytest.raises(SystemExit) as stopped:
        main(["no-such-stage"])
    assert stopped.value.code == 2
    assert "decoder-2.2" in capsys.readouterr().err


def test_a_new_stage_is_one_row_and_one_loss(tmp_path, monkeypatch):
    """It trains, begins with another's weights, keeps what is frozen, lands and is recorded."""

    def loss(data, plan):
        return lambda m, generator: (m(torch.ones_like(m.weight)).square().mean(), {})

    def land(stage, network, data):
        file = data.weights / "toy.txt"
        file.write_text(f"{network.weight.item():.4f} {network.bias.item():.4f}", "utf-8")
        return [file]

    def start(network, data, plan):
        nn.init.ones_(network.weight)
        nn.init.ones_(network.bias)

    def network(size):
        return nn.Linear(1, 1)

    first = Stage(network, loss, {"rate": 1e-2}, prepare=start)
    monkeypatch.setitem(STAGES, "first", first)
    toy = Stage(network, loss, {"ema": 0.0}, begins="first", frozen=("bias",), land=land)
    monkeypatch.setitem(STAGES, "toy", toy)
    folders = ["--folder", str(tmp_path), "--weights", str(tmp_path / "weights")]
    for name in ("first", "toy"):
        assert main([name, "--steps", "3", "--scenes", "12", *folders]) == 0
    weight, bias = (tmp_path / "weights" / "toy.txt").read_text("utf-8").split()
    assert float(bias) == pytest.approx(
        loop.average_weights(tmp_path, "first")["bias"].item(), abs=1e-4
    )
    assert float(weight) < loop.average_weights(tmp_path, "first")["weight"].item()
    kept = json.loads((tmp_path / "weights" / "training.json").read_text("utf-8"))
    assert kept["toy"]["began"].startswith("first (3 steps")


def test_a_plan_is_not_changed_by_training(tmp_path):
    plan = loop.Plan("test", tmp_path, steps=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.rate = 1.0
    assert plan.rate_at(0, 0.0) == plan.rate / plan.warmup
    assert plan.rate_at(plan.warmup, 1.0) == pytest.approx(0, abs=1e-9)
    assert [round(plan.ema_at(step), 3) for step in (0, 90, 10**6)] == [0.1, 0.91, plan.ema]


def test_the_rate_is_held_until_it_falls(tmp_path):
    whole = loop.Plan("test", tmp_path)
    late = dataclasses.replace(whole, fall=0.2)
    half, end = (late.rate_at(10**6, progress) for progress in (0.8, 1.0))
    assert half == late.rate and end == pytest.approx(0, abs=1e-9)
    assert late.rate_at(10**6, 0.9) == pytest.approx(whole.rate_at(10**6, 0.5))
    assert whole.rate_at(10**6, 0.0) == whole.rate > whole.rate_at(10**6, 0.3)


def test_a_share_of_the_steps_takes_the_smaller_pictures():
    taken = []
    loss = mixed_loss(lambda m, g: taken.append(128), lambda m, g: taken.append(64), 0.25)
    for step in range(400):
        loss(nn.Identity(), torch.Generator().manual_seed(step))
    assert 70 < taken.count(64) < 130 and taken.count(128) == 400 - taken.count(64)


def test_crispness_asks_for_edges_wherever_they_stand():
    stripes = torch.zeros(1, 3, 32, 32)
    stripes[..., ::4] = 1.0
    inside = np.full((1, 32, 32), 255, np.uint8)

    def crispness(drawn):
        _, figures = movq._picture_loss(drawn, stripes, inside, torch.tensor([0]))
        return figures["crispness"]

    blurred = nn.functional.avg_pool2d(stripes, 3, 1, 1)
    assert crispness(stripes) == 0
    assert crispness(stripes.roll(1, -1)) < 0.2 * crispness(blurred)


NAMES = ("movq-decoder", "decoder-2.2", "inpaint-2.2", "depth-2.2", "decoder-3")


def test_a_stage_needs_only_what_stands_before_it():
    order = list(STAGES)
    for name, stage in STAGES.items():
        assert all(order.index(need) < order.index(name) for need in stage.needs)
        assert stage.begins is None or stage.begins in stage.needs
    assert {*NAMES, "decoder-2.1", "inpaint-2.1"} == set(GROUPS["decoders"])
    minutes = queue.minutes_of(NAMES, 26)
    assert sum(minutes.values()) == pytest.approx(26)
    assert minutes["decoder-2.2"] == 4 * minutes["depth-2.2"]


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_queue_keeps_the_order_and_fills_its_lanes(lanes):
    begun, ended, landed, beside = [], [], [], []

    def train(stage):
        begun.append(stage)
        beside.append(len(begun) - len(ended))
        assert set(STAGES[stage].needs) & set(NAMES) <= set(ended)
        if stage in NAMES[:2] and lanes == 2:
            meeting.wait(timeout=60)  # both of them are in training
        ended.append(stage)
        return True

    def land(stage):
        assert "movq-decoder" in ended
        landed.append(stage)

    meeting = threading.Barrier(2)
    assert queue.train_all(NAMES, train, land, lanes) == dict.fromkeys(NAMES, True)
    assert sorted(landed) == sorted(ended) == sorted(NAMES) and max(beside) == lanes


def test_what_needs_a_failed_stage_is_left_out():
    begun, landed = [], []

    def train(stage):
        begun.append(stage)
        return stage != "decoder-2.2"

    done = queue.train_all(NAMES, train, landed.append)
    assert begun == ["movq-decoder", "decoder-2.2", "decoder-3"]
    assert [name for name, well in done.items() if well] == landed == [begun[0], begun[2]]


def test_a_stage_of_a_queue_is_a_process(monkeypatch):
    for program, well in (("true", True), ("false", False)):
        monkeypatch.setattr(queue.sys, "executable", shutil.which(program))
        assert queue.Processes().train("judge", "--steps", "1") is well


def test_a_queue_trains_128_px_from_the_command_line(tmp_path, monkeypatch):
    """Two steps of two stages, from the landed weights, as a queue types them."""
    weights = tmp_path / "weights"
    shutil.copytree(names.WEIGHTS, weights, copy_function=os.symlink)
    seen = []

    def train(self, stage, *words):
        seen.append([stage, *words])
        return main([stage, *words]) == 0

    monkeypatch.setattr(queue.Processes, "train", train)
    folders = ["--folder", str(tmp_path / "training"), "--weights", str(weights)]
    words = ["--size", "128", "--steps", "2", "--batch", "2", "--scenes", "12"]
    words += ["--begin", "landed", "--side-by-side", "1", "--threads", "1", *folders]
    assert main(["depth-2.2", "movq-decoder", *words]) == 0
    assert [each[0] for each in seen] == ["movq-decoder", "depth-2.2"]
    painted = {path.name.split("-", 2)[2] for path in tmp_path.glob("*/pictures-*.npy")}
    assert painted == {"64-12.npy", "128-12.npy"}
    kept = json.loads((weights / "training.json").read_text("utf-8"))
    assert kept["depth-2.2"]["began"].startswith("what had landed (")
    # The MoVQ lands in every folder that has one, as one file; a UNet knows its own size.
    landed = {path: path.read_bytes() for path in weights.glob("*/movq/*.safetensors")}
    assert len(landed) == 7 and len(set(landed.values())) == 1  # Kandinsky 3's lies there twice
    before = load_file(names.WEIGHTS / names.DECODER / "movq" / MOVQ_FILE)
    after = load_file(next(iter(landed)))
    changed = {k.split(".")[0] for k, v in before.items() if not torch.equal(v, after[k])}
    assert changed == {"decoder", "post_quant_conv"}
    for name, side in ((names.DEPTH, 128), (names.KANDINSKY_3, 64)):
        config = json.loads((weights / name / "movq" / "config.json").read_text("utf-8"))
        assert config["sample_size"] == side
    config = json.loads((weights / names.DEPTH / "unet" / "config.json").read_text("utf-8"))
    assert config["sample_size"] == 16
    for name in (names.DEPTH, names.KANDINSKY_3, names.INPAINT_21):
        integrity.check_folder(weights / name)
    assert (weights / names.DEPTH / "README.md").exists()


def test_what_is_not_landed_is_not_recorded(tmp_path):
    """A later landing, in another process, still says on what the stage was trained."""
    record_file = tmp_path / "weights" / "training.json"
    folders = ["--folder", str(tmp_path), "--weights", str(tmp_path / "weights")]
    words = ["movq", "--scenes", "12", *folders]
    before = torch.get_num_threads()
    try:
        assert main([*words, "--steps", "1", "--threads", "1", "--no-land"]) == 0
    finally:
        torch.set_num_threads(before)
    assert not record_file.exists()
    assert main([*words, "--land"]) == 0
    kept = json.loads(record_file.read_text("utf-8"))["movq"]
    assert kept["steps"] == 1 and kept["hardware"] == "1 CPU thread"


def test_first_stage_trains_from_the_command_line(tmp_path):
    folders = ["--folder", str(tmp_path), "--weights", str(tmp_path / "weights")]
    assert main(["movq", "--steps", "2", "--scenes", "12", "--threads", "1", *folders]) == 0
    kept = json.loads((tmp_path / "weights" / "training.json").read_text("utf-8"))
    assert kept["movq"]["steps"] == 2 and kept["movq"]["loss"] > 0
    weights = loop.average_weights(tmp_path, "movq")
    model = networks.movq()
    model.load_state_dict(weights)
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_two_trainings_of_one_stage_do_not_share_a_folder(tmp_path, capsys):
    folders = ["--folder", str(tmp_path), "--weights", str(tmp_path / "weights")]
    short = ["movq", "--steps", "1", "--scenes", "12", "--threads", "1", *folders]
    with loop.alone("movq", tmp_path):
        with pytest.raises(SystemExit) as stopped:
            main(short)
        assert stopped.value.code == 2
        assert "being trained" in capsys.readouterr().err
        assert not list(tmp_path.glob("*.npy"))  # refused before anything was rendered
        with loop.alone("judge", tmp_path):
            pass  # another stage is no hindrance
    assert main(short) == 0


def test_a_killed_training_leaves_no_lock(tmp_path):
    code = """
import os, sys
from pathlib import Path
from kandi_nb.mini.training import loop
lock = loop.alone("movq", Path(sys.argv[1]))
lock.__enter__()
os._exit(9)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=120)
    assert done.returncode == 9
    with loop.alone("movq", tmp_path):
        pass
