"""The command kandi-nb: exit code 0 when all went well, 1 when it failed, 2 for bad input."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from . import __version__
from .drivers.commands.parser import command_parser, option_of
from .drivers.commands.terminal import BAD_INPUT, FAILED, INTERRUPTED, say
from .model.machine.threads import wait_passively
from .words.errors import Cancelled, KandiError, KandiWarning


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's own) and return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    code = _run(words)
    if argv is None:
        gc.freeze()  # Python ends now: garbage among all modules need not be looked for
    try:
        if sys.stdout is not None:
            sys.stdout.flush()  # at the exit of Python nobody could say that this fails
    except BrokenPipeError:
        _drop_output()
    except OSError as error:
        return _report_unwritten(error)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands, each with the options that it registers."""
    return command_parser(__version__)


def _run(words: list[str]) -> int:
    # A prompt in Russian must not end in an error on a terminal that knows Latin only.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            if words[:1] != ["mini"]:  # training has the machine for itself
                wait_passively(os.environ)
            options = parser().parse_args(words)
            return int(options.run(options) or 0)
    except (KeyboardInterrupt, Cancelled):
        say("stopped")
        return INTERRUPTED
    except KandiError as error:
        from .drivers.notebooks.run import NotebookFailed

        option = option_of(words, error.about) if error.about else None
        say(f"{error} ({option})" if option and option not in str(error) else str(error))
        return FAILED if isinstance(error, NotebookFailed) else BAD_INPUT
    except BrokenPipeError:  # the reader went away, as in `kandi-nb models | head -1`
        _drop_output()
        return 0
    except OSError as error:
        return _report_unwritten(error)
    except SystemExit as error:  # argparse: 0 after --help, 2 after words it does not know
        return error.code if isinstance(error.code, int) else BAD_INPUT


def _report_unwritten(error: OSError) -> int:
    """Say what the system refused, such as output to a full disk, and return the exit code."""
    place = "" if error.filename is None else f" ({error.filename})"
    say(f"cannot go on: {error.strerror or error}{place}")
    _drop_output()
    return FAILED


def _drop_output() -> None:
    """Send what is left of the output nowhere, for at its exit Python writes it once more."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_warning(message: Any, category: type, *rest: Any, **named: Any) -> None:
    # Ours are meant for the user; what libraries warn of, the user of a command cannot mend.
    if issubclass(category, KandiWarning):
        say(str(message))


if __name__ == "__main__":
    sys.exit(main())
