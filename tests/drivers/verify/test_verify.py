"""A verification says of a good model that it works, and names what is wrong with others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from kandi_nb.cli import main
from kandi_nb.drivers.verify import verify as module
from kandi_nb.drivers.verify.rows import RANDOM, WRONG, without_paths
from kandi_nb.drivers.verify.verify import CHECKS, verify
from kandi_nb.mini.export import export
from kandi_nb.words.errors import KandiError

PRIOR, DECODER = "kandinsky-2-2-prior", "kandinsky-2-2-decoder"
WEIGHTS = "diffusion_pytorch_model.safetensors"
FEW = ("files", "weights", "scheduler", "MoVQ", "languages")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A folder of 2.2 without checksums, as somebody's own model."""
    root = tmp_path_factory.mktemp("export")
    export(root / "all")
    source = root / "all" / "kandinsky-community"
    for name in (PRIOR, DECODER):
        shutil.copytree(source / name, root / "mine" / name)
        (root / "mine" / name / "SHA256SUMS").unlink(missing_ok=True)
    return root / "mine"


@pytest.fixture
def few(monkeypatch):
    """Only the checks that look for damage."""
    monkeypatch.setattr(module, "CHECKS", {name: CHECKS[name] for name in FEW})


def changed(file, change):
    weights = load_file(file)
    change(weights)
    save_file(weights, file, {"format": "pt"})


def nan(file):
    changed(file, lambda held: next(iter(held.values())).view(-1)[:1].fill_(float("nan")))


def unet(folder):
    return min((folder / DECODER / "unet").glob("*.safetensors"))


def noise(file, part):
    def spoil(held):
        generator = torch.Generator().manual_seed(0)
        for name, weight in held.items():
            if name.startswith(part):
                drawn = torch.randn(weight.shape, generator=generator)
                weight.copy_(drawn * weight.float().std().nan_to_num(0.1))

    changed(file, spoil)


def turned(file):
    """Let a prior imagine embeddings in which each number stands in another one's place."""

    def turn(held):
        for name in ("proj_to_clip_embeddings.weight", "proj_to_clip_embeddings.bias"):
            held[name] = held[name].roll(7, 0).contiguous()

    changed(file, turn)


def rewritten(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | values))


DAMAGES = {
    "NaN in the UNet": (lambda f: nan(unet(f)), "model", "unet"),
    "NaN in MoVQ": (lambda f: nan(f / DECODER / "movq" / WEIGHTS), "model", "movq"),
    "NaN in the prior": (lambda f: nan(f / PRIOR / "prior" / WEIGHTS), "model", "prior"),
    "a prior of another CLIP": (
        lambda f: turned(f / PRIOR / "prior" / WEIGHTS),
        "pictures and prompts",
        "of",
    ),
    "a spoiled prior": (
        lambda f: noise(f / PRIOR / "prior" / WEIGHTS, "transformer_blocks"),
        "pictures and prompts",
        "of",
    ),
    "MoVQ's decoder": (
        lambda f: noise(f / DECODER / "movq" / WEIGHTS, "decoder"), "MoVQ", "dB",
    ),
    "MoVQ's encoder": (
        lambda f: noise(f / DECODER / "movq" / WEIGHTS, "encoder"), "MoVQ", "dB",
    ),
    "another prediction": (
        lambda f: rewritten(
            f / DECODER / "scheduler" / "scheduler_config.json", prediction_type="v_prediction"
        ),
        "scheduler of decoder", "v_prediction",
    ),
    "other betas": (
        lambda f: rewritten(
            f / DECODER / "scheduler" / "scheduler_config.json", beta_end=0.02
        ),
        "scheduler of decoder", "beta_end 0.02",
    ),
    "a file cut short": (
        lambda f: unet(f).write_bytes(unet(f).read_bytes()[:-1000]),
        "model", "unet",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_model_is_caught_by_name(good, few, tmp_path, damage):
    spoil, what, seen = DAMAGES[damage]
    folder = tmp_path / "mine"
    shutil.copytree(good, folder)
    spoil(folder)
    found = verify(folder, tmp_path / "report", quick=True)
    assert [row for row in found.wrong if row["what"] == what and seen in row["seen"]], found
    assert "wrong: " in found.note
    assert str(tmp_path) not in (tmp_path / "report" / "report.json").read_text("utf-8")


def test_ten_damages_are_tried():
    assert len(DAMAGES) == 10


def test_a_good_model_keeps_every_promise_and_the_report_tells_nobody_where(good, tmp_path):
    heard = []
    found = verify(good, tmp_path / "report", quick=True, progress=heard.append)
    assert found.wrong == [] and heard == ["loading", *CHECKS]
    assert {row["check"] for row in found} == set(CHECKS)
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    assert report["model"]["key"] == "a folder of 2.2"
    text = json.dumps(report) + (tmp_path / "report" / "report.html").read_text("utf-8")
    assert str(tmp_path) not in text and "mine" not in text
    shown = [name for row in found for name in row["pictures"]]
    assert len(shown) >= 7 and all((tmp_path / "report" / name).is_file() for name in shown)
    # Called again, it goes on: nothing is drawn, and the findings are the same.
    heard.clear()
    again = verify(good, tmp_path / "report", quick=True, progress=heard.append)
    assert heard == ["loading", "weights"] and again.rows == found.rows


def test_a_verification_that_was_stopped_goes_on(good, few, tmp_path, monkeypatch):
    def stopped(trial):
        raise KeyboardInterrupt

    halves = {**module.CHECKS, "MoVQ": stopped}
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(module, "CHECKS", halves)
        verify(good, tmp_path, quick=True)
    heard = []
    assert verify(good, tmp_path, quick=True, progress=heard.append).wrong == []
    assert heard == ["loading", "weights", "MoVQ", "languages"]


@pytest.mark.parametrize("folder", ["tiny_folder", "tiny21_folder"])
def test_of_random_weights_it_tells_what_can_be_told(folder, request, tmp_path):
    found = verify(request.getfixturevalue(folder), tmp_path, quick=True)
    assert found.wrong == [], found
    verdicts = {row["what"]: row["verdict"] for row in found}
    assert verdicts["MoVQ"] == RANDOM and verdicts["training"] == "cannot tell"
    assert verdicts["generate"] == verdicts["same seed"] == "as promised"


def test_a_folder_of_3_is_read_too(tiny3_folder, tmp_path, monkeypatch):
    """Without drawing: its native 1024 pixels take minutes here."""
    quick = {name: CHECKS[name] for name in ("files", "weights", "scheduler")}
    monkeypatch.setattr(module, "CHECKS", quick)
    found = verify(tiny3_folder, tmp_path)
    assert [row["what"] for row in found.wrong] == ["scheduler of decoder"], "it has 2.2's"
    assert any(row["verdict"] == "cannot tell" for row in found)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(KandiError, match="unknown model"):
        verify("nothing-like-it", tmp_path)
    (tmp_path / "report.json").write_text("{}")
    with pytest.raises(KandiError, match="no report"):
        verify("mini-2.2", tmp_path)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/ann/m/unet: its file is short", "…/unet: its file is short"),
        (r"C:\Users\ann\m is broken", "… is broken"),
        ("copy ./evil/plain again", "copy … again"),
        ("12 / 3, and 0.5 : 0.7", "12 / 3, and 0.5 : 0.7"),
    ],
)
def test_paths_are_left_out(text, left):
    assert without_paths(text) == left


def test_the_command_says_where_the_report_is_and_fails_for_a_wrong_model(
    good, few, tmp_path, capsys
):
    words = ["verify", str(good), "--quick", "--out", str(tmp_path / "report")]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "report.html" in said.out and "verdict" in said.out.splitlines()[0]
    assert "MoVQ …" in said.err
    broken = tmp_path / "broken"
    shutil.copytree(good, broken)
    noise(broken / DECODER / "movq" / WEIGHTS, "decoder")
    assert main([*words[:1], str(broken), *words[2:]]) == 1
    assert "wrong: MoVQ" in capsys.readouterr().out


DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("model", ["mini-2.1", "mini-2.2", "mini-3"])
def test_docs_have_an_example_of_each_bundled_model(model):
    text = (DOCS / f"verify-{model}.md").read_text("utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert {row[0].removeprefix("| ") for row in rows} == set(CHECKS), "a row of every check"
    assert not [row for row in rows if row[-1].startswith(WRONG)], "nothing wrong"
    with Image.open(DOCS / f"verify-{model}.png") as sheet:
        assert sheet.width <= 1000 and sheet.height <= 600
    for page in ("README.md", "published.md"):
        assert f"(verify-{model}.md)" in (DOCS / page).read_text("utf-8")
