"""The options that commands share: model, machine, and one for each setting."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ...words.fields import FIELDS, Setting, number_or_text
from ...words.params import SEEDS, read_seed

if TYPE_CHECKING:
    from ...model.loading.description import Description

DEFAULT_MODEL = "mini-2.2"
DTYPES = "float16, bfloat16 or float32 (default: float16 on cuda, else float32)"
DEVICES = "cuda, mps or cpu (default: the best at hand)"


def add_loading_options(
    parser: argparse.ArgumentParser,
    *,
    models: Sequence[str] | None = None,
    named: bool = False,
) -> None:
    """Add the group of options that say how a model is loaded, the same for each command.

    With `models` there are several, and these by default; one that is `named` already, as an
    argument of the command, has no option.
    """
    group = parser.add_argument_group("how the model is loaded")
    if named:
        pass
    elif models is None:
        text = f"a key that `kandi-nb models` lists, or a folder (default: {DEFAULT_MODEL})"
        group.add_argument("--model", default=DEFAULT_MODEL, help=text)
    else:
        text = f"keys or folders (default: {' '.join(models)})"
        group.add_argument("--models", nargs="+", metavar="MODEL", default=models, help=text)
    group.add_argument("--device", help=DEVICES)
    group.add_argument("--dtype", metavar="NAME", help=DTYPES)
    group.add_argument(
        "--memory",
        default="resident",
        metavar="PLAN",
        help="a plan of `kn.plan`, such as model-offload, or auto (default: resident)",
    )
    group.add_argument(
        "--scheduler",
        metavar="NAME",
        help='such as "ddim" or "dpm++" (default: the model\'s own)',
    )
    group.add_argument(
        "--speed",
        default="exact",
        metavar="NAME",
        help="exact, traced, compiled or fast (default: exact)",
    )
    group.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="FILE[:SCALE]",
        help="a LoRA file, as `kandi-nb teach` writes it, such as snowman.safetensors:0.8; "
        "again for another one",
    )


def add_address_options(parser: argparse.ArgumentParser, port: int) -> None:
    """Add the group of options that say where a command listens, at that port by default."""
    group = parser.add_argument_group("where it listens")
    group.add_argument("--host", default="127.0.0.1", help="default: this machine alone")
    group.add_argument(
        "--port",
        type=number_or_text,
        default=port,
        metavar="N",
        help=f"default: {port}; 0: any free",
    )


def loading(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `load` that the options say, but for those left at default."""
    from ...model.adapters.scales import scales_of

    given = {name: getattr(options, name) for name in ("device", "dtype", "scheduler")}
    given |= {"adapter": scales_of(options.adapter)}
    others = {"memory": "resident", "speed": "exact"}
    named = {name: value for name, value in given.items() if value is not None}
    return named | {
        name: getattr(options, name)
        for name, usual in others.items()
        if getattr(options, name) != usual
    }


def loaded_as(options: argparse.Namespace) -> Description:
    """Return what describes the model of the options; adapters are read, nothing is loaded."""
    from ...model.adapters.scales import scaled_adapters
    from ...model.loading.description import Description

    given = loading(options)
    adapters = scaled_adapters(given.pop("adapter", None))
    named = Description.of(options.model)
    return dataclasses.replace(named, **given, adapters=adapters)


def add_setting_options(
    parser: argparse.ArgumentParser, task: str, without: Sequence[str] = ()
) -> None:
    """Add an option for each setting that a task uses; the prompt is no option."""
    for name, setting in FIELDS.items():
        if setting.used_by(task, ["prior"]) and name not in ("prompt", *without):
            add_setting_option(parser, name, setting)


def add_setting_option(
    parser: argparse.ArgumentParser, name: str, setting: Setting, *, of_rows: bool = False
) -> None:
    """Add the option of one setting, which is absent unless it is given.

    `of_rows`: it fills cells of a table, so a seed by chance is another one for each row.
    """
    limits = "" if setting.low is None else f", {setting.low} to {setting.high}"
    if name in SEEDS:
        limits += ", or random"
    default = "" if setting.default is None else f" (default: {setting.default})"
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        dest=name,
        metavar=name.upper() if setting.type is str else "N",
        # Text at first: Params says what is wrong in the words used everywhere.
        type=_type(name, setting, of_rows),
        default=argparse.SUPPRESS,
        help=f"{setting.help}{limits}{default}",
    )


def _type(name: str, setting: Setting, of_rows: bool) -> Callable[[str], Any]:
    if setting.type is str or (of_rows and name in SEEDS):
        return str
    return partial(read_seed, name) if name in SEEDS else number_or_text
