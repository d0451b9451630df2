"""Signs of other programs in a prompt: one line says what reads them here and what does not."""

from __future__ import annotations

import warnings

import pytest

import kandi_nb as kn
from kandi_nb.tasks.loop.texts import warn_about_signs
from kandi_nb.words.errors import KandiWarning


@pytest.mark.parametrize(
    ("text", "sign", "says"),
    [
        ("a {red|blue} fox", "{red|blue}", "kn.batch"),
        ("a (red:1.3) fox", "(red:1.3)", "kn.mix weighs"),
        ("a ((red)) fox", "((red))", "kn.mix weighs"),
        ("a red++ fox", "red++", "kn.mix weighs"),
        ("a (red fox)++", ")+", "kn.mix weighs"),
        ("a red-- fox", "red--", "kn.mix weighs"),
        ("a [fox:cat:.5] in space", "[fox:cat:.5]", "kn.path"),
        ("a [fox|cat] in space", "[fox|cat]", "kn.path"),
        ("a fox <lora:snow:0.8>", "<lora:snow:0.8>", "adapter="),
        ("a __colour__ fox", "__colour__", "kn.batch"),
    ],
)
def test_a_sign_is_named_with_what_reads_it(text, sign, says):
    with pytest.warns(KandiWarning, match="drawn as typed") as heard:
        warn_about_signs([text, text])
    (message,) = (str(each.message) for each in heard)
    assert f"“{sign}”" in message and says in message and "\n" not in message


@pytest.mark.parametrize(
    "text",
    [
        "a fox (red, with a hat) in space", "a C++ book", "ratio 16:9 (wide)", "a fox - red",
        "a well-known fox", "fox [detailed]", "at 12:30 (noon)", "a fox -- and a cat", "1 + 1",
        "snake_case and __init__.py", "a | b", "red+blue", ":-) a smile", "a <b> c", "{a}",
    ],
)  # fmt: skip
def test_plain_writing_is_left_alone(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_about_signs([text])


def test_a_run_says_all_signs_in_one_warning(tiny, tmp_path):
    params = kn.Params("a (red:1.3) fox", negative="{snow|rain}", steps=2, prior_steps=2)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        kn.generate(tiny, params.replace(count=2), progress=False)
    said = [str(w.message) for w in heard if "drawn as typed" in str(w.message)]
    assert len(said) == 1 and "(red:1.3)" in said[0] and "{snow|rain}" in said[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = params.replace(prompt="a {red|blue} fox")
        assert kn.batch(kn.generate, tiny, plain, out=tmp_path, progress=False).drawn == 4
