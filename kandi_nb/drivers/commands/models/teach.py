"""Teach a model what pictures show, as an adapter file."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ....words.errors import KandiError
from ....words.fields import number_or_text
from ....words.files import expand_path
from ....words.params import read_seed
from ..options import add_loading_options, loaded_as
from ..terminal import INTERRUPTED, check_free


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes beside the model and its device."""
    parser.add_argument(
        "pictures",
        metavar="FOLDER",
        help="pictures, with captions.jsonl, captions.csv or a .txt file beside each",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=expand_path,
        metavar="FILE",
        help="default: FOLDER's name .safetensors",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")
    numbers = {
        "minutes": (2, "of training"),
        "steps": (None, "of the decoder, in the place of minutes"),
        "rank": (8, "of the matrices that are trained"),
        "rate": (0.002, "the peak of the learning rate"),
        "batch": (None, "pictures a step"),
        "seed": (0, "of the training, or random"),
    }
    for name, (default, text) in numbers.items():
        known = "" if default is None else f" (default: {default})"
        read = partial(read_seed, name) if name == "seed" else number_or_text
        parser.add_argument(
            f"--{name}", type=read, default=default, metavar="N", help=text + known
        )
    parser.add_argument(
        "--part", choices=("prior", "decoder"), help="teach one part alone (default: both)"
    )
    parser.add_argument(
        "--mirrored", action="store_true", help="show each picture mirrored, too"
    )
    parser.add_argument(
        "--keep",
        type=expand_path,
        metavar="DIR",
        help="checkpoints; the same command goes on there",
    )
    add_loading_options(parser)


def run(options: argparse.Namespace) -> int:
    """Teach as the parsed options say, write the adapter and print its path.

    Ctrl-C ends the teaching, and what was learned until then is written; a second one ends all.
    """
    from ....words.files import writable

    folder = expand_path(options.pictures)
    target = expand_path(options.output or Path(f"{folder.resolve().name}.safetensors"))
    if target.suffix != ".safetensors":
        raise KandiError(f"{target} must end in .safetensors: adapters are no pickles")
    check_free(target, options.force)
    if not folder.is_dir():
        raise KandiError(f"there is no folder {folder}; check the path")
    writable(target.parent)

    from ....model.progress import in_log
    from ....tasks.teaching.dataset import read_dataset
    from ....tasks.teaching.teach import teach

    read_dataset(folder)  # before a model is loaded
    given = {"parts": options.part} if options.part else {}
    with in_log(), _stop_by_ctrl_c() as stop:
        adapter = teach(
            loaded_as(options).load(),
            folder,
            minutes=options.minutes,
            steps=options.steps,
            rank=options.rank,
            rate=options.rate,
            batch=options.batch,
            seed=options.seed,
            mirrored=options.mirrored,
            folder=options.keep,
            name=target.stem,
            stop=stop,
            **given,
        )
    print(adapter.save(target, overwrite=options.force))
    print(adapter, file=sys.stderr)
    return INTERRUPTED if stop.is_set() else 0


@contextmanager
def _stop_by_ctrl_c() -> Iterator[threading.Event]:
    """Let the first Ctrl-C in the block set an event; the next one does what it always does."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def note(*_: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    main = threading.current_thread() is threading.main_thread()
    if main:
        signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
