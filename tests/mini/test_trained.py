"""A later stage starts from a checkpoint, or from what has landed, and says what is missing."""

from __future__ import annotations

import hashlib
import json
import types
from pathlib import Path

import pytest
import torch

import kandi_nb as kn
from kandi_nb.mini import names
from kandi_nb.mini.training import loop, networks
from kandi_nb.mini.training.data import Data
from kandi_nb.mini.training.stages import CHECKPOINTS, STAGES
from kandi_nb.mini.training.store import assemble, export
from kandi_nb.mini.training.store.trained import Trained
from kandi_nb.words.files import replace_folder


def test_landed_weights_fill_their_modules(tmp_path):
    modules = {
        "movq": networks.movq(),
        "decoder-2.2": networks.unet(),
        "decoder-2.1": STAGES["decoder-2.1"].network(64),
    }
    for stage, module in modules.items():
        weights = Trained(tmp_path).weights_of(stage)
        module.load_state_dict(weights)
        assert {v.dtype for v in weights.values()} == {torch.float32}
    for stage in ("text-2.1", "text-3"):
        encoder = Trained(tmp_path).encoder(stage)
        assert not any(p.requires_grad for p in encoder.parameters())
    text, vision = Trained(tmp_path).clip_towers()
    assert text.config.projection_dim == vision.config.projection_dim == networks.EMBEDDING


def test_a_checkpoint_comes_before_what_has_landed(tmp_path):
    torch.manual_seed(0)
    plan = loop.Plan("decoder-2.2", tmp_path, steps=1)

    def loss(model, generator):
        return sum(p.float().mean() for p in model.parameters()), {}

    learned = loop.train(plan, networks.unet(), loss).state_dict()
    weights = Trained(tmp_path).weights_of("decoder-2.2")
    assert all(torch.equal(weights[name], weight) for name, weight in learned.items())


@pytest.mark.parametrize("stage", ["judge", "movq-decoder", "inpaint-2.2", "inpaint-2.1"])
def test_a_stage_begins_with_what_has_landed(stage, tmp_path, monkeypatch):
    """The first pass of ``--begin landed`` runs on the landed weights, but for frozen parts."""
    from kandi_nb.mini.training import train

    class Seen(Exception):
        pass

    def look(plan, module, loss_of):
        raise Seen(plan, module)

    monkeypatch.setattr(train.loop, "train", look)
    words = [stage, "--scenes", "40", "--folder", str(tmp_path)]
    with pytest.raises(Seen) as anew:
        train.main(words)
    with pytest.raises(Seen) as landed:
        train.main([*words, "--begin", "landed"])
    plan, other = anew.value.args[0], landed.value.args[0]
    assert other.rate == plan.rate / 2
    assert other.began.startswith("what had landed (")  # and how long that was trained
    start = {"movq-decoder": "movq ("}
    start |= {"inpaint-2.2": "decoder-2.2 (", "inpaint-2.1": "decoder-2.1 ("}
    start = start.get(stage)
    assert plan.began is None if start is None else plan.began.startswith(start)
    wanted = Trained(tmp_path).landed_weights(stage)
    before, after = (dict(seen.value.args[1].state_dict()) for seen in (anew, landed))
    assert set(after) == set(wanted)
    assert all(torch.equal(weight, wanted[name]) for name, weight in after.items())
    changed = [name for name, weight in after.items() if not torch.equal(weight, before[name])]
    assert bool(changed) == (stage != "movq-decoder")  # which always begins with the MoVQ


def test_what_a_stage_does_not_train_stays_as_it_is(tmp_path):
    unet = STAGES["depth-2.2"].network(64)
    unet.mid_block.requires_grad_(False)
    before = {k: v.clone() for k, v in unet.mid_block.state_dict().items()}
    Trained(tmp_path).begin(unet, "depth-2.2")
    assert all(torch.equal(v, before[k]) for k, v in unet.mid_block.state_dict().items())
    wanted = Trained(tmp_path).landed_weights("depth-2.2")["conv_in.weight"]
    assert torch.equal(unet.conv_in.weight, wanted)


def test_what_cannot_be_begun_with_is_refused(tmp_path, capsys):
    from kandi_nb.mini.training.train import main

    with pytest.raises(SystemExit) as stopped:
        main(["prior", "--begin", "landed", "--scenes", "40", "--folder", str(tmp_path)])
    assert stopped.value.code == 2
    assert "stage prior has nothing" in capsys.readouterr().err
    with pytest.raises(kn.KandiError, match="nothing"):
        Trained(tmp_path, tmp_path).begin(networks.movq(), "movq")
    with pytest.raises(kn.KandiError, match="does not fit"):
        Trained(tmp_path).begin(networks.movq(), "judge")


def test_a_missing_stage_is_named_with_its_command(tmp_path):
    for stage in ("decoder-2.2", "text-3"):
        with pytest.raises(kn.KandiError, match=f"train {stage}"):
            Trained(tmp_path, tmp_path).weights_of(stage)


def test_commands_say_in_one_line_what_is_missing(tmp_path, capsys):
    from kandi_nb.mini.evaluation import command
    from kandi_nb.mini.training.train import main

    folders = ["--folder", str(tmp_path), "--weights", str(tmp_path)]
    with pytest.raises(SystemExit) as stopped:
        main(["depth-2.2", "--scenes", "20", "--steps", "1", *folders])
    assert stopped.value.code == 2
    assert "has to come first" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["depth-2.2", "--scenes", "20", "--land", *folders])
    assert stopped.value.code == 2
    assert "no checkpoint of depth-2.2" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        command.main(["kandinsky-2-2-decoder", "kandinsky-4", "--weights", str(tmp_path)])
    assert stopped.value.code == 2
    assert "unknown checkpoint 'kandinsky-4'" in capsys.readouterr().err


def test_the_landed_movq_lands_again_byte_for_byte(tmp_path):
    data = Data(tmp_path / "training", count=10)
    unet = STAGES["depth-2.2"].network(64)
    checkpoint = CHECKPOINTS[names.DEPTH]
    saved = assemble.save_decoder(checkpoint, unet, export.movq(data), weights=tmp_path)

    def digest(folder):
        file = folder / "movq" / "diffusion_pytorch_model.safetensors"
        return hashlib.sha256(file.read_bytes()).hexdigest()

    assert digest(saved) == digest(names.WEIGHTS / names.DECODER)


@pytest.mark.parametrize("stage", ["prior", "depth-2.2", "decoder-2.1", "decoder-3"])
def test_a_stage_trains_and_lands_from_a_fresh_clone(stage, tmp_path):
    """From the command line, with an empty training folder: two steps, then a whole folder."""
    import shutil

    from kandi_nb.mini.training.train import main

    weights = tmp_path / "weights"
    shutil.copytree(names.WEIGHTS, weights)
    made = {
        "prior": names.PRIOR,
        "depth-2.2": names.DEPTH,
        "decoder-2.1": names.DECODER_21,
        "decoder-3": names.KANDINSKY_3,
    }
    folder = weights / made[stage]
    trained_part = "prior" if stage == "prior" else "unet"
    before = _bytes(folder / trained_part)
    words = [stage, "--steps", "2", "--scenes", "40", "--threads", "1"]
    words += ["--folder", str(tmp_path / "training"), "--weights", str(weights)]
    assert main(words) == 0
    assert _bytes(folder / trained_part) != before
    ours = {p.relative_to(folder) for p in folder.rglob("*") if p.is_file()}
    landed = names.WEIGHTS / folder.name
    assert ours == {p.relative_to(landed) for p in landed.rglob("*") if p.is_file()}
    for part in ours:
        same = part.parts[0] in ("movq", "text_encoder", "scheduler")
        same |= part.parts[0] == "tokenizer" and stage != "prior"  # CLIP's is written anew
        if same or "00002-of" in part.name:  # the shard that the decoders of 2.2 share
            assert (folder / part).read_bytes() == (landed / part).read_bytes(), part


@pytest.fixture
def tiny_pipeline():
    """A pipeline that is nothing but its index."""

    def save(folder, **_):
        folder.mkdir(parents=True)
        (folder / "model_index.json").write_text('{"new": 1}', "utf-8")

    return types.SimpleNamespace(components={}, save_pretrained=save)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [0, 1])
def test_an_interrupted_landing_loses_nothing(
    number, when, tmp_path, tiny_pipeline, monkeypatch
):
    folder, rename, renamed = tmp_path / names.DECODER, Path.rename, []
    folder.mkdir()
    (folder / "model_index.json").write_text('{"old": 1}', "utf-8")
    (folder / "README.md").write_text("mine", "utf-8")

    def interrupted(path, target):
        renamed.append(path)
        now = len(renamed) == number + 1
        if now and when == "before":
            raise KeyboardInterrupt
        rename(path, target)
        if now:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", interrupted)
        with pytest.raises(KeyboardInterrupt):
            assemble._save_pipeline(tiny_pipeline, folder)
    stands = "new" if (number, when) == (1, "after") else "old"
    assert json.loads((folder / "model_index.json").read_text("utf-8")) == {stands: 1}
    assert (folder / "README.md").read_text("utf-8") == "mine"
    assemble._save_pipeline(tiny_pipeline, folder)
    assert json.loads((folder / "model_index.json").read_text("utf-8")) == {"new": 1}
    assert {path.name for path in tmp_path.iterdir()} <= {folder.name, ".lock"}


def test_what_a_killed_landing_left_comes_back_with_the_next(tmp_path):
    folder, fresh = tmp_path / names.DECODER, tmp_path / "fresh"
    waiting = tmp_path / ".replaced" / folder.name
    waiting.mkdir(parents=True)
    (waiting / "old").touch()
    with pytest.raises(FileNotFoundError):
        replace_folder(fresh, folder)  # there is none
    assert (folder / "old").exists() and not waiting.parent.exists()
    fresh.mkdir()
    (fresh / "new").touch()
    replace_folder(fresh, folder)
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def _bytes(folder):
    return [path.read_bytes() for path in sorted(folder.glob("*.safetensors"))]
