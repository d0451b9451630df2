"""`batch`: any task over any number of runs, into a folder that nothing can spoil."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...model.loading.description import Description
from ...model.loading.kandinsky import Kandinsky
from ...model.progress import interruptible, progress_bar
from ...words.bounds import whole
from ...words.errors import Cancelled, KandiError, quote, warn
from ...words.files import clear, expand_path, writable
from ...words.models import SPECS
from ...words.params import Params
from .engines import Engine, Here, Processes
from .folder.index import changed_pictures, names, rebuild
from .folder.page import write_page
from .forecast import Forecast, forecast
from .loop import Batch, draw_runs
from .progress import counts
from .queue import FIRST, SMALL, Queue
from .rows.runs import Asked, Runs, task_call
from .worker import Order, Source, Unsaved, set_aside

ENGINES = ("ray",)


def batch(
    task: Any,
    k: Any,
    runs: Any,
    *,
    out: str | os.PathLike,
    workers: int = 1,
    engine: str | None = None,
    address: str | None = None,
    retry: int = 1,
    sample: int | None = None,
    defaults: Params | Mapping[str, Any] | None = None,
    device: str | None = None,
    dry_run: bool = False,
    inputs: bool = True,
    verify: bool = False,
    progress: bool = True,
    stop: Any = None,
    **given: Any,
) -> Batch | Forecast:
    """Draw many runs into a folder, so that no picture is lost, doubled or half there.

    `task` is a task or its name, `k` a model, its key or its folder. `runs`: Params, a list of
    them or of dicts, or the path of a table (CSV, JSON lines, YAML, a prompt a line), whose
    columns are settings and inputs; `defaults`, Params or a dict, say what a row does not. A
    seed of -1 or "random" is drawn for the row, and is the same when the batch is called again.
    A prompt may be a template, `a {red|blue} fox`: all combinations, or `sample` of each.
    `given` goes to the task, the same for all runs. Everything is checked before anything is
    drawn.

    Each picture is a PNG with its recipe, named by the hash of what it depends on: called
    again, a batch draws what is missing and nothing else, whether it was stopped, killed or
    changed, also beside another one in the same folder. A run that fails is tried `retry` times
    more and listed; it stops no other. `workers` processes load a model each; `engine="ray"`
    takes a cluster, at `address`, instead. `dry_run` says what would be drawn and how long that
    takes. `verify` first reads every byte of the pictures that are there, against the index,
    and draws anew what was damaged or exchanged; else the end of each file alone is looked at.
    With `inputs=False` the originals do not travel in the pictures. Raises KandiError
    for bad input, and Cancelled after a stop.
    """
    known = task_call(task)
    _check_numbers(workers=workers, retry=retry, sample=sample)
    _check_engine(engine, address)
    if strange := [name for name in given if name not in known.takes]:
        takes = ", ".join(known.inputs)
        raise KandiError(f"{known.name} takes no {strange[0]}; inputs of it: {takes}")
    asked_for = Runs(runs, known, defaults=defaults, shared=tuple(given), sample=sample)
    total = asked_for.check()
    source = _source(k, device)
    folder = expand_path(out) if dry_run else _folder(out)
    order = Order(known, source, folder.resolve(), given, inputs, retry)
    if dry_run:
        asked_for.chance.look_in(folder)
        gone = (
            {name for name, _ in changed_pictures(folder)} if verify and folder.is_dir() else ()
        )
        own = None if isinstance(k, (str, os.PathLike)) else k
        watch = {"progress": progress, "stop": stop}
        return forecast(order, own, asked_for, total, workers, gone=gone, **watch)
    asked_for.chance.keep_in(folder)
    _announce(known, given, inputs)
    rebuild(folder)
    if verify:
        _set_changed_aside(folder, progress, stop)
    done = Batch(folder, total)
    began = time.monotonic()
    queue = Queue(asked_for, known.options, _first_size(k))
    with counts(total, shown=progress, stop=stop) as bar:
        try:
            with (
                interruptible(),
                _engine(order, k, workers, engine, address, bar) as drawing,
            ):
                draw_runs(drawing, queue, done, bar, workers)
        except (Cancelled, KeyboardInterrupt) as error:
            raise _stop_error(error, done) from None
        except Unsaved as error:
            again = "make room, or put the folder back, then call it again"
            raise Unsaved(f"{error}. {_how_far(done)}; {again}") from None
        finally:
            done.seconds = time.monotonic() - began
            if folder.is_dir():  # else its page would make it anew
                clear(folder)  # what killed workers had half written
                done.page = _page(folder)
    return done


def _set_changed_aside(folder: Path, progress: bool, stop: Any) -> None:
    """Rename the pictures that are not as they were saved, so that they are drawn anew."""
    count = sum(1 for _ in names(folder))
    with progress_bar(count, "verify", shown=progress, stop=stop) as bar:
        for name, why in changed_pictures(folder, bar.step):
            set_aside(folder / name, why)


def _first_size(k: Any) -> int:
    """Return how many runs the first call gets: one where a picture may take minutes."""
    spec = SPECS.get(k) if isinstance(k, str) else getattr(k, "spec", None)
    large = isinstance(k, (str, os.PathLike)) if spec is None else spec.native_size > SMALL
    return 1 if large else FIRST


def _page(folder: Path) -> Path | None:
    try:
        return write_page(folder)
    except (KandiError, OSError) as error:  # the pictures are there, which is what counts
        warn(f"the gallery is not written: {error}")
        return None


@contextlib.contextmanager
def _engine(
    order: Order, k: Any, workers: int, engine: str | None, address: str | None, stop: Any
) -> Iterator[Engine]:
    if engine == "ray":
        from .cluster import Cluster

        drawing: Engine = Cluster(order, workers, address)
    elif workers > 1:
        _check_travels(order)
        drawing = Processes(order, workers)
    else:
        own = isinstance(k, (str, os.PathLike))
        drawing = Here(order, None if own else k, stop)
    try:
        yield drawing
    finally:
        drawing.close()


def _check_travels(order: Order) -> None:
    """Raise KandiError for what another process cannot be handed."""
    function = order.task.function
    main = sys.modules.get("__main__")
    lost = function.__module__ == "__main__" and not hasattr(main, "__file__")
    try:
        pickle.dumps(order)
    except Exception:  # pickle has many ways to say it
        lost = True
    if lost:
        raise KandiError(
            f"workers cannot be handed {order.task.name}, its inputs or this model: put the "
            "task into a module of its own, or take workers=1"
        )


def _source(k: Any, device: str | None) -> Source:
    """Return how another process gets the same model."""
    if isinstance(k, (str, os.PathLike)):
        named = Description.of(k if isinstance(k, (str, Path)) else Path(k))
        return Source(dataclasses.replace(named, device=device))
    if not isinstance(k, Kandinsky):
        return Source(k)
    if device is not None:
        raise KandiError("this model is loaded already; say device to kn.load")
    return Source(Description.of(k), k.options)


def _announce(task: Asked, given: Mapping[str, Any], inputs: bool) -> None:
    pictures = task.known.pictures if task.known else ()
    originals = [name for name in pictures if name in given or name in task.required]
    if inputs and originals:
        print(
            f"the original pictures ({', '.join(originals)}) travel inside the PNG files; "
            "inputs=False leaves them out"
        )


def _folder(out: Any) -> Path:
    try:
        return writable(out)
    except KandiError as error:
        raise KandiError(f"out cannot hold the pictures: {error}") from None


def _check_numbers(**numbers: Any) -> None:
    for name, value in numbers.items():
        least = 0 if name == "retry" else 1
        if value is None and name == "sample":
            continue
        whole(name, value, least)


def _check_engine(engine: Any, address: Any) -> None:
    if engine is not None and engine not in ENGINES:
        raise KandiError(
            f'unknown engine {quote(engine)}; "ray" takes a cluster, None this machine'
        )
    if address is not None and engine is None:
        raise KandiError('an address is that of a Ray cluster; add engine="ray"')
    if engine == "ray":
        from .cluster import check_cluster

        check_cluster(address)


def _how_far(done: Batch) -> str:
    if not done.folder.is_dir():
        return f"{done.total} pictures were asked for"
    here = sum(1 for _ in names(done.folder))  # what was saved after the last report, too
    return f"{here} pictures are in {done.folder}, {done.total} were asked for"


def _stop_error(error: BaseException, done: Batch) -> BaseException:
    """Return what says how to go on; outside of notebooks Ctrl-C stays what it is."""
    words = f"stopped: {_how_far(done)}; call it again to draw the others"
    return (KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else Cancelled)(words)
