"""The tasks and what they can be given, each declared once.

A task is a row of `TASKS` and a function of the shape (k, params, **inputs) → Result that
`tasks.checks.task` holds against it. Panels, studio, service, batches, recipes and the command
line read these tables: what is new in them is found there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from .errors import KandiError, NoAttribute, did_you_mean

Kind = Literal["picture", "mask", "depth", "embedding", "latents", "number", "choice", "text"]
_PICTURES = ("picture", "mask", "depth")  # kinds that a file can hold, and a page can show


@dataclass(frozen=True)
class Input:
    """Describe what a task can be given besides its settings.

    `kind` says how it is read and shown; `choices` are all that it may be, `default` stands
    where nothing is said.
    """

    kind: Kind
    help: str
    choices: tuple[Any, ...] = ()
    default: Any = None

    @property
    def is_picture(self) -> bool:
        """Tell whether it is a picture: something to see, to upload and to read from a file."""
        return self.kind in _PICTURES


_NEW = "pixels to add at that side"

INPUTS: dict[str, Input] = {
    "image": Input("picture", "the picture to start from"),
    "mask": Input("mask", "white is repainted, black kept"),
    "depth": Input("depth", "a depth map, white where things are near"),
    "embedding": Input("embedding", "an embedding in the place of the prompt"),
    "negative_embedding": Input("embedding", "an embedding in the place of the negative"),
    "latents": Input("latents", "the noise that the decoder starts from"),
    "prior_latents": Input("latents", "the noise that the prior starts from"),
    "left": Input("number", _NEW, default=0),
    "top": Input("number", _NEW, default=0),
    "right": Input("number", _NEW, default=0),
    "bottom": Input("number", _NEW, default=0),
    "aspect": Input("text", 'width / height of the whole, such as "16:9"'),
    "size": Input("text", "width and height of the whole"),
    "factor": Input("choice", "how many times as many pixels a side", (2, 3, 4), 2),
    "join": Input(
        "choice",
        "how old and new pixels meet",
        ("harmonic", "hard"),
        "harmonic",
    ),
}
STEERING = ("embedding", "negative_embedding", "latents")  # inputs of tasks that draw texts
SIDES = ("left", "top", "right", "bottom")  # in the order of the numbers of a box


@dataclass(frozen=True)
class Task:
    """Say what is known of a task: `function(k, params, **inputs)` gives a Result.

    `role` names the pipeline that it needs of a model, `inputs` the keywords under which it
    takes pictures, embeddings and latents, `options` those that change pixels and are no
    settings; `replay` hands back what the recipe has of both. Without `prompt` it has no need
    of one. `strength` stands for None in Params. `title` and `help` are for
    people; the studio has a tab for each task with a title.
    """

    function: Callable[..., Any] | None = None
    role: str = "decoder"
    inputs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    prompt: bool = True
    strength: float | None = None
    title: str = ""
    help: str = ""

    @property
    def pictures(self) -> tuple[str, ...]:
        """Return the names of its inputs that are pictures."""
        return tuple(name for name in self.inputs if is_picture(name))

    @property
    def along(self) -> tuple[str, ...]:
        """Return the pictures that a task from text follows: a service has a door for each."""
        return () if self.starts_from_picture else self.pictures

    @property
    def starts_from_picture(self) -> bool:
        """Tell whether it redraws a picture instead of drawing from noise alone."""
        return "image" in self.inputs


TASKS: dict[str, Task] = {
    "generate": Task(
        inputs=(*STEERING, "prior_latents", "depth"),
        title="Generate",
        help="text → picture",
    ),
    "edit": Task(
        role="edit",
        inputs=("image", "depth", *STEERING),
        strength=0.3,  # what the models' authors set
        title="Edit",
        help="a picture, redrawn as a prompt says",
    ),
    "inpaint": Task(
        role="inpaint",
        inputs=("image", "mask", *STEERING),
        options=("join",),
        strength=1.0,  # what lies under the mask counts for nothing
        title="Inpaint",
        help="a picture, repainted where its mask is white",
    ),
    "outpaint": Task(
        role="inpaint",
        inputs=("image",),
        options=(*SIDES, "aspect", "size", "join"),
        strength=1.0,
        title="Outpaint",
        help="a picture, continued beyond its sides",
    ),
    "upscale": Task(
        role="edit",
        inputs=("image",),
        options=("factor",),
        strength=0.1,  # more invents: ghosts of other things show on the bundled model
        title="Enlarge",
        help="a picture, larger",
    ),
}


def is_picture(name: str) -> bool:
    """Tell whether an input of that name is a picture; an unknown one is not.

    >>> is_picture("mask"), is_picture("latents"), is_picture("left")
    (True, False, False)
    """
    return name in INPUTS and INPUTS[name].is_picture


def tasks_of(role: str) -> tuple[str, ...]:
    """Return the names of the tasks that a pipeline of that role serves.

    >>> tasks_of("inpaint")
    ('inpaint', 'outpaint')
    """
    return tuple(name for name, row in TASKS.items() if row.role == role)


class HintsAtTasks:
    """Answer who calls a model, or looks for a task at it, with the call that was meant."""

    def __call__(self, *args: Any, **named: Any) -> Any:
        raise KandiError('a model is handed to a task: kn.generate(k, kn.Params("a fox"))')

    def __getattr__(self, name: str) -> Any:
        if name in TASKS:
            raise NoAttribute(f"a model has no {name}: write kn.{name}(k, …)")
        hint = did_you_mean(name, [n for n in dir(type(self)) if n[0] != "_"])
        raise NoAttribute(f"a model has no {name}; {hint}help(k) says what it has")
