"""A recipe → the same picture again, whatever task made it."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..model.adapters.finding import named_in
from ..model.loading.kandinsky import Kandinsky
from ..model.loading.load import load
from ..pictures.editing.colours import colours
from ..pictures.editing.lettering import lettering
from ..pictures.images import open_source, upright
from ..pictures.inputs import fingerprint
from ..pictures.masks import Mask
from ..pictures.pixels import check_pixels, rgb
from ..pictures.reading.profiles import without_profile
from ..pictures.recipe import inputs_in, recipe
from ..pictures.result import Result, package_versions
from ..words.embedding import as_embedding
from ..words.errors import KandiError, quote, shorten, warn
from ..words.files import expand_path
from ..words.models import SPECS
from ..words.params import Params
from .checks import Task, check_model, every_task

if TYPE_CHECKING:
    from PIL.Image import Image

CHANGES: dict[str, Callable[..., Any]] = {
    "colours": colours,
    "lettering": lettering,
}  # of finished pictures
_MADE_ANEW = "changes"  # among a recipe's options: what was changed after it was drawn
_NO_PIXELS = "memory"  # … and what no pixel depends on


def replay(
    source: str | os.PathLike | Image, k: Kandinsky | None = None, **inputs: Any
) -> Result:
    """Draw a picture again from its recipe; return a Result with one picture.

    `source` is the path of a PNG, or a picture of a Result. Unless `k` is given, the recipe's
    model is loaded, in the recipe's number format, if it is one of `kn.models()`; one of a
    folder is handed over, as a picture never says what is read. Either draws with the recipe's
    scheduler and adapters. Those are told by their hash: adapters that were used since Python
    began, or .safetensors files beside the picture, a folder above, here and in outputs/.
    Pictures that the task started from travel in the PNG; where they were left out, give them
    by name, as `image=` or `mask=`. Warns of
    whatever may change pixels: other weights, versions, number format, device or scheduler.
    Raises KandiError for a file without a recipe, a task that is unknown here, and for inputs
    that are missing or are not those of the recipe.
    """
    made = recipe(source)
    task = _task(made["task"])
    strange = [name for name in made["inputs"] if name not in task.inputs]
    if strange:
        raise KandiError(
            f"the recipe has an input that {made['task']} does not take: {strange[0]}"
        )
    if not inputs.keys() >= made["inputs"].keys():
        inputs = {**inputs_in(source), **inputs}
    pictures = _inputs(made, inputs)
    k = _load(made) if k is None else k
    check_model(k, made["task"])
    k = _with_adapters(k, made["options"], source)
    for name in ("speed", "scheduler"):
        k = _with(k, made["options"], name)
    k.open([role for role in made["revision"] if role in k.spec.roles])
    kept = {name: made["options"][name] for name in task.options if name in made["options"]}
    for difference in _differences(made, k, [*kept, _MADE_ANEW, _NO_PIXELS]):
        warn(f"{difference}: the picture may differ")
    assert task.function is not None, made["task"]  # `every_task` brings those with one
    drawn = task.function(k, Params.from_dict(made["params"]), **pictures, **kept)
    return _apply_changes(drawn, made["options"].get(_MADE_ANEW, []))


def _task(name: str) -> Task:
    """Return what is known of a task; raise KandiError for an unknown one."""
    known = every_task()
    if name not in known:
        raise KandiError(
            f"this picture was made by {quote(name)}, which is unknown here; known: "
            f"{', '.join(known)}"
        )
    return known[name]


def _apply_changes(drawn: Result, changes: Any) -> Result:
    """Return the Result with the changes that a recipe names, in their order."""
    try:
        for change in changes:
            ((name, settings),) = change.items()
            inspect.signature(CHANGES[name]).bind(drawn, **settings)
            drawn = CHANGES[name](drawn, **settings)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise KandiError(
            f"the recipe names a change that is unknown here: {quote(changes)}"
        ) from None
    return drawn


def _load(made: Mapping[str, Any]) -> Kandinsky:
    """Load the model of a recipe, in its number format where that is known.

    Only what the package knows by its key: who wrote the recipe is not to choose what is read.
    """
    name = made["model"]
    if name not in SPECS:
        weights = ", ".join(f"{role} {mark}" for role, mark in made["revision"].items())
        raise KandiError(
            f"this picture was made by a model of its own, {quote(name)} "
            f"({shorten(weights, 200)}), and a picture does not choose what is loaded; load "
            "that model and hand it over: kn.replay(picture, k)"
        )
    return load(name, dtype=made["options"].get("dtype"))


def _with(k: Kandinsky, options: Mapping[str, Any], name: str) -> Kandinsky:
    """Return the model with a recipe's scheduler or speed, as it is where it cannot have it."""
    wanted = options.get(name)
    if wanted is None or wanted == k.options[name]:
        return k
    try:
        return getattr(k, f"with_{name}")(wanted)
    except KandiError:
        return k  # the picture may differ, which is said


def _with_adapters(k: Kandinsky, options: Mapping[str, Any], source: Any) -> Kandinsky:
    """Return the model with a recipe's adapters and no others; raise KandiError."""
    if (options.get("adapters") or []) == k.options.get("adapters", []):
        return k
    beside = Path(getattr(source, "filename", "") or ".").parent
    if isinstance(source, (str, os.PathLike)):
        beside = expand_path(source).parent
    worn = named_in(options, [beside, beside.parent, Path.cwd(), Path.cwd() / "outputs"])
    plain = k.with_adapter(None) if k.options.get("adapters") else k
    return plain.with_adapter(dict(worn)) if worn else plain


def _inputs(made: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs that the recipe names, each the very same picture as then."""
    for name in inputs:
        if name not in made["inputs"]:
            known = ", ".join(made["inputs"]) or "none"
            raise KandiError(f"the recipe has no input {name!r}; it has: {known}")
    for name, known in made["inputs"].items():
        if name not in inputs:
            raise KandiError(
                f"the input {known.get('file') or name!r} did not travel with the recipe; "
                f"give it: kn.replay(picture, {name}=…)"
            )
    return {name: _same(name, inputs[name], known) for name, known in made["inputs"].items()}


def _same(name: str, source: Any, known: Mapping[str, Any]) -> Any:
    """Return the picture that a recipe knows, given it or its path; raise KandiError.

    What has a shape is an embedding or latents.
    """
    if "shape" in known:
        held = source if getattr(source, "ndim", 0) == 4 else as_embedding(source, name)
        if fingerprint(held) == known["sha256"]:
            return held
        raise KandiError(
            f"{name} does not hold the numbers of the recipe (their SHA-256 begins with "
            f"{known['sha256'][:12]}); give those"
        )
    for reading in _readings(name, source):
        if fingerprint(reading) == known["sha256"]:
            reading = reading.copy()
            # So that the new recipe says the same of it.
            reading.info = {"file": known["file"]} if "file" in known else {}
            return reading
    raise KandiError(
        f"{name} is not the picture of the recipe ({known.get('file') or 'its'} SHA-256 begins "
        f"with {known['sha256'][:12]}); give the original"
    )


def _readings(name: str, source: Any) -> Iterator[Image]:
    """Yield what a picture may be taken for: as it is, and as each kind of input is read.

    Before profiles were read, so were the bare numbers.
    """
    if isinstance(source, Mask):
        yield source.image
        return
    raw = open_source(source, name)
    check_pixels(raw, name)
    turned = upright(raw)
    yield from (raw, turned, rgb(turned))
    bare = rgb(without_profile(turned))
    yield from (bare, bare.convert("L"))
    with contextlib.suppress(KandiError):  # no mask and no map of depth
        yield Mask(source).image


def _differences(
    made: Mapping[str, Any], k: Kandinsky, repeated: Iterable[str]
) -> Iterator[str]:
    """Say what else than the settings is not as it was when the picture was made.

    Options that are `repeated` as they were make no difference.
    """
    here = {
        **{f"the {role} of {k.spec.key}": mark for role, mark in k.revision.items()},
        **k.options,
        **{f"version of {package}": number for package, number in package_versions().items()},
    }
    then = {
        **{f"the {role} of {k.spec.key}": mark for role, mark in made["revision"].items()},
        "quantisation": None,
        **{name: mark for name, mark in made["options"].items() if name not in repeated},
        **{f"version of {package}": number for package, number in made["versions"].items()},
    }
    for name, value in then.items():
        if here.get(name) != value:
            model = f" ({made['model']})" if name.startswith("the ") else ""
            was = shorten(str(value))
            yield f"{shorten(name)} here is {here.get(name)}, the recipe's was {was}{model}"
