"""Build the static site: executed notebooks and docs as pages, with a search, in one folder.

python docs/build_site.py [--executed outputs] [--out site]

Notebooks that were not executed there are shown without outputs. Nothing on a page asks
another machine: styles, scripts and pictures lie beside it.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
PICTURES = {".png", ".gif", ".jpg", ".webp", ".svg"}

STYLE = """
body{font:17px/1.55 system-ui,sans-serif;max-width:52rem;margin:0 auto;padding:1rem;color:#222}
nav{position:sticky;top:0;background:#fff;padding:.4rem 0;border-bottom:1px solid #ddd}
nav a{margin-right:1rem} a{color:#1a5fb4} img{max-width:100%} table{border-collapse:collapse}
td,th{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}
pre{background:#f6f6f4;padding:.6rem;overflow:auto;font-size:14px} code{font-size:.92em}
.cell{margin:1rem 0} .prompt,.jp-InputPrompt,.jp-OutputPrompt,.anchor-link{display:none}
details{margin:.4rem 0} #found a{display:block;margin:.3rem 0} input{font:inherit;width:14rem}
@media (prefers-color-scheme:dark){body,nav{background:#1c1c1c;color:#ddd}a{color:#8ab4f8}
pre{background:#2a2a2a}}
"""
SEARCH = """
const box=document.getElementById('q'),found=document.getElementById('found');
box.addEventListener('input',()=>{
 const words=box.value.toLowerCase().split(/\\s+/).filter(Boolean);
 found.textContent='';
 if(words.length)for(const p of SITE_PAGES){
  const t=p.text.toLowerCase(),i=t.indexOf(words[0]);
  if(!words.every(w=>t.includes(w)))continue;
  const a=document.createElement('a');
  a.href=SITE_ROOT+p.href;
  a.textContent=p.title+' — …'+p.text.slice(Math.max(0,i-40),i+80)+'…';
  found.append(a);
 }
});
"""
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width,initial-scale=1">
<link rel="stylesheet" href="{root}style.css">
<nav><a href="{root}index.html">kandi_nb</a><a href="{root}docs/notebooks.html">notebooks</a>
<a href="{root}docs/glossary.html">words</a><label>search <input id="q"></label></nav>
<div id="found"></div><main>{body}</main>
<script>const SITE_ROOT={root_json};</script><script src="{root}pages.js"></script>
<script src="{root}search.js"></script></html>
"""


def build(executed: Path, out: Path) -> list[str]:
    """Write the site and return the addresses of its pages."""
    sources = {"index.html": ROOT / "README.md"}
    for path in sorted(ROOT.glob("docs/*.md")):
        sources[f"docs/{path.stem}.html"] = path
    for path in sorted(ROOT.glob("notebooks/**/*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts:
            sources[path.relative_to(ROOT).with_suffix(".html").as_posix()] = path
    fresh = out.with_name(out.name + ".tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    pages = []
    for address, source in sources.items():
        body = _notebook(source, executed) if source.suffix == ".ipynb" else _markdown(source)
        body = _relinked(body, source, sources)
        title = source.stem.replace("_", " ") if address != "index.html" else "kandi_nb"
        root = "../" * address.count("/")
        page = PAGE.format(title=title, body=body, root=root, root_json=json.dumps(root))
        target = fresh / address
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page, encoding="utf-8")
        pages.append({"href": address, "title": title, "text": _words(body)})
    for picture in ROOT.glob("docs/**/*"):
        if picture.suffix in PICTURES:
            target = fresh / picture.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, target)
    (fresh / "style.css").write_text(STYLE, encoding="utf-8")
    (fresh / "search.js").write_text(SEARCH, encoding="utf-8")
    listed = json.dumps(pages, ensure_ascii=False)
    (fresh / "pages.js").write_text(f"const SITE_PAGES={listed};", encoding="utf-8")
    shutil.rmtree(out, ignore_errors=True)
    os.replace(fresh, out)
    return list(sources)


def _markdown(source: Path) -> str:
    import mistune

    convert = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])
    return _with_anchors(convert(source.read_text("utf-8")))


def _with_anchors(body: str) -> str:
    def anchor(found: re.Match) -> str:
        name = re.sub(r"[^\w\- ]", "", re.sub(r"<.*?>", "", found[2])).strip().lower()
        return f'<h{found[1]} id="{name.replace(" ", "-")}">{found[2]}</h{found[1]}>'

    return re.sub(r"<h([1-6])>(.*?)</h\1>", anchor, body)


def _notebook(source: Path, executed: Path) -> str:
    import nbformat
    from nbconvert import HTMLExporter

    name = source.relative_to(ROOT / "notebooks").with_suffix("")
    done = executed / name / source.name
    notebook = nbformat.read(done if done.is_file() else source, as_version=4)
    for cell in notebook.cells:  # widgets need a kernel; their text stays
        for output in cell.get("outputs", []):
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    notebook.metadata.pop("widgets", None)
    exporter = HTMLExporter(template_name="basic")
    exporter.mathjax_url = exporter.require_js_url = exporter.jquery_url = ""
    body, _ = exporter.from_notebook_node(notebook)
    note = "" if done.is_file() else "<p><em>Shown without outputs: not executed here.</em></p>"
    return note + re.sub(r"<script\b[^>]*\bsrc=[^>]*></script>", "", body)


def _relinked(body: str, source: Path, sources: dict[str, Path]) -> str:
    """Point links to Markdown files and notebooks at their pages."""
    pages = {path.resolve(): address for address, path in sources.items()}

    def link(found: re.Match) -> str:
        place, mark, part = html.unescape(found[2]).partition("#")
        if re.match(r"[a-z]+:", place) or not place:
            return found[0]
        target = pages.get((source.parent / place).resolve())
        if target is None:
            return found[0]
        own = next(a for a, p in sources.items() if p == source)
        back = os.path.relpath(target, os.path.dirname(own) or ".").replace(os.sep, "/")
        return f'{found[1]}"{html.escape(back + mark + part)}"'

    return re.sub(r'(<a\b[^>]*?\bhref=)"([^"]*)"', link, body)


def _words(body: str) -> str:
    text = re.sub(r"<(script|style)\b.*?</\1>|data:[^\"')\s]*", " ", body, flags=re.S)
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", text).split()))[:20_000]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executed", type=Path, default=ROOT / "outputs")
    parser.add_argument("--out", type=Path, default=ROOT / "site")
    options = parser.parse_args()
    print(f"{len(build(options.executed, options.out))} pages: {options.out / 'index.html'}")
