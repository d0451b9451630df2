"""A recipe → the same picture again, whatever task made it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..model.load import Kandinsky, load
from ..pictures.inputs import fingerprint
from ..pictures.recipe import carried, recipe
from ..pictures.result import Result, package_versions
from ..words.errors import KandiError, shown, warn
from ..words.params import Params
from .checks import TASKS, check_model

if TYPE_CHECKING:
    from PIL.Image import Image


def replay(
    source: str | os.PathLike | Image, k: Kandinsky | None = None, **inputs: Any
) -> Result:
    """Draw a picture again from its recipe; return a Result with one picture.

    `source` is the path of a PNG, or a picture of a Result. Unless `k` is given, the recipe's
    model is loaded, in the recipe's number format. Pictures that the task started from travel
    in the PNG; where they were left out, give them by name, as `image=` or `mask=`. Warns of
    whatever may change pixels: other weights, versions, number format, device or scheduler.
    Raises KandiError for a file without a recipe, a task that is unknown here, and for inputs
    that are missing or are not those of the recipe.
    """
    made = recipe(source)
    if made["task"] not in TASKS:
        raise KandiError(
            f"this picture was made by {shown(made['task'])}, which is unknown here; known: "
            f"{', '.join(TASKS)}"
        )
    given = _inputs(made, {**carried(source), **inputs})
    k = _load(made) if k is None else k
    check_model(k, made["task"])
    k.open([role for role in made["revision"] if role in k.spec.roles])
    for difference in _differences(made, k):
        warn(f"{difference}: the picture may differ")
    return TASKS[made["task"]].function(k, Params.from_dict(made["params"]), **given)


def _load(made: Mapping[str, Any]) -> Kandinsky:
    """Load the model of a recipe, in its number format where that is known."""
    name = made["model"]
    if name.endswith("/"):
        weights = ", ".join(f"{role} {mark}" for role, mark in made["revision"].items())
        raise KandiError(
            f"this picture was made by a model in a folder {name} ({weights}); load it and "
            "hand it over: kn.replay(picture, k)"
        )
    return load(name, dtype=made["options"].get("dtype"))


def _inputs(made: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs that the recipe names, each the very same picture as then."""
    for name in inputs:
        if name not in made["inputs"]:
            known = ", ".join(made["inputs"]) or "none"
            raise KandiError(f"the recipe has no input {name!r}; it has: {known}")
    for name, known in made["inputs"].items():
        if name not in inputs:
            raise KandiError(
                f"the picture {known.get('file') or name!r} did not travel with the recipe; "
                f"give it: kn.replay(picture, {name}=…)"
            )
        if hasattr(inputs[name], "tobytes") and fingerprint(inputs[name]) != known.get(
            "sha256"
        ):
            raise KandiError(
                f"{name} is not the picture of the recipe ({known.get('file') or 'its'} "
                f"SHA-256 begins with {str(known.get('sha256'))[:12]}); give the original"
            )
    return {name: inputs[name] for name in made["inputs"]}


def _differences(made: Mapping[str, Any], k: Kandinsky) -> Iterator[str]:
    """Say what else than the settings is not as it was when the picture was made."""
    here = {
        **{f"the {role} of {k.spec.key}": mark for role, mark in k.revision.items()},
        **k.options,
        **{f"version of {package}": number for package, number in package_versions().items()},
    }
    then = {
        **{f"the {role} of {k.spec.key}": mark for role, mark in made["revision"].items()},
        **made["options"],
        **{f"version of {package}": number for package, number in made["versions"].items()},
    }
    for name, value in then.items():
        if here.get(name) != value:
            model = f" ({made['model']})" if name.startswith("the ") else ""
            yield f"{name} here is {here.get(name)}, the recipe's was {value}{model}"
