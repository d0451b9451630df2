"""The core of the browser tests in Firefox: `make soak`, where firefox-esr is installed."""

from __future__ import annotations

import pytest

from .conftest import PICTURES
from .firefox import Firefox, firefox

pytest.importorskip("voila")
pytest.importorskip("websocket")
pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(firefox() is None, reason="needs Firefox: apt install firefox-esr"),
]
SEEN = "[...document.querySelectorAll('.kandi-tab')].find(tab => tab.getClientRects().length)"
CONTROL = "\ue009"
ENTER = "\ue007"


def test_a_stranger_draws_repaints_compares_and_goes_back(server, tmp_path):
    with Firefox(tmp_path) as page:
        page.go(server[0])
        page.click(".kandi-tour-row button:last-child")
        page.click(".kandi-example")
        page.until(f"{SEEN}.querySelector('.kandi-run[aria-disabled=false]')?.tagName")
        page.key(CONTROL, ENTER)
        page.until(f"{SEEN}.querySelectorAll('.kandi-picture').length === 1")
        page.until(f"{SEEN}.querySelector('.kandi-stop[aria-disabled=true]')?.tagName")
        page.click(".kandi-tab [data-act=go-inpaint]")
        page.until(f"{SEEN}.matches('.kandi-tab-inpaint')")
        x, y, width, height = page.box(".kandi-tab-inpaint .kandi-stage")
        points = [(0.3, 0.2), (0.5, 0.2), (0.7, 0.3)]
        page.drag(*((x + width * a, y + height * b) for a, b in points))
        page.until(f"{SEEN}.querySelector('.kandi-run[aria-disabled=false]')?.tagName")
        page.picture(PICTURES / "firefox-mask.png")
        page.key(CONTROL, ENTER)
        page.until(f"{SEEN}.innerText.includes('Outside the mask nothing changed.')")
        page.picture(PICTURES / "firefox-inpaint.png")
        page.click(".kandi-tab-inpaint [data-act=compare]")
        page.until(f"{SEEN}.querySelector('.kandi-split')?.type")
        assert page.value("location.hash") == "#inpaint"
        page.value("history.back()")
        page.until(f"{SEEN}.matches('.kandi-tab-generate')")
        assert page.errors == []
