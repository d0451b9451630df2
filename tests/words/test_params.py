"""Params: every value is checked at once, with one line that names the remedy."""

import copy
import dataclasses
import doctest
import fractions
import inspect
import itertools
import json
import pickle
import warnings

import numpy as np
import pytest
from calls import refusal

from kandi_nb.pictures import diff
from kandi_nb.words import errors, fields, files, params
from kandi_nb.words.params import FIELDS, KandiWarning, Params, nearest, sweep

FOX = "a red fox in a snowy forest"


def message(call) -> str:
    text = refusal(call)
    assert len(text) < 250
    return text


def test_defaults_match_the_table_and_the_fields():
    made = Params(FOX)
    assert [f.name for f in dataclasses.fields(Params)] == list(FIELDS)
    assert len(FIELDS) == 12
    for name, setting in FIELDS.items():
        if name != "prompt":
            assert getattr(made, name) == setting.default
    assert all(setting.help for setting in FIELDS.values())


def test_signature_is_readable():
    signature = inspect.signature(Params)
    assert list(signature.parameters) == list(FIELDS)
    assert signature.parameters["steps"].default == 25


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prompt": ""}, ["prompt", "empty"]),
        ({"prompt": " \n\t"}, ["prompt", "empty"]),
        ({"prompt": 3}, ["prompt", "text", "3"]),
        ({"prompt": 7}, ["prompt", "text"]),
        ({"prompt": "fox \ud83e"}, ["prompt", "position 4"]),
        ({"negative": 3}, ["negative", "text"]),
        ({"steps": 1001}, ["steps", "1", "1000", "not 1001"]),
        ({"steps": 0}, ["steps", "not 0"]),
        ({"steps": -3}, ["steps", "not -3"]),
        ({"steps": "ten"}, ["steps", "whole number", "'ten'"]),
        ({"steps": 25.0}, ["steps", "whole number", "25.0"]),
        ({"steps": True}, ["steps", "whole number", "True"]),
        ({"steps": np.bool_(True)}, ["steps", "whole number"]),
        ({"prior_steps": 1}, ["prior_steps", "not 1"]),
        ({"guidance": float("nan")}, ["guidance", "finite", "nan"]),
        ({"guidance": float("inf")}, ["guidance", "finite"]),
        ({"guidance": 0.5}, ["guidance", "from 1 to 30"]),
        ({"guidance": True}, ["guidance", "number", "True"]),
        ({"guidance": "4"}, ["guidance", "number", "'4'"]),
        ({"guidance": np.bool_(True)}, ["guidance", "number"]),
        ({"guidance": np.array([4.0])}, ["guidance", "number"]),
        ({"strength": 0}, ["strength", "0.01"]),
        ({"strength": 1.5}, ["strength", "1.5"]),
        ({"width": 0}, ["width", "64", "4096", "None", "not 0"]),
        ({"height": 10**6}, ["height", "not 1000000"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"seed": 2**63}, ["seed"]),
        ({"seed": None}, ["seed", "None"]),
        ({"seed": 2**63 - 1, "count": 2}, ["seed", "count 2", "smaller"]),
        ({"count": 0}, ["count", "1", "64"]),
        ({"count": 65}, ["count", "65"]),
        ({"num_inference_steps": 3}, ["unknown", "did you mean steps"]),
        ({"guidance_scale": 3}, ["did you mean guidance"]),
        ({"negative_prompt": "x"}, ["did you mean negative"]),
        ({"stesp": 3}, ["did you mean steps"]),
        ({"Guidance": 3}, ["did you mean guidance"]),
        ({"zzz": 3}, ["unknown", *FIELDS]),
        ({"guidance": 10**400}, ["guidance", "from 1 to 30"]),
        ({"strength": fractions.Fraction(10**400)}, ["strength", "0.01"]),
        ({"seed": 10**5000}, ["seed", "from 0"]),
        ({"self": 1}, ["unknown setting 'self'"]),
        ({"y" * 1000: 1}, ["unknown"]),
        ({"prompt": "x" * 100_001}, ["prompt", "100,001 characters", "at most 100,000"]),
        ({"negative": "x" * 100_001}, ["negative", "100,001 characters"]),
    ],
)
def test_bad_values_are_one_clear_line(values, words):
    text = message(lambda: Params(**{"prompt": FOX, **values}))
    for word in words:
        assert word in text
    if "zzz" in values:
        assert "did you mean" not in text


def test_wrong_calls_are_one_clear_line():
    assert "steps=25" in message(lambda: Params(FOX, 25))
    assert "twice" in message(lambda: Params(FOX, prompt=FOX))
    assert len(message(lambda: Params(FOX, steps="x" * 1000))) < 200


def test_a_prompt_may_come_later_but_not_be_empty():
    assert Params(steps=3).prompt is None
    assert repr(Params(steps=3)) == "Params(steps=3)"
    assert Params(steps=3).replace(prompt=FOX) == Params(FOX, steps=3)
    assert "prompt is empty" in message(lambda: Params(" "))


def test_a_value_with_a_broken_repr_is_still_a_clear_error():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert "Broken" in message(lambda: Params(FOX, steps=Broken()))


def test_numpy_numbers_become_plain_ones():
    made = Params(FOX, steps=np.int64(9), guidance=np.float32(2.5), seed=np.uint8(3))
    assert (made.steps, made.guidance, made.seed) == (9, 2.5, 3)
    assert [type(v) for v in (made.steps, made.guidance, made.seed)] == [int, float, int]
    assert type(Params(FOX, guidance=3).guidance) is float


def test_ends_of_the_ranges_are_allowed():
    for name, setting in FIELDS.items():
        if setting.low is not None:
            for value in (setting.low, setting.high):
                assert getattr(Params(FOX, **{name: value}), name) == value


def test_seed_zero_is_a_seed_and_an_empty_negative_is_a_negative():
    assert Params(FOX, seed=0).seed == 0
    assert Params(FOX, negative="").negative == ""
    assert Params(FOX, negative="") != Params(FOX)


def test_sizes_are_rounded_up_and_the_warning_points_here():
    with pytest.warns(KandiWarning, match="width 130 → 192") as caught:
        made = Params(FOX, width=130, height=128)
    assert (made.width, made.height) == (192, 128)
    assert [w.filename for w in caught] == [__file__]


@pytest.mark.parametrize(
    "call",
    [
        lambda: Params(FOX).replace(height=65),
        lambda: dataclasses.replace(Params(FOX), height=65),
        lambda: sweep(Params(FOX), height=[65]),
        lambda: Params.from_dict({"prompt": FOX, "height": 65}),
    ],
)
def test_the_warning_points_here_from_every_door(call):
    with pytest.warns(KandiWarning, match="height 65 → 128") as caught:
        call()
    assert [w.filename for w in caught] == [__file__]


def test_rounded_params_do_not_warn_again():
    with pytest.warns(KandiWarning):
        made = Params(FOX, width=100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Params.from_dict(made.to_dict()) == made.replace(seed=0)


def test_frozen_equal_hashable_copyable():
    made = Params(FOX, seed=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.seed = 4
    assert made == Params(FOX, seed=3) != Params(FOX, seed=4)
    assert len({made, Params(FOX, seed=3), Params(FOX, seed=4)}) == 2
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert again == made


def test_repr_shows_what_differs_and_can_be_typed():
    assert repr(Params(FOX)) == f"Params({FOX!r})"
    made = Params("лиса", steps=9, negative="雪", guidance=2)
    assert repr(made) == "Params('лиса', negative='雪', steps=9, guidance=2.0)"
    assert eval(repr(made)) == made


def test_dict_and_json_give_the_same_params():
    made = Params("雪林中的红狐狸", negative="", steps=9, guidance=2.5, width=128, seed=2**62)
    assert Params.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert Params.from_dict({"prompt": FOX}) == Params(FOX)
    assert "did you mean steps" in message(lambda: Params.from_dict({"prompt": "", "stepz": 1}))
    assert Params.from_dict({}) == Params()
    assert "dict" in message(lambda: Params.from_dict([1]))


def test_replace_changes_only_what_is_named():
    made = Params(FOX, steps=9, seed=3)
    assert made.replace(seed=4) == Params(FOX, steps=9, seed=4)
    assert made.seed == 3
    assert "did you mean seed" in message(lambda: made.replace(seeed=4))
    assert "steps" in message(lambda: made.replace(steps=0))


def test_singles_count_the_seed_up():
    singles = Params(FOX, seed=5, count=3, steps=9).singles()
    assert singles == [Params(FOX, seed=5 + i, steps=9) for i in range(3)]


def test_sweep_varies_the_first_keyword_slowest():
    made = sweep(Params(FOX, seed=7), steps=[10, 20], guidance=(2, 4, 6))
    assert [(p.steps, p.guidance) for p in made] == [
        (10, 2), (10, 4), (10, 6), (20, 2), (20, 4), (20, 6),
    ]  # fmt: skip
    assert {p.seed for p in made} == {7}
    assert sweep(Params(FOX)) == [Params(FOX)]
    assert [p.seed for p in sweep(Params(FOX), seed=range(3))] == [0, 1, 2]
    assert [p.steps for p in sweep(Params(FOX), steps=np.array([3, 4]))] == [3, 4]


def test_sweep_refuses_what_it_cannot_mean():
    start = Params(FOX)
    assert "steps=[3]" in message(lambda: sweep(start, steps=3))
    assert "prompt=['a cat']" in message(lambda: sweep(start, prompt="a cat"))
    assert "empty" in message(lambda: sweep(start, steps=[]))
    assert "did you mean steps" in message(lambda: sweep(start, stepz=[1]))
    assert "not 0" in message(lambda: sweep(start, steps=[10, 0]))
    assert "Params" in message(lambda: sweep(FOX, steps=[10]))
    assert "Params" in message(lambda: sweep(steps=[10]))
    assert "unknown setting 'params'" in message(lambda: sweep(start, params=[1]))
    assert "unknown setting 'self'" in message(lambda: sweep(start, **{"self": [1]}))


@pytest.mark.parametrize("seeds", [itertools.count(), range(10**12)])
def test_a_sweep_without_end_is_refused_before_it_is_made(seeds):
    assert "more than 1,000,000" in message(lambda: sweep(Params(FOX), seed=seeds))
    three = {name: range(1, 201) for name in ("steps", "prior_steps", "seed")}
    assert "8,000,000 combinations" in message(lambda: sweep(Params(FOX), **three))


def test_sweep_takes_its_start_by_name_too():
    assert sweep(params=Params(FOX), steps=[3]) == [Params(FOX, steps=3)]


def test_no_door_takes_a_setting_called_self():
    for call in (Params(FOX).replace, lambda **more: Params.from_dict({"prompt": FOX, **more})):
        assert "unknown setting 'self'" in message(lambda call=call: call(**{"self": 1}))


def test_the_longest_text_is_taken():
    assert len(Params("雪" * 100_000).prompt) == 100_000


def test_nearest():
    assert nearest("prior_step", FIELDS) == "prior_steps"
    assert nearest("xyzzy", FIELDS) is None
    assert nearest("seed", ["SEED", "STEPS"]) == "SEED"
    assert nearest("Kandinsky-2.2", ["kandinsky-2.2", "kandinsky-3"]) == "kandinsky-2.2"


def test_examples_in_docstrings():
    results = [doctest.testmod(m) for m in (errors, fields, params, diff, files)]
    assert sum(r.failed for r in results) == 0
    assert all(r.attempted for r in results)


def test_the_former_name_of_the_explicit_settings_still_works():
    made = Params(FOX, steps=3)
    assert made.asked() == made.explicit_settings() == {"prompt": FOX, "steps": 3}
