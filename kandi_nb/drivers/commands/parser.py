"""The commands, found: each is a module of this folder's folders with `add_options` and `run`.

The first line of a module's docstring is what `kandi-nb --help` says of it; what it is called
is the module's name. A module of several has a function `commands()` instead.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType

FOLDERS = ("models", "pictures", "notebooks", "services")


@dataclass(frozen=True)
class Command:
    """Say what a command is called, what it does, which options it has, and how it runs.

    `run` takes the parsed options and returns an exit code, None for 0. It raises KandiError
    for bad input, before any long work.
    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]


def every_command() -> Iterator[Command]:
    """Yield the commands, folder by folder."""
    for folder in FOLDERS:
        package = importlib.import_module(f"{__package__}.{folder}")
        for found in pkgutil.iter_modules(package.__path__):
            module = importlib.import_module(f"{package.__name__}.{found.name}")
            if hasattr(module, "commands"):
                yield from module.commands()
            elif hasattr(module, "run"):
                yield _command(found.name, module)


def _command(name: str, module: ModuleType) -> Command:
    line = (module.__doc__ or " ").splitlines()[0].removesuffix(".")
    text = f"{line[:1].lower()}{line[1:]}"
    return Command(name.replace("_", "-"), text, module.add_options, module.run)


def command_parser(version: str) -> argparse.ArgumentParser:
    """Return the parser of the command line; what it gives has the function `run`."""
    made = argparse.ArgumentParser(
        prog="kandi-nb", description="Kandinsky picture models, from the command line."
    )
    made.add_argument("--version", action="version", version=f"kandi_nb {version}")
    group = made.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    for command in every_command():
        text = command.help
        own = group.add_parser(
            command.name, help=text, description=f"{text[:1].upper()}{text[1:]}."
        )
        command.add_options(own)
        own.set_defaults(run=command.run)
    return made


def option_of(words: Sequence[str], name: str) -> str | None:
    """Return the option that sets, for the command that words begin with, what `name` names."""
    for command in every_command():
        if command.name == words[0]:
            own = argparse.ArgumentParser(add_help=False)
            command.add_options(own)
            found = [each.option_strings for each in own._actions if each.dest == name]
            return found[0][-1] if found and found[0] else None
    return None
