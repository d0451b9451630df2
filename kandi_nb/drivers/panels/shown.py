"""What stage and film of a panel show: pictures as files, the one before, what was kept."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...pictures.inputs import is_changed
from ...pictures.pixels import is_picture, rgb
from ...pictures.recipe import png_bytes, recipe_of
from ...words.files import slug
from ..widgets.encoding import thumbnail
from .brush import one_picture
from .kit import write
from .state.history import EACH

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...pictures.result import Result
    from .state.history import History, Run

_MOST = 48  # thumbnails of a film
_SAID = {
    "inpaint": "Outside the mask nothing changed.",
    "outpaint": "The picture inside the frame stayed as it was.",
}


@dataclass(frozen=True)
class Shown:
    """Hold pictures to show, the names of several, and the run that drew them, if one did."""

    pictures: tuple[Image, ...]
    names: tuple[str, ...] = ()
    run: Run | None = None

    @property
    def proof(self) -> str:
        """Return what was kept, as a sentence; "" where nothing is proved."""
        result: Result | None = self.run and self.run.result
        if result is None or not result.proof:
            return ""
        least = min(row["kept"] for row in result.proof)
        if least == 1 and result.task in _SAID:
            return _SAID[result.task]
        return f"{100 * least:.4g} % of what was to be kept is as it was."

    def before(self, index: int) -> Image | None:
        """Return the picture that one was made from, in its own frame; None without any."""
        if self.run is None:
            return None
        source = one_picture(self.run.inputs.get("image"))
        after = self.pictures[index]
        if source is None or self.run.call.name != "outpaint":
            return source
        return _in_frame(source, after.size, self.run.inputs)


def of_run(run: Run) -> Shown:
    """Return what is shown of a run; several models are told apart by name."""
    result = run.result
    several = len(result) > 1
    return Shown(tuple(result.images), tuple(result.labels) if several else (), run)


def _in_frame(source: Image, size: tuple[int, int], sides: Any) -> Image:
    """Return a picture in the frame that it grew to; what is new is grey."""
    from PIL import Image

    place = [(size[n] - source.size[n]) // 2 for n in (0, 1)]
    if any(sides.get(name) for name in ("left", "right", "top", "bottom")):
        place = [sides.get("left") or 0, sides.get("top") or 0]
    whole = Image.new("RGB", size, (128, 128, 128))
    whole.paste(source, tuple(place))
    return whole


def file_of(picture: Image) -> bytes:
    """Return the PNG that is downloaded: with its recipe, without what it started from."""
    return png_bytes(picture, None if is_changed(picture) else recipe_of(picture))


def name_of(picture: Image) -> str:
    """Return the name of that file: what it shows, which task drew it, and its seed."""
    made = recipe_of(picture)
    if made is None:
        return "picture.png"
    task, params = made["task"], made["params"]
    words = [slug(params["prompt"] or task), *([task] if task != "generate" else [])]
    return "-".join([*dict.fromkeys(words), f"{params['seed']}.png"])


def label_of(picture: Image, number: int = 0) -> str:
    """Return a few words that tell a picture from others."""
    made = recipe_of(picture)
    if made is None:
        return picture.info.get("file", "a picture")
    what = made["params"]["prompt"] or made["task"]
    label = f"{what}, {made['task']}, seed {made['params']['seed']}"
    return f"{number}: {label}" if number else label


def stage_entries(shown: Shown) -> list[dict[str, Any]]:
    """Return one dict a picture, as the stage reads it."""
    return [
        {
            "size": list(picture.size),
            "label": label_of(picture),
            "name": shown.names[n] if shown.names else "",
            "file": name_of(picture) if shown.run or recipe_of(picture) else "",
        }
        for n, picture in enumerate(shown.pictures)
    ]


def beside(pictures: Sequence[Image]) -> tuple[bytes, tuple[int, int]]:
    """Return unfinished pictures side by side as a PNG, and its size."""
    from PIL import Image

    every = [rgb(picture) for picture in pictures if is_picture(picture)]
    width, height = sum(p.width for p in every), max(p.height for p in every)
    whole = every[0]
    if len(every) > 1:
        whole, left = Image.new("RGB", (width, height)), 0
        for picture in every:
            whole.paste(picture, (left, 0))
            left += picture.width
    buffer = io.BytesIO()
    whole.save(buffer, "PNG")
    return buffer.getvalue(), whole.size


class Strip:
    """Hold `film`, a widget that shows what a history holds, newest first."""

    def __init__(self, history: History, film: Any) -> None:
        self._history, self.film = history, film
        self._thumbnails: dict[int, str] = {}

    def refresh(self) -> None:
        """Bring the film in line with the history."""
        history, entries = self._history, []
        for run in reversed(history.runs):
            for index, image in enumerate(run.result.images):
                number = run.number * EACH + index
                if number not in self._thumbnails:
                    self._thumbnails[number] = thumbnail(image)
                source = self._thumbnails[number]
                words = {"number": number, "label": label_of(image, run.number)}
                entries.append({**words, "source": source})
        entries = entries[:_MOST]
        kept = {entry["number"] for entry in entries}
        self._thumbnails = {n: s for n, s in self._thumbnails.items() if n in kept}
        chosen = history.chosen
        number = 0 if chosen is None else chosen.number * EACH + history.index
        write(self.film, entries=entries, chosen=number)

    def neighbour(self, by: int) -> Any:
        """Return the number of the next picture of the film, None at its end."""
        numbers = [entry["number"] for entry in self.film.entries]
        if self.film.chosen not in numbers:
            return None
        at = numbers.index(self.film.chosen) + by
        return numbers[at] if 0 <= at < len(numbers) else None
