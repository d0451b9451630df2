"""The training loop: resumable without a trace, and fast code that computes the same."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
import types

import pytest
import torch
from torch import nn

from kandi_nb.mini.training import loop, networks
from kandi_nb.mini.training.fast import fast_group_norm
from kandi_nb.mini.training.losses import decoder, prior
from kandi_nb.mini.training.losses.movq import fit_codebook
from kandi_nb.mini.training.stages import STAGES, Stage
from kandi_nb.mini.training.train import main


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
        return loop.began_with(plan)

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
    movq = types.SimpleNamespace(
        quantize=types.SimpleNamespace(
            embedding=nn.Embedding(networks.CODES, networks.LATENT_CHANNELS)
        )
    )
    latents = torch.randn(200, networks.LATENT_CHANNELS, 4, 4)
    assert fit_codebook(movq, latents, rounds=3) < 0.6 * latents.square().mean()


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
        return lambda model, generator: (model(torch.ones(4, 1)).square().mean(), {})

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
        loop.averaged(tmp_path, "first")["bias"].item(), abs=1e-4
    )
    assert float(weight) < loop.averaged(tmp_path, "first")["weight"].item()
    kept = json.loads((tmp_path / "weights" / "training.json").read_text("utf-8"))
    assert kept["toy"]["began"].startswith("first (3 steps")


def test_a_plan_is_not_changed_by_training(tmp_path):
    plan = loop.Plan("test", tmp_path, steps=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.rate = 1.0
    assert plan.rate_at(0, 0.0) == plan.rate / plan.warmup
    assert plan.rate_at(plan.warmup, 1.0) == pytest.approx(0, abs=1e-9)
    assert [round(plan.ema_at(step), 3) for step in (0, 90, 10**6)] == [0.1, 0.91, plan.ema]


def test_first_stage_trains_from_the_command_line(tmp_path):
    folders = ["--folder", str(tmp_path), "--weights", str(tmp_path / "weights")]
    assert main(["movq", "--steps", "2", "--scenes", "12", "--threads", "1", *folders]) == 0
    kept = json.loads((tmp_path / "weights" / "training.json").read_text("utf-8"))
    assert kept["movq"]["steps"] == 2 and kept["movq"]["loss"] > 0
    weights = loop.averaged(tmp_path, "movq")
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
