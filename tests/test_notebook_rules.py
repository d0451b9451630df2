"""The anatomy of a notebook, read off its source; each rule is shown to bite."""

from __future__ import annotations

import ast
import copy
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from kandi_nb.words.errors import KandiError
from kandi_nb.words.fields import FIELDS
from kandi_nb.words.params import Params

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SOLUTIONS = sorted((FOLDER / "solutions").glob("*.ipynb"))
EXPECTED = 19  # notebooks, and as many solutions

Complaints = Iterator[str]


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def tagged(notebook, tag):
    return [cell for cell in code_cells(notebook) if tag in cell.metadata.get("tags", ())]


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def tree(cell):
    try:
        return ast.parse(cell.source)
    except SyntaxError:  # `valid_python` says so
        return ast.parse("")


def nodes(notebook):
    return [node for cell in code_cells(notebook) for node in ast.walk(tree(cell))]


def text(notebook):
    return "\n\n".join(cell.source for cell in prose_cells(notebook))


# --- rules for every notebook, solutions too ---


def whole(notebook, path) -> Complaints:
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        yield f"not a valid notebook: {str(error).splitlines()[0]}"
    if notebook.metadata.get("kernelspec", {}).get("language") != "python":
        yield "metadata.kernelspec must say language python: papermill reads it"


def stripped(notebook, path) -> Complaints:
    for number, cell in enumerate(code_cells(notebook), start=1):
        if cell.outputs or cell.execution_count is not None:
            yield f"code cell {number} holds outputs; run nbstripout on it"
    if "widgets" in notebook.metadata:
        yield "widget state is stored; run nbstripout on it"


def valid_python(notebook, path) -> Complaints:
    for number, cell in enumerate(code_cells(notebook), start=1):
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            yield f"code cell {number} is no plain Python: {error}"


def nothing_forbidden(notebook, path) -> Complaints:
    network = {"urllib", "requests", "httpx", "wget", "subprocess", "socket", "pip"}
    for node in nodes(notebook):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            if any(alias.name == "*" for alias in node.names):
                yield f"from {node.module} import *: import the module"
            if any(alias.name.startswith("interact") for alias in node.names):
                yield "interact hides errors when nobody looks: show a grid or a panel"
        for name in names:
            if name.partition(".")[0] in network:
                yield f"imports {name}: notebooks install and download nothing"
        if isinstance(node, ast.Attribute):
            if node.attr.startswith("interact"):
                yield "interact hides errors when nobody looks: show a grid or a panel"
            if node.attr == "path" and getattr(node.value, "id", "") == "sys":
                yield "changes sys.path: the environment has the package installed"


def own_folder_only(notebook, path) -> Complaints:
    """Pictures go where OUT says, which the runner sets; nothing else is read or written."""
    for node in nodes(notebook):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "save":
            literal = any(isinstance(argument, ast.Constant) for argument in node.args[:1])
            if literal:
                yield "save(OUT), with OUT a parameter: the runner sets it"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for name in re.findall(r"outputs/(?:solutions/)?(\d\d_\w+)", node.value):
                if name != path.stem:
                    yield f"uses the outputs of {name}: each notebook stands alone"


def parameters(notebook, path) -> Complaints:
    cells = tagged(notebook, "parameters")
    if len(cells) != 1:
        yield f"{len(cells)} cells are tagged parameters; exactly one should be"
        return
    later = notebook.cells[notebook.cells.index(cells[0]) + 1 :]
    read = {
        node.id
        for cell in later
        if cell.cell_type == "code"
        for node in ast.walk(tree(cell))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    for line in lines(cells[0]):
        found = re.fullmatch(r"([A-Z][A-Z0-9_]*) = (.+?)  # \S.*", line)
        if not found:
            yield f"{line!r} is not NAME = literal  # help"
            continue
        name, value = found.groups()
        try:
            default = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            yield f"the value of {name} is no literal"
            continue
        if name not in read:
            yield f"{name} is never read after its cell"
        depth = len(path.relative_to(FOLDER).parts)
        place = f"{'../' * depth}outputs/{path.relative_to(FOLDER).with_suffix('').as_posix()}"
        if name == "OUT" and default != place:
            yield f"OUT should be {place!r}"


def words(notebook, path) -> Complaints:
    """A parameter that is a setting has the setting's own word, in capitals, and its range."""
    settings = {name.upper(): setting for name, setting in FIELDS.items()}
    known = {part for name in settings for part in name.split("_")} | {"SCALE", "INFERENCE"}
    for cell in tagged(notebook, "parameters"):
        for node in tree(cell).body:
            name = getattr(node.targets[0], "id", "") if isinstance(node, ast.Assign) else ""
            if name in settings:
                try:
                    Params(**{"prompt": "x", name.lower(): ast.literal_eval(node.value)})
                except KandiError as error:
                    yield f"the default of {name} is no setting: {error}"
                except ValueError:  # `parameters` says so
                    continue
            elif known & set(name.split("_")):
                yield f"{name}: the words of settings are {', '.join(settings)}"


def checks(notebook, path) -> Complaints:
    cells = tagged(notebook, "check")
    if len(cells) != 1:
        yield f"{len(cells)} cells are tagged check; exactly one should be"
    for cell in cells:
        if not any(isinstance(node, ast.Assert) for node in ast.walk(tree(cell))):
            yield "the check cell asserts nothing"
        for node in ast.walk(tree(cell)):
            if isinstance(node, ast.Assert) and not (
                node.msg and ast.unparse(node.msg).strip("'")
            ):
                yield f"line {node.lineno} of the check cell does not say what it holds"


def short_cells(notebook, path) -> Complaints:
    for number, cell in enumerate(code_cells(notebook), start=1):
        most = 30 if "check" in cell.metadata.get("tags", ()) else 15
        if len(lines(cell)) > most:
            yield f"code cell {number} has {len(lines(cell))} lines; {most} are the most"
    for node in nodes(notebook):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            length = node.end_lineno - node.lineno + 1
            if length > 8:
                yield f"{node.name} has {length} lines; a definition has at most 8"


def links(notebook, path) -> Complaints:
    for target in re.findall(r"\]\(([^)\s]+)\)", text(notebook)):
        place, _, _ = target.partition("#")
        if re.match(r"[a-z]+:", target) or not place:
            continue
        if not (path.parent / place).exists():
            yield f"the link to {target} leads nowhere"


EVERYWHERE = [
    whole, stripped, valid_python, nothing_forbidden, own_folder_only, parameters, words,
    checks, short_cells, links,
]  # fmt: skip


# --- rules for the teaching notebooks ---


def title(notebook, path) -> Complaints:
    first = notebook.cells[0]
    wanted = rf"# {path.name[:2]} · \S.*"
    if first.cell_type != "markdown" or not re.fullmatch(wanted, first.source.split("\n")[0]):
        yield f"the first line is not like {wanted!r}"
    position = NOTEBOOKS.index(path) if path in NOTEBOOKS else None
    neighbours = [] if position is None else NOTEBOOKS[max(0, position - 1) : position + 2]
    for neighbour in neighbours:
        if neighbour != path and f"]({neighbour.name})" not in first.source:
            yield f"the first cell does not link to {neighbour.name}"
    if not re.search(r"\[[^\]]*index[^\]]*\]\(", first.source, re.I):
        yield "the first cell does not link to the index"


def promise(notebook, path) -> Complaints:
    second = notebook.cells[1].source
    if "**You will**" not in second or "**You need**" not in second:
        yield "the second cell does not say **You will** … **You need** …"
    bullets = re.findall(r"^[*-] ", second, re.M)
    if not 3 <= len(bullets) <= 4:
        yield f"the second cell has {len(bullets)} bullets, not 3 or 4"


def setup(notebook, path) -> Complaints:
    first = code_cells(notebook)[0].source
    look = "kn.check()" if path.name.startswith("00") else "kn.check(brief=True)"
    for wanted in ("import kandi_nb as kn", look):
        if wanted not in first.splitlines():
            yield f"the first code cell does not hold the line {wanted}"


def amount(notebook, path) -> Complaints:
    cells = code_cells(notebook)
    if not 12 <= len(cells) <= 20:
        yield f"{len(cells)} code cells; 12 to 20 are wanted"
    middle = statistics.median(len(lines(cell)) for cell in cells)
    if middle > 4:
        yield f"the median code cell has {middle} lines; at most 4 are wanted"
    words = len(prose_words(notebook))
    if not 600 <= words <= 1200:
        yield f"{words} words of prose; 600 to 1,200 are wanted"


def prose_words(notebook):
    shown = re.sub(r"<details>.*?</details>", "", text(notebook), flags=re.S)
    plain = re.sub(r"\]\([^)]*\)", "] ", shown)  # addresses are no prose
    return [word for word in plain.split() if re.search(r"\w", word)]


def sections(notebook, path) -> Complaints:
    numbered = re.findall(r"^## (\d+) · \S", text(notebook), re.M)
    if not 3 <= len(numbered) <= 5:
        yield f"{len(numbered)} sections like '## 1 · Title'; 3 to 5 are wanted"
    if numbered != [str(n + 1) for n in range(len(numbered))]:
        yield f"the sections are numbered {', '.join(numbered)}"
    hints = text(notebook).count("**Look for:**")
    if hints < len(numbered):
        yield f"{hints} × **Look for:** for {len(numbered)} sections"


def exercises(notebook, path) -> Complaints:
    body = between(notebook, "Exercises", "Recap")
    if body is None:
        yield "there is no '## Exercises' before '## Recap'"
        return
    starters = [cell for cell in body if cell.cell_type == "code" and lines(cell)]
    if len(starters) < 3:
        yield f"{len(starters)} exercises start with code that runs; three should"
    solutions = f"solutions/{path.name[:2]}_solutions.ipynb"
    if not any(f"]({solutions})" in cell.source for cell in body):
        yield f"the exercises do not link to {solutions}"


def recap(notebook, path) -> Complaints:
    headings = re.findall(r"^## (.+)$", text(notebook), re.M)
    if "Recap" not in headings:
        yield "there is no '## Recap'"
    _, _, last = text(notebook).rpartition("## Recap")
    if not re.search(r"^\|.+\|.+\|\s*\n\|[ :-]+\|[ :-]+\|", last, re.M):
        yield "the recap has no table of two columns, call | what it does"


def between(notebook, start, end):
    """Return the cells from one second-level heading up to another, or None."""
    found = {}
    for number, cell in enumerate(notebook.cells):
        for name in (start, end):
            if cell.cell_type == "markdown" and re.search(rf"^## {name}\b", cell.source, re.M):
                found[name] = number
    if start not in found or end not in found or found[start] >= found[end]:
        return None
    return notebook.cells[found[start] : found[end]]


def questions(notebook, path) -> Complaints:
    """Three questions to test oneself, with answers that a click shows."""
    found = re.findall(
        r"<details><summary>\d\. (.+?)</summary>\n\n(.+?)\n\n</details>", text(notebook)
    )
    if len(found) != 3:
        yield f"{len(found)} questions with hidden answers; three are wanted"
    for question, answer in found:
        if "?" not in question or len(answer.split()) < 1:
            yield f"{question!r} asks nothing, or has no answer"


TEACHING = [title, promise, setup, amount, sections, exercises, recap, questions]


# --- the notebooks that are there ---


def test_the_notebooks_are_all_there():
    assert len(NOTEBOOKS) == EXPECTED
    # Names of their own: a tab of JupyterLab shows nothing but the name of the file.
    numbers = [path.name[:2] for path in NOTEBOOKS]
    assert [path.name for path in SOLUTIONS] == [f"{n}_solutions.ipynb" for n in numbers]
    assert numbers == [f"{number:02}" for number in range(EXPECTED)]
    for path in NOTEBOOKS:
        assert re.fullmatch(r"\d\d_[a-z0-9]+(_[a-z0-9]+)*\.ipynb", path.name)


@pytest.mark.parametrize("rule", EVERYWHERE + TEACHING, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, rule):
    assert list(rule(nbformat.read(path, as_version=4), path)) == []


@pytest.mark.parametrize("rule", EVERYWHERE, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_solution(path, rule):
    assert list(rule(nbformat.read(path, as_version=4), path)) == []


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=lambda w: w[0])
def test_ruff_finds_nothing(words):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *words, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_nbstripout_finds_nothing():
    done = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", *map(str, NOTEBOOKS + SOLUTIONS)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- each rule passes a good notebook and catches a broken one ---


def sample():
    """Return a small notebook that keeps every rule, and the path it pretends to have."""
    section = "Some words on the matter at hand. " * 30
    cells = [
        new_markdown_cell("# 05 · Masks\n\nA promise. [Index](../README.md)"),
        new_markdown_cell("**You will**\n* draw\n* see\n* compare\n\n**You need** a minute."),
        new_code_cell("import kandi_nb as kn\n\nkn.check(brief=True)"),
        new_code_cell(
            'SEED = 7  # noise\nOUT = "../outputs/05_masks"  # folder for pictures',
            metadata={"tags": ["parameters"]},
        ),
        new_code_cell("result = SEED\nresult.save(OUT)"),
    ]
    for number in (1, 2, 3):
        cells += [
            new_markdown_cell(f"## {number} · Look\n\n{section}"),
            new_code_cell("result"),
            new_markdown_cell("**Look for:** the edge."),
            new_code_cell("result"),
        ]
    cells.append(new_markdown_cell("## Exercises\n\n[Solutions](solutions/05_solutions.ipynb)"))
    cells += [new_code_cell("result") for _ in range(3)]
    cells += [
        new_markdown_cell(
            "## Recap\n\nDone.\n\n| call | what it does |\n|---|---|\n| a | b |\n"
            + "\n<details><summary>1. What?</summary>\n\nThat.\n\n</details>\n" * 3
        ),
        new_code_cell("assert result == 7, 'seven'", metadata={"tags": ["check"]}),
        new_markdown_cell("Next"),
    ]
    notebook = new_notebook(cells=cells)
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return notebook, FOLDER / "05_masks.ipynb"


def first_code(notebook, source):
    code_cells(notebook)[2].source += f"\n{source}"


def in_parameters(notebook, source):
    tagged(notebook, "parameters")[0].source += f"\n{source}"


def replaced(notebook, old, new):
    for cell in notebook.cells:
        cell.source = cell.source.replace(old, new)


BROKEN = {
    whole: [lambda n: n.metadata.pop("kernelspec"), lambda n: n.cells[0].pop("source")],
    stripped: [
        lambda n: code_cells(n)[0].update(execution_count=1),
        lambda n: n.metadata.update(widgets={}),
    ],
    valid_python: [lambda n: first_code(n, "%pip install x"), lambda n: first_code(n, "!ls")],
    nothing_forbidden: [
        lambda n: first_code(n, "import sys; sys.path.append('.')"),
        lambda n: first_code(n, "from kandi_nb import *"),
        lambda n: first_code(n, "from ipywidgets import interact"),
        lambda n: first_code(n, "widgets.interact_manual(print)"),
        lambda n: first_code(n, "import urllib.request"),
    ],
    own_folder_only: [
        lambda n: first_code(n, "result.save('outputs/05_masks')"),
        lambda n: first_code(n, "open('../outputs/01_first_image/fox.png')"),
    ],
    parameters: [
        lambda n: in_parameters(n, "WIDTH = 64"),
        lambda n: in_parameters(n, "WIDTH: int = 64  # pixels"),
        lambda n: in_parameters(n, "WIDTH = SEED * 2  # pixels"),
        lambda n: in_parameters(n, "WIDTH = 64  # pixels, never read"),
        lambda n: tagged(n, "parameters")[0].metadata.update(tags=[]),
        lambda n: replaced(n, "../outputs/05_masks", "../outputs/here"),
    ],
    words: [
        lambda n: in_parameters(n, "N_STEPS = 5  # steps"),
        lambda n: in_parameters(n, "GUIDANCE_SCALE = 5  # guidance"),
        lambda n: in_parameters(n, "NEGATIVE_PROMPT = ''  # negative"),
        lambda n: in_parameters(n, "STEPS = 100000  # steps"),
        lambda n: in_parameters(n, "SEED = '7'  # seed"),
    ],
    checks: [
        lambda n: tagged(n, "check")[0].update(source="result == 7"),
        lambda n: tagged(n, "check")[0].update(source="assert result == 7"),
        lambda n: tagged(n, "check")[0].update(source="assert result == 7, ''"),
        lambda n: tagged(n, "check")[0].metadata.update(tags=[]),
    ],
    short_cells: [
        lambda n: first_code(n, "x = 1\n" * 15),
        lambda n: first_code(n, "def f():\n" + "    x = 1\n" * 8),
    ],
    links: [lambda n: replaced(n, "../README.md", "../NOWHERE.md")],
    title: [
        lambda n: replaced(n, "# 05 ·", "# 06 ·"),
        lambda n: replaced(n, "# 05 · Masks", "# Masks"),
        lambda n: replaced(n, "[Index]", "[Start]"),
    ],
    promise: [lambda n: replaced(n, "You need", "Also"), lambda n: replaced(n, "* draw\n", "")],
    setup: [
        lambda n: replaced(n, "kn.check(brief=True)", "kn.check()"),
        lambda n: n.cells.pop(2),
    ],
    amount: [
        lambda n: [n.cells.append(new_code_cell("x")) for _ in range(9)],
        lambda n: replaced(n, "on the matter at hand", ""),
        lambda n: replaced(n, "the edge", "the edge " * 200),
        lambda n: replaced(n, "result", "result\n" * 5),
    ],
    sections: [
        lambda n: replaced(n, "## 2 ·", "##"),
        lambda n: replaced(n, "## 2 ·", "## 4 ·"),
        lambda n: replaced(n, "**Look for:**", "Look for"),
    ],
    exercises: [
        lambda n: replaced(n, "## Exercises", "## Tasks"),
        lambda n: replaced(n, "solutions/05", "solutions/06"),
        lambda n: n.cells.remove(code_cells(n)[-2]),
    ],
    recap: [lambda n: replaced(n, "## Recap", "## End"), lambda n: replaced(n, "|", "")],
    questions: [
        lambda n: replaced(n, "<details>", "<p>"),
        lambda n: replaced(n, "What?", "What"),
    ],
}


@pytest.fixture
def readme(monkeypatch, tmp_path):
    """Let the sample's links lead somewhere."""
    (tmp_path / "notebooks" / "solutions").mkdir(parents=True)
    (tmp_path / "README.md").touch()
    (tmp_path / "notebooks" / "solutions" / "05_solutions.ipynb").touch()
    monkeypatch.setitem(globals(), "FOLDER", tmp_path / "notebooks")


@pytest.mark.parametrize("rule", EVERYWHERE + TEACHING, ids=lambda rule: rule.__name__)
def test_the_rule_lets_a_good_notebook_pass_and_catches_broken_ones(readme, rule):
    good, path = sample()
    assert list(rule(good, path)) == []
    for number, breaks in enumerate(BROKEN[rule]):
        broken = copy.deepcopy(good)
        breaks(broken)
        assert list(rule(broken, path)), f"breakage {number} of {rule.__name__} goes unseen"
