"""What a panel shows in another language, part by part; no Jupyter is needed."""

from __future__ import annotations

import base64
import re

import pytest

import kandi_nb as kn
from kandi_nb.drivers.widgets.translation import languages, messages

BEGUN = [language for language in languages() if messages(language)]
NAMES = {"English", "Deutsch", "Français", "a fox"}
CODE = re.compile(r"kn\.|_|^Ctrl|seed \d|\d × \d")  # code, keys, names of pictures, sizes
# A part with the traits that it has in the kernel; then all that is read out or shown.
SHOW = """async ([script, style, traits]) => {
    const bytes = (value) => value?.bytes ? new DataView(
        Uint8Array.from(atob(value.bytes), letter => letter.charCodeAt(0)).buffer) : value;
    const held = (value) => Array.isArray(value) ? value.map(bytes) : bytes(value);
    const model = {
        get: (name) => held(traits[name]), set() {}, save_changes() {}, on() {}, off() {},
        send() {},
    };
    const address = URL.createObjectURL(new Blob([script], {type: 'text/javascript'}));
    const made = (await import(address)).default;
    const part = typeof made === 'function' ? made() : made;
    let root = document.querySelector('.kandi-outer');
    if (!root) {
        root = document.createElement('div');
        root.className = 'kandi-outer';
        document.body.append(root);
    }
    document.head.append(Object.assign(document.createElement('style'), {textContent: style}));
    const el = document.createElement('div');
    root.append(el);
    part.initialize?.({model});
    part.render({model, el});
    await new Promise(done => setTimeout(done));
    const said = [];
    for (const each of el.querySelectorAll('*')) {
        for (const node of each.childNodes)
            if (node.nodeType === 3) said.push(node.textContent);
        for (const name of ['title', 'aria-label', 'placeholder', 'alt'])
            said.push(each.getAttribute(name) ?? '');
    }
    return [el.lang, root.lang, said.map(text => text.trim()).filter(Boolean)];
}"""


def plain(value):
    """Return a trait as the page can be given it."""
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


def parts(panel):
    view = panel.view()
    yield from (view.rail, view.runbar, view.stage, view.strip.film)
    yield from [view.brush.painter] if view.brush and view.brush.painter else []
    yield from [view.framing.frame] if view.framing and view.framing.frame else []


@pytest.fixture(scope="module")
def words(browser, tiny_roles):
    """Return language → what three panels show in it, and what their parts say they speak."""
    quick = kn.Params("a fox", steps=2, prior_steps=2)
    drawn = kn.generate(tiny_roles, quick, progress=False)
    found = {}
    for language in ["en", *BEGUN]:
        found[language] = set()
        for task in (kn.generate, kn.inpaint, kn.outpaint):
            inputs = {} if task is kn.generate else {"image": drawn[0]}
            panel = kn.panel(task, tiny_roles, quick, language=language, **inputs)
            if task is kn.generate:
                panel.run(progress=False)
            page = browser.new_page()
            for part in parts(panel):
                state = part.get_state()
                traits = {
                    n: plain(v) for n, v in state.items() if n[0] != "_" and n != "layout"
                }
                named, root, texts = page.evaluate(SHOW, [part._esm, part._css, traits])
                assert named == root == language and texts, type(part).__name__
                found[language].update(texts)
            page.close()
            panel.close()
    return found


@pytest.mark.parametrize("language", BEGUN)
def test_no_english_is_left_on_a_panel(words, language):
    left = {text for text in words["en"] & words[language] if re.search("[a-z]{3}", text)}
    left -= {*messages(language).values(), *NAMES}
    assert not {text for text in left if not CODE.search(text)}
