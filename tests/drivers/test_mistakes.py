"""What typical mistakes get: one line that names the remedy."""

from __future__ import annotations

import pytest

import kandi_nb as kn
from kandi_nb.mini import captions
from kandi_nb.words.errors import KandiError

PARAMS = kn.Params("a red fox", steps=2, prior_steps=2, seed=1)


@pytest.fixture(scope="module")
def k():
    return kn.load("mini-2.2", device="cpu")


@pytest.fixture(scope="module")
def result(k):
    return kn.generate(k, PARAMS, progress=False)


MISTAKES = {
    "a name of kn": (lambda k, r: kn.generat, "did you mean generate?"),
    "a name of kn far off": (lambda k, r: kn.zzzzzz, "dir(kn) lists all"),
    "a model as a function": (lambda k, r: k("a fox"), "kn.generate(k, kn.Params("),
    "a task looked for at a model": (lambda k, r: k.generate, "write kn.generate(k, …)"),
    "another task": (lambda k, r: k.inpaint, "write kn.inpaint(k, …)"),
    "a panel without a task": (lambda k, r: kn.panel(k), "kn.panel(kn.generate, k)"),
    "half a comparison": (lambda k, r: kn.compare(r), "kn.compare(before, after)"),
    "a box for a mask": (
        lambda k, r: kn.inpaint(k, PARAMS, image=r, mask=(12, 2, 50, 22)),
        "kn.rectangle(image, (12, 2, 50, 22))",
    ),
    "a list for a mask": (
        lambda k, r: kn.Mask([12, 2, 50, 22]),
        "kn.rectangle(image, (12, 2, 50, 22))",
    ),
    "a misspelled setting": (
        lambda k, r: kn.generate(k, PARAMS, stepps=3),
        "did you mean the setting steps? kn.Params(…, steps=…)",
    ),
    "a misspelled option": (
        lambda k, r: kn.generate(k, PARAMS, progres=False),
        "did you mean progress?",
    ),
    "a picture too far": (lambda k, r: r[1], "1 picture, counted from 0"),
    "a result asked to show itself": (lambda k, r: r.show(), "display(result)"),
    "a misspelled method": (lambda k, r: r.sav("x"), "did you mean save?"),
    "an address for a picture": (
        lambda k, r: kn.edit(k, PARAMS, image="https://example.org/fox.png"),
        "download it first",
    ),
    "a file for a folder": (
        lambda k, r: r.save("fox.png"),
        'result.save("outputs", name="fox")',
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_mistake_gets_one_line_with_the_remedy(mistake, k, result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, remedy = MISTAKES[mistake]
    with pytest.raises(KandiError) as caught:
        make(k, result)
    assert remedy in str(caught.value) and "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir()), "nothing was written"


def test_what_python_asks_of_objects_works_as_before(k, result):
    assert not hasattr(k, "no_such") and not hasattr(result, "no_such")
    assert not hasattr(kn, "no_such") and getattr(kn, "no_such", 3) == 3
    assert [one.size for one in result] == [(64, 64)] and len(list(iter(result))) == 1
    with pytest.raises(IndexError):
        result[7]


@pytest.mark.parametrize("word", ["desert", "dragon", "pizza"])
def test_no_unknown_noun_is_swallowed(word):
    assert f"“{word}”" in captions.advise(
        f"a cat and a {word}" if word != "desert" else "a cat in the desert"
    )


def test_offline_the_remedy_comes_first(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(KandiError) as caught:
        kn.load("kandinsky-2.2")
    assert str(caught.value).startswith('take kn.load("mini-2.2"), which works now')
