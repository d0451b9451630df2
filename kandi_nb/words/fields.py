"""The settings of a picture: type, range, default, help and behaviour of each, declared once.

`Params`, sliders, the command line, the service's schema and what may share a batch follow
from this table: a new setting is a row here, and the line of the loop that reads it.
"""

from __future__ import annotations

import contextlib
import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .bounds import as_real, as_whole
from .errors import KandiError, did_you_mean, quote, warn
from .tasks import TASKS

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Setting:
    """Describe one field of `Params`: what it may be, and how it behaves.

    `low` and `high` are inclusive and None for text; `step` is a sensible slider step;
    `optional` means that None is allowed. With `redraws` only tasks that start from a picture
    use it. `stage` is what reads it ("call": how often all is done); a model without a prior
    does not use what the prior reads. `varies` says whether each picture of one batch may have
    its own value; unless it is said, a batch shares it, so that none is mixed up by neglect.
    `kind` is what is alike among several settings: seeds may be drawn by chance, steps are
    what `speed="fast"` may lower.
    """

    type: type
    low: float | None
    high: float | None
    default: Any
    help: str
    step: float | None = None
    optional: bool = False
    redraws: bool = False
    stage: Literal["text", "prior", "decoder", "call"] = "decoder"
    varies: Literal["picture", "batch"] = "batch"
    kind: Literal["text", "steps", "guidance", "size", "seed"] | None = None

    def used_by(self, task: str, roles: Iterable[str]) -> bool:
        """Tell whether a task on a model with these roles makes anything of the field."""
        there = self.stage != "prior" or "prior" in roles
        redrawn = task in TASKS and TASKS[task].starts_from_picture
        return there and (redrawn or not self.redraws)


FIELDS: dict[str, Setting] = {
    "prompt": Setting(
        str,
        None,
        None,
        None,
        "what the picture shows",
        optional=True,
        stage="text",
        varies="picture",
        kind="text",
    ),
    "negative": Setting(
        str,
        None,
        None,
        None,
        "what it should not show",
        optional=True,
        stage="text",
        varies="picture",
        kind="text",
    ),
    "steps": Setting(int, 1, 1000, 25, "denoising steps of the decoder", 1, kind="steps"),
    "guidance": Setting(
        float, 1, 30, 4.0, "how strictly the decoder obeys", 0.5, kind="guidance"
    ),
    "prior_steps": Setting(
        int, 2, 1000, 25, "denoising steps of the prior", 1, stage="prior", kind="steps"
    ),
    "prior_guidance": Setting(
        float,
        1,
        30,
        4.0,
        "how strictly the prior obeys the text",
        0.5,
        stage="prior",
        kind="guidance",
    ),
    "strength": Setting(
        float, 0.01, 1, None, "how much of a given picture is redrawn", 0.05, True, True
    ),
    "width": Setting(
        int, 64, 4096, None, "pixels, rounded up to a multiple of 64", 64, True, kind="size"
    ),
    "height": Setting(
        int, 64, 4096, None, "pixels, rounded up to a multiple of 64", 64, True, kind="size"
    ),
    "seed": Setting(
        int,
        0,
        2**63 - 1,
        0,
        "number that fixes the decoder's noise",
        1,
        varies="picture",
        kind="seed",
    ),
    "prior_seed": Setting(
        int,
        0,
        2**63 - 1,
        0,
        "number that fixes the prior's noise",
        1,
        stage="prior",
        varies="picture",
        kind="seed",
    ),
    "count": Setting(
        int,
        1,
        64,
        1,
        "pictures; picture i uses seed + i",
        1,
        stage="call",
        varies="picture",
    ),
}


def names_of(
    *, stage: str | None = None, varies: str | None = None, kind: str | None = None
) -> tuple[str, ...]:
    """Return the names of the settings that behave so, in the order of the table.

    >>> names_of(stage="decoder", varies="batch")
    ('steps', 'guidance', 'strength', 'width', 'height')
    """
    wanted = {"stage": stage, "varies": varies, "kind": kind}
    return tuple(
        name
        for name, setting in FIELDS.items()
        if all(value in (None, getattr(setting, key)) for key, value in wanted.items())
    )


SEEDS = names_of(kind="seed")

# Names that people bring from elsewhere and that look too different for difflib to guess.
ALIASES = {
    "text": "prompt",
    "negative_prompt": "negative",
    "num_inference_steps": "steps",
    "num_steps": "steps",
    "guidance_scale": "guidance",
    "cfg": "guidance",
    "cfg_scale": "guidance",
    "prior_num_inference_steps": "prior_steps",
    "prior_guidance_scale": "prior_guidance",
    "denoising_strength": "strength",
    "generator": "seed",
    "num_images_per_prompt": "count",
    "num_images": "count",
    "batch_size": "count",
    "n": "count",
    "w": "width",
    "h": "height",
}


LONGEST_TEXT = 100_000  # characters of a prompt: a thousand times what any model reads


def refuse_unknown(names: Iterable[str]) -> None:
    """Raise KandiError, with the nearest name, for the first that is not in `FIELDS`."""
    for name in names:
        if name not in FIELDS:
            hint = did_you_mean(ALIASES.get(name.casefold(), name), FIELDS)
            raise KandiError(f"unknown setting {quote(name)}; {hint}known: {', '.join(FIELDS)}")


def check_value(name: str, value: Any) -> Any:
    """Return the value as the plain Python type of its field, or raise KandiError."""
    setting = FIELDS[name]
    if value is None and setting.optional:
        return None
    if setting.type is str:
        return _checked_text(name, value)
    number = _as_int(name, value) if setting.type is int else _as_float(name, value)
    if not (setting.low or 0) <= number <= (setting.high or 0):  # text alone has no bounds
        raise KandiError(f"{name} must be {_range(setting)}, not {quote(value)}", about=name)
    return _rounded_up(name, int(number)) if setting.kind == "size" else number


def _checked_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise KandiError(f"{name} must be text in quotes, not {quote(value)}", about=name)
    if name == "prompt" and not value.strip():
        raise KandiError(
            'prompt is empty; say what to draw, for example "a red fox in space"', about=name
        )
    return readable(name, value)


def readable(name: str, value: str) -> str:
    """Return a text that a model can be given; raise KandiError, with its name, for others."""
    if len(value) > LONGEST_TEXT:
        raise KandiError(
            f"{name} is {len(value):,} characters long, at most {LONGEST_TEXT:,} are taken; "
            "models read a few sentences, so shorten it",
            about=name,
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise KandiError(
            f"{name} holds half a character at position {error.start} (a lone surrogate); "
            "type or paste the text again",
            about=name,
        ) from None
    return str(value)


def _as_int(name: str, value: Any) -> int:
    whole, number = as_whole(value), as_real(value)
    if whole is None and name in SEEDS and number is not None and number == number // 1:
        whole = int(value)  # spreadsheets and JSON write a seed as 7.0
    if whole is None:
        wanted = f"a whole number, {_range(FIELDS[name])}"
        raise KandiError(f"{name} must be {wanted}, not {quote(value)}", about=name)
    return whole


def _as_float(name: str, value: Any) -> float:
    # numbers.Real covers Python's and NumPy's numbers, but not text, arrays or NumPy's bool.
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise KandiError(
            f"{name} must be a number, {_range(FIELDS[name])}, not {quote(value)}", about=name
        )
    try:
        number = float(value)
    except OverflowError:  # a whole number or fraction beyond what a float can hold
        raise KandiError(
            f"{name} must be {_range(FIELDS[name])}, not {quote(value)}", about=name
        ) from None
    if not math.isfinite(number):
        raise KandiError(
            f"{name} must be a finite number, {_range(FIELDS[name])}, not {number}",
            about=name,
        )
    return number


def _rounded_up(name: str, number: int) -> int:
    rounded = -(-number // 64) * 64
    if rounded != number:
        warn(f"{name} {number} → {rounded}: sizes are multiples of 64")
    return rounded


def _range(setting: Setting) -> str:
    none = " (or None for the model's own)" if setting.optional else ""
    return f"from {setting.low} to {setting.high}{none}"


def number_or_text(text: str) -> Any:
    """Return the number that a text says, or the text itself, to be checked and quoted later.

    >>> number_or_text("25"), number_or_text("2.5"), number_or_text("1_0")
    (25, 2.5, '1_0')
    """
    # No number that anybody means has more than 400 letters, and long ones are slow to read.
    if len(text) <= 400 and "_" not in text and text.strip().isascii():
        for reading in (int, float):
            with contextlib.suppress(ValueError):
                return reading(text)
    return text


def floats(value: Any, words: str) -> torch.Tensor:
    """Return numbers as a tensor of float32 on the CPU, a copy; a KandiError begins `words`."""
    import torch

    fault = quote(value)
    with contextlib.suppress(TypeError, ValueError, RuntimeError):
        tensor = torch.as_tensor(value).detach()
        if tensor.layout == torch.strided and not tensor.is_complex():
            return tensor.float().cpu().clone()
        fault = "complex numbers" if tensor.is_complex() else "sparse ones; say x.to_dense()"
    raise KandiError(f"{words}, not {fault}")
