"""Options measured in fresh processes: what goes there, what comes back, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.measure import trials
from kandi_nb.drivers.remote import transfer
from kandi_nb.words.embedding import Embedding
from kandi_nb.words.errors import KandiError

QUICK = kn.Params("a fox", steps=2, prior_steps=2)


def there_and_back(folder, **inputs):
    text = json.dumps(transfer.pack(inputs, folder))
    return transfer.unpack(json.loads(text), folder)


def test_inputs_arrive_as_they_were(tmp_path):
    picture = Image.fromarray(np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3))
    embedding = Embedding(torch.randn(2, 5), ("a", "b"), ({}, {}), "model", "mark")
    latents = torch.randn(1, 4, 8, 8)
    back = there_and_back(
        tmp_path,
        image=[picture, picture],
        mask=kn.rectangle(picture, (0, 0, 8, 8)),
        embedding=embedding,
        latents=latents,
        items=["a cat", QUICK],
        right=64,
        prompts=None,
    )
    assert [np.array_equal(one, picture) for one in back["image"]] == [True, True]
    assert back["mask"].area == kn.rectangle(picture, (0, 0, 8, 8)).area
    assert torch.equal(back["embedding"].tensor, embedding.tensor)
    assert back["embedding"].names == ("a", "b")
    assert torch.equal(back["latents"], latents)
    assert back["items"] == ["a cat", QUICK]
    assert (back["right"], back["prompts"]) == (64, None)
    assert not list(tmp_path.glob("*.pkl"))


def test_masks_and_maps_are_read_before_they_go(tmp_path):
    """As pictures their numbers would be read by another rule, or not at all."""
    levels = np.array([[0, 1000], [2000, 4095]], np.uint16)
    for mask in (levels, torch.from_numpy(levels), Image.fromarray(levels)):
        with pytest.warns(kn.KandiWarning, match="is read as 12 bits"):
            back = there_and_back(tmp_path, mask=mask, depth=mask)
        assert back["mask"].array.tolist() == [[0, 62], [125, 255]]
        assert np.asarray(back["depth"])[..., 0].tolist() == [[0, 62], [125, 255]]
    with pytest.raises(KandiError, match="neither 0…255 nor 0…65535"):
        transfer.pack({"depth": levels * 2}, tmp_path)
    numbers = np.ones((1, 4, 8, 8), np.float16)
    assert there_and_back(tmp_path, latents=numbers)["latents"].shape == (1, 4, 8, 8)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(KandiError, match="callback goes to another process as a file"):
        transfer.pack({"callback": print}, tmp_path)


def test_a_plan_is_measured_in_a_process_of_its_own(tiny_folder):
    """Two real processes: the same pixels, less memory or time, and what needs a GPU."""
    plans = ["resident", "prior-first", "model-offload"]
    table = kn.bench(kn.generate, tiny_folder, QUICK, repeats=1, memory=plans)
    reference, first, offload = table
    assert [row["memory"] for row in table] == plans
    assert reference["effect"] == "reference"
    assert (first["drift"], first["drift_most"]) == (0, 0)
    assert first["plan"] == "prior-first" and first["seconds"] > 0 < first["peak_mb"]
    assert offload["effect"] == "not run here: needs an NVIDIA GPU"
    assert offload["seconds"] is offload["peak_mb"] is offload["drift"] is None
    assert "the first row is the reference" in repr(table)
    assert kn.plot(table, x="seconds", y="peak_mb", label="memory").axes


@pytest.fixture
def measured(monkeypatch):
    """Stand in for the processes: measured(rows of each, in turn)."""

    def stand_in(*rows):
        left = iter(rows)

        def row(job, chosen, folder, device):
            folder.mkdir()
            value = dict(next(left))
            if (shade := value.pop("shade", None)) is not None:
                Image.new("RGB", (8, 8), (shade,) * 3).save(folder / "0000-0000.png")
                value["pictures"] = [folder / "0000-0000.png"]
            return [value]

        monkeypatch.setattr(trials, "_rows_of_trial", row)

    return stand_in


USUAL = {"seconds": 1.0, "fastest": 1.0, "peak_mb": 100.0, "shade": 10}


@pytest.mark.parametrize(
    ("change", "effect"),
    [
        ({}, "does nothing"),
        ({"fastest": 1.1, "peak_mb": 103}, "does nothing"),
        ({"fastest": 1.5}, "slower"),
        ({"fastest": 0.5, "peak_mb": 80}, "less memory, quicker"),
        ({"peak_mb": 130, "shade": 14}, "other pixels, more memory"),
    ],
)
def test_an_option_that_does_nothing_is_called_so(measured, change, effect):
    measured(USUAL, USUAL | change)
    table = kn.bench(kn.generate, "mini-2.2", QUICK, threads=[1, 2])
    assert [row["effect"] for row in table] == ["reference", effect]
    gap = change.get("shade", 10) - 10
    assert (table[1]["drift"], table[1]["drift_most"]) == (gap, gap)


def test_every_combination_is_measured_and_failures_are_rows(measured):
    failed = {"seconds": None, "peak_mb": None, "effect": "crashes: killed"}
    measured(USUAL, failed, USUAL, USUAL)
    table = kn.bench(kn.generate, "mini-2.2", QUICK, dtype=["fp32", "bfloat16"], threads=[1, 2])
    assert [(row["dtype"], row["threads"]) for row in table] == [
        *(("float32", 1), ("float32", 2), ("bfloat16", 1), ("bfloat16", 2))
    ]
    assert table[1]["effect"] == "crashes: killed" and table[1]["drift"] is None


def test_without_a_reference_nothing_is_compared(measured):
    measured({"seconds": None, "peak_mb": None, "effect": "refused: no"}, USUAL)
    table = kn.bench(kn.generate, "mini-2.2", QUICK, threads=[1, 2])
    assert table[1]["effect"] == "runs, but there is no reference"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memory": ["model-offload+sequential-offload"]}, "one plan at a time"),
        ({"memory": ["prior-frist"]}, "did you mean prior-first"),
        ({"memory": []}, "memory is a list of what to try"),
        ({"dtype": ["float8"]}, "unknown dtype"),
        ({"threads": [0]}, "threads are whole numbers from 1"),
        ({"threads": [True]}, "threads are whole numbers from 1"),
        ({"threads": [2.5]}, "threads are whole numbers from 1"),
    ],
)
def test_wrong_options_are_refused_before_any_process(monkeypatch, options, message):
    monkeypatch.setattr(
        trials, "_rows_of_trial", lambda *_: pytest.fail("a process was started")
    )
    with pytest.raises(KandiError, match=message) as caught:
        kn.bench(kn.generate, "mini-2.2", QUICK, **options)
    assert "\n" not in str(caught.value)


def test_only_the_packages_tasks_and_models_are_measured_so():
    with pytest.raises(KandiError, match=r"fresh processes, which know .*kn\.generate"):
        kn.bench(lambda k, params: None, "mini-2.2", QUICK, threads=[1])
    with pytest.raises(KandiError, match="unknown model 'mini-9'"):
        kn.bench(kn.generate, "mini-9", QUICK, threads=[1])


def test_points_are_named_and_the_best_are_joined():
    rows = [
        {"plan": "a", "seconds": 1, "peak_mb": 9},
        {"plan": "b", "seconds": 2, "peak_mb": 3},
        {"plan": "worse", "seconds": 3, "peak_mb": 8},
        {"plan": "not run", "seconds": None, "peak_mb": None},
    ]
    (axes,) = kn.plot(rows, x="seconds", y="peak_mb", label="plan").axes
    assert {text.get_text() for text in axes.texts} == {"a", "b", "worse"}
    (line,) = axes.lines
    assert line.get_xydata().tolist() == [[1, 9], [2, 3]]
    with pytest.raises(KandiError, match="no column 'plans'; did you mean plan"):
        kn.plot(rows, x="seconds", y="peak_mb", label="plans")
    with pytest.raises(KandiError, match="label names single points; take one"):
        kn.plot(rows, x="seconds", y="peak_mb", label="plan", by="plan")
    with pytest.raises(KandiError, match="no row has numbers in both"):
        kn.plot(rows[3:], x="seconds", y="peak_mb", label="plan")
