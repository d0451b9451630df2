"""Firefox by its own protocol, WebDriver BiDi: no driver stands between."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time

WAIT = 100  # seconds that a busy machine may take for one thing
QUIET = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "toolkit.telemetry.enabled": False,
}


def firefox() -> str | None:
    return shutil.which("firefox-esr") or shutil.which("firefox")


class Firefox:
    """A Firefox without a window and with a profile of its own; use it with `with`."""

    def __init__(self, folder, width=1440, height=900):
        self.folder = folder
        self.size = {"width": width, "height": height}
        self.errors: list[str] = []
        self._number = 0

    def __enter__(self):
        import websocket

        lines = [f"user_pref({json.dumps(n)}, {json.dumps(v)});" for n, v in QUIET.items()]
        (self.folder / "user.js").write_text("\n".join(lines))
        log = self.folder / "log"
        words = ["--headless", "--no-remote", "--remote-debugging-port", "0"]
        with log.open("w") as out:
            self.process = subprocess.Popen(
                [firefox(), *words, "--profile", str(self.folder)], stdout=out, stderr=out
            )
        until = time.monotonic() + WAIT
        while not (found := re.search(r"BiDi listening on (ws://\S+)", log.read_text())):
            assert time.monotonic() < until and self.process.poll() is None, log.read_text()
            time.sleep(0.1)
        self.socket = websocket.create_connection(
            f"{found[1]}/session", timeout=WAIT, suppress_origin=True
        )
        self.call("session.new", capabilities={})
        self.call("session.subscribe", events=["log.entryAdded"])
        self.context = self.call("browsingContext.getTree")["contexts"][0]["context"]
        self.here("browsingContext.setViewport", viewport=self.size)
        return self

    def __exit__(self, *error):
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=30)

    def call(self, method, **words):
        """Send a command; return its result, and keep what pages complain of meanwhile."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": words}))
        while True:
            said = json.loads(self.socket.recv())
            if said.get("method") == "log.entryAdded" and said["params"]["level"] == "error":
                self.errors.append(said["params"]["text"])
            if said.get("id") == self._number:
                assert said["type"] == "success", said
                return said["result"]

    def here(self, method, **words):
        return self.call(method, context=self.context, **words)

    def go(self, address):
        self.here("browsingContext.navigate", url=address, wait="none")

    def value(self, expression):
        """Return what an expression is in the page, as JSON has it; None for what fails."""
        said = self.call(
            "script.evaluate",
            expression=f"JSON.stringify({expression})",
            target={"context": self.context},
            awaitPromise=True,
        )
        text = said.get("result", {}).get("value") if said["type"] == "success" else None
        return None if text is None else json.loads(text)

    def until(self, expression):
        """Wait until an expression is true in the page; return it."""
        ends = time.monotonic() + WAIT
        while not (found := self.value(expression)):
            assert time.monotonic() < ends, expression
            time.sleep(0.1)
        return found

    def drag(self, *points):
        """Press at the first of some points, go along the others, and let go."""
        (x, y), *rest = [(round(x), round(y)) for x, y in points]
        moves = [{"type": "pointerMove", "x": x, "y": y} for x, y in rest]
        acts = [{"type": "pointerMove", "x": x, "y": y}, {"type": "pointerDown", "button": 0}]
        acts += [*moves, {"type": "pointerUp", "button": 0}]
        self._perform("pointer", acts)

    def box(self, selector):
        """Return x, y, width and height of what a selector finds first, once it is there."""
        find = f"[...document.querySelectorAll({json.dumps(selector)})]"
        self.until(f"{find}.some(part => part.getClientRects().length)")
        rect = f"{find}.find(part => part.getClientRects().length).getBoundingClientRect()"
        box = self.value(rect)
        return box["x"], box["y"], box["width"], box["height"]

    def click(self, selector):
        x, y, width, height = self.box(selector)
        self.drag((x + width / 2, y + height / 2))

    def key(self, *values):
        """Press keys together."""
        down = [{"type": "keyDown", "value": value} for value in values]
        up = [{"type": "keyUp", "value": value} for value in reversed(values)]
        self._perform("key", [*down, *up])

    def _perform(self, kind, acts):
        actions = [{"type": kind, "id": kind, "actions": acts}]
        self.here("input.performActions", actions=actions)

    def picture(self, path):
        data = self.here("browsingContext.captureScreenshot")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))
