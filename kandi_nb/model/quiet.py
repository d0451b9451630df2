"""Keep the libraries' known chatter out of the notebook, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# Messages that are normal here, or that we say better ourselves. Real errors pass.
CHATTER = (
    "`CLIPImageProcessor` requires torchvision",  # the slower processor is all we need
    "Token indices sequence length is longer",  # we warn ourselves and show what is cut
    "The following part of your input was truncated",
    "You have passed a non-standard module",  # 2.1's own text encoder, printed whole
    "Couldn't connect to the Hub",  # the cache is looked at first, on purpose
)


class _Chatter(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(CHATTER)


_FILTER = _Chatter()


def hush() -> None:
    """Drop the messages of `CHATTER` from now on, on the handlers of both libraries.

    On the handlers, because a filter on a logger does not see what its children log. The
    libraries' levels stay as they are: raising them would hide that weights are missing.
    """
    for name in ("transformers", "diffusers"):
        for handler in logging.getLogger(name).handlers:
            if _FILTER not in handler.filters:
                handler.addFilter(_FILTER)


@contextmanager
def quiet() -> Iterator[None]:
    """Hush both libraries and switch their loading bars off for the block."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    hush()
    libraries = (diffusers_logging, transformers_logging)
    shown = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()


@contextmanager
def without_advice() -> Iterator[None]:
    """Keep diffusers' warnings out of the block, where what it warns of is what is tried."""
    logger = logging.getLogger("diffusers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
