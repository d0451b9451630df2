"""What a mixer mixes, and the picture that follows its weights, one run at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...tasks.embeddings.embed import embed
from ...tasks.embeddings.items import gather
from ...tasks.embeddings.mixing import mix
from ...tasks.embeddings.mixtures import check_mixes, combine, shares_of
from ...words.embedding import Embedding
from ...words.errors import KandiError, quote
from ...words.fields import names_of
from ...words.params import Params
from .runner import Runner

if TYPE_CHECKING:
    from ...pictures.result import Result

LEAST, MOST = 2, 8  # items: with more, nobody finds the slider
HOWS = ("mean", "slerp")


class Blend:
    """Hold a model and items; embed them once for all mixtures. Raises KandiError.

    `items` are what `kn.mix` takes, `LEAST` to `MOST` single ones; `how` is "mean" or "slerp".
    """

    def __init__(self, k: Kandinsky, items: Any, how: str) -> None:
        check_mixes(k)
        if isinstance(items, (str, bytes)) or not hasattr(items, "__len__"):
            raise KandiError(f"items is a list of {LEAST} to {MOST} items, not {quote(items)}")
        if not LEAST <= len(items) <= MOST:
            raise KandiError(
                f"a mixer has {LEAST} to {MOST} items, not {len(items)}; kn.mix takes more"
            )
        if how not in HOWS:
            raise KandiError(
                f"how is one of {', '.join(HOWS)}, not {quote(how)}; kn.mix has others"
            )
        for item in items:
            if len(gather(item, "mixer")) != 1:
                raise KandiError("a mixer goes between single items; mix lists: kn.mixture")
        self.k, self.items, self.how = k, list(items), how
        self._rows: tuple[Any, Embedding] | None = None
        self._lock = threading.Lock()

    def shares(self, weights: Any) -> list[float]:
        """Return one share an item, with the sum 1; raise KandiError."""
        return shares_of(weights, len(self.items), self.how)

    def rows(self, params: Params, **options: Any) -> Embedding:
        """Return the embeddings of the items by the prior settings of `params`."""
        key = tuple(getattr(params, name) for name in (*names_of(stage="prior"), "negative"))
        with self._lock:
            if self._rows is None or self._rows[0] != key:
                every = gather(self.items, "mixer", params)
                self._rows = key, embed(self.k, every, **options)
            return self._rows[1]

    def mixture(self, params: Params, weights: Sequence[float], **options: Any) -> Embedding:
        """Return the mixture by weights, of one row."""
        return combine(self.rows(params, **options), self.shares(weights), self.how)

    def draw(self, params: Params, weights: Sequence[float], **options: Any) -> Result:
        """Draw the mixture; `options` are `progress` and `stop`."""
        if hasattr(self.k, "remote_mixtures"):  # a service keeps its embeddings itself
            return mix(self.k, params, self.items, weights, self.how, **options)
        rows = list(self.rows(params, **options))
        return mix(self.k, params, rows, weights, self.how, **options)


class Follower:
    """Draw the newest of what is wanted: one run at a time, and never more than one waits.

    `show(done, total, words)` and `ended(value, error, notes)` are those of `Runner`.
    """

    def __init__(
        self,
        show: Callable[[int, int, str], None],
        ended: Callable[[Any, BaseException | None, list[str]], None],
    ) -> None:
        self._runner = Runner(show, ended, self._next)
        self._lock = threading.Lock()
        self._waiting: tuple[Callable[[Any], Any], bool] | None = None
        self._rough = True
        self._quiet = threading.Event()
        self._quiet.set()

    @property
    def waits(self) -> bool:
        """Tell whether a run waits for the one that goes on."""
        return self._waiting is not None

    def want(self, draw: Callable[[Any], Any], *, rough: bool) -> None:
        """Run draw(stop) as soon as nothing runs, instead of what waits.

        Rough runs are short and may end, so that something moves while somebody drags; a full
        one is stopped.
        """
        with self._lock:
            self._waiting = draw, rough
            self._quiet.clear()
            if not self._rough:
                self._runner.stop()
        self._next()

    def stop(self) -> None:
        """End the run, and forget what waits."""
        with self._lock:
            self._waiting = None
            self._runner.stop()
        self._next()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing runs or waits; return whether that is so."""
        return self._quiet.wait(seconds)

    def _next(self) -> None:
        with self._lock:
            if self._waiting is None:
                if not self._runner.running:
                    self._quiet.set()
                return
            draw, rough = self._waiting
            if self._runner.start(lambda: draw(self._runner.stop_event)):
                self._waiting, self._rough = None, rough
