"""A small hub on the loopback address: the few answers that the hub's library asks for."""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit


def checksum(path: Path) -> str:
    """Return what the hub names a file by: SHA-256 of weights, git's SHA-1 of small files."""
    content = path.read_bytes()
    if path.suffix == ".safetensors":
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class LoopbackHub:
    """Serve folders as published checkpoints; use it as a context.

    `asked` lists (method, path of the file, Range header) of each file that was asked for.
    `cut` maps a path to bytes: the next answer breaks off after so many and the hub is down
    from then on, until `down` is set to False again.
    """

    def __init__(self) -> None:
        self.checkpoints: dict[str, tuple[Path, str]] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.cut: dict[str, int] = {}
        self.down = False

    def publish(self, name: str, folder: Path, commit: str) -> None:
        self.checkpoints[name] = (folder, commit)

    def brought(self) -> list[str]:
        """Return the paths whose content was asked for."""
        return [path for method, path, _ in self.asked if method == "GET"]

    def __enter__(self) -> LoopbackHub:
        handler = type("Handler", (_Handler,), {"hub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        words = unquote(urlsplit(self.path).path).strip("/").split("/")
        if self.hub.down:
            self._answer(503)
        elif words[:2] == ["api", "models"]:
            self._describe("/".join(words[2:4]), words[4:])
        else:
            self._send("/".join(words[:2]), words[3], "/".join(words[4:]))

    def _describe(self, name: str, rest: list[str]) -> None:
        folder, commit = self.hub.checkpoints.get(name, (None, ""))
        if folder is None or (len(rest) > 1 and rest[1] not in (commit, "main")):
            self._answer(404, **{"X-Error-Code": "RepoNotFound"})
            return
        files = sorted(p for p in folder.rglob("*") if p.is_file())
        if rest[:1] != ["tree"]:
            self._answer(200, json.dumps({"id": name, "sha": commit, "siblings": []}).encode())
            return
        tree = []
        for path in files:
            size, mark = path.stat().st_size, checksum(path)
            entry = {"type": "file", "path": path.relative_to(folder).as_posix(), "size": size}
            entry["oid"] = mark[:40]
            if path.suffix == ".safetensors":
                entry["lfs"] = {"oid": mark, "size": size, "pointerSize": 134}
            tree.append(entry)
        self._answer(200, json.dumps(tree).encode())

    def _send(self, name: str, revision: str, path: str) -> None:
        span = self.headers.get("Range")
        self.hub.asked.append((self.command, path, span))
        folder, commit = self.hub.checkpoints.get(name, (Path("nowhere"), ""))
        file = folder / path
        if revision not in (commit, "main") or not file.is_file():
            self._answer(404, **{"X-Error-Code": "EntryNotFound"})
            return
        content = file.read_bytes()
        start = int(span.removeprefix("bytes=").partition("-")[0]) if span else 0
        headers = {
            "ETag": f'"{checksum(file)}"',
            "X-Repo-Commit": commit,
            "X-Linked-Size": str(len(content)),
            "Accept-Ranges": "bytes",
        }
        if span:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        stop = self.hub.cut.pop(path, None) if self.command == "GET" else None
        self._answer(206 if span else 200, content[start:], stop, **headers)

    def _answer(self, code: int, body: bytes = b"", stop: int | None = None, **headers) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:stop])
        if stop is not None:  # fewer bytes than said: the connection breaks
            self.hub.down = True
            self.close_connection = True

    def log_message(self, *words: object) -> None:
        pass
