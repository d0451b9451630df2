"""What an error concerns is said by the error itself, and every door uses it."""

from __future__ import annotations

import pytest
from PIL import Image

import kandi_nb as kn
from kandi_nb import cli
from kandi_nb.drivers.batches.rows.runs import Runs, task_call
from kandi_nb.words.errors import KandiError

QUICK = kn.Params("a fox", steps=2, prior_steps=2)
RED = Image.new("RGB", (64, 64), "red")
SMALL = Image.new("L", (32, 32), 255)
FAULTS = {
    "an image that is not there": (kn.edit, {"image": "none.png"}, "image"),
    "no image in a list": (kn.edit, {"image": []}, "image"),
    "a mask of another size": (kn.inpaint, {"image": RED, "mask": SMALL}, "mask"),
    "a mask that is not there": (kn.inpaint, {"image": RED, "mask": "none.png"}, "mask"),
    "a mask that repaints nothing": (
        kn.inpaint,
        {"image": RED, "mask": Image.new("L", (64, 64))},
        "mask",
    ),
    "a way to join": (
        kn.inpaint,
        {"image": RED, "mask": kn.rectangle(RED, (0, 0, 9, 9)), "join": "glue"},
        "join",
    ),
    "a depth that is flat": (kn.generate, {"depth": SMALL}, "depth"),
    "a depth of another size": (
        kn.edit,
        {"image": RED, "depth": Image.linear_gradient("L").resize((32, 32))},
        "depth",
    ),
    "no side": (kn.outpaint, {"image": RED}, "left"),
    "a side": (kn.outpaint, {"image": RED, "top": -1}, "top"),
    "an aspect": (kn.outpaint, {"image": RED, "aspect": "wide"}, "aspect"),
    "a size": (kn.outpaint, {"image": RED, "size": 7}, "size"),
    "a size that is smaller": (kn.outpaint, {"image": RED, "size": (9, 9)}, "size"),
    "a factor": (kn.upscale, {"image": RED, "factor": 9}, "factor"),
    "latents": (kn.generate, {"latents": [[1.0]]}, "latents"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_names_the_input_that_it_concerns(tiny_roles, fault):
    task, inputs, name = FAULTS[fault]
    with pytest.raises(KandiError) as raised:
        task(tiny_roles, QUICK, **inputs)
    assert raised.value.about == name


def test_an_error_names_the_setting_that_it_concerns(tiny_roles):
    with pytest.raises(KandiError) as raised:
        kn.generate(tiny_roles, kn.Params(steps=2))
    assert raised.value.about == "prompt"
    with pytest.raises(KandiError) as raised:
        kn.Params("a fox", prior_steps=1)
    assert raised.value.about == "prior_steps"
    with pytest.raises(KandiError) as raised:
        Runs([{"prompt": "a fox", "steps": 0}], task_call("generate")).check()
    assert raised.value.about == "steps" and str(raised.value).startswith("run 1: steps")


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["draw", "a fox", "--prior-steps", "1"], "--prior-steps"),
        (["draw", "a fox", "--prior-seed", "x"], "--prior-seed"),
        (["draw", ""], None),
        (["upscale", "red.png", "a fox", "--factor", "9"], "--factor"),
        (["inpaint", "red.png", "a fox", "--mask", "none.png"], "--mask"),
    ],
)
def test_the_command_names_the_option(capsys, monkeypatch, tmp_path, words, option):
    monkeypatch.chdir(tmp_path)
    RED.save("red.png")
    assert cli.main(words) == 2
    line = capsys.readouterr().err.strip()
    assert line.endswith(f"({option})") if option else not line.endswith(")")


def test_a_service_and_its_client_hand_it_on(tiny_roles):
    import httpx

    with kn.serve(tiny_roles) as service:
        body = {"prompt": "a fox", "steps": 5000}
        answer = httpx.post(f"{service.url}/generate", json=body, trust_env=False)
        assert answer.status_code == 422 and answer.json()["param"] == "steps"
        client = kn.Client(service.url)
        with pytest.raises(KandiError, match="steps is at most 200 here") as raised:
            kn.generate(client, QUICK.replace(steps=999), progress=False)
        assert raised.value.about == "steps"
