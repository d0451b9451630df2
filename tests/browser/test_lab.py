"""What a learner sees in JupyterLab: everything fits, and neither a stop nor a reload hurts."""

from __future__ import annotations

# Pictures and tables alone: no model is needed to see how they are laid out.
SHOWN = (
    """
from PIL import Image
import kandi_nb as kn
from kandi_nb.words.errors import warn
from kandi_nb.words.tables import Table
red = Image.new("RGB", (64, 64), "red")
kn.grid([red] * 5, [f"steps {n}" for n in range(5)])""",
    'kn.grid([red] * 8, rows=["a fox", "a snowy forest"], cols=list("abcd"))',
    'kn.grid([Image.new("RGB", (1024, 512), "blue")] * 4)',
    "kn.models()",
    """
long = "a red fox in a snowy forest " * 12
cut = " | ".join(long.split())
Table([{"prompt": long, "tokens": 124, "room": 77, "cut": cut, "lost": long}])""",
    'kn.heat([[0.5] * 8] * 8, ["a red fox in a snowy forest"] * 8)',
    'warn("the bundled model has not learned “spce” (did you mean space?)")',
)
TOO_WIDE = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
    .filter(output => output.scrollWidth > output.clientWidth + 1)
    .map(output => [output.scrollWidth, output.clientWidth, output.textContent.slice(0, 40)])"""
CUT = """() => [...document.querySelectorAll('.jp-OutputArea-output img')].filter(image => {
    const page = image.closest('.jp-OutputArea-output').getBoundingClientRect();
    const box = image.getBoundingClientRect();
    return box.left < page.left - 1 || box.right > page.right + 1 || box.width < 24;
}).length"""
STYLE = "(element, name) => getComputedStyle(element)[name]"
PAPERS = """() => [...document.querySelectorAll('.jp-OutputArea-output tr')]
    .filter(row => row.querySelector('img'))
    .map(row => getComputedStyle(row).backgroundColor)"""
CLEAR = "rgba(0, 0, 0, 0)"


def test_everything_fits_every_page_light_and_dark(opened):
    notebook = opened("shown.ipynb", *SHOWN)
    notebook.run()
    page = notebook.page
    assert page.locator(".jp-OutputArea-output img").count() == 17
    for theme in ("Light", "Dark"):
        notebook.theme(theme)
        for width in (700, 800, 1400, 1900):
            notebook.width(width)
            notebook.picture(f"shown-{theme.lower()}-{width}")
            assert page.evaluate(TOO_WIDE) == [], (theme, width)
            assert page.evaluate(CUT) == 0, (theme, width)
        assert set(page.evaluate(PAPERS)) == {CLEAR}, "no stripes run through pictures"
    head = page.locator("th", has_text="prompt").first
    assert head.evaluate(STYLE, "textAlign") == "left", "as its cells"
    note = page.locator("[role=note]")
    assert note.count() == 1 and page.locator("[data-mime-type*=stderr]").count() == 0
    red = page.locator(".jp-OutputArea-output img").all()
    tops = [image.bounding_box()["y"] for image in red[:5]]
    assert len({round(top) for top in tops}) == 1, "five pictures stand in a row"


LOAD = """
import kandi_nb as kn
k = kn.load("mini-2.2")"""
DRAW = 'result = kn.generate(k, kn.Params("a red fox", steps={steps}, prior_steps=2))\nresult'


def test_an_interrupt_is_one_line_and_a_page_reloaded_meanwhile_loses_nothing(opened):
    cells = [LOAD, DRAW.format(steps=500), DRAW.format(steps=120), "result"]
    notebook = opened("draw.ipynb", *cells)
    page = notebook.page
    notebook.start(0)
    notebook.start(1)
    page.wait_for_selector("text=/[1-9]\\d*\\/502 steps/")
    notebook.command("notebook:interrupt-kernel")
    error = page.locator(".jp-OutputArea-output", has_text="Cancelled")
    notebook.picture("interrupt")
    error.wait_for()
    assert error.inner_text().startswith("Cancelled: stopped")
    assert len(error.inner_text().splitlines()) == 1
    notebook.picture("interrupt")
    notebook.start(2)
    page.wait_for_selector("text=/[1-9]\\d*\\/120 steps/")
    page.reload()
    notebook.ready()
    notebook.start(3)
    picture = page.locator(".jp-CodeCell").nth(3).locator("img")
    picture.wait_for()
    notebook.picture("reloaded")
