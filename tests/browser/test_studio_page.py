"""The studio as Voilà serves it: each tab, two visitors, a lost kernel, widths and themes."""

from __future__ import annotations

import io
import json
import re
import signal
import time
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from PIL import Image

import kandi_nb as kn

from .conftest import START, keep

pytest.importorskip("voila")
TASKS = ("Edit", "Inpaint", "Outpaint", "Enlarge")
SIZES = ((1440, 900), (1024, 768), (390, 844))
PYTHON = re.compile(r"panel\.give|\bk\.|\bkn\.|\b(left|image|mask|steps)=")
SERIOUS = {"serious", "critical"}


def script(name):
    """Return a script of this folder that a page evaluates: a function, below its comment."""
    text = (Path(__file__).parent / name).read_text(encoding="utf-8")
    return text[text.index("() =>") :].rstrip()


TOO_WIDE = """() => [...document.querySelectorAll('main, main *')]
    .filter(part => part.getClientRects().length)
    .filter(part => !part.parentElement.closest('.kandi-bar, .kandi-tabs'))  // these scroll
    .filter(part =>
        part.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(part => `${part.tagName}.${part.className}`)"""


class Visitor:
    """A page of the studio in a browser of its own; what it asked for and complained of."""

    def __init__(self, browser, server, **words):
        self.address, self.process = server
        self.context = browser.new_context(viewport={"width": 1400, "height": 1200}, **words)
        self.page = self.context.new_page()
        self.page.set_default_timeout(START * 1000)
        self.hosts, self.complaints, self.sockets = set(), [], []
        self.page.on("websocket", lambda socket: self.sockets.append(socket.url))
        self.page.on("request", lambda asked: self.hosts.add(urlsplit(asked.url).hostname))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console", lambda said: said.type == "error" and self.complaints.append(said.text)
        )

    def come(self):
        self.page.goto(self.address, wait_until="commit", timeout=START * 1000)
        self.here()
        self.began = time.monotonic()
        self.page.set_default_timeout(45_000)
        return self

    def here(self):
        self.page.wait_for_selector(".kandi-tab .kandi-run >> visible=true")

    def open(self, title):
        self.page.get_by_role("tab", name=title).click()
        name = {"Enlarge": "upscale"}.get(title, title.lower())
        self.page.locator(f".kandi-tab-{name} >> visible=true").wait_for()

    @property
    def tab(self):
        return self.page.locator(".kandi-tab >> visible=true")

    def button(self, name):
        return self.tab.get_by_role("button", name=name, exact=True)

    def quick(self):
        number = self.tab.get_by_role("textbox", name="Quality: steps")
        number.fill("4")
        number.press("Tab")
        self.tab.get_by_text("4 steps", exact=True).wait_for()

    def drawn(self):
        return self.page.locator(".kandi-tab >> visible=true >> .kandi-picture").count()

    def run(self):
        """Draw by the key; wait for a new picture of the film, and until nothing is drawn."""
        before = self.drawn()
        self.tab.locator(".kandi-run:not([aria-disabled=true])").wait_for()
        self.page.keyboard.press("Control+Enter")
        self.tab.locator(".kandi-picture").nth(before).wait_for()
        self.idle()

    def idle(self):
        self.tab.locator(".kandi-stop[aria-disabled=true]").wait_for()
        self.tab.locator("[data-act=download]").first.wait_for()

    def words(self):
        """Return all that is visible in the page but for code that somebody asked to copy."""
        return self.page.evaluate(
            "() => [...document.querySelectorAll('main')].map(part => part.innerText).join(' ')"
        )

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
        keep(self.page, name)


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
    page.wait_for_selector(".kandi-run.kandi-toured")
    first.keep("studio-tour")
    page.keyboard.press("Escape")
    tour.wait_for(state="hidden")
    assert page.evaluate("() => document.activeElement.textContent") == "? Keys"
    assert page.locator(".kandi-toured").count() == 0
    assert page.evaluate("() => Object.keys(localStorage)") == ["kandi_nb.studio.tour"]
    page.keyboard.press("Enter")
    tour.get_by_text("1 of 5").wait_for()
    tour.get_by_text("Ctrl + Enter").wait_for()
    tour.get_by_role("button", name="Close the tour").click()


@pytest.mark.parametrize("title", TASKS)
def test_each_tab_starts_from_the_picture_before_and_draws(drawn, title):
    drawn.open(title)
    drawn.quick()
    drawn.tab.locator(".kandi-thumb >> visible=true").first.wait_for()
    assert not PYTHON.search(drawn.words())
    if title == "Inpaint":
        drawn.tab.get_by_text("Paint over what shall be drawn anew.").wait_for()
        assert faults_of(drawn.page) == []
        paint(drawn)
    if title == "Outpaint":
        prompt = drawn.tab.get_by_role("textbox", name="What it shows")
        assert prompt.input_value() == "A snowy forest", "the place alone"
        drawn.tab.get_by_text("Drag a side of the frame").wait_for()
        side = drawn.tab.get_by_label("right: pixels to add").first
        side.fill("32")
        side.press("Tab")
        drawn.tab.get_by_text("96 × 64").first.wait_for()
        drawn.tab.get_by_text("Drag a side of the frame").wait_for(state="detached")
    drawn.run()
    assert not PYTHON.search(drawn.words())
    if title == "Inpaint":
        drawn.tab.get_by_text("Outside the mask nothing changed.").wait_for()
    drawn.keep(f"studio-{title.lower()}")


def paint(visitor):
    """Paint a stroke with the mouse, over the middle of the picture."""
    stage = visitor.tab.locator(".kandi-stage").first
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    mouse = visitor.page.mouse
    mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.2)
    mouse.down()
    mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.3, steps=5)
    mouse.up()
    visitor.tab.locator(".kandi-run:not([aria-disabled=true])").wait_for()


def width_of(visitor):
    box = visitor.tab.locator(".kandi-frame-of-picture").first.bounding_box()
    return box["width"]


def test_a_larger_picture_is_shown_larger(drawn):
    widths = {}
    for title in ("Generate", "Outpaint", "Enlarge"):
        drawn.open(title)
        widths[title] = width_of(drawn)
    assert widths["Generate"] >= 500, "the picture is what counts"
    assert widths["Outpaint"] > widths["Generate"] and widths["Enlarge"] > widths["Generate"]


def test_before_and_after_by_hand_and_by_the_key(drawn):
    drawn.open("Inpaint")
    drawn.button("Before ⇆ after").click()
    slider = drawn.tab.get_by_role("slider", name="Before and after")
    slider.focus()
    drawn.page.keyboard.press("End")
    before = drawn.tab.locator(".kandi-before")
    assert before.evaluate("e => e.style.clipPath") == "inset(0px 0% 0px 0px)"
    drawn.button("Before ⇆ after").click()
    drawn.tab.locator(".kandi-canvas").focus()
    drawn.page.keyboard.down("c")
    before.wait_for()
    drawn.page.keyboard.up("c")
    before.wait_for(state="detached")
    drawn.page.keyboard.press("Enter")
    drawn.page.locator("dialog[open] img").wait_for()
    drawn.page.keyboard.press("Escape")
    drawn.page.locator("dialog").wait_for(state="detached")
    focus = "() => document.activeElement.className"
    assert "kandi-canvas" in drawn.page.evaluate(focus)


def test_a_picture_of_the_film_goes_onto_an_input_by_hand(drawn):
    drawn.open("Edit")
    drawn.tab.locator(".kandi-film-one").first.drag_to(drawn.tab.locator(".kandi-input").first)
    drawn.tab.get_by_text("192 × 128").first.wait_for()


def test_mix_shows_a_mixer_whose_picture_can_go_on(drawn):
    drawn.open("Mix")
    drawn.quick()
    drawn.button("Add a text").click()
    third = drawn.tab.get_by_role("textbox", name="Item 3")
    third.fill("A frog")
    third.press("Tab")
    drawn.tab.locator(".kandi-run:not([aria-disabled=true])").click()
    drawn.tab.locator(".kandi-mixed").wait_for()
    drawn.tab.locator("[data-act=go-edit]").wait_for()
    shares = drawn.tab.locator(".kandi-share output").all_inner_texts()
    assert sum(int(share.split()[0]) for share in shares) == 100, shares
    assert not PYTHON.search(drawn.words())
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
    assert drawn.drawn() >= 5
    with drawn.page.expect_download() as download:
        drawn.button("Download").click()
    data = Path(download.value.path()).read_bytes()
    made = kn.recipe(Image.open(io.BytesIO(data)))
    assert made["params"]["steps"] == 4 and made["model"].startswith("mini-")
    with drawn.page.expect_download() as download:
        drawn.button("Download all").click()
    assert zipfile.is_zipfile(download.value.path())
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
    assert page.evaluate("() => document.activeElement.textContent").startswith("Gallery")
    page.keyboard.press("Enter")
    page.wait_for_selector(".kandi-tab-gallery >> visible=true")
    page.get_by_role("tab", name="Generate").press("Enter")
    drawn.tab.get_by_role("textbox", name="What it shows").focus()
    page.keyboard.type(" with a hat")
    page.keyboard.press("Control+Enter")  # no way to go between words and Draw
    drawn.tab.locator(".kandi-stop:not([aria-disabled=true])").wait_for()
    assert page.evaluate("() => document.activeElement.tagName") == "TEXTAREA"
    drawn.idle()
    label = drawn.tab.locator(".kandi-picture").first.get_attribute("title")
    assert "with a hat" in label, "what was typed a moment ago counts"
    page.keyboard.press("Alt+ArrowUp")
    assert "hat" in drawn.tab.get_by_role("textbox", name="What it shows").input_value()


def test_what_is_out_of_range_and_stop_are_said_quietly(drawn):
    drawn.open("Generate")
    number = drawn.tab.get_by_role("textbox", name="Quality: steps")
    number.fill("5000")
    number.press("Tab")
    drawn.tab.get_by_role("alert").get_by_text("from 1 to 1000").wait_for()
    assert number.input_value() == "5000", "to be corrected, not retyped"
    assert faults_of(drawn.page) == []
    number.fill("1000")
    number.press("Tab")
    drawn.tab.locator(".kandi-run:not([aria-disabled=true])").click()
    drawn.page.wait_for_selector("text=/[1-9]\\d*\\/\\d+ steps/")
    drawn.keep("studio-running")
    assert faults_of(drawn.page) == []
    assert drawn.tab.locator(".kandi-code >> visible=true").count() == 0
    drawn.page.keyboard.press("Escape")
    drawn.tab.get_by_role("note").get_by_text("topped after").wait_for()
    assert drawn.tab.get_by_role("alert").count() == 0, "that is no fault"
    drawn.quick()


def faults_of(page):
    """Return what axe finds wrong in the page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    return [
        (fault["id"], node["html"][:200], node["failureSummary"])
        for fault in axe.Axe().run(page, context="main").response["violations"]
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


SMALL = """() => [...document.querySelectorAll('.kandi-tab button, .kandi-tab summary')]
    .filter(part => part.getClientRects().length)
    .map(part => [part.textContent || part.ariaLabel, part.getBoundingClientRect()])
    .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)"""


# A page learns of another scheme with its next frame, not within the call that asks for it.
IS_IN = """scheme => {
    const page = getComputedStyle(document.querySelector('.kandi-studio')).backgroundColor
    const dark = page.match(/\\d+/g).slice(0, 3).every(part => part < 80)
    return dark === (scheme === 'dark')
}"""


LOW = SMALL.replace("< 24", "< 43")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_window_with_run_in_sight_and_everybody_can_use_it(drawn, scheme):
    page = drawn.page
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(IS_IN, arg=scheme)
    for title in ("Gallery", "Mix", "Compare", "Inpaint", "Outpaint", "Edit", "Generate"):
        drawn.open(title)
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(200)
            drawn.keep(f"studio-{title.lower()}-{scheme}-{width}")
            assert page.evaluate(TOO_WIDE) == [], (title, width)
            assert page.evaluate(SMALL) == [], (title, width)
            if title != "Gallery":
                box = drawn.tab.locator(".kandi-run").bounding_box()
                assert 0 < box["y"] < box["y"] + box["height"] <= height, (title, width)
        assert faults_of(page) == [], title
    page.set_viewport_size({"width": 1440, "height": 900})


def test_targets_are_large_enough_for_fingers(drawn):
    session = drawn.page.context.new_cdp_session(drawn.page)
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    session.send("Emulation.setDeviceMetricsOverride", phone)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    drawn.page.wait_for_function("() => matchMedia('(pointer: coarse)').matches")
    low = {}
    for title in ("Generate", *TASKS, "Mix", "Gallery"):
        drawn.open(title)
        low[title] = drawn.page.evaluate(LOW)
    drawn.keep("studio-fingers")
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    session.send("Emulation.clearDeviceMetricsOverride")
    drawn.page.set_viewport_size({"width": 1440, "height": 900})
    assert not any(low.values()), low


SEEN = script("seen.js")


FOCUS = """() => {
    window.kandiLost = [];
    let last = '';
    const name = (part) => part.ariaLabel || part.textContent.trim().slice(0, 30) || part.id;
    let empty = 0;
    setInterval(() => {
        const lost = document.activeElement === document.body;
        empty = lost ? empty + 1 : 0;
        if (!lost) last = name(document.activeElement);
        if (empty === 12) window.kandiLost.push(`after ${last}`);
    }, 50);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_borders_and_texts_can_be_told_from_what_is_behind_them(drawn, scheme):
    page = drawn.page
    page.emulate_media(color_scheme=scheme)
    found = {}
    for title in ("Generate", *TASKS, "Mix", "Gallery"):
        drawn.open(title)
        looked, found[title] = page.evaluate(SEEN)
        assert looked["texts"] > 10 and (title == "Gallery" or looked["borders"] > 2), looked
    page.emulate_media(color_scheme="light")
    assert not any(found.values()), found


def test_the_focus_never_falls_to_nothing(drawn):
    page = drawn.page
    page.evaluate(FOCUS)
    drawn.open("Generate")
    focused = (
        "() => document.activeElement === document.body ? 'nothing'"
        " : document.activeElement.textContent || document.activeElement.className"
    )
    run = drawn.tab.locator(".kandi-run")
    run.focus()
    page.keyboard.press("Enter")
    drawn.tab.locator(".kandi-stop:not([aria-disabled=true])").wait_for()
    drawn.idle()
    assert page.evaluate(focused).startswith("Draw"), "after a run"
    number = drawn.tab.get_by_role("textbox", name="Quality: steps")
    number.fill("900")
    number.press("Tab")
    run.press("Enter")
    stop = drawn.tab.locator(".kandi-stop:not([aria-disabled=true])")
    stop.focus()
    page.keyboard.press("Enter")
    drawn.tab.get_by_role("note").get_by_text("topped after").wait_for()
    assert page.evaluate(focused) == "Stop", "after a stop"
    drawn.quick()
    drawn.tab.locator(".kandi-canvas").focus()
    page.keyboard.press("Enter")
    page.locator("dialog[open] img").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")
    assert page.evaluate("() => document.activeElement.className").startswith("kandi-canvas")
    before = drawn.drawn()
    drawn.tab.locator(".kandi-film-one").last.get_by_role("button", name="Delete").focus()
    page.keyboard.press("Enter")
    drawn.tab.locator(".kandi-picture").nth(before - 1).wait_for(state="detached")
    page.wait_for_timeout(700)
    assert page.evaluate(focused) != "nothing", "after a picture is taken away"
    page.get_by_role("tab", name="Edit").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".kandi-tab-edit >> visible=true")
    page.wait_for_timeout(700)
    assert page.evaluate(focused).startswith("Edit"), "after another tab"
    page.get_by_role("tab", name="Gallery").focus()
    page.keyboard.press("Enter")
    drawn.button("Inpaint").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(".kandi-tab-inpaint >> visible=true")
    page.wait_for_timeout(700)
    assert page.evaluate("() => window.kandiLost") == []
    assert page.evaluate(focused).startswith("Inpaint"), "on the tab that was opened"


def test_words_of_other_languages_say_so(drawn):
    drawn.open("Generate")
    chips = drawn.tab.locator(".kandi-chip[lang]")
    said = chips.evaluate_all("chips => chips.map(chip => [chip.textContent, chip.lang])")
    assert dict(said).items() >= {"Русский": "ru", "中文": "zh", "Deutsch": "de"}.items()
    drawn.tab.get_by_role("button", name="中文", exact=True).click()
    prompt = drawn.tab.get_by_role("textbox", name="What it shows")
    drawn.page.wait_for_function("() => document.querySelector('.kandi-prompt[lang=zh]')")
    prompt.fill("A red fox in a snowy forest")
    prompt.press("Tab")
    drawn.page.wait_for_function("() => !document.querySelector('.kandi-prompt[lang=zh]')")


def test_a_second_visitor_sees_nothing_of_the_first_and_a_third_is_told_to_wait(
    drawn, browser, server
):
    second = Visitor(browser, server).come()
    assert second.kernel != drawn.kernel
    second.open("Gallery")
    second.tab.get_by_text("Nothing is drawn yet").first.wait_for()
    third = Visitor(browser, server)
    third.page.goto(server[0])
    third.page.get_by_role("heading", name="The studio is full").wait_for()
    third.context.close()
    strangers_path(second)

    second.process_of_kernel().send_signal(signal.SIGKILL)
    notice = second.page.locator("#studio-notice")
    notice.get_by_text("This session has ended").wait_for()
    second.keep("studio-ended")
    assert drawn.page.locator("#studio-notice").is_hidden(), "the first goes on"
    second.context.close()
    drawn.open("Generate")
    drawn.run()
    without_websocket(browser, server)


ACTIONS = script("actions.js")


def actions_of(visitor):
    return visitor.page.evaluate("() => window.kandiActions")


def every_kind_of_action_is_counted(visitor):
    """A click, a drag, a key and a fill are one action each; a key that is held is none."""
    visitor.page.evaluate(ACTIONS)
    prompt = visitor.tab.get_by_role("textbox", name="What it shows")
    before = prompt.input_value()
    prompt.fill("a fox")
    prompt.press("Alt+ArrowUp")
    prompt.click()
    visitor.tab.get_by_role("slider", name="Follow the words").first.drag_to(prompt)
    kinds = [action.split()[0] for action in actions_of(visitor)]
    assert kinds == ["fill", "key", "press", "press"], actions_of(visitor)
    prompt.fill(before)


def strangers_path(visitor):
    """Draw, repaint, compare, enlarge and download in at most twelve actions."""
    page = visitor.page
    visitor.open("Generate")
    page.evaluate(ACTIONS)
    page.get_by_role("button", name="Close the tour").click()
    visitor.tab.locator(".kandi-example").nth(1).click()
    visitor.tab.locator(".kandi-run").click()
    visitor.idle()
    visitor.button("Inpaint").click()
    visitor.page.wait_for_selector(".kandi-tab-inpaint .kandi-stage >> visible=true")
    prompt = visitor.tab.get_by_role("textbox", name="What it shows")
    assert prompt.input_value() == "A blue cat on a beach", "it goes along"
    visitor.button("crown").click()
    paint(visitor)
    visitor.tab.locator(".kandi-run:not([aria-disabled=true])").click()
    visitor.idle()
    assert prompt.input_value() == "A blue cat on a beach with a crown"
    visitor.button("Before ⇆ after").click()
    visitor.tab.get_by_role("slider", name="Before and after").wait_for()
    visitor.button("Enlarge").nth(0).click()
    visitor.page.wait_for_selector(".kandi-tab-upscale >> visible=true")
    visitor.tab.locator(".kandi-run:not([aria-disabled=true])").click()
    visitor.idle()
    with page.expect_download() as download:
        visitor.button("Download").click()
    assert 8 <= len(actions_of(visitor)) <= 12, actions_of(visitor)
    every_kind_of_action_is_counted(visitor)
    assert download.value.suggested_filename.startswith("a-blue-cat-on-a-beach-with-a-crown")


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
    prompt = drawn.tab.get_by_role("textbox", name="What it shows")
    prompt.fill("$x^2$ <img src=https://example.com/a.png> a fox")
    prompt.press("Tab")
    drawn.run()
    drawn.open("Gallery")
    drawn.page.wait_for_timeout(500)
    assert drawn.hosts <= {"127.0.0.1", None, ""}, "not even for what a prompt says"


@pytest.mark.slow  # a minute in which nothing happens
def test_a_page_that_stays_open_keeps_its_one_connection(drawn):
    rest = 70 - (time.monotonic() - drawn.began)
    drawn.page.wait_for_timeout(max(0, 1000 * rest))  # two pings of the server
    assert len(drawn.sockets) == 1


def test_reload_and_back_find_the_session_again_and_tabs_have_addresses(drawn):
    page, kernel = drawn.page, drawn.kernel
    for title in ("Edit", "Gallery"):
        drawn.open(title)
    assert page.url.endswith("#gallery")
    page.go_back()
    page.wait_for_selector(".kandi-tab-edit >> visible=true")
    page.go_forward()
    page.wait_for_selector(".kandi-tab-gallery >> visible=true")
    pictures = drawn.drawn()
    page.reload(wait_until="commit")
    drawn.tab.locator(".kandi-picture").nth(pictures - 1).wait_for()
    assert drawn.kernel == kernel, "what was drawn is still there"
    page.goto(f"{drawn.address}/no/such/page")
    page.get_by_role("heading", name="There is no such page").wait_for()
    page.go_back(wait_until="commit")
    drawn.tab.locator(".kandi-picture").nth(pictures - 1).wait_for()
    assert drawn.kernel == kernel and "session" not in page.url


def test_a_page_that_is_closed_ends_its_kernel(drawn):
    address = f"{drawn.address}/api/kernels/{drawn.kernel}"
    assert drawn.context.request.get(address).status == 200
    drawn.page.close()
    until = time.monotonic() + 60  # one that nobody had closed would be kept for ten minutes
    while drawn.context.request.get(address).status != 404:
        assert time.monotonic() < until
        time.sleep(0.1)


BEFORE_THE_KERNEL = """() => [...document.querySelectorAll('[role=status]')]
    .some(part => part.innerText.includes('A place is made ready'))
    && !document.querySelector('.kandi-run')"""


def test_who_comes_reads_at_once_what_happens(browser, server):
    visitor = Visitor(browser, server)
    visitor.page.goto(server[0], wait_until="commit")
    visitor.page.wait_for_function(BEFORE_THE_KERNEL)
    visitor.context.close()


def test_pages_of_other_names_are_refused(server):
    import httpx

    port = urlsplit(server[0]).port
    answer = httpx.get(server[0], headers={"Host": f"evil.example:{port}"})
    assert answer.status_code == 403
    unknown = httpx.get(f"{server[0]}/no/such/page")
    assert "default-src 'self'" in unknown.headers["content-security-policy"]
    assert httpx.get(f"{server[0]}/logout").status_code == unknown.status_code == 404
