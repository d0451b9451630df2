"""Voilà, taught to listen where it is told, to keep visitors apart, and to stay at home."""

from __future__ import annotations

import asyncio
import html
import logging
import os
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tornado.httpserver
import tornado.ioloop
import voila
from traitlets.config import Config
from voila.app import Voila
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

from ...words.models import SPECS
from ..widgets.classes import BROWSER
from .door import Channel, Leave, StudioPage, TemplateFiles, calm, log_request
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

TEMPLATES = Path(__file__).parent / "page"
NAME = "studio.ipynb"
# The cells of notebook 17, too: a test compares them.
CELLS = (
    "import kandi_nb as kn",
    "k = kn.Client(SERVICE) if SERVICE else kn.load(MODEL)",
    "studio = kn.studio(k, folder=OUT)\nstudio",
)
# What a visitor would wait for most: imports, and a bundled model read into the system's cache.
WARM = (
    "import kandi_nb.drivers.studio.studio, kandi_nb.drivers.studio.bar, "
    "kandi_nb.drivers.panels.view, kandi_nb.drivers.widgets.parts"
)


class StudioServer(Voila):
    """Voilà on a socket that is already taken; `ready(url)` is called once it answers."""

    def __init__(
        self, listener: socket.socket, ready: Callable[[], None], **words: Any
    ) -> None:
        super().__init__(**words)
        self._listener, self._ready = listener, ready

    def setup_template_dirs(self) -> None:
        """Let our templates include what all widgets share."""
        super().setup_template_dirs()
        self.template_paths.append(str(BROWSER))

    def init_handlers(self) -> list[Any]:
        """Return Voilà's handlers, with our own for the page and for its end."""
        *handlers, (pattern, _, words) = super().init_handlers()
        left = (rf"{self.server_url}voila/api/shutdown/(.*)", Leave)
        # There is nothing to log out of, and Voilà has no page that would say so.
        dropped = ("/voila/files/", "/logout")
        kept = [row for row in handlers if not any(path in row[0] for path in dropped)]
        every = [left, *kept, (pattern, StudioPage, words)]
        ours = {TemplateStaticFileHandler: TemplateFiles, VoilaKernelWebsocketHandler: Channel}
        return [(path, calm(ours.get(kind, kind)), *more) for path, kind, *more in every]

    def init_settings(self) -> dict[str, Any]:
        """Return Voilà's settings; what is read once, at the start, is set here."""
        return {**super().init_settings(), "compress_response": True}

    def listen(self) -> None:
        """Serve until the process is told to end."""
        self.kernel_manager.warm_up()
        self._listener.setblocking(False)
        server = tornado.httpserver.HTTPServer(self.app)
        server.add_socket(self._listener)
        self.ioloop = tornado.ioloop.IOLoop.current()
        self.ioloop.asyncio_loop.set_exception_handler(log_fault)
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


def log_fault(loop: Any, context: dict[str, Any]) -> None:
    """Log what went wrong beside all requests; a page that was closed early is a line."""
    if "died before replying to kernel_info" in str(context.get("exception")):
        log = logging.getLogger("tornado.application")
        log.error("a kernel ended while it was starting: its page was closed, or it died")
    else:
        loop.default_exception_handler(context)


def run(
    listener: socket.socket,
    parameters: dict[str, Any],
    *,
    visitors: int,
    token: str | None,
    remote: bool,
    open_page: bool,
    ready: Callable[[], None],
) -> None:
    """Serve the studio on a listening socket until the process is told to end."""
    asyncio.set_event_loop(asyncio.new_event_loop())
    _settle_environment()
    host, port = listener.getsockname()[:2]
    with tempfile.TemporaryDirectory(prefix="kandi-nb-studio-") as folder:
        notebook = page(Path(folder), parameters)
        config = _config(notebook, host, port, token, remote)
        config.Visitors = Config(most=visitors, warm_code=warm_code(parameters))
        announce = ready
        if open_page:

            def announce() -> None:
                ready()
                webbrowser.open(_entrance(Path(folder), f"http://127.0.0.1:{port}/", token))

        server = StudioServer(listener, announce, config=config)
        server.initialize([])
        server.start()


def warm_code(parameters: Mapping[str, Any]) -> str:
    """Return what a kernel runs before its visitor comes.

    Published weights are left alone: they would fill the memory for nobody.
    """
    if parameters["SERVICE"]:
        return WARM
    load = f"kandi_nb.load({parameters['MODEL']!r}, **{parameters.get('LOADING', {})!r})"
    known = SPECS.get(parameters["MODEL"])
    return f"{WARM}, torch, diffusers\n{load if known and known.bundled else ''}"


def page(folder: Path, parameters: Mapping[str, Any]) -> Path:
    """Write the page as a notebook into a folder; return its path."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    first, *others = CELLS
    if "LOADING" in parameters:
        others = [cell.replace("load(MODEL)", "load(MODEL, **LOADING)") for cell in others]
    if "OTHERS" in parameters:
        several = "models=[kn.Client(url) for url in OTHERS], folder=OUT"
        others = [cell.replace("folder=OUT", several) for cell in others]
    values = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in (first, values, *others)])
    notebook.metadata.title = "Kandinsky studio"
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, folder / NAME)
    return folder / NAME


def _entrance(folder: Path, address: str, token: str | None) -> str:
    """Return what a browser opens: with a token a file, for others can see its command."""
    if token is None:
        return address
    file = folder / "open.html"
    file.touch(mode=0o600)
    to = html.escape(f"{address}?token={token}", quote=True)
    file.write_text(f'<meta http-equiv="refresh" content="0; url={to}">', encoding="utf-8")
    return file.as_uri()


def _settle_environment() -> None:
    """Let Voilà find our page, and kernels know where they are, the warm one too."""
    paths = [str(TEMPLATES), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ["SERVER_SOFTWARE"] = f"voila/{voila.__version__}"
    # Jupyter's own patience with a quiet page is longer than what tornado would have.
    logging.getLogger("tornado.general").addFilter(
        lambda record: "websocket_ping_timeout" not in record.getMessage()
    )


def _config(notebook: Path, host: str, port: int, token: str | None, remote: bool) -> Config:
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
            "allow_remote_access": remote,
            "local_hostnames": ["localhost"],
            "ws_ping_timeout": 90_000,  # milliseconds: three pings of Jupyter's may go unheard
            "log_function": log_request,
            "headers": {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"},
        },
    )
    settings.VoilaConfiguration = Config(
        template="studio",
        allow_template_override="NO",
        allow_theme_override="NO",
        file_allowlist=[],
        multi_kernel_manager_class=Visitors,
        show_tracebacks=not remote,
        extension_allowlist=[
            "@jupyter-widgets/jupyterlab-manager",
            "@voila-dashboards/widgets-manager8",
            "anywidget",
        ],
    )
    # A kernel that died has lost what was drawn: a page that seems to go on would be a lie.
    settings.KernelManager = Config(autorestart=False)
    settings.VoilaExecutor = Config(
        startup_timeout=300,  # seconds: the kernel may still be warming when its visitor comes
        cell_error_instruction="Whoever runs this page finds the reason in its log.",
    )
    return settings
