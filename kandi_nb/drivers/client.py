"""`Client`: a service elsewhere that stands where a loaded model stands."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from ..model.progress import check_stop, interruptible, progress_bar
from ..pictures.images import pictures
from ..pictures.masks import Mask
from ..pictures.recipe import png_bytes, recipe
from ..pictures.result import Result
from ..tasks.checks import TASKS, prompted
from ..words.errors import KandiError, shown, warn
from ..words.models import SPECS, ModelSpec, Role
from ..words.params import Params
from ..words.tables import Table
from .requests import Answer, Request, Requests, error_of
from .service.serving import TOKEN

if TYPE_CHECKING:
    from PIL.Image import Image

    Inputs = Mapping[str, Image]

URL = "KANDINSKY_SERVICE_URL"  # an environment variable, as TOKEN is
AT_ONCE = 8  # requests: so many pictures can share a run of the service
_CONNECT = 10.0  # seconds until an address counts as dead
_LOCAL = ("preview", "on_preview", "progress", "stop", "prompts")  # options of every task
_SENT = ("image", "mask", "depth")  # what a service takes of what a task may start from


class Client:
    """Draw with the model of a service: a client is given to tasks in the place of `k`.

    `url` (None: KANDINSKY_SERVICE_URL) is what `kandi-nb serve` says, `token` (None:
    KANDINSKY_SERVICE_TOKEN) what its keeper gave you. Every picture is a request of its own, a
    few at once; a full service is waited for, at most `patience` seconds. Errors come back as
    the service's own one-line KandiErrors, its warnings as warnings. Raises KandiError when
    there is no service at the address.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        at_once: int = AT_ONCE,
        patience: float = 600.0,
    ) -> None:
        self.url = (url or os.environ.get(URL) or "").rstrip("/")
        if not self.url.startswith(("http://", "https://")):
            raise KandiError(
                "a client needs a service's address, kn.Client('http://127.0.0.1:8002') or "
                f"{URL}, not {shown(self.url or None)}"
            )
        self._token = token or os.environ.get(TOKEN)
        self.patience = patience
        info = self._information()
        self.spec = _spec(info["model"])
        self.device, self.options = str(info["device"]), dict(info["options"])
        self.revision, self.limits = dict(info["revision"]), dict(info["limits"])
        self.endpoints = tuple(info["endpoints"])
        self.at_once = max(1, min(at_once, int(self.limits["per_client"])))

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
        raise self._chosen("scheduler")

    def with_speed(self, speed: str) -> NoReturn:
        """Raise KandiError: a service's keeper chose its speed."""
        raise self._chosen("speed")

    def with_adapter(self, adapter: Any, scale: Any = 1.0) -> NoReturn:
        """Raise KandiError: a service's keeper chose its adapters."""
        raise self._chosen("adapters")

    def _chosen(self, what: str) -> KandiError:
        return KandiError(
            f"the {what} of {self.url} cannot be changed from here; load the model yourself: "
            f"kn.load({self.spec.key!r})"
        )

    def forget(self) -> None:
        """Do nothing: what a service remembers is its own."""

    @property
    def headers(self) -> dict[str, str]:
        """Return what every request says of who asks."""
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _information(self) -> dict[str, Any]:
        import httpx

        headers = {"Accept": "application/json", **self.headers}
        try:
            response = httpx.get(f"{self.url}/", headers=headers, timeout=_CONNECT)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.absent(error) from None
        if response.status_code != 200:
            raise error_of(response.status_code, response.content)
        try:
            info = response.json()
            _ = info["model"]["roles"], info["limits"]["per_client"], info["options"]
            _ = info["endpoints"], info["revision"], info["device"]
        except (ValueError, KeyError, TypeError):
            raise KandiError(
                f"{self.url} is not a service of kandi_nb, or one of another release"
            ) from None
        return info

    def absent(self, error: Exception) -> KandiError:
        """Return what to say when nobody answers."""
        reason = str(error) or type(error).__name__
        return KandiError(
            f"there is no service at {self.url} ({reason}); start one: kandi-nb serve; see "
            "docs/troubleshooting.md#service"
        )

    def remote(self, task: str, params: Any, **named: Any) -> Result:
        """Draw by a task of the service; tasks call it when they are given a client."""
        local = {name: named.pop(name) for name in _LOCAL if name in named}
        check_stop(local.get("stop"))
        if local.get("preview") or local.get("on_preview"):
            warn("a service sends no previews; they are left out")
        rows = _rows(task, prompted(params, local.get("prompts")), named)
        jobs = [(single, inputs) for run, inputs in rows for single in run.singles()]
        options = {name: value for name, value in named.items() if value is not None}
        requests = [self._request(task, single, given, options) for single, given in jobs]
        title = f"{len(jobs)} picture{'s' if len(jobs) > 1 else ''}"
        shown_here = {"shown": local.get("progress", True), "stop": local.get("stop")}
        began = time.perf_counter()
        with interruptible(), progress_bar(len(jobs), title, **shown_here) as bar:
            answers = Requests(self, requests).answered(bar)
        seconds = time.perf_counter() - began
        return _result(answers, [inputs for _, inputs in jobs], seconds)

    def _request(
        self, task: str, params: Params, inputs: Inputs, options: Mapping[str, Any]
    ) -> Request:
        """Return what is sent for one picture."""
        fields = {n: value for n, value in params.to_dict().items() if value is not None}
        name = "depth" if "depth" in inputs else task
        if f"/{name}" not in self.endpoints:
            able = ", ".join(path for path in self.endpoints if "/v1/" not in path)
            raise KandiError(f"the service at {self.url} cannot {name}; it has: {able}")
        if not inputs:
            return Request(f"{self.url}/{name}", {"json": {**fields, **options}})
        parts = {"image" if part == "depth" else part: held for part, held in inputs.items()}
        files = {part: (f"{part}.png", png_bytes(held)) for part, held in parts.items()}
        texts = {n: _text(value) for n, value in {**fields, **options}.items()}
        return Request(f"{self.url}/{name}", {"data": texts, "files": files})


def _text(value: Any) -> str:
    """Return a value as a form sends it; a size is written 96x64."""
    return "x".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _rows(task: str, runs: list[Params], named: dict[str, Any]) -> list[tuple[Params, Inputs]]:
    """Return Params and what goes with them, one for all or one each; take those of `named`."""
    columns: dict[str, list] = {"params": runs}
    for name in TASKS[task].inputs:
        source = named.pop(name, None)
        if source is None:
            continue
        if name not in _SENT:
            raise KandiError(f"a service takes no {name}; load the model here: kn.load(…)")
        columns[name] = _masks(source) if name == "mask" else pictures(source, name)
    most = max(map(len, columns.values()))
    if any(len(column) not in (1, most) for column in columns.values()):
        lengths = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        raise KandiError(f"{task} got {lengths}; give one for all, or {most} of each")
    every = [column * most if len(column) == 1 else column for column in columns.values()]
    names = list(columns)[1:]
    return [
        (row[0], dict(zip(names, row[1:], strict=True))) for row in zip(*every, strict=True)
    ]


def _masks(source: Any) -> list[Image]:
    listed = list(source) if isinstance(source, (list, tuple)) else [source]
    if not listed:
        raise KandiError("mask is an empty list; give at least one mask")
    return [Mask(each).image for each in listed]


def _spec(model: Mapping[str, Any]) -> ModelSpec:
    """Return what is known of the service's model, which may be one of a folder there."""
    key, size = str(model["key"]), int(model["native_size"])
    if key in SPECS:
        return dataclasses.replace(SPECS[key], native_size=size)
    roles = {name: Role(key, "", tuple(tasks)) for name, tasks in model["roles"].items()}
    known = {name: str(model[name]) for name in ("family", "languages", "draws")}
    return ModelSpec(key, roles=roles, native_size=size, **known)


def _result(answers: list[Answer], inputs: list[Inputs], seconds: float) -> Result:
    """Return the pictures that came back as one Result; say once what was warned of."""
    recipes = [recipe(answer.image) for answer in answers]
    first = recipes[0]
    if any(other["revision"] != first["revision"] for other in recipes):
        warn("the service's model was loaded anew between these pictures; draw them again")
    for line in dict.fromkeys(line for answer in answers for line in answer.warnings):
        warn(line)
    images = [answer.image.copy() for answer in answers]
    for image in images:
        image.info = {}  # the Result writes its own
    proof = [row for answer in answers for row in answer.proof]
    return Result(
        images=images,
        params=[Params.from_dict(made["params"]) for made in recipes],
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
