"""The table of tasks, and what may be given to one: checked before anything is computed."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

from ..model.loading.kandinsky import Kandinsky
from ..model.machine.switches import usual_switches
from ..model.progress import check_stop, heeding, progress_bar
from ..words.embedding import Embedding
from ..words.errors import KandiError, Unsupported, did_you_mean, nearest, quote, warn
from ..words.fields import FIELDS
from ..words.models import SPECS, ModelSpec
from ..words.params import Params
from ..words.tasks import TASKS as ROWS
from ..words.tasks import Task

Function = TypeVar("Function", bound=Callable[..., Any])


TASKS: dict[str, Task] = {}  # the rows of `words.tasks` with their functions, and others

# Keywords that people bring from elsewhere.
_ALIASES = {"mask_image": "mask", "init_image": "image", "callback_on_step_end": "on_step"}


def task(name: str, **row: Any) -> Callable[[Function], Function]:
    """Enter the decorated function into the table of tasks, by the row of that name.

    A task of somebody else's has no row: `row` are the fields of its `Task`. Raises TypeError
    for a function that does not take what its row says. Called with keywords that it does not
    take, or without its inputs, it raises KandiError. Where the first argument has a method
    `remote(name, params, **inputs)`, that draws instead.
    """
    known = Task(**row) if row or name not in ROWS else ROWS[name]

    def enter(function: Function) -> Function:
        _check_function(name, known, function)

        @functools.wraps(function)
        def called(*args: Any, **named: Any) -> Any:
            _check_call(name, function, args, named)
            k = args[0] if args else named.get("k")
            if k is not None and hasattr(
                k, "remote"
            ):  # a service elsewhere, in the place of a model
                bound = inspect.signature(function).bind(*args, **named).arguments
                return k.remote(name, **{n: v for n, v in bound.items() if n != "k"})
            with usual_switches():
                if (stop := check_stop(named.get("stop"))) is None:
                    return function(*args, **named)
                # Models are loaded before the run has a bar of its own.
                with heeding(progress_bar(0, "", shown=False, stop=stop)):
                    return function(*args, **named)

        TASKS[name] = dataclasses.replace(known, function=called)
        return cast(Function, called)

    return enter


def _check_function(name: str, row: Task, function: Callable[..., Any]) -> None:
    """Raise TypeError unless a function takes the inputs and options of its row."""
    takes = inspect.signature(function).parameters
    anything = any(each.kind is each.VAR_KEYWORD for each in takes.values())
    lacks = [given for given in (*row.inputs, *row.options) if given not in takes]
    if list(takes)[:2] != ["k", "params"] or (lacks and not anything):
        missing = f"; the row of {name} has {', '.join(lacks)}" if lacks else ""
        raise TypeError(f"a task is a function (k, params, **inputs){missing}")


def every_task() -> Mapping[str, Task]:
    """Return the tasks in the order of their rows, those of others last; import all of ours."""
    for module in pkgutil.iter_modules([os.path.dirname(__file__)]):
        importlib.import_module(f"{__package__}.{module.name}")
    return {name: TASKS[name] for name in dict.fromkeys([*ROWS, *TASKS]) if name in TASKS}


def _check_call(name: str, function: Function, args: tuple, named: Mapping[str, Any]) -> None:
    """Raise KandiError, with the remedy, for a call that Python would refuse."""
    signature = inspect.signature(function)
    try:
        signature.bind(*args, **named)
    except TypeError:
        pass
    else:
        return
    strange = [word for word in named if word not in signature.parameters]
    if strange:
        raise KandiError(_not_taken(name, strange[0], signature.parameters))
    needed = [
        f"{word}=…"
        for word in TASKS[name].inputs
        if signature.parameters[word].default is signature.empty
    ]
    call = ", ".join(["k", "params", *needed])
    raise KandiError(f"{name} is called as kn.{name}({call})")


def _not_taken(name: str, word: str, takes: Mapping[str, Any]) -> str:
    if word in FIELDS:
        return f"{word} is a setting: kn.Params(…, {word}=…), no keyword of {name}"
    able = [other for other, known in every_task().items() if word in known.inputs]
    if able:
        return f"{name} takes no {word}; tasks that do: {', '.join(able)}"
    meant = _ALIASES.get(word, word)
    if (close := nearest(meant, [*takes, *FIELDS])) in FIELDS:
        said = f"did you mean the setting {close}? kn.Params(…, {close}=…)"
        return f"{name} takes no {word}; {said}"
    hint = did_you_mean(meant, takes)
    return f"{name} takes no {word}; {hint}known: {', '.join(takes)}"


def filled_runs(
    name: str,
    k: Any,
    params: Any,
    prompts: Any = None,
    instead: Collection[str] = (),
    *,
    sized: bool = True,
) -> list[Params]:
    """Return one Params a picture, all its settings filled in, for the task of that name.

    `instead` names what stands for texts: "embedding", "negative_embedding". Prompts vary
    slowest, then params, then count. Raises KandiError for what is no model, a
    model that cannot do the task, other things than Params, and a missing prompt; settings that
    would have no effect are dropped with a warning, or refused where they differ. Unless
    `sized`, width and height stay None: the task takes them from a picture.
    """
    check_model(k, name)
    runs = singles(params, prompts)
    runs = without_unused(k, name, runs, _replaced_fields(k, runs, instead))
    runs = [_quick(k, name, run) for run in runs]
    unsaid = "embedding" not in instead and any(run.prompt is None for run in runs)
    if TASKS[name].prompt and unsaid:
        raise KandiError(f'{name} needs a prompt: Params("a red fox in space")', about="prompt")
    return [fill_size(k, run) for run in runs] if sized else runs


def _quick(k: Any, task: str, run: Params) -> Params:
    """Return the params with what the model's speed sets where nothing was given.

    Steps are of what is drawn from noise: what starts from a picture takes only some of them.
    """
    settings = {
        name: value
        for name, value in getattr(k, "unless_asked", {}).items()
        if name not in run.explicit
        and not (name == "steps" and FIELDS["strength"].used_by(task, k.spec.roles))
    }
    return run.replace(**settings) if settings else run


def _replaced_fields(k: Kandinsky, runs: list[Params], instead: Collection[str]) -> set[str]:
    """Return the fields that say nothing where embeddings stand for the texts.

    The decoder of 2.1 reads the texts all the same.
    """
    if not instead:  # nor is the decoder loaded for a task that does without it
        return set()
    read = getattr(k.decoder, "tokenizer", None) is not None
    fields: set[str] = set()
    if "negative_embedding" in instead and not read:
        fields.add("negative")
    if "embedding" in instead:
        fields |= {"prior_guidance"} if read else {"prior_guidance", "prompt"}
        negatives = any((run.negative or "").strip() for run in runs)
        if "negative_embedding" in instead or not negatives:
            fields |= {"prior_steps", "prior_seed"}
    return fields


def signature(k: Kandinsky) -> tuple[str, str]:
    """Return key and weights of the model whose embeddings `k` understands."""
    return k.spec.key, str(k.revision.get("prior", ""))


def check_prior(k: Any, lacks: str) -> None:
    """Raise KandiError unless `k` is a loaded model with a prior."""
    check_model(k, None)
    if k.prior is None:
        able = ", ".join(key for key, spec in SPECS.items() if "prior" in spec.roles)
        raise Unsupported(f"{k.spec.key} has {lacks}: {able}")


def check_embedding(k: Kandinsky, embedding: Embedding) -> None:
    """Raise KandiError for an embedding that is not of this model's prior."""
    key, mark = signature(k)
    width = k.prior.prior.config.embedding_dim
    if embedding.shape[1] != width or (embedding.mark and embedding.mark != mark):
        raise KandiError(
            f"this embedding is of {embedding.model or 'another model'} "
            f"({embedding.shape[1]} numbers, weights {embedding.mark[:12] or 'unknown'}), not "
            f"of {key} here ({width} numbers, weights {mark[:12]}); make it with this model"
        )


def fill_size(k: Kandinsky, params: Params) -> Params:
    """Return the params with the size that is really drawn: the native one stands for None."""
    native = k.spec.native_size
    return params.replace(width=params.width or native, height=params.height or native)


def check_model(k: Any, task: str | None) -> None:
    """Raise KandiError unless `k` is a loaded model that can do the task.

    A client of a service will do for a task; without one (None) it must be the model itself.
    """
    if not isinstance(k, Kandinsky) and not (task and hasattr(k, "remote")):
        raise KandiError(
            f'the first argument is a loaded model, k = kn.load("mini-2.2"), not {quote(k)}'
        )
    if task:
        check_spec(k.spec, task)


def check_spec(spec: ModelSpec, task: str) -> None:
    """Raise KandiError, which names those that can, unless a model can do the task."""
    if not can(spec, task):
        able = ", ".join(key for key, other in SPECS.items() if can(other, task))
        raise Unsupported(f"{spec.key} cannot {task}; models that can: {able or 'none'}")


def can(spec: ModelSpec, task: str) -> bool:
    """Tell whether a model has the task; one that no model names needs its role alone."""
    if any(task in known.tasks for known in SPECS.values()):
        return task in spec.tasks
    return task in TASKS and TASKS[task].role in spec.roles


def as_list(params: Any) -> list[Params]:
    """Return the Params, one or a list of them, as a list; raise KandiError for others."""
    runs = [params] if isinstance(params, Params) else params
    if not isinstance(runs, (list, tuple)) or not all(isinstance(p, Params) for p in runs):
        raise KandiError(
            'the second argument is Params("a red fox in space") or a list of Params, not '
            f"{quote(params)}"
        )
    if not runs:
        raise KandiError("the list of Params is empty; give at least one")
    return list(runs)


def with_prompts(params: Any, prompts: Any) -> list[Params]:
    """Return the params with each prompt in turn; prompts vary slowest.

    Raises KandiError for what is no list of texts, and for empty texts.
    """
    runs = as_list(params)
    if prompts is not None:
        if not isinstance(prompts, (list, tuple)) or not prompts:
            raise KandiError(
                f'prompts is a list of texts, ["a cat", "a dog"], not {quote(prompts)}'
            )
        runs = [run.replace(prompt=prompt) for prompt in prompts for run in runs]
    return runs


def singles(params: Any, prompts: Any) -> list[Params]:
    """Return one Params a picture: prompts vary slowest, then params, then count."""
    return [single for run in with_prompts(params, prompts) for single in run.singles()]


def without_unused(
    k: Kandinsky, task: str, runs: list[Params], replaced: Collection[str] = ()
) -> list[Params]:
    """Return the runs with the default in each field that the task or the model does not use.

    `replaced` names fields for which something else stands in this call.
    One KandiWarning names what is dropped. Raises KandiError where the runs differ in it, as
    equal pictures would be labelled as different.
    """
    idle = [
        n
        for n, field in FIELDS.items()
        if n in replaced or not field.used_by(task, k.spec.roles)
    ]
    dropped = {}
    for name in idle:
        first, *others = dict.fromkeys(getattr(run, name) for run in runs)
        if others:
            raise KandiError(
                f"{task} with {k.spec.key} does not use {name}, so {first} and {others[0]} "
                "would give the same picture; leave it out",
                about=name,
            )
        if first != FIELDS[name].default:
            dropped[name] = FIELDS[name].default
    if dropped:
        warn(f"{task} with {k.spec.key} does not use {', '.join(dropped)}; left out")
    return [run.replace(**dropped) for run in runs] if dropped else runs
