"""Shares of a mixer as they are written: whole percents with the sum 100."""

from __future__ import annotations

import pytest

from kandi_nb.drivers.widgets.classes import BROWSER

SHARES = [[1 / 8] * 8, [1 / 3] * 3, [0.995, 0.005], [1, 0], [0.285, 0.285, 0.43], [1 / 7] * 7]


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    script = (BROWSER / "mixer.js").read_text(encoding="utf-8")
    page.add_script_tag(content=script.partition("export default")[0])
    yield page
    page.close()


@pytest.mark.parametrize("shares", SHARES, ids=str)
def test_percents_add_up(page, shares):
    words = page.evaluate("shares => percents(shares)", shares)
    numbers = [int(word.split()[0]) for word in words]
    assert sum(numbers) == 100
    assert all(abs(n - 100 * share) < 1 for n, share in zip(numbers, shares, strict=True))
