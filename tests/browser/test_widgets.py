"""The mask painter and the mixer in JupyterLab and Voilà, as hands and keys use them."""

from __future__ import annotations

import base64
import re
import time
from urllib.parse import urlsplit

import numpy as np
import pytest

import kandi_nb as kn
from kandi_nb.drivers.widgets.encoding import decode_mask

from .conftest import keep

WIDE, HIGH = SIZE = (96, 64)
PAINTER = """
import base64
import ipywidgets
import kandi_nb as kn
from PIL import Image
from kandi_nb.drivers.widgets.encoding import encode_mask
image = Image.linear_gradient("L").resize((96, 64)).convert("RGB")
painter = kn.mask_painter(image)
painter"""
MIXER = """
k = kn.load("mini-2.2")
quick = kn.Params("a fox", steps=8, prior_steps=3)
mixer = kn.mixer(k, ["a cat", "a dog", "an owl"], params=quick.replace(prompt=None))
mixer"""
CELLS = (
    PAINTER,
    MIXER,
    "print(base64.b64encode(encode_mask(painter.mask.array)).decode(), end='.')",
    "print(k and 'ready'); kn.generate(k, quick.replace(steps=1000))",
    """
new = kn.inpaint(k, quick, image=image, mask=painter.mask, progress=False)
gap = kn.compare(image, new[0]) and abs(new.arrays()[0].astype(int) - image).max(2)
print(new.proof[0]["kept"], gap[painter.mask.array == 0].max(), gap.max() > 0, end=".")""",
    """
plain = kn.mix(k, mixer.params, 'a dog')
print(mixer.result[0].tobytes() == plain[0].tobytes(), end='.')""",
    "panel = kn.panel([kn.inpaint, kn.outpaint], k, quick, image=image)\npanel",
    """
set_by_nobody = panel.params.strength
print(panel.inputs['mask'], set_by_nobody, len(ipywidgets.widget._instances), end='.')""",
    "print({s: panel.inputs[s] for s in ('right', 'top') if s in panel.inputs}, end='.')",
)
SEEN = """([x, y]) => {
    const canvas = document.querySelector('.kandi-above');
    const at = [x * canvas.width, y * canvas.height].map(Math.floor);
    return canvas.getContext('2d').getImageData(...at, 1, 1).data[3];
}"""
# What kinds of colour lie over the picture along a line through its middle.
COLOURS = """() => {
    const canvas = document.querySelector('.kandi-above');
    const y = Math.round((canvas.height * 30) / 64);
    const { data } = canvas.getContext('2d').getImageData(0, y, canvas.width, 1);
    return [...new Set(Array.from({ length: canvas.width }, (_, x) => {
        const [red, green, , alpha] = data.slice(4 * x, 4 * x + 4);
        return alpha === 0 ? 'clear' : green > 200 ? 'white' : red > 200 ? 'red' : 'other';
    }))];
}"""
SERIOUS = {"serious", "critical"}
LOAD = 180_000  # milliseconds that a busy machine may take to load torch and a model
WAIT = 60  # seconds


class Page:
    """A page with widgets; all that it complained of and asked for."""

    def watch(self, page):
        self.complaints, self.hosts, self.page = [], set(), page
        page.on("console", self.hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda asked: self.hosts.add(urlsplit(asked.url).hostname))

    def hear(self, said):
        """Keep an error; what a busy server answers to Lab's own questions is none of ours."""
        address = said.location.get("url", "")
        if said.type == "error" and "/api/" not in address:
            self.complaints.append(f"{said.text} {address}")

    def at(self, x, y, scale=1.0):
        """Return where a point of the picture is on the page, zoomed to its middle."""
        stage = self.page.locator(".kandi-stage").first
        stage.scroll_into_view_if_needed()  # the run of a cell may have scrolled it away
        box = stage.bounding_box()
        across, down = (x / WIDE - 0.5) * scale + 0.5, (y / HIGH - 0.5) * scale + 0.5
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    def draw(self, *points, scale=1.0):
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0], scale))
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(*point, scale), steps=4)
        mouse.up()

    def button(self, name, within=".kandi-painter"):
        box = self.page.locator(within).first
        return box.get_by_role("button", name=name, exact=True)

    def press(self, *names):
        for name in names:
            self.button(name).click()

    def seen(self, x, y):
        """Tell whether the page shows a point of the picture as to be repainted."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => done()))")
        return self.page.evaluate(SEEN, [x / WIDE, y / HIGH]) > 0


class Live(Page):
    """The same in JupyterLab, with a kernel to ask."""

    def __init__(self, open_notebook):
        self.notebook = open_notebook("widgets.ipynb", *CELLS, watch=self.watch)
        for number, sight in ((0, ".kandi-stage"), (1, ".kandi-mixed >> visible=true")):
            self.notebook.start(number)
            self.page.wait_for_selector(sight, timeout=LOAD)

    def prompt(self, number):
        return self.page.locator(".jp-CodeCell").nth(number).locator(".jp-InputPrompt")

    def says(self, number):
        """Run a cell that prints a line which ends in a stop; return the line."""
        before = self.prompt(number).inner_text()
        self.notebook.start(number)
        until(lambda: self.prompt(number).inner_text() not in (before, "[*]:"))
        cell = self.page.locator(".jp-CodeCell").nth(number)
        return cell.locator(".jp-OutputArea-output").last.inner_text().strip().strip(".")

    def mask(self):
        return kn.Mask(decode_mask(base64.b64decode(self.says(2)), SIZE))

    def until_mask(self, true):
        """Return the kernel's mask as soon as it is as wanted."""
        masks = []

        def there():
            masks[:] = [self.mask()]
            return true(masks[0])

        until(there)
        return masks[0]


def until(true):
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


def close_to_stroke(mask, points, width):
    """Tell whether a mask is a stroke, but for what half a pixel of the page may move."""
    inner, outer = (kn.stroke(SIZE, points, width + more) for more in (-1, 1))
    return (inner - mask).area == 0 and (mask - outer).area == 0


@pytest.fixture(scope="module")
def live(open_notebook):
    made = Live(open_notebook)
    yield made
    made.page.close()


@pytest.fixture
def clean(live):
    """The page with an empty mask and the brush."""
    live.press("Clear", "Fit", "Brush")
    live.page.get_by_role("slider", name="size in pixels").first.fill("5")
    live.until_mask(lambda mask: not mask.area)
    return live


def test_the_first_brush_is_a_sixth_of_the_picture_and_what_is_painted_is_striped(live):
    size = live.page.locator(".kandi-painter .kandi-slider output").first
    assert size.inner_text() == "16"
    live.draw((20, 30), (70, 30))
    live.until_mask(lambda mask: mask.area)
    colours = live.page.evaluate(COLOURS)
    assert {"red", "white", "clear"} <= set(colours), "seen on red and on white"


def test_a_stroke_repaints_there_and_nowhere_else(clean):
    way = [(20, 20), (60, 30), (60, 50)]
    clean.draw(*way)
    assert clean.seen(40, 25) and not clean.seen(20, 50)
    mask = clean.until_mask(lambda mask: mask.area)
    assert close_to_stroke(mask, way, 5)
    assert clean.says(4) == "1.0 0 True", "kept pixels are identical, others are not"
    clean.notebook.picture("painter")


def test_a_finger_paints_and_two_fingers_do_not(clean):
    touch = clean.page.context.new_cdp_session(clean.page)

    def fingers(kind, *points):
        places = [dict(zip("xy", clean.at(*point), strict=True)) for point in points]
        touches = [{**place, "id": n} for n, place in enumerate(places)]
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": touches})

    fingers("Start", (70, 20))
    fingers("Move", (80, 30))
    fingers("Move", (90, 40))
    fingers("End")
    mask = clean.until_mask(lambda mask: mask.area)
    assert close_to_stroke(mask, [(70, 20), (90, 40)], 5)
    fingers("Start", (30, 30))
    fingers("Start", (30, 30), (50, 30))
    fingers("Move", (25, 30), (60, 30))
    fingers("End")
    clean.page.wait_for_timeout(100)
    assert clean.mask() == mask, "they zoom"
    assert clean.seen(70 * 1, 20) is False, "what was there moved out"


def test_a_pens_pressure_is_its_size_and_alt_takes_away(clean):
    pen = clean.page.context.new_cdp_session(clean.page)

    def touches(kind, point, force, **more):
        x, y = clean.at(*point)
        words = {"pointerType": "pen", "button": "left", "buttons": 1, "force": force}
        words |= {"type": kind, "x": x, "y": y, "clickCount": 1, **more}
        pen.send("Input.dispatchMouseEvent", words)

    def line(*points, force, **more):
        touches("mousePressed", points[0], force, **more)
        for point in points[1:]:
            touches("mouseMoved", point, force, **more)
        touches("mouseReleased", points[-1], 0, **more)

    clean.page.get_by_role("slider", name="size in pixels").first.fill("20")
    line((20, 20), (70, 20), force=0.5)
    mask = clean.until_mask(lambda mask: mask.area)
    assert close_to_stroke(mask, [(20, 20), (70, 20)], 10)
    line((40, 10), (40, 30), force=0.5, modifiers=1)  # Alt
    cut = clean.until_mask(lambda new: new != mask)
    less, more = (mask - kn.stroke(SIZE, [(40, 10), (40, 30)], width) for width in (9, 11))
    assert (cut - less).area == 0 and (more - cut).area == 0 and less.area < mask.area


def test_undo_gives_the_mask_before_and_redo_the_one_after(clean):
    clean.draw((20, 20), (50, 20))
    first = clean.until_mask(lambda mask: mask.area)
    clean.press("Ellipse")
    clean.draw((40, 10), (80, 60))
    second = clean.until_mask(lambda mask: mask != first)
    assert (second - first).area and second == first | kn.ellipse(SIZE, (40, 10, 81, 61))
    clean.press("Undo")
    clean.until_mask(lambda mask: mask == first)
    clean.page.locator(".kandi-stage").first.press("Control+y")
    clean.until_mask(lambda mask: mask == second)
    clean.press("Undo", "Undo")
    clean.until_mask(lambda mask: not mask.area)


def test_a_zoomed_stroke_lands_right(clean):
    clean.press("Zoom in", "Zoom in", "Zoom in")
    way = [(42, 28), (54, 36)]
    clean.draw(*way, scale=1.5**3)
    mask = clean.until_mask(lambda mask: mask.area)
    assert close_to_stroke(mask, way, 5)


def test_a_feather_is_shown_and_is_what_python_has(clean):
    clean.press("Rectangle")
    clean.draw((30, 20), (60, 40))
    hard = clean.until_mask(lambda mask: mask.area)
    feather = clean.page.get_by_role("slider", name="feather in pixels").first
    feather.fill("4")
    soft = clean.until_mask(lambda mask: mask != hard)
    assert soft == kn.rectangle(SIZE, (30, 20, 61, 41)).feather(4)
    y, x = np.nonzero((soft.array > 30) & (hard.array == 0))
    assert all(clean.seen(x[n] + 0.5, y[n] + 0.5) for n in (0, len(x) // 2))
    feather.fill("0")
    clean.until_mask(lambda mask: mask == hard)


def test_keys_alone_paint(clean):
    stage = clean.page.locator(".kandi-stage").first
    stage.focus()
    for key in ("r", "Shift+ArrowLeft", " ", "Shift+ArrowRight", "Shift+ArrowDown", " "):
        clean.page.keyboard.press(key)
    expected = kn.rectangle(SIZE, (38, 32, 49, 43))
    clean.until_mask(lambda mask: mask == expected)
    stage.press("i")
    clean.until_mask(lambda mask: mask == ~expected)


def test_painting_goes_on_while_a_long_run_does(clean):
    clean.notebook.start(3)
    clean.page.wait_for_selector("text=/[1-9]\\d*\\/100\\d steps/")
    clean.draw((20, 50), (70, 50))
    assert clean.seen(45, 50)
    clean.page.wait_for_selector("text=/[1-9]\\d*\\/100\\d steps/")
    stop = clean.page.locator(".jp-CodeCell").nth(3).get_by_role("button", name="Stop")
    stop.click()
    until(lambda: clean.prompt(3).inner_text() != "[*]:")
    mask = clean.until_mask(lambda mask: mask.area)
    assert close_to_stroke(mask, [(20, 50), (70, 50)], 5)


def test_the_picture_follows_and_a_corner_is_the_plain_item(live):
    page = live.page
    pad = page.locator(".kandi-pad")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + box["height"] - 20, steps=5)
    page.get_by_text("6 steps, to see where it goes").wait_for()
    page.mouse.move(box["x"] + 1, box["y"] + box["height"] - 1)
    page.mouse.up()
    page.locator(".kandi-mixer .kandi-status", has_text=re.compile("^8 steps$")).wait_for()
    assert "100 % a dog" in page.locator(".kandi-mixed").get_attribute("alt")
    assert live.says(5) == "True"
    pad.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.locator(".kandi-mixed[alt*='90 % a dog, 10 % an owl']").wait_for()
    live.notebook.picture("mixer")


def test_the_panel_of_inpaint_has_the_brush_and_nothing_piles_up(live):
    live.notebook.start(6)
    panel = ".kandi-panel .kandi-painter:has(.kandi-keys)"
    live.page.wait_for_selector(panel)
    live.button("Invert", panel).click()
    live.page.locator(".kandi-panel .kandi-run:not([aria-disabled=true])").wait_for()
    first = live.says(7)
    assert "100% to repaint) None" in first
    live.page.locator(".kandi-panel .kandi-run").click()
    live.page.wait_for_selector(".kandi-picture")
    for cell, sight in ((6, panel), (0, ".kandi-stage"), (1, ".kandi-mixed"), (6, panel)):
        live.notebook.start(cell)
        live.page.wait_for_selector("#jp-main-statusbar >> text=/ \\| Idle/")
        live.page.wait_for_selector(sight)
    live.button("Invert", panel).click()
    live.page.locator(".kandi-panel .kandi-run:not([aria-disabled=true])").wait_for()
    assert live.says(7) == first, "as many widgets as before"
    assert live.page.locator(".kandi-painter .kandi-keys").count() == 2


def test_the_panel_of_outpaint_has_a_frame_to_drag(live):
    page = live.page
    page.get_by_role("combobox", name="Task").select_option(label="Outpaint")
    right = page.get_by_role("slider", name="right side: pixels to add")
    right.wait_for()
    right.focus()
    page.keyboard.press("Shift+ArrowRight")
    until(lambda: live.says(8) == "{'right': 64}")
    top = page.get_by_role("slider", name="top side: pixels to add")
    top.scroll_into_view_if_needed()
    box = top.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] - 25, steps=3)
    page.mouse.up()
    added = int(page.get_by_role("spinbutton", name="top: pixels to add").input_value())
    assert added > 0 and added % 8 == 0
    until(lambda: live.says(8) == str({"right": 64, "top": added}))
    page.get_by_text(f"96 × 64 grow to 160 × {64 + added} pixels").wait_for()
    live.notebook.picture("frame")


@pytest.mark.parametrize("theme", ["Dark", "Light"])
def test_everybody_can_use_them(live, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    live.notebook.theme(theme)
    live.notebook.picture(f"widgets-{theme.lower()}")
    for part in (".kandi-painter", ".kandi-mixer", ".kandi-panel .kandi-frame"):
        faults = axe.Axe().run(live.page, context=part).response["violations"]
        bad = [
            (fault["id"], node["html"][:200], node["failureSummary"])
            for fault in faults
            if fault["impact"] in SERIOUS
            for node in fault["nodes"]
        ]
        assert bad == []


def test_the_page_complained_of_nothing_and_asked_nobody_outside(live):
    assert live.complaints == []
    assert live.hosts <= {"127.0.0.1", None, ""}


def test_voila_shows_both(browser, address, folder):
    pytest.importorskip("voila")
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    notebook = new_notebook(cells=[new_code_cell(cell) for cell in (PAINTER, MIXER)])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, folder / "page.ipynb")
    served = Page()
    page = browser.new_page(viewport={"width": 390, "height": 1400})
    served.watch(page)
    # Voilà's own template asks a network for style sheets and MathJax; our widgets need none.
    page.route(re.compile(r"^https://"), lambda route: route.fulfill(body=""))
    page.goto(f"{address[:-3]}voila/render/page.ipynb?token=test", timeout=LOAD)
    page.wait_for_selector(".kandi-mixed >> visible=true", timeout=LOAD)
    served.draw((20, 20), (60, 20))
    assert served.seen(40, 20) and not served.seen(40, 50)
    keep(page, "widgets-voila", full_page=True)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert [said for said in served.complaints if "MathJax" not in said] == []
    page.close()
