"""How much a service takes at once, and how long it waits; and the answer to what is beyond."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ...words.errors import KandiError, quote

ENDING = "the service is ending; ask another one"


@dataclass(frozen=True)
class Limits:
    """Say how much a service takes; what is beyond is refused in one line, at once.

    Times are in seconds. `queue` counts the requests that wait, `per_client` those of one
    address that wait or are drawn, `batch` the pictures that one run draws for several
    requests; `window` is how long a request waits for others to join it. `pixels` bounds the
    pictures that come in and those that are asked for, `characters` a prompt, `body_bytes` one
    request and `bytes_in_flight` all that are held, of which one client may have a quarter. Of
    more than `connections` the oldest idle one is closed. A request older than `deadline` is
    given up; a client has `head_seconds` to send its headers and `body_seconds` for its body. A
    service that is told to end goes on drawing for at most `patience`. Raises KandiError.
    """

    queue: int = 32
    per_client: int = 16
    batch: int = 16
    window: float = 0.03
    count: int = 8
    steps: int = 200
    pixels: int = 2048 * 2048
    characters: int = 4000
    body_bytes: int = 16 * 2**20
    bytes_in_flight: int = 256 * 2**20
    connections: int = 512
    deadline: float = 300.0
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    patience: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value, kind = getattr(self, field.name), type(field.default)
            number = isinstance(value, (int, kind)) and not isinstance(value, bool)
            least = 0 if kind is float else 1
            if not number or not math.isfinite(value) or value < least:
                what = "a number" if kind is float else "a whole number"
                raise KandiError(f"{field.name} is {what} from {least}, not {quote(value)}")

    @property
    def bytes_per_client(self) -> int:
        """Return how many bytes of bodies one client may have here at once."""
        return max(self.body_bytes, self.bytes_in_flight // 4)


class Refused(KandiError):
    """Say in one line why a request is not served, and when to come again.

    `status` is that of HTTP; `after` the seconds after which another try makes sense, None
    when none does; `code` a word for programs, of those that OpenAI's clients read.
    """

    def __init__(
        self, status: int, line: str, after: float | None = None, code: str | None = None
    ) -> None:
        super().__init__(line)
        self.status, self.code = status, code
        self.after = None if after is None else min(3600, max(1, math.ceil(after)))

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that go with the answer."""
        return {} if self.after is None else {"Retry-After": str(self.after)}


class HungUp(Exception):
    """A client hung up: nobody is there to be answered."""
