"""Colours in every scheme and place: what is read 4.5 : 1, edges and handles 3 : 1."""

from __future__ import annotations

import pytest

from kandi_nb.drivers.widgets.classes import BROWSER

# What VS Code gives a webview: from its default themes Light+ and Dark+.
VSCODE = {
    "light": {
        "editor-background": "#ffffff",
        "foreground": "#616161",
        "input-background": "#ffffff",
        "editorWidget-background": "#f3f3f3",
        "descriptionForeground": "#616161",
        "errorForeground": "#a1260d",
    },
    "dark": {
        "editor-background": "#1e1e1e",
        "foreground": "#cccccc",
        "input-background": "#3c3c3c",
        "editorWidget-background": "#252526",
        "widget-border": "#303031",
        "descriptionForeground": "#ccccccb3",
        "errorForeground": "#f48771",
    },
}
READ = """() => {
    const probe = document.body.appendChild(document.createElement('i'));
    const names = 'bg surface sunken line text soft accent on sel bad'.split(' ');
    return Object.fromEntries(names.map((name) => {
        probe.style.color = '';
        probe.style.color = `var(--kandi-${name})`;
        return [name, getComputedStyle(probe).color.match(/[\\d.]+/g).map(Number)];
    }));
}"""
PLACES = {
    "light": ("light", "", {}),
    "dark": ("dark", "", {}),
    "lab, dark in a light system": ("light", "data-jp-theme-light='false'", {}),
    "lab, light in a dark system": ("dark", "data-jp-theme-light='true'", {}),
    "vscode, light": ("dark", "class='vscode-light'", VSCODE["light"]),
    "vscode, dark": ("light", "class='vscode-dark'", VSCODE["dark"]),
}
DARK = {name for name in PLACES if "dark" in name.split(",")[-1].split(" in ")[0]}


def contrast(one, other):
    """Return the contrast of two colours, the first one laid over the second."""
    share = one[3] if len(one) > 3 else 1
    one = [a * share + b * (1 - share) for a, b in zip(one[:3], other, strict=False)]
    high, low = sorted(map(light, (one, other[:3])), reverse=True)
    return (high + 0.05) / (low + 0.05)


def light(colour):
    parts = [part / 255 for part in colour]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    yield page
    page.close()


@pytest.fixture(params=PLACES)
def colours(page, request):
    scheme, body, variables = PLACES[request.param]
    page.emulate_media(color_scheme=scheme)
    tokens = (BROWSER / "tokens.css").read_text(encoding="utf-8")
    theirs = "".join(f"--vscode-{name}: {value};" for name, value in variables.items())
    page.set_content(f"<style>html {{ {theirs} }} {tokens}</style><body {body}></body>")
    found = page.evaluate(READ)
    assert (light(found["bg"]) < 0.2) == (request.param in DARK)
    if variables:
        value = variables["editor-background"].lstrip("#")
        assert found["bg"] == [int(value[n : n + 2], 16) for n in (0, 2, 4)], "its own"
    return found


def test_what_is_written_can_be_read_and_what_is_set_can_be_seen(colours):
    pairs = [
        (text, back, 4.5) for text in ("text", "soft", "bad") for back in ("bg", "surface")
    ]
    pairs += [("on", "accent", 4.5), ("text", "sel", 4.5), ("text", "sunken", 4.5)]
    pairs += [(edge, back, 3) for edge in ("line", "accent") for back in ("bg", "surface")]
    low = {(a, b): contrast(colours[a], colours[b]) for a, b, _ in pairs}
    assert not [(pair, low[pair[:2]]) for pair in pairs if low[pair[:2]] < pair[2] - 0.01]
