"""The studio as Voilà serves it: each tab, two visitors, a lost kernel, widths and themes."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from PIL import Image

import kandi_nb as kn

from .conftest import PICTURES, ROOT

pytest.importorskip("voila")
START = 100  # seconds that a busy machine may take for a kernel with torch
TASKS = ("Edit", "Inpaint", "Outpaint", "Enlarge")
SERIOUS = {"serious", "critical"}
TOO_WIDE = """() => [...document.querySelectorAll('main, main *')]
    .filter(part => part.getClientRects().length)
    .filter(part =>
        part.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(part => `${part.tagName}.${part.className}`)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A studio with room for two visitors; yield its address and its process."""
    home = tmp_path_factory.mktemp("studio")
    places = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "RUNTIME")}
    environment = {
        **os.environ,
        **places,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }
    for name in ("KANDI_NB_HEADLESS", "KANDINSKY_SERVICE_URL"):
        environment.pop(name, None)
    words = ["studio", "--no-browser", "--port", "0", "--visitors", "2"]
    command = [sys.executable, "-m", "kandi_nb.cli", *words]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=home, stderr=log, stdout=log)
    try:
        yield _address(home / "log", process), process
    finally:
        kernels = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(timeout=60)
        assert not psutil.wait_procs(kernels, timeout=30)[1], "no kernel stays behind"
    assert "Traceback" not in (home / "log").read_text()


def _address(log: Path, process: subprocess.Popen) -> str:
    until = time.monotonic() + START
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"the studio is at (\S+)", log.read_text()):
            return found[1]
        time.sleep(0.2)
    raise RuntimeError(log.read_text()[-2000:])


class Visitor:
    """A page of the studio in a browser of its own; what it asked for and complained of."""

    def __init__(self, browser, server, **words):
        self.address, self.process = server
        self.context = browser.new_context(viewport={"width": 1400, "height": 1200}, **words)
        self.page = self.context.new_page()
        self.page.set_default_timeout(START * 1000)
        self.hosts, self.complaints = set(), []
        self.page.on("request", lambda asked: self.hosts.add(urlsplit(asked.url).hostname))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda said: said.type == "error" and self.complaints.append(said.text)
        )

    def come(self):
        self.page.goto(self.address, wait_until="commit", timeout=START * 1000)
        self.page.wait_for_selector(".kandi-tab-generate textarea")
        return self

    def open(self, title):
        self.page.get_by_role("tab", name=title).click()
        name = {"Enlarge": "upscale"}.get(title, title.lower())
        self.page.locator(f".kandi-tab-{name} .kandi-onward >> visible=true").wait_for()

    @property
    def tab(self):
        return self.page.locator(".kandi-tab >> visible=true")

    def button(self, name):
        return self.tab.get_by_role("button", name=name, exact=True)

    def quick(self):
        number = self.tab.get_by_role("spinbutton", name="steps", exact=True)
        number.fill("4")
        number.press("Tab")

    def drawn(self):
        return self.tab.locator(".kandi-picture").count()

    def run(self, name="Run"):
        before = self.drawn()
        self.button(name).click()
        self.tab.locator(".kandi-picture").nth(before).wait_for()
        self.tab.locator("button:has-text('Stop')[disabled]").wait_for()

    @property
    def kernel(self):
        config = self.page.locator("#jupyter-config-data").text_content()
        return json.loads(config)["kernelId"]

    def process_of_kernel(self):
        return next(
            child
            for child in psutil.Process(self.process.pid).children(recursive=True)
            if any(self.kernel in word for word in child.cmdline())
        )

    def keep(self, name):
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png")


@pytest.fixture(scope="module")
def first(browser, server):
    visitor = Visitor(browser, server).come()
    yield visitor
    visitor.context.close()


@pytest.fixture(scope="module")
def drawn(first):
    """The first visitor, who has a picture."""
    first.open("Generate")
    first.quick()
    first.run()
    return first


def test_no_code_is_shown_and_the_tour_stays_away_once_it_was_closed(first):
    page = first.page
    assert page.get_by_role("heading", level=1).inner_text() == "Kandinsky studio"
    assert page.get_by_text("kn.load").count() == 0
    tour = page.get_by_role("region", name="Guided tour")
    tour.wait_for()
    page.wait_for_selector("textarea.kandi-toured")
    tour.get_by_role("button", name="Next").press("Enter")
    tour.get_by_text("2 of 5").wait_for()
    page.wait_for_selector("button.kandi-toured")
    first.keep("studio-tour")
    page.keyboard.press("Escape")
    tour.wait_for(state="hidden")
    assert page.evaluate("() => document.activeElement.textContent") == "Tour"
    assert page.locator(".kandi-toured").count() == 0
    assert page.evaluate("() => Object.keys(localStorage)") == ["kandi_nb.studio.tour"]
    page.keyboard.press("Enter")
    tour.get_by_text("1 of 5").wait_for()
    tour.get_by_role("button", name="Close the tour").click()


@pytest.mark.parametrize("title", TASKS)
def test_each_tab_starts_from_the_picture_before_and_draws(drawn, title):
    drawn.open(title)
    drawn.quick()
    drawn.page.wait_for_selector(".kandi-tab >> visible=true >> .kandi-shown >> visible=true")
    if title == "Inpaint":
        paint(drawn)
    if title == "Outpaint":
        side = drawn.tab.get_by_label("right: pixels to add").first
        side.fill("32")
        side.press("Tab")
        drawn.tab.get_by_text("96 × 64").first.wait_for()
    drawn.run()
    drawn.keep(f"studio-{title.lower()}")


def paint(visitor):
    """Paint a stroke with the mouse, over the middle of the picture."""
    stage = visitor.tab.locator(".kandi-stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    mouse = visitor.page.mouse
    mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.4)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5, steps=5)
    mouse.up()
    visitor.tab.locator("button:has-text('Run'):not([disabled])").wait_for()


def test_mix_shows_a_mixer_whose_picture_can_go_on(drawn):
    drawn.open("Mix")
    drawn.quick()
    drawn.button("Mix these").click()
    drawn.tab.locator(".kandi-onward button:not([disabled])").first.wait_for()
    drawn.keep("studio-mix")


def test_compare_draws_with_three_generations(drawn):
    drawn.open("Compare")
    drawn.quick()
    drawn.run()
    for model in ("mini-2.1", "mini-2.2", "mini-3"):
        drawn.tab.get_by_text(model, exact=True).first.wait_for()
    drawn.keep("studio-compare")


def test_the_gallery_has_it_all_and_downloads_a_picture_with_its_recipe(drawn):
    drawn.open("Gallery")
    drawn.keep("studio-gallery")
    assert drawn.drawn() >= 1
    with drawn.page.expect_download() as download:
        drawn.tab.locator(".kandi-download").click()
    data = Path(download.value.path()).read_bytes()
    made = kn.recipe(Image.open(io.BytesIO(data)))
    assert made["params"]["steps"] == 4 and made["model"].startswith("mini-")
    drawn.page.wait_for_timeout(500)
    assert drawn.page.locator("#studio-notice").is_hidden(), "a download ends no session"


def test_a_picture_goes_on_from_the_gallery(drawn):
    drawn.open("Gallery")
    drawn.button("Inpaint").click()
    drawn.page.wait_for_selector(".kandi-tab-inpaint >> visible=true")
    assert drawn.page.get_by_role("tab", name="Inpaint").get_attribute("aria-selected")


def test_tabs_are_opened_by_keys_alone(drawn):
    page = drawn.page
    page.get_by_role("tab", name="Generate").click()
    for key in ("ArrowRight", "End", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.evaluate("() => document.activeElement.textContent") == "Gallery"
    page.keyboard.press("Enter")
    page.wait_for_selector(".kandi-tab-gallery >> visible=true")
    page.keyboard.press("Tab")  # the tour's button, then the strip
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className").startswith("kandi-picture")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_width_and_everybody_can_use_it(drawn, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = drawn.page
    page.emulate_media(color_scheme=scheme)
    background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    dark = max(map(int, re.findall(r"\d+", background)[:3])) < 80
    assert dark == (scheme == "dark"), background
    for title in ("Gallery", "Mix", "Inpaint", "Generate"):
        drawn.open(title)
        for width in (390, 800, 1900):
            page.set_viewport_size({"width": width, "height": 1200})
            page.wait_for_timeout(200)
            if title in ("Inpaint", "Generate"):
                drawn.keep(f"studio-{title.lower()}-{scheme}-{width}")
            assert page.evaluate(TOO_WIDE) == [], (title, width)
        faults = axe.Axe().run(page, context="main").response["violations"]
        bad = [
            (title, fault["id"], node["html"][:200], node["failureSummary"])
            for fault in faults
            if fault["impact"] in SERIOUS
            for node in fault["nodes"]
        ]
        assert bad == []
    page.set_viewport_size({"width": 1400, "height": 1200})


def test_a_second_visitor_sees_nothing_of_the_first_and_a_third_is_told_to_wait(
    drawn, browser, server
):
    second = Visitor(browser, server).come()
    assert second.kernel != drawn.kernel
    second.open("Gallery")
    second.tab.get_by_text("Nothing is drawn yet").wait_for()
    third = Visitor(browser, server)
    answer = third.page.goto(server[0])
    assert answer.status == 503
    assert "The studio is full" in third.page.locator("h1").inner_text()
    third.context.close()

    second.process_of_kernel().send_signal(signal.SIGKILL)
    notice = second.page.locator("#studio-notice")
    notice.get_by_text("This session has ended").wait_for()
    second.keep("studio-ended")
    assert drawn.page.locator("#studio-notice").is_hidden(), "the first goes on"
    second.context.close()
    drawn.open("Generate")
    drawn.run()
    without_websocket(browser, server)


def without_websocket(browser, server):
    """Come with a browser that has none: the page says so, and closing it makes room."""
    visitor = Visitor(browser, server)
    visitor.page.add_init_script("delete window.WebSocket")
    visitor.page.goto(server[0], wait_until="commit", timeout=START * 1000)
    visitor.page.get_by_role("alert").get_by_text("This browser has no WebSocket").wait_for()
    visitor.keep("studio-without-websocket")
    visitor.context.close()


def test_the_page_asked_nobody_else_and_complained_of_nothing(drawn):
    assert drawn.hosts <= {"127.0.0.1", None, ""}
    assert drawn.complaints == []
    drawn.open("Generate")
    prompt = drawn.tab.get_by_role("textbox", name="prompt")
    prompt.fill("$x^2$ <img src=https://example.com/a.png> a fox")
    drawn.run()
    drawn.open("Gallery")
    drawn.page.wait_for_timeout(500)
    assert drawn.hosts <= {"127.0.0.1", None, ""}, "not even for what a prompt says"


def test_pages_of_other_names_are_refused(server):
    import httpx

    port = urlsplit(server[0]).port
    answer = httpx.get(server[0], headers={"Host": f"evil.example:{port}"})
    assert answer.status_code == 403
    policy = httpx.get(f"{server[0]}/no/such/page").headers["content-security-policy"]
    assert "default-src 'self'" in policy
