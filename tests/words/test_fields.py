"""The table of settings: a new row is found wherever settings are used."""

import subprocess
import sys
import textwrap

import pytest

from kandi_nb.words.errors import KandiError
from kandi_nb.words.fields import FIELDS, names_of, number_or_text

NEW_SETTING = """
    import argparse, dataclasses, types

    from kandi_nb.words import fields

    fields.FIELDS["contrast"] = fields.Setting(float, 0, 2, 1.0, "how hard the light is", 0.1)

    import kandi_nb as kn
    from kandi_nb.drivers.commands import options
    from kandi_nb.drivers.batches.queue import Queue
    from kandi_nb.drivers.batches.rows.runs import Run
    from kandi_nb.drivers.panels.state import settings as panels
    from kandi_nb.drivers.panels.form import field, read
    from kandi_nb.drivers.service.requests import settings as service
    from kandi_nb.drivers.queue.limits import Limits
    from kandi_nb.pictures.recipe import make_recipe
    from kandi_nb.tasks.job import batch_key

    plain, hard = kn.Params("a cat"), kn.Params("a cat", contrast=2)
    assert plain.contrast == 1.0 and hard.explicit == {"prompt", "contrast"}
    try:
        kn.Params("a cat", contrast=3)
    except kn.KandiError as error:
        assert "from 0 to 2" in str(error)
    else:
        raise AssertionError("out of range, and taken")

    assert "contrast" in panels.used_fields("generate", ["decoder"])
    parser = argparse.ArgumentParser()
    options.add_setting_options(parser, "generate")
    assert parser.parse_args(["--contrast", "2"]).contrast == 2
    spec = types.SimpleNamespace(key="mini-2.2")
    loaded = types.SimpleNamespace(spec=spec, options={"scheduler": "ddpm"})
    assert service.schema(loaded, Limits())["contrast"]["maximum"] == 2
    assert field("contrast", {"contrast": 1.0}, None)["high"] == 2
    assert read("contrast", "1.5") == 1.5
    more = {"task": "generate", "model": "", "size": (64, 64), "inputs": {}, "options": {}}
    recipe = make_recipe(hard, revision={}, versions={}, **more)
    assert kn.Params.from_dict(recipe["params"]) == hard

    k = types.SimpleNamespace(adapters=())
    assert batch_key(k, plain) != batch_key(k, hard)
    queue = Queue([Run(0, plain), Run(1, hard), Run(2, plain)])
    assert [run.row for run in queue.next(3)] == [0, 2]
    print("found everywhere")
"""

NEW_TASK = """
    import inspect, types

    from kandi_nb.words import tasks

    tasks.TASKS["tint"] = tasks.Task(role="edit", inputs=("image",), title="Tint")

    import kandi_nb as kn
    from kandi_nb.drivers.batches.rows.runs import every_task
    from kandi_nb.cli import parser
    from kandi_nb.drivers.panels.state.calls import call_of
    from kandi_nb.drivers.service.drawing import endpoints
    from kandi_nb.drivers.studio.studio import Studio
    from kandi_nb.tasks.checks import task
    from kandi_nb.words.models import SPECS

    @task("tint")
    def tint(k, params, *, image, progress=True, stop=None):
        return "a Result"

    assert call_of(tint).pictures == ("image",) and call_of(tint).needed == ("image",)
    assert all("tint" in row["tasks"] for row in kn.models())
    assert every_task()["tint"].title == "Tint"
    words = ["tint", "fox.png", "a cat", "--strength", "0.2"]
    options = parser().parse_args(words)
    assert (options.image, options.strength) == ("fox.png", 0.2)
    [endpoint] = [each for each in endpoints() if each.task == "tint"]
    assert endpoint.required == ("image",) and endpoint.name == "tint"
    far = types.SimpleNamespace(
        remote=print, spec=SPECS["mini-2.2"], endpoints=["/generate", "/tint"]
    )
    tabs = list(Studio(far, kn.Params(), [], None))
    assert tabs[:2] == ["generate", "tint"] and "edit" not in tabs
    assert kn.words.fields.FIELDS["strength"].used_by("tint", ["edit"])
    try:
        task("tint")(lambda k, params: None)
    except TypeError as error:
        assert "image" in str(error)
    else:
        raise AssertionError("a function that does not take the input of its row")
    print("found everywhere")
"""


@pytest.mark.parametrize("script", [NEW_SETTING, NEW_TASK], ids=["setting", "task"])
def test_what_is_added_to_a_table_is_found_everywhere(script):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True
    )
    assert done.stdout == "found everywhere\n", done.stderr


@pytest.mark.parametrize(
    ("behaviour", "names"),
    [
        ({"kind": "seed"}, ("seed", "prior_seed")),
        ({"kind": "size"}, ("width", "height")),
        ({"kind": "steps"}, ("steps", "prior_steps")),
        ({"stage": "prior"}, ("prior_steps", "prior_guidance", "prior_seed")),
        ({"varies": "picture"}, ("prompt", "negative", "seed", "prior_seed", "count")),
        ({"stage": "decoder", "varies": "picture"}, ("seed",)),
    ],
)
def test_settings_are_found_by_how_they_behave(behaviour, names):
    assert names_of(**behaviour) == names


@pytest.mark.parametrize("text", ["٣", "1_0", "1_0.5", "６４", "2.٥"])
def test_only_plain_digits_are_numbers_at_any_door(text):
    from kandi_nb.drivers.service.requests.bodies import _option
    from kandi_nb.drivers.service.requests.openai_requests import _digits, _size
    from kandi_nb.drivers.service.requests.settings import from_form
    from kandi_nb.tasks.outpaint import _ratio

    assert number_or_text(text) == text == from_form("steps", text) == _digits(text)
    assert _option("size", f"{text}x64") == f"{text}x64"
    for call in (lambda: _size({"size": f"{text}x64"}), lambda: _ratio(f"{text}:9")):
        with pytest.raises(KandiError):
            call()


def test_spaces_around_a_number_are_none_of_it():
    assert [number_or_text(text) for text in (" 7 ", "\u00a02.5", "-3", "1e3")] == [
        7, 2.5, -3, 1000.0,
    ]  # fmt: skip


def test_a_row_that_says_nothing_shares_its_value_with_the_whole_batch():
    assert {FIELDS[name].varies for name in names_of(stage="decoder")} == {"batch", "picture"}
    assert type(FIELDS["steps"])(int, 0, 1, 0, "").varies == "batch"
