"""What `import kandi_nb as kn` shows: exactly the promised names, each the right thing."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import kandi_nb as kn

# What the design promises to learners; a new name is a decision, so it is written down here.
PROMISED = [
    *("Cancelled", "KandiError", "KandiWarning", "Kandinsky", "Params", "Result", "bench"),
    *(
        "check",
        "compare",
        "diff",
        "embed",
        "free",
        "generate",
        "grid",
        "load",
        "models",
        "pair",
    ),
    *("options", "panel", "plan", "plot", "recipe", "replay", "run_notebook", "sweep", "table"),
    *("outpaint", "upscale", "depth_of", "schedulers", "curve", "profile"),
    *("edit", "inpaint", "Mask", "rectangle", "ellipse", "polygon", "stroke"),
    *("lettering_mask", "lettering", "colours"),
    *("Embedding", "animate", "mix", "mix_grid", "mixture", "nearest", "path", "steps"),
    *("batch", "read_batch"),
    *("Client", "random_seed", "serve"),
    *("clip", "cosines", "heat", "tokens"),  # to look inside: notebooks 02 and 03
    *("anatomy", "versus"),
    *("ledger", "cost", "verify", "has"),
    *("mask_painter", "mixer", "studio"),
    *("Adapter", "checker", "teach"),
]


def fresh(code: str) -> str:
    """Run code in a new Python and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_all_is_what_is_promised_and_what_dir_shows():
    assert kn.__all__ == sorted(PROMISED)
    assert [name for name in dir(kn) if not name.startswith("_")] == kn.__all__


def test_what_a_name_was_before_works_on():
    assert kn.spent is kn.profile
    assert "spent" not in dir(kn)


def test_no_other_public_name_is_bound():
    for name in kn.__all__:
        getattr(kn, name)
    bound = {
        name
        for name, value in vars(kn).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    }
    assert bound - {"annotations", "Any"} == set(kn.__all__)


@pytest.mark.parametrize("name", PROMISED)
def test_each_name_is_ours_and_says_what_it_does(name):
    value = getattr(kn, name)
    assert callable(value)
    assert value.__name__ == name
    assert value.__module__.startswith("kandi_nb.")
    assert value.__doc__ and not value.__doc__.startswith(f"{name}("), "a docstring of its own"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="kn has no inpaintt; did you mean inpaint"):
        _ = kn.inpaintt
    assert not hasattr(kn, "np")


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("generate", "tasks.generate"),
        ("replay", "tasks.replay"),
        ("bench", "drivers.measure.bench"),
        ("check", "model.check"),
        ("diff", "pictures.diff"),
    ],
)
@pytest.mark.parametrize(
    "first",
    [
        "import kandi_nb.{module}",
        "from kandi_nb.{module} import {name}",
        "from kandi_nb import cli",
        "from kandi_nb import *",
    ],
)
def test_functions_are_not_hidden_by_modules_of_their_name(name, module, first):
    code = (
        f"{first.format(name=name, module=module)}\n"
        "import types, kandi_nb as kn\n"
        f"assert isinstance(kn.{name}, types.FunctionType), kn.{name}\n"
        f"from kandi_nb import {name}; assert {name} is kn.{name}\n"
        "print('ok')"
    )
    assert fresh(code) == "ok"


def test_dir_and_tab_completion_import_nothing_heavy():
    code = (
        "import sys, kandi_nb as kn\n"
        "dir(kn)\n"
        "print([m for m in ('torch', 'diffusers', 'matplotlib') if m in sys.modules])"
    )
    assert fresh(code) == "[]"


def test_version_is_that_of_the_project():
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^version = "(.+)"$', text, re.M)[1] == kn.__version__
