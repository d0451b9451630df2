"""`Client`: a service elsewhere that stands where a loaded model stands."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from ...model.progress import (
    Progress,
    interruptible,
    preview_every,
    progress_bar,
)
from ...pictures.recipe import png_bytes, recipe
from ...pictures.result import Result
from ...tasks.checks import TASKS, with_prompts
from ...words.errors import KandiError, Unsupported, quote, warn
from ...words.extras import check_extra
from ...words.params import Params
from ...words.tables import Table
from ..service.serving import PORT, TOKEN, is_loopback, tokens_of
from .forms import Inputs, as_text, local_options, mixture_form, rows_of
from .replies import MOST_INFORMATION, Answer, Information, error_of, information
from .requests import Request, Requests, get_limited

if TYPE_CHECKING:
    from PIL.Image import Image

URL = "KANDINSKY_SERVICE_URL"  # an environment variable, as TOKEN is
AT_ONCE = 8  # requests: so many pictures can share a run of the service
USUAL = f"http://localhost:{PORT}"  # where `kandi-nb serve` is unless told otherwise
_CONNECT = 10.0  # seconds until an address counts as dead


class Client:
    """Draw with the model of a service: a client is given to tasks in the place of `k`.

    `url` (None: KANDINSKY_SERVICE_URL, else http://localhost:8002) is what `kandi-nb serve`
    says, `token` (None: KANDINSKY_SERVICE_TOKEN) what its keeper gave you. This machine's own
    addresses are reached directly, others as HTTP_PROXY says. Every picture is a request of its
    own, a few at once; a full service is waited for, at most `patience` seconds. Errors come
    back as the service's own one-line KandiErrors, its warnings as warnings. Raises KandiError
    when there is no service at the address, and for what a service would not send.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        at_once: int = AT_ONCE,
        patience: float = 600.0,
    ) -> None:
        check_extra("serve", "a client", "httpx")
        self.url = _address(url or os.environ.get(URL) or USUAL)
        self._token = next(iter(tokens_of(token or os.environ.get(TOKEN))), None)
        self.patience = patience
        info = self._information()
        self.spec, self.device = info.spec, info.device
        self.options, self.revision, self.limits = info.options, info.revision, info.limits
        self.endpoints = info.endpoints
        self.at_once = max(1, min(at_once, self.limits["per_client"]))

    def __repr__(self) -> str:
        return f"Client({self.url!r}: {self.spec.key}, {self.device})"

    @property
    def vocabulary(self) -> Table:
        """Return a table of the words that the service's model knows."""
        return self.spec.vocabulary

    def open(self, roles: Iterable[str]) -> None:
        """Do nothing: a service loads what it needs when it is asked."""

    def with_scheduler(self, name: str | None) -> NoReturn:
        """Raise KandiError: a service's keeper chose its scheduler."""
        raise self._not_here("scheduler")

    def with_speed(self, speed: str) -> NoReturn:
        """Raise KandiError: a service's keeper chose its speed."""
        raise self._not_here("speed")

    def with_adapter(self, adapter: Any, scale: Any = 1.0) -> NoReturn:
        """Raise KandiError: a service's keeper chose its adapters."""
        raise self._not_here("adapters")

    def _not_here(self, what: str) -> KandiError:
        return KandiError(
            f"the {what} of {self.url} cannot be changed from here; load the model yourself: "
            f"kn.load({self.spec.key!r})"
        )

    def forget(self) -> None:
        """Do nothing: what a service remembers is its own."""

    @property
    def transport(self) -> dict[str, Any]:
        """Return how httpx is to send every request: who asks, and whether by a proxy.

        Bodies are asked for as they are: what is packed may unpack to any size.
        """
        headers = {"Accept-Encoding": "identity"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        direct = is_loopback(urlsplit(self.url).hostname or "")
        return {"headers": headers, "trust_env": not direct}

    def _information(self) -> Information:
        import httpx

        try:
            with httpx.Client(timeout=_CONNECT, **self.transport) as http:
                status, content = get_limited(http, f"{self.url}/", MOST_INFORMATION, _CONNECT)
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
            raise self.absent(error) from None
        if status != 200:
            raise self.refusal(status, content)
        return information(content, self.url)

    def refusal(self, status: int, content: bytes) -> KandiError:
        """Return the line of a service that does not draw."""
        return error_of(status, content, self._token)

    def absent(self, error: Exception) -> KandiError:
        """Return what to say when nobody answers."""
        reason = str(error) or type(error).__name__
        if self._token:
            reason = reason.replace(self._token, "…")
        return KandiError(
            f"there is no service at {self.url} ({reason}); start one: kandi-nb serve, or give "
            f"its address: kn.Client('http://…') or {URL}; see docs/troubleshooting.md#service"
        )

    def remote(self, task: str, params: Any, **named: Any) -> Result:
        """Draw by a task of the service; tasks call it when they are given a client."""
        local = local_options(named)
        rows = rows_of(task, with_prompts(params, local.get("prompts")), named)
        jobs = [(single, inputs) for run, inputs in rows for single in run.singles()]
        options = {name: value for name, value in named.items() if value is not None}
        requests = [self._request(task, single, given, options) for single, given in jobs]
        answers, seconds = self._answers(requests, **local)
        return _result(answers, [inputs for _, inputs in jobs], seconds)

    def remote_mixtures(
        self,
        params: Sequence[Params],
        items: Any,
        weights: Sequence[Sequence[float]],
        how: str,
        **named: Any,
    ) -> Result:
        """Draw mixtures by the service, one for each of the params, each by weights of its own.

        The mixing tasks call it when they are given a client. Raises KandiError for items that
        a service does not take.
        """
        local = local_options(named)
        if strange := [name for name, value in named.items() if value is not None]:
            raise KandiError(
                f"a service mixes without {strange[0]}; load the model: kn.load(…)"
            )
        self._check_endpoint("mix")
        requests = [
            Request(
                f"{self.url}/mix", {"files": mixture_form(run, items, shares, how)}, "generate"
            )
            for run, shares in zip(params, weights, strict=True)
        ]
        answers, seconds = self._answers(requests, **local)
        return _result(answers, [{} for _ in requests], seconds, Received)

    def _answers(
        self,
        requests: Sequence[Request],
        *,
        progress: bool = True,
        stop: Any = None,
        preview: int = 0,
        on_preview: Any = None,
        prompts: Any = None,
    ) -> tuple[list[Answer], float]:
        """Send requests; return what came back, and the seconds that it took."""
        every = preview_every(preview, on_preview, progress)
        title = f"{len(requests)} picture{'s' if len(requests) > 1 else ''}"
        began = time.perf_counter()
        shown_here = {"shown": progress, "stop": stop}
        with interruptible(), progress_bar(len(requests), title, **shown_here) as bar:
            told = type(bar) is not Progress or every > 0  # somebody looks
            sent = [replace(each, told=told, preview=every) for each in requests]

            def show(pictures: Sequence[Image], step: int) -> None:
                bar.preview(pictures)
                if on_preview is not None:
                    on_preview(pictures, step)

            answers = Requests(self, sent).collect(bar, show)
        return answers, time.perf_counter() - began

    def _request(
        self, task: str, params: Params, inputs: Inputs, options: Mapping[str, Any]
    ) -> Request:
        """Return what is sent for one picture."""
        fields = {n: value for n, value in params.to_dict().items() if value is not None}
        along = next((name for name in TASKS[task].along if name in inputs), None)
        name = along or task  # what is followed has an endpoint of its own
        self._check_endpoint(name)
        if not inputs:
            return Request(f"{self.url}/{name}", {"json": {**fields, **options}}, task)
        parts = {"image": inputs[along]} if along else inputs
        files = {part: (f"{part}.png", png_bytes(held)) for part, held in parts.items()}
        texts = {n: as_text(value) for n, value in {**fields, **options}.items()}
        return Request(f"{self.url}/{name}", {"data": texts, "files": files}, task)

    def _check_endpoint(self, name: str) -> None:
        if f"/{name}" not in self.endpoints:
            able = ", ".join(path for path in self.endpoints if "/v1/" not in path)
            raise Unsupported(f"the service at {self.url} cannot {name}; it has: {able}")


def _address(url: str) -> str:
    """Return the address of a service, without its last slash; raise KandiError for none."""
    text = str(url).strip().rstrip("/")
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port  # raises for what is no number
    except ValueError:
        good = False
    if good and (parts.username or parts.password or parts.query or parts.fragment):
        raise KandiError(
            "a service's address ends with its port or path; give what its keeper gave you as "
            "token=, not inside of the address"
        )
    if not good or not text.isprintable():
        raise KandiError(
            f"a client needs a service's address, kn.Client({USUAL!r}) or {URL}, not "
            f"{quote(url)}"
        )
    return text


@dataclass(repr=False)
class Received(Result):
    """Hold pictures whose recipes name what only the service has: the embeddings it mixed."""

    @property
    def recipes(self) -> list[dict[str, Any]]:
        """Return one recipe a picture, as it came."""
        return [recipe(image) for image in self.images]


def _result(
    answers: list[Answer], inputs: list[Inputs], seconds: float, kind: type[Result] = Result
) -> Result:
    """Return the pictures that came back as one Result; say once what was warned of."""
    recipes = [answer.recipe for answer in answers]
    first = recipes[0]
    if any(other["revision"] != first["revision"] for other in recipes):
        warn("the service's model was loaded anew between these pictures; draw them again")
    for line in dict.fromkeys(line for answer in answers for line in answer.warnings):
        warn(line)
    images = [answer.image for answer in answers]
    if kind is Result:  # it writes recipes of its own
        images = [image.copy() for image in images]
        for image in images:
            image.info = {}
    proof = [row for answer in answers for row in answer.proof]
    return kind(
        images=images,
        params=[answer.params for answer in answers],
        model=first["model"],
        revision=first["revision"],
        versions=first["versions"],
        options=first["options"],
        inputs=[dict(each) for each in inputs],
        seconds=seconds,
        peak_mb=max((a.peak_mb for a in answers if a.peak_mb is not None), default=None),
        task=first["task"],
        proof=Table(proof) if proof else None,
    )
