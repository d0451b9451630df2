"""What the page's server answers: the door, a visitor's page, and a page that is left."""

from __future__ import annotations

import posixpath
import re
from typing import Any

import tornado.web
from jupyter_server.base.handlers import APIHandler, JupyterHandler
from tornado.iostream import StreamClosedError
from voila.paths import collect_static_paths
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

NEW = "new"  # the session of somebody who has none yet
_KERNEL = re.compile(r'"kernelId":\s*"([0-9a-f-]+)"')


class StudioPage(TornadoVoilaHandler):
    """Show the door at once; what stands behind it is asked for by the door's own script.

    A page that only embeds the address, as an image or a frame of a foreign site does, gets the
    door and no kernel. `?session=` names the kernel of a page that is loaded anew.
    """

    @tornado.web.authenticated
    async def get(self, path: str = "") -> None:
        """Send the door, the page of a session, or that there is no such page."""
        if path:
            raise tornado.web.HTTPError(404)
        _ = self.xsrf_token  # sets the cookie without which no page can say that it is left
        if self.get_query_argument("token", ""):
            return self.redirect(self.base_url)  # the cookie is set; the address forgets it
        session = self.get_query_argument("session", "")
        owner = self.current_user.username
        if not session or not self._comes_from_the_door():
            self.kernel_manager.expect(owner)
            self.set_header("Cache-Control", "no-cache")
            return self.write(self.render_template("door.html"))
        page = await self.kernel_manager.rejoin(session, owner)
        if page is not None:
            self.set_header("Cache-Control", "no-cache")
            return self.write(page)
        await self._begin(owner)

    def _comes_from_the_door(self) -> bool:
        """Tell whether a browser goes to a page from ours; other programs do not say."""
        headers = self.request.headers
        return (
            headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
            and headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
            and headers.get("Sec-Fetch-Dest", "document") == "document"
        )

    async def _begin(self, owner: str) -> None:
        """Start a session and send its page as it grows."""
        parts: list[str] = []
        here = True
        async for html in self.get_generator():
            self.set_header("Cache-Control", "no-cache")  # not no-store: Back finds the page
            parts.append(html)
            if here:
                self.write(html)
                here = await self._flush()
        whole = "".join(parts)
        if found := _KERNEL.search(whole):
            self.kernel_manager.keep_page(found[1], owner, whole)
            if not here:  # who did not wait has left
                self.kernel_manager.leave(found[1])

    async def _flush(self) -> bool:
        """Send what was written; return whether somebody is still there."""
        try:
            await self.flush()
        except StreamClosedError:
            return False
        return True


class Leave(APIHandler):
    """Hear from a page that it is left."""

    @tornado.web.authenticated
    def post(self, kernel_id: str) -> None:
        """Note it; a page that is only loaded anew comes back at once."""
        self.kernel_manager.leave(kernel_id)
        self.set_status(204)


class TemplateFiles(TemplateStaticFileHandler):
    """Send what belongs to Voilà's templates; of others say that there is no such page."""

    def parse_url_path(self, path: str) -> str:
        """Return the path of a file; raise an HTTPError of 404 for what can be none."""
        template, _, rest = posixpath.normpath(path).partition("/static/")
        if not re.fullmatch(r"\w[\w.-]*", template) or not rest or ".." in path or "\0" in path:
            raise tornado.web.HTTPError(404)
        try:
            roots = collect_static_paths(["voila", "nbconvert"], template)
        except ValueError:
            roots = []
        if not roots:
            raise tornado.web.HTTPError(404)
        return super().parse_url_path(f"{template}/static/{rest}")


class Channel(VoilaKernelWebsocketHandler):
    """Carry messages between a page and its kernel; hang up on who sends others."""

    def on_message(self, ws_message: str | bytes) -> None:
        """Hand a message on; one that cannot be read ends the connection, in one line."""
        try:
            super().on_message(ws_message)
        except Exception as error:  # whatever a stranger's bytes bring about
            self.log.error("a page sent what is no message: %s", type(error).__name__)
            self.close(1003, "this is no message of a kernel's")


def calm(handler: type) -> type:
    """Return a handler whose errors can be written before it is known who asks.

    Jupyter's own error pages need files that are not here: a line does instead.
    """
    if not issubclass(handler, JupyterHandler):
        return handler

    class Calm(handler):
        def write_error(self, status_code: int, **words: Any) -> None:
            if not hasattr(self, "_jupyter_current_user"):
                self.current_user = self._jupyter_current_user = None
            if isinstance(self, (StudioPage, APIHandler)):
                super().write_error(status_code, **words)
            else:
                tornado.web.RequestHandler.write_error(self, status_code, **words)

    return Calm


def log_request(handler: Any) -> None:
    """Log what failed here, without what stands behind the question mark: it may be a token."""
    if handler.get_status() >= 500:
        request = handler.request
        handler.log.error("%d %s %s", handler.get_status(), request.method, request.path)
