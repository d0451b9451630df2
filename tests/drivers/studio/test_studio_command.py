"""`kandi-nb studio`: what is wrong is said in one line, before anything is loaded."""

from __future__ import annotations

import importlib.util
import re
import socket
import sys
from pathlib import Path

import nbformat
import pytest

from kandi_nb import cli
from kandi_nb.drivers.commands.services import studio as command
from kandi_nb.drivers.remote.client import URL
from kandi_nb.drivers.service.serving import TOKEN
from kandi_nb.drivers.studio import server
from kandi_nb.words.errors import KandiError

ROOT = Path(__file__).parents[3]
SERVED = "kandi_nb.drivers.studio.server"


@pytest.fixture(autouse=True)
def nothing_is_served(monkeypatch):
    """Let a command that would serve fail the test, and know no service and no token."""
    stub = type(sys)(SERVED)
    stub.run = lambda *words, **named: pytest.fail("it was served all the same")
    monkeypatch.setitem(sys.modules, SERVED, stub)
    for name in (URL, TOKEN):
        monkeypatch.delenv(name, raising=False)
    return stub


def refused(capsys, *words):
    assert cli.main(["studio", "--no-browser", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_port_in_use_is_said_with_the_remedy(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = refused(capsys, "--port", str(port))
    assert f"port {port} is in use; take another one, or 0" in line


@pytest.mark.parametrize("missing", ["voila", "anywidget"])
def test_a_missing_package_names_the_extra(capsys, monkeypatch, missing):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == missing else real(name)
    )
    line = refused(capsys)
    assert missing in line and "pip install -e" in line and "[studio]" in line
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extra = project.partition("\nnotebook = [")[2].partition("\nserve = [")[0]
    assert f'"{missing}>=' in extra, "that extra brings it"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--visitors", "0"], "visitors is a whole number from 1, not 0"),
        (["--visitors", "many"], "visitors is a whole number from 1"),
        (["--port", "70000"], "a port is a whole number from 0 to 65535"),
        (["--model", "mini-9"], "mini-9"),
        (["--host", "0.0.0.0"], f"needs a token: set {TOKEN}"),
        (["--service", "127.0.0.1:8002"], "needs a service's address"),
        (["--compare", "http://127.0.0.1:9"], "--compare goes with --service"),
        (["--service", "http://127.0.0.1:9"], "there is no service at http://127.0.0.1:9"),
    ],
)
def test_bad_words_are_refused_in_one_line(capsys, words, said):
    assert said in refused(capsys, *words)


def served(nothing_is_served, *words):
    """Return what the command would have served."""
    calls = []
    nothing_is_served.run = lambda *given, **named: calls.append((given, named))
    assert cli.main(["studio", *words]) == 0
    ((listener, parameters), named) = calls[0]
    listener.close()
    return parameters, named


def test_it_listens_on_this_machine_alone_and_knows_where_to_save(nothing_is_served):
    parameters, named = served(nothing_is_served, "--port", "0")
    assert parameters == {
        "MODEL": "mini-2.2",
        "SERVICE": "",
        "OUT": str(Path("outputs", "17_studio")),
    }
    assert named["token"] is None and named["open_page"] and named["visitors"] == 8


def test_strangers_need_the_token_and_write_nothing_here(nothing_is_served, monkeypatch):
    monkeypatch.setenv(TOKEN, "a-token-of-more-than-sixteen-letters")
    words = ["--host", "0.0.0.0", "--port", "0", "--no-browser"]
    parameters, named = served(nothing_is_served, *words)
    assert named["token"] == "a-token-of-more-than-sixteen-letters"
    assert parameters["OUT"] is None and not named["open_page"]


def test_a_token_that_is_set_is_asked_for_on_this_machine_too(nothing_is_served, monkeypatch):
    monkeypatch.setenv(TOKEN, "a-token-of-more-than-sixteen-letters")
    parameters, named = served(nothing_is_served, "--port", "0")
    assert named["token"] == "a-token-of-more-than-sixteen-letters" and not named["remote"]
    assert parameters["OUT"] is not None, "who sits here may write here"


def test_a_service_is_looked_for_and_its_address_handed_on(nothing_is_served, tiny):
    from kandi_nb.drivers.service.serving import serve

    with serve(tiny) as service:
        parameters, _ = served(nothing_is_served, "--port", "0", "--service", service.url)
        words = ["--service", service.url, "--compare", service.url]
        several, _ = served(nothing_is_served, "--port", "0", *words)
    assert parameters["SERVICE"] == service.url and "OTHERS" not in parameters
    assert several["OTHERS"] == [service.url]


def test_bad_words_load_no_networks(capsys):
    before = set(sys.modules)
    refused(capsys, "--port", "-1")
    assert "torch" not in set(sys.modules) - before


# --- the page ---


def test_the_page_is_made_of_the_cells_of_the_notebook(tmp_path):
    path = server.page(tmp_path, {"MODEL": "a", "SERVICE": "", "OUT": None})
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    assert cells[1] == "MODEL = 'a'\nSERVICE = ''\nOUT = None"
    (notebook,) = (ROOT / "notebooks").glob("17_*.ipynb")
    theirs = [cell.source for cell in nbformat.read(notebook, as_version=4).cells]
    more = {"MODEL": "a", "SERVICE": "b", "OTHERS": ["c"], "OUT": None}
    cells = [cell.source for cell in nbformat.read(server.page(tmp_path, more), 4).cells]
    assert "kn.studio(k, models=[kn.Client(url) for url in OTHERS], folder=OUT)" in cells[-1]
    assert all(cell in theirs or cell == "import kandi_nb as kn" for cell in server.CELLS)
    assert server.CELLS[0] in theirs[2], "the first one stands above the check of the setup"


def test_the_template_names_no_other_host():
    files = [path for path in server.TEMPLATES.rglob("*") if path.is_file()]
    assert len(files) >= 4
    for file in files:
        assert not re.search(r"https?://|//cdn|@import", file.read_text(encoding="utf-8"))


def test_an_address_that_is_no_port_is_refused():
    with pytest.raises(KandiError, match="a port is a whole number"):
        command.listening("127.0.0.1", True)
