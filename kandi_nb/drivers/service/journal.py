"""One line of JSON for each request, the count of answers, and no 500 whatever happens."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from typing import Any

from ..queue.limits import ENDING, Refused
from ..queue.metrics import Metrics
from .answers import HUNG_UP, error_response

log = logging.getLogger("kandi_nb.service")
_FAILED = "this cannot be answered, and the service's log says why; ask its keeper"


class Journal:
    """Log every request of an app once it is over; prompts only when `prompts` is set.

    What an endpoint wants to be noted it puts into `scope["state"]["note"]`.
    """

    def __init__(self, app: Any, metrics: Metrics, prompts: bool = False) -> None:
        self.app, self.metrics, self.prompts = app, metrics, prompts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.monotonic(), HUNG_UP
        note: dict[str, Any] = {}
        scope.setdefault("state", {})["note"] = note

        async def noting(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception as error:
            log.error("a request ended in an unforeseen error", exc_info=error)
            self.metrics.failures.inc()
            if status == HUNG_UP:  # nothing was sent yet
                await error_response(Refused(503, _FAILED), scope["path"])(
                    scope, receive, noting
                )
        except asyncio.CancelledError:  # told twice to end; uvicorn itself would say 500
            if status == HUNG_UP:
                await error_response(Refused(503, ENDING), scope["path"])(
                    scope, receive, noting
                )
        finally:
            # The path of an endpoint, not what somebody typed: few different ones.
            path = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(path, str(status)).inc()
            if not self.prompts:
                note.pop("prompt", None)
            client = (scope.get("client") or ("unknown", 0))[0]
            seconds = round(time.monotonic() - began, 4)
            entry = {"client": client, "method": scope["method"], "endpoint": path}
            entry |= {"status": status, "seconds": seconds, **note}
            log.info("request", extra={"entry": entry})


class _AsJson(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        line: dict[str, Any] = {"time": stamp, "level": record.levelname.lower()}
        line |= getattr(record, "entry", None) or {"message": record.getMessage()}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_to_stderr() -> None:
    """Write the service's log as lines of JSON to standard error; call it once."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsJson())
    for name in ("kandi_nb.service", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
    log.setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # What it warns of, the sender is told; its lines are no JSON, and come as often as wanted.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
