"""What a model's folder may name: classes that are known, and never code, paths or downloads.

All of it looks at parsed JSON, before any library reads the folder: the libraries would import
what a folder names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..words.errors import KandiError, quote
from ..words.families import FAMILIES

_D = "diffusers"
_SCHEDULER = re.compile(r"[A-Z][A-Za-z0-9]*Scheduler")  # of diffusers, whichever it has
_AVOID = "nothing of it was loaded; take the model from its publisher"
_CODE = ("auto_map", "custom_pipelines", "custom_pipeline", "trust_remote_code")
_KERNELS = ("attn_implementation", "_attn_implementation", "experts_implementation")
_MOST_LAYERS = 1000  # the deepest network here has 48
_MOST_IN_A_BLOCK = 32  # up to 3 here
_MOST_TIMES = 100_000  # every Kandinsky has 1000
_PREDICTED = ("epsilon", "sample", "v_prediction", "flow_prediction", "original_sample")


def entries(
    folder: Path, index: Mapping[str, Any], family: str | None = None, stage: str = "decoder"
) -> dict[str, tuple[str, str]]:
    """Return component → (library, class) of a parsed model_index.json, all of them known.

    Without a `family` those of all families count. Raises KandiError for any other class.
    """
    if not isinstance(index.get("_class_name", ""), str):
        raise KandiError(f"{folder} brings a pipeline of its own, which is code; {_AVOID}")
    found = {}
    for name, entry in index.items():
        if name in _CODE:
            raise KandiError(f"{folder} names code ({name} in model_index.json); {_AVOID}")
        if name.startswith("_") or entry in ([None, None], None):
            continue
        if isinstance(entry, (bool, int, float, str)):  # a setting of the pipeline
            continue
        known = _known_classes(name, family, stage)
        if not isinstance(entry, list) or not _is_known(name, entry, known):
            expected = " or ".join(class_name for _, class_name in known) or "no such part"
            raise KandiError(
                f"model_index.json of {folder} names {quote(entry)} as {quote(name)}, where "
                f"{expected} stands in a Kandinsky; {_AVOID}"
            )
        found[name] = (entry[0], entry[1])
    return found


def _known_classes(name: str, family: str | None, stage: str) -> list[tuple[str, str]]:
    """Return the pairs that a component may be of."""
    if name == "scheduler":
        return [(_D, "a scheduler of diffusers")]
    stages = (
        [FAMILIES[family].stages.get(stage, {})]
        if family
        else [parts for row in FAMILIES.values() for parts in row.stages.values()]
    )
    return list(dict.fromkeys(pair for parts in stages for pair in parts.get(name, ())))


def _is_known(name: str, entry: list[Any], known: list[tuple[str, str]]) -> bool:
    if len(entry) != 2 or not all(isinstance(word, str) for word in entry):
        return False
    if name == "scheduler":
        return entry[0] == _D and bool(_SCHEDULER.fullmatch(entry[1]))
    return tuple(entry) in known


def check_settings(file: Path, content: Mapping[str, Any]) -> None:
    """Raise KandiError for a configuration that names code or kernels, or is absurd."""
    for name, value in _pairs(content):
        if name in _CODE:
            raise KandiError(f"{file} names code to run ({name}); {_AVOID}")
        if name in _KERNELS and isinstance(value, str) and not value.isidentifier():
            raise KandiError(f"{file} names kernels to download ({quote(value)}); {_AVOID}")
        if name == "quantization_config" and value:
            raise KandiError(
                f"{file} is of a quantised model, which is not read here; load the plain "
                "weights, and ask for fewer bits by memory="
            )
        most = _MOST_IN_A_BLOCK if name.endswith("layers_per_block") else _MOST_LAYERS
        if name.endswith(("layers", "layers_per_block")) and _is_above(value, most):
            raise KandiError(f"{file} asks for {quote(value)} layers; {_AVOID}")
        if name == "num_train_timesteps" and not _is_count(value, _MOST_TIMES):
            raise KandiError(f"{file} was trained on {quote(value)} timesteps; {_AVOID}")
        if name == "prediction_type" and value not in _PREDICTED:
            raise KandiError(f"{file} predicts {quote(value)}, which is unknown; {_AVOID}")


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 < value <= most


def _is_above(value: Any, most: int) -> bool:
    """Tell whether a number, or one in a list, is beyond a limit."""
    waiting = [value]
    while waiting:
        held = waiting.pop()
        if isinstance(held, list):
            waiting += held
        elif isinstance(held, (int, float)) and not abs(held) <= most:
            return True
    return False


def _pairs(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield every name and value of parsed JSON, however deep, without recursion."""
    waiting = [content]
    while waiting:
        held = waiting.pop()
        if isinstance(held, Mapping):
            yield from held.items()
            waiting += held.values()
        elif isinstance(held, list):
            waiting += held


def shards(index: Path, listed: Any) -> list[str]:
    """Return the files that an index's weight_map names, all beside it; raise KandiError."""
    names = list(listed.values()) if isinstance(listed, dict) else [listed]
    for name in names:
        if not is_inside(name) or not name.endswith(".safetensors"):
            raise KandiError(
                f"{index} names a file outside its folder ({quote(name)}); {_AVOID}"
            )
    return sorted(set(names))


def is_inside(name: Any) -> bool:
    """Tell whether a text names a file of the folder that it stands in.

    >>> is_inside("model-1.safetensors"), is_inside("../model.safetensors")
    (True, False)
    """
    return (
        isinstance(name, str)
        and name not in ("", ".", "..")
        and PurePosixPath(name.replace("\\", "/")).name == name
        and not {":", "\0"} & set(name)
    )
