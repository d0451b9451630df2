"""The panel in JupyterLab: run, stop, drop, paste, keys, themes, what it says of failures."""

from __future__ import annotations

import base64
import time
from urllib.parse import urlsplit

import pytest

import kandi_nb as kn
from kandi_nb.pictures.result import Result

CELLS = (
    """
import time
import kandi_nb as kn


def refuse(k, params):
    raise kn.KandiError("guidance is too much for this task; take less", about="guidance")


k = kn.load("mini-2.2")
quick = kn.Params("A red fox in a snowy forest", steps=4, prior_steps=4)
panel = kn.panel([kn.generate, kn.edit, kn.inpaint, refuse], k, quick)
panel""",
    "panel.params.steps",
    "time.sleep(8)",
)
OFFERED = ".kandi-panel .kandi-run >> visible=true"
TOO_WIDE = """() => [...document.querySelectorAll('.kandi-panel, .kandi-panel *')]
    .filter(part => !part.closest('.kandi-film-list'))  // it scrolls
    .filter(part => part.getBoundingClientRect().right >
        document.querySelector('.jp-OutputArea-output').getBoundingClientRect().right + 1)
    .map(part => part.className)"""
# A file reaches the page as a drop or a paste does, by the browser's own events.
HAND_OVER = """(area, [kind, name, content, size]) => {
    const bytes = content === null ? new Uint8Array(size)
        : Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
    const items = new DataTransfer();
    items.items.add(new File([bytes], name, {type: 'image/png'}));
    const words = {bubbles: true, cancelable: true};
    area.dispatchEvent(kind == 'paste'
        ? new ClipboardEvent('paste', {...words, clipboardData: items})
        : new DragEvent('drop', {...words, dataTransfer: items}));
}"""
SERIOUS = {"serious", "critical"}
LOAD = 180_000  # milliseconds that a busy machine may take to load torch and a model


class Live:
    """A panel in a page; all that the page complained of and asked for."""

    def __init__(self, open_notebook):
        self.complaints, self.hosts = [], set()
        self.notebook = open_notebook("panel.ipynb", *CELLS, watch=self.watch)
        self.page = self.notebook.page
        self.notebook.start(0)
        self.page.wait_for_selector(OFFERED, timeout=LOAD)
        self.page.wait_for_selector("#jp-main-statusbar >> text=/ \\| Idle/")

    def watch(self, page):
        page.on(
            "console", lambda said: said.type == "error" and self.complaints.append(said.text)
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda asked: self.hosts.add(urlsplit(asked.url).hostname))

    @property
    def panel(self):
        return self.page.locator(".kandi-panel")

    def button(self, name):
        return self.panel.get_by_role("button", name=name, exact=True)

    @property
    def run(self):
        return self.panel.locator(".kandi-run")

    def press_run(self):
        self.panel.locator(".kandi-run:not([aria-disabled=true])").click()

    def field(self, name):
        return self.panel.get_by_role("textbox", name=name, exact=True)

    def type(self, name, value):
        self.field(name).fill(str(value))
        self.field(name).press("Tab")

    def choose(self, task):
        self.panel.get_by_role("combobox", name="Task").select_option(label=task.capitalize())

    def pictures(self):
        return self.panel.locator(".kandi-picture").count()

    def new_picture(self, before):
        self.page.wait_for_function(
            f"() => document.querySelectorAll('.kandi-picture').length > {before}"
        )
        self.idle()

    def idle(self):
        self.panel.locator(".kandi-stop[aria-disabled=true]").wait_for()

    def area(self, name):
        return self.panel.locator(".kandi-stagepart" if name == "stage" else ".kandi-input")

    def hand_over(self, kind, area, name, content=None, size=0):
        text = None if content is None else base64.b64encode(content).decode()
        self.area(area).first.evaluate(HAND_OVER, [kind, name, text, size])

    def says(self, text):
        said = self.panel.get_by_text(text)
        said.locator("visible=true").first.wait_for()


@pytest.fixture(scope="module")
def live(open_notebook):
    panel = Live(open_notebook)
    yield panel
    panel.page.close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return the bytes of a PNG with a recipe in it."""
    from PIL import Image

    params = kn.Params("A blue cat in space", seed=42, steps=5)
    result = Result([Image.effect_noise((64, 64), 90).convert("RGB")], [params], "mini-2.2")
    return result.save(tmp_path_factory.mktemp("saved"))[0].read_bytes()


def test_a_slider_moves_by_keys_and_ctrl_enter_draws_another_picture(live):
    before = live.pictures()
    live.page.get_by_role("slider", name="Follow the words", exact=True).focus()
    for _ in range(4):
        live.page.keyboard.press("ArrowRight")
    number = live.field("Follow the words, as a number")
    live.page.wait_for_function(
        "() => document.querySelector('[data-name=guidance] .kandi-number').value == '6'"
    )
    assert number.input_value() == "6"
    live.page.keyboard.press("Control+Enter")
    live.new_picture(before)
    live.button("Copy as code").click()
    live.says("guidance=6.0")
    assert live.panel.locator(".kandi-frame-of-picture img").count() == 1
    live.notebook.picture("panel-light")


def test_stop_ends_a_long_run_while_other_cells_go_on_and_the_panel_stays_usable(live):
    page, before = live.page, live.pictures()
    live.type("Quality: steps", 1000)
    live.press_run()
    page.wait_for_selector("text=/[1-9]\\d*\\/100\\d steps, \\d+ s left/")
    assert live.run.get_attribute("aria-disabled") == "true"
    live.notebook.start(1)
    page.locator(".jp-CodeCell").nth(1).get_by_text("1000").last.wait_for()
    live.type("Quality: steps", 4)  # for the next run
    live.notebook.picture("panel-running")
    live.button("Stop").click()
    live.panel.get_by_role("note").get_by_text("topped after").wait_for()
    assert live.panel.get_by_role("alert").count() == 0
    assert live.pictures() == before
    live.press_run()
    live.new_picture(before)


def test_the_panel_works_while_a_cell_does(live):
    before = live.pictures()
    live.notebook.start(2)
    live.button("Another seed").click()
    live.press_run()
    live.new_picture(before)
    busy = live.page.locator(".jp-CodeCell .jp-InputPrompt").nth(2)
    assert busy.inner_text() == "[*]:", "the cell is still at work"


def test_labs_keys_and_its_menu_leave_the_panel_alone(live):
    page = live.page
    cells = page.locator(".jp-CodeCell").count()
    live.run.focus()
    for key in "ddxab":
        page.keyboard.press(key)
    for selector in (".kandi-canvas", ".kandi-picture", ".kandi-segment"):
        live.panel.locator(selector).first.focus()
        page.keyboard.press("d")
        page.keyboard.press("d")
    page.wait_for_timeout(300)
    assert page.locator(".jp-CodeCell").count() == cells
    live.choose("inpaint")
    live.button("Start from this").click()
    stage = live.panel.locator(".kandi-stage")
    stage.wait_for()
    stage.click(button="right")
    page.wait_for_timeout(300)
    assert page.locator(".lm-Menu").count() == 0, "erasing opens no menu"
    live.choose("generate")


def test_a_failing_run_says_its_line_beside_the_control(live):
    live.choose("refuse")
    live.press_run()
    line = live.page.get_by_role("alert").filter(has_text="too much for this task")
    line.wait_for()
    beside = live.panel.locator("[data-name=guidance]").bounding_box()
    at = line.bounding_box()["y"]
    assert beside["y"] < at < beside["y"] + beside["height"]
    assert live.run.get_attribute("aria-disabled") == "false"
    live.choose("generate")
    line.wait_for(state="detached")


def test_an_emptied_prompt_takes_run_away(live):
    prompt = live.field("What it shows")
    prompt.fill("")
    live.says("Say what to draw.")
    assert live.run.get_attribute("aria-disabled") == "true"
    live.button("Deutsch").click()
    live.page.wait_for_function(
        "() => ![...document.querySelectorAll('[role=alert]')].some(e => e.textContent)"
    )
    assert prompt.input_value() == "Ein roter Fuchs im verschneiten Wald"
    assert live.button("Deutsch").get_attribute("lang") == "de"


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_brings_its_settings(live, saved, kind):
    live.type("Seed", "7")
    live.hand_over(kind, "stage", f"{kind}.png", saved)
    live.says(f"the settings of {kind}.png are back")
    assert live.field("Seed").input_value() == "42"
    assert live.field("Quality: steps").input_value() == "5"


def test_a_picture_goes_in_and_what_is_too_much_does_not(live, saved):
    live.choose("edit")
    live.button("Remove: Picture to start from").click()
    live.says("Choose one of your pictures, or drop one")
    live.hand_over("drop", "image", "notes.txt", b"not a picture")
    live.says("is no picture that can be read")
    live.hand_over("drop", "image", "huge.png", size=200 * 2**20)
    live.says("huge.png has 200 MB, at most 64 are taken")
    live.hand_over("drop", "image", "fox.png", saved)
    live.says("fox.png, 64 × 64")
    before = live.pictures()
    live.press_run()
    live.new_picture(before)
    live.button("Copy as code").click()
    live.says("image = 'fox.png'")
    live.choose("generate")


def test_code_is_copied_to_the_clipboard(live):
    live.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    live.button("Copy as code").click()
    live.says("The code is on the clipboard.")
    text = live.page.evaluate("() => navigator.clipboard.readText()")
    assert text.startswith("result = kn.") or text.startswith("image = ")


def test_a_result_is_kept_below_the_panel_in_the_notebook_itself(live, folder):
    live.button("Keep below").click()
    live.page.locator("[data-mime-type='text/html'] img").first.wait_for()
    live.page.keyboard.press("Control+s")
    live.notebook.command("docmanager:save")
    until = time.monotonic() + 30
    while "data:image/png;base64" not in (folder / "panel.ipynb").read_text():
        assert time.monotonic() < until, "a notebook that is opened again shows it"
        time.sleep(0.2)


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_everybody_can_use_it(live, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    live.notebook.theme(theme)
    live.choose("edit")
    more = live.panel.locator(".kandi-more > summary")
    more.click()
    live.says("Prior: steps")
    for width in (560, 800, 1400):
        live.notebook.width(width)
        live.notebook.picture(f"panel-{theme.lower()}-{width}")
        assert live.page.evaluate(TOO_WIDE) == [], width
    faults = axe.Axe().run(live.page, context=".kandi-panel").response["violations"]
    bad = [
        (fault["id"], node["html"][:200], node["failureSummary"])
        for fault in faults
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]
    assert bad == []
    more.click()
    live.choose("generate")


def test_every_control_is_reached_by_the_tab_key(live):
    live.panel.get_by_role("combobox", name="Task").focus()
    reached = []
    for _ in range(40):
        live.page.keyboard.press("Tab")
        reached.append(
            live.page.evaluate(
                "() => document.activeElement.ariaLabel"
                " || document.activeElement.labels?.[0]?.textContent"
                " || document.activeElement.textContent"
            ).strip()
        )
    wanted = ["What it shows", "English", "Quality: steps", "Follow the words", "Seed"]
    wanted += ["Another seed", "DrawCtrl ⏎", "Copy as code"]
    places = [reached.index(name) for name in wanted]
    assert places == sorted(places), "in the order in which they stand"
    assert "Keep this seed" in reached


def test_a_kernel_that_was_restarted_is_said_and_the_page_asked_for_nothing_outside(
    live, saved
):
    assert live.complaints == []
    assert live.hosts <= {"127.0.0.1", None, ""}
    live.notebook.command("notebook:restart-kernel")
    live.says("The kernel was restarted: run this cell again")
    assert live.run.get_attribute("aria-disabled") == "true", "no button that does nothing"
    live.notebook.picture("panel-restarted")
    live.page.wait_for_selector("#jp-main-statusbar >> text=/ \\| Idle/")
    before = live.page.locator(".kandi-panel").count()
    live.notebook.start(0)
    live.page.wait_for_selector(OFFERED, timeout=LOAD)
    live.page.wait_for_selector("#jp-main-statusbar >> text=/ \\| Idle/")
    assert before == live.page.locator(".kandi-panel").count() == 1
    live.hand_over("drop", "stage", "again.png", saved)
    live.says("the settings of again.png are back")
