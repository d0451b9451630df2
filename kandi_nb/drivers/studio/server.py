"""Voilà, taught to listen where it is told, to keep visitors apart, and to stay at home."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.ioloop
import voila
from traitlets.config import Config
from voila.app import Voila

from .page import TEMPLATES, page, warm_code
from .visitors import Visitors

# What the page may load and whom it may ask: nobody but this server. Widgets of anywidget come
# as blobs, pictures as data.
POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)


class StudioServer(Voila):
    """Voilà on a socket that is already taken; `ready(url)` is called once it answers."""

    def __init__(
        self, listener: socket.socket, ready: Callable[[], None], **words: Any
    ) -> None:
        super().__init__(**words)
        self._listener, self._ready = listener, ready

    def listen(self) -> None:
        """Serve until the process is told to end."""
        self.kernel_manager.warm_up()
        self._listener.setblocking(False)
        server = tornado.httpserver.HTTPServer(self.app)
        server.add_socket(self._listener)
        self.ioloop = tornado.ioloop.IOLoop.current()
        self.ioloop.add_callback(self._ready)
        try:
            self.ioloop.start()
        except KeyboardInterrupt:
            pass
        finally:
            server.stop()
            self.stop()

    def stop(self) -> None:
        """End all kernels."""
        # In the loop in which they were started: theirs is not the one Jupyter would make.
        ended = self.kernel_manager.shutdown_all(now=True)
        self.ioloop.asyncio_loop.run_until_complete(ended)


def run(
    listener: socket.socket,
    parameters: dict[str, Any],
    *,
    visitors: int,
    token: str | None,
    open_page: bool,
    ready: Callable[[], None],
) -> None:
    """Serve the studio on a listening socket until the process is told to end."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    _settle_environment()
    host, port = listener.getsockname()[:2]
    with tempfile.TemporaryDirectory(prefix="kandi-nb-studio-") as folder:
        notebook = page(Path(folder), parameters)
        config = _config(notebook, host, port, token)
        config.Visitors = Config(most=visitors, warm_code=warm_code(parameters))
        said = ready
        if open_page:

            def said() -> None:
                ready()
                webbrowser.open(f"http://127.0.0.1:{port}")

        server = StudioServer(listener, said, config=config)
        server.initialize([])
        server.start()


def _settle_environment() -> None:
    """Let Voilà find our page, and kernels know where they are, the warm one too."""
    paths = [str(TEMPLATES), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ["SERVER_SOFTWARE"] = f"voila/{voila.__version__}"


def _config(notebook: Path, host: str, port: int, token: str | None) -> Config:
    settings = Config()
    settings.Voila = Config(
        notebook_path=str(notebook),
        root_dir=str(notebook.parent),
        connection_dir_root=str(notebook.parent),
        config_file_paths=[],  # a voila.json that lies about is meant for something else
        ip=host,
        port=port,
        open_browser=False,
        log_level="ERROR",
        token=token or "",
        tornado_settings={
            # Without a token only names of this machine are answered to: a foreign site could
            # point a name of its own here.
            "allow_remote_access": token is not None,
            "local_hostnames": ["localhost"],
            "ws_ping_timeout": 30_000,  # milliseconds; 90 s, the default, tornado complains of
            "headers": {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"},
        },
    )
    settings.VoilaConfiguration = Config(
        template="studio",
        allow_template_override="NO",
        allow_theme_override="NO",
        file_allowlist=[],
        multi_kernel_manager_class=Visitors,
        show_tracebacks=token is None,
        extension_allowlist=[
            "@jupyter-widgets/jupyterlab-manager",
            "@voila-dashboards/widgets-manager8",
            "anywidget",
        ],
    )
    # A kernel that died has lost what was drawn: a page that seems to go on would be a lie.
    settings.KernelManager = Config(autorestart=False)
    settings.VoilaExecutor = Config(
        cell_error_instruction="Whoever runs this page finds the reason in its log."
    )
    return settings
