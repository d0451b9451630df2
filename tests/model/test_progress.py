"""The bar: who watches, what stays in a saved notebook, and a Stop button that works."""

from __future__ import annotations

import sys
import threading
import time
import types
from collections import Counter

import pytest

from kandi_nb.model import progress
from kandi_nb.model.progress import in_log, interruptible, place, progress_bar, shown_by
from kandi_nb.words.errors import Cancelled, KandiWarning, heard_by, warn


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setattr(progress, "place", lambda: "terminal")


def fake_kernel(monkeypatch, request):
    """Pretend that this process is a kernel that answers `request`."""
    kernel = types.SimpleNamespace(get_parent=lambda: request)
    shell = types.SimpleNamespace(kernel=kernel)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)


def test_place_tells_who_watches(monkeypatch):
    monkeypatch.delenv(progress.HEADLESS, raising=False)
    assert place() == "nobody"  # pytest's standard error is a pipe or a file
    monkeypatch.setattr(sys, "stderr", types.SimpleNamespace(isatty=lambda: True))
    assert place() == "terminal"
    fake_kernel(monkeypatch, {"content": {"allow_stdin": True}})
    assert place() == "notebook"
    fake_kernel(monkeypatch, {"content": {"allow_stdin": False}})  # as nbclient asks
    assert place() == "nobody"
    fake_kernel(monkeypatch, {"content": {"comm_id": "x", "data": {}}})  # a widget's event
    assert place() == "notebook"
    monkeypatch.setenv(progress.HEADLESS, "1")
    assert place() == "nobody"
    monkeypatch.setenv(progress.HEADLESS, "0")
    assert place() == "notebook"


def test_nobody_gets_nothing(capfd):
    with progress_bar(3, "three") as bar:
        for _ in range(3):
            bar.step()
    assert capfd.readouterr() == ("", "")
    assert bar.done == 3


def test_a_terminal_gets_one_line_that_is_wiped(terminal, capsys):
    with progress_bar(3, "2 pictures") as bar:
        for _ in range(3):
            bar.step()
    out, err = capsys.readouterr()
    assert out == ""
    assert "2 pictures" in err
    assert err.endswith("\r")
    assert "\n" not in err


def test_shown_false_shows_nothing_and_stops_all_the_same(terminal, capsys):
    stop = threading.Event()
    with pytest.raises(Cancelled, match="stopped after 2 of 5"):  # noqa: SIM117
        with progress_bar(5, "five", shown=False, stop=stop) as bar:
            bar.step()
            stop.set()
            bar.step()
    assert capsys.readouterr() == ("", "")


def test_steps_beyond_the_total_do_not_break_the_bar(terminal):
    with progress_bar(1, "one") as bar:
        bar.step()
        bar.step()
    assert bar.done == 1


def test_a_log_gets_a_line_now_and_then_where_a_command_asks_for_it(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LOG_EVERY", 0)
    with in_log(), progress_bar(3, "2 pictures") as bar:
        for _ in range(3):
            bar.step()
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(" steps")[0] for line in err.splitlines()] == [
        "2 pictures: 1/3",
        "2 pictures: 2/3",
    ]
    assert place() == "nobody", "and only in the block"


def test_a_short_run_leaves_no_line_in_a_log(capfd):
    with in_log(), progress_bar(3, "2 pictures") as bar:
        bar.step()
    assert capfd.readouterr() == ("", "")


def test_a_thread_chooses_its_own_bar_and_who_hears_its_warnings(recwarn):
    heard, bars = [], []
    started, done = threading.Event(), threading.Event()

    class Bar(progress.Progress):
        def close(self):
            bars.append(self.done)

    def work():
        with shown_by(Bar), heard_by(heard.append), progress_bar(2, "two") as bar:
            started.set()
            warn("a\nb")
            bar.step()
            done.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    started.wait(10)
    with progress_bar(1, "one") as other:
        other.step()
    with pytest.warns(KandiWarning, match="mine"):
        warn("mine")
    done.set()
    thread.join()
    assert heard == ["a b"] and bars == [1] and type(other) is progress.Progress
    assert not recwarn.list


def test_the_keyboard_ends_scripts_and_only_interrupts_kernels(monkeypatch):
    with pytest.raises(KeyboardInterrupt), interruptible():
        raise KeyboardInterrupt
    fake_kernel(monkeypatch, {})
    with pytest.raises(Cancelled, match="the model is ready"), interruptible():
        raise KeyboardInterrupt


# A real kernel, as JupyterLab talks to it.

RUN = """
import time
from PIL import Image
from kandi_nb.model.progress import progress_bar
with progress_bar({total}, "2 pictures") as bar:
    for number in range({total}):
        time.sleep(0.01)
        bar.step()
        if number == 3:
            bar.preview([Image.new("RGB", (8, 8))])
"""


class Kernel:
    """Run cells and collect what a browser would be sent."""

    def __init__(self):
        from jupyter_client.manager import KernelManager

        self.manager = KernelManager()
        self.manager.kernel_spec.argv[0] = sys.executable
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code, *, live=True, on_message=lambda message: None):
        asked = self.client.execute(code, allow_stdin=live)
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            messages.append(message)
            on_message(message)
            state = message["content"].get("execution_state")
            if message["parent_header"].get("msg_id") == asked and state == "idle":
                return messages

    def subshell(self):
        session, control = self.client.session, self.client.control_channel
        control.send(session.msg("create_subshell_request", {}))
        return self.client.get_control_msg(timeout=10)["content"]["subshell_id"]

    def click(self, comm, subshell):
        data = {"method": "custom", "content": {"event": "click"}}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel():
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(progress.HEADLESS, raising=False)
        running = Kernel()
    yield running
    running.close()


def kinds(messages):
    return Counter(message["msg_type"] for message in messages)


def models(messages, kind):
    return {m["content"]["comm_id"] for m in messages if m["msg_type"] == kind}


def test_a_notebook_keeps_no_widget(kernel):
    messages = kernel.run(RUN.format(total=30))
    assert kinds(messages)["error"] == 0
    opened = models(messages, "comm_open")
    assert len(opened) > 3
    assert opened == models(messages, "comm_close")
    assert kinds(messages)["display_data"] == 1
    updates = [m["content"]["data"] for m in messages if m["msg_type"] == "update_display_data"]
    assert updates[-1] == {"text/html": "", "text/plain": ""}
    sent = str([m["content"] for m in messages if m["msg_type"] == "comm_msg"])
    assert "30/30 steps" in sent
    assert "data:image/png" in sent  # the preview


def test_a_headless_run_gets_no_widget(kernel):
    messages = kernel.run(RUN.format(total=5), live=False)
    assert set(kinds(messages)) == {"status", "execute_input"}


def test_the_stop_button_stops_a_running_cell(kernel):
    subshell = kernel.subshell()
    clicked = []
    buttons = []

    def watch(message):
        content = message["content"]
        if message["msg_type"] == "comm_open":
            state = content["data"]["state"]
            if state["_model_name"] == "ButtonModel":
                buttons.append(content["comm_id"])
        if message["msg_type"] == "display_data":
            kernel.click(buttons[0], subshell)
            clicked.append(time.monotonic())

    messages = kernel.run(RUN.format(total=1500), on_message=watch)
    assert len(clicked) == 1
    assert time.monotonic() - clicked[0] < 10, "the cell ran to its end"
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert error["ename"] == "Cancelled"
    assert len(error["traceback"]) == 1, "an error of ours is one line"
    assert models(messages, "comm_open") == models(messages, "comm_close")


LONG = """
import time
from kandi_nb.model.loading.kandinsky import Kandinsky
from kandi_nb.words.models import spec
with Kandinsky(spec("mini-2.2"), "cpu", None).alone():
    print("at work")
    time.sleep(60)
"""


def test_an_interrupt_of_the_kernel_is_one_line(kernel):
    def watch(message):
        if message["msg_type"] == "stream" and "at work" in message["content"]["text"]:
            kernel.manager.interrupt_kernel()

    messages = kernel.run(LONG, on_message=watch)
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert error["ename"] == "Cancelled"
    assert len(error["traceback"]) == 1


USE = "import warnings\nfrom kandi_nb.words.errors import KandiWarning, warn\n"
ASIDE = USE + "with warnings.catch_warnings():\n  "


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("warn('a\\nb <c>'); warn('a\\nb <c>')", 1),  # once a run of the cell
        ("warnings.simplefilter('ignore', KandiWarning); warn('x')", 0),
        ("with warnings.catch_warnings(record=True) as found: warn('x')\nassert found", 0),
    ],
)
def test_a_warning_is_a_calm_line_in_a_notebook(kernel, code, lines):
    for _ in range(2):  # the second time as well
        messages = kernel.run(ASIDE + code.replace("\n", "\n  "))
        assert kinds(messages)["error"] == kinds(messages)["stream"] == 0
        shown = [m["content"]["data"] for m in messages if m["msg_type"] == "display_data"]
        assert len(shown) == lines
        for data in shown:
            assert data["text/plain"] == "a b <c>" and "a b &lt;c&gt;" in data["text/html"]


def test_a_warning_can_still_be_made_an_error_in_a_notebook(kernel):
    messages = kernel.run(ASIDE + "warnings.simplefilter('error'); warn('x')")
    (error,) = [m["content"] for m in messages if m["msg_type"] == "error"]
    assert error["ename"] == "KandiWarning"
