"""The options that commands share: model, machine, and one for each setting."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ..words.fields import FIELDS, Setting, number_or_text

DEFAULT_MODEL = "mini-2.2"
DEVICES = "cuda, mps or cpu (default: the best at hand)"


def add_painting_options(parser: argparse.ArgumentParser, task: str) -> None:
    """Add the prompt and the options of a command that makes pictures by a task."""
    parser.add_argument("prompt", help=FIELDS["prompt"].help)
    add_model_option(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="a .png file to write"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    parser.add_argument(
        "--no-inputs", action="store_true", help="leave the original pictures out of FILE"
    )
    add_machine_options(parser)
    add_setting_options(parser, task)


def add_model_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names a model."""
    parser.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        help=f"a key that `kandi-nb models` lists, or a folder (default: {DEFAULT_MODEL})",
    )


def add_setting_options(
    parser: argparse.ArgumentParser, task: str, without: Sequence[str] = ()
) -> None:
    """Add an option for each setting that a task uses; the prompt is no option."""
    for name, setting in FIELDS.items():
        used = setting.tasks is None or task in setting.tasks
        if used and name not in ("prompt", *without):
            add_setting_option(parser, name, setting)


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add what a model is loaded with: its device, scheduler, speed and adapters."""
    parser.add_argument("--device", help=DEVICES)
    add_adapter_option(parser)
    parser.add_argument(
        "--scheduler",
        metavar="NAME",
        help='such as "ddim" or "dpm++" (default: the model\'s own)',
    )
    parser.add_argument(
        "--speed",
        default="exact",
        metavar="NAME",
        help="exact, traced, compiled or fast (default: exact)",
    )


def add_adapter_option(parser: argparse.ArgumentParser) -> None:
    """Add what a model was taught beside its weights."""
    parser.add_argument(
        "--adapter",
        action="append",
        default=[],
        metavar="FILE[:SCALE]",
        help="a LoRA file, as `kandi-nb teach` writes it, such as snowman.safetensors:0.8; "
        "again for another one",
    )


def add_setting_option(parser: argparse.ArgumentParser, name: str, setting: Setting) -> None:
    """Add the option of one setting, which is absent unless it is given."""
    limits = "" if setting.low is None else f", {setting.low} to {setting.high}"
    default = "" if setting.default is None else f" (default: {setting.default})"
    parser.add_argument(
        f"--{name.replace('_', '-')}",
        dest=name,
        metavar=name.upper() if setting.type is str else "N",
        # Text at first: Params says what is wrong in the words used everywhere.
        type=str if setting.type is str else number_or_text,
        default=argparse.SUPPRESS,
        help=f"{setting.help}{limits}{default}",
    )
