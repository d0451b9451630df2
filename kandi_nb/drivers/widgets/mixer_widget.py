"""The widget of `mixer`: items with their weights, and what is drawn of them meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anywidget
from traitlets import Any as AnyTrait
from traitlets import Bool, CBytes, List, Unicode, observe

from ...pictures.pixels import is_picture
from ...tasks.embeddings.items import gather, item_names
from ...words.embedding import Embedding
from ...words.errors import Cancelled, KandiError, line_of, one_line, quote, shorten
from ...words.params import Params
from .classes import CheckedTrait, script
from .encoding import for_page, message_of, thumbnail
from .mixing import Blend, Follower
from .place import earlier_shown, is_watched, reachable

if TYPE_CHECKING:
    from ...pictures.result import Result


class Mixer(anywidget.AnyWidget):
    """Hold items and their weights; made by `kn.mixer`."""

    _esm = script("mixer.js")
    _css = script("tokens.css", "painter.css", "mixer.css")
    weights = CheckedTrait("_weights_of").tag(
        sync=True, from_json=lambda value, me: me._weights_from_page(value)
    )
    dragging = Bool(False).tag(sync=True, from_json=lambda value, me: value is True)
    params = CheckedTrait("_params_of")
    result = AnyTrait()
    labels = List().tag(sync=True)
    thumbnails = List().tag(sync=True)
    picture = CBytes().tag(sync=True, echo_update=False)
    caption = Unicode().tag(sync=True)
    status = Unicode().tag(sync=True)
    note = Unicode().tag(sync=True)
    wrong = Bool(False).tag(sync=True)  # the note is a fault, no remark
    running = Bool(False).tag(sync=True)

    def __init__(self, blend: Blend, weights: list[float], params: Params, quick: int) -> None:
        self._blend, self._quick = blend, quick
        self._wanted: Any = None  # what is drawn, or was last
        self._seen = False  # a page shows it, so the picture follows
        self._corner: int | None = None  # the item that is drawn alone just now
        self._plain: set[int] = set()  # items that were drawn so
        self._follower = Follower(self._show, self._on_end)
        every = gather(blend.items, "mixer", params)
        super().__init__(
            weights=weights,
            params=params,
            labels=[shorten(one_line(name), 40) for name in item_names(every)],
            thumbnails=[thumbnail(i, 64) if is_picture(i) else "" for i in every],
        )
        reachable(self)
        self.on_msg(self._on_message)

    # --- what is set ---

    def _weights_of(self, value: Any) -> list[float]:
        return self._blend.shares(value)

    def _weights_from_page(self, value: Any) -> list[float]:
        try:
            return self.weights if value is None else self._blend.shares(value)
        except KandiError:  # a message that is not ours
            return self.weights

    def _params_of(self, value: Any) -> Params:
        return single_params(value)

    @observe("weights", "dragging", "params")
    def _on_change(self, change: Any) -> None:
        if change["name"] == "params" and self._plain:
            every = enumerate(self.thumbnails)
            self.thumbnails = ["" if n in self._plain else small for n, small in every]
            self._plain = set()
        if self._seen and change["old"] is not None:
            self._follow()

    # --- what comes of it ---

    @property
    def items(self) -> list[Any]:
        """Return what is mixed, in the order of the weights."""
        return list(self._blend.items)

    @property
    def embedding(self) -> Embedding:
        """Return the mixture, of one row; it is computed when it is first asked for."""
        return self._blend.mixture(self.params, self.weights)

    def run(self, **options: Any) -> Result:
        """Draw the mixture with all steps now; `options` are `progress` and `stop`."""
        self.stop()
        self.wait()
        result = self._blend.draw(self.params, self.weights, **options)
        self._on_end((result, False), None, [])
        return result

    def stop(self) -> None:
        """End what is drawn in the background."""
        self._wanted = None
        self._follower.stop()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is drawn in the background; return whether that is so."""
        return self._follower.wait(seconds)

    def _on_message(self, _: Any, message: Any, buffers: Any) -> None:
        kind = message_of(message).get("kind")
        if kind == "shown" and not self._seen:
            self._seen = True
            if self.result is None:
                self._follow()
        elif kind == "stop":
            self.stop()

    def _follow(self) -> None:
        rough, weights, params = self.dragging, list(self.weights), self.params
        if self._wanted == (rough, weights, params):
            return  # weights and dragging come together
        self._wanted = rough, weights, params
        if rough:
            params = params.replace(steps=min(self._quick, params.steps))

        def draw(stop: Any) -> tuple[Result, bool]:
            return self._blend.draw(params, weights, stop=stop), rough

        self.running = True
        self._follower.want(draw, rough=rough)

    def _draw_corners(self) -> None:
        """Draw the next item alone that has no picture, if nothing else is to be drawn."""
        number = next((n for n, small in enumerate(self.thumbnails) if not small), None)
        if number is None or not self._seen or self._follower.waits:
            return
        params = self.params.replace(steps=min(self._quick, self.params.steps))
        alone = [float(n == number) for n in range(len(self.weights))]

        def draw(stop: Any) -> tuple[Result, bool]:
            self._corner = number
            return self._blend.draw(params, alone, stop=stop), True

        self._follower.want(draw, rough=False)

    def _show(self, done: int, total: int, words: str) -> None:
        if self._corner is None:
            self.status = words

    def _take_corner(self, number: int, drawn: Any) -> None:
        """Take the picture of an item alone; one that was given up comes again later."""
        self._corner = None
        if drawn is not None:
            self._plain.add(number)
            small = list(self.thumbnails)
            small[number] = thumbnail(drawn[0][0], 64)
            self.thumbnails = small
            self._draw_corners()

    def _on_end(self, drawn: Any, error: BaseException | None, notes: list[str]) -> None:
        if self._corner is not None:
            self._take_corner(self._corner, drawn)
            return
        with self.hold_sync():
            self.wrong = False
            self.running, self.status = self._follower.waits, ""
            if error is None:
                result, rough = drawn
                self.picture = for_page(result[0])
                self.caption = _caption(result, rough)
                self.note = "; ".join(dict.fromkeys(notes))
                if not rough:
                    self.result = result
                    self._draw_corners()
            elif not isinstance(error, Cancelled):
                self._wanted, self.wrong = None, True
                self.note = line_of(error)

    # --- how it shows itself ---

    def __repr__(self) -> str:
        shares = zip(self.labels, self.weights, strict=True)
        return f"Mixer({', '.join(f'{100 * share:.3g} % {name}' for name, share in shares)})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if not is_watched():
            return {"text/plain": repr(self)}
        for old in earlier_shown(self):
            old.close()
        return super()._repr_mimebundle_()

    def close(self) -> None:
        """End what is drawn and take the mixer off the page; its result stays."""
        self._seen = False
        self.stop()
        self.layout.close()
        super().close()


def single_params(params: Any) -> Params:
    """Return the params of a mixer; raise KandiError for what draws more than one picture."""
    if not isinstance(params, Params):
        raise KandiError(f"a mixer's params are kn.Params, not {quote(params)}")
    if params.count != 1:
        raise KandiError(f"a mixer draws one picture: params with count 1, not {params.count}")
    return params


def _caption(result: Result, rough: bool) -> str:
    steps = result.params[0].steps
    return f"{steps} steps, to see where it goes" if rough else f"{steps} steps"
