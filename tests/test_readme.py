"""README and docs keep their word: calls, commands, links, figures and snippets are real."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import math
import re
import shlex
import struct
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest
from test_layers import TABLE

import kandi_nb as kn
from kandi_nb import cli
from kandi_nb.drivers.commands.models.mini import TOOLS as MINI_TOOLS
from kandi_nb.drivers.notebooks.run import defaults, find, from_text
from kandi_nb.mini import judge
from kandi_nb.mini.names import FAMILY
from kandi_nb.mini.world import vocabulary
from kandi_nb.model.bundled import folders_of
from kandi_nb.words.fields import FIELDS
from kandi_nb.words.models import SPECS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {
    name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in (
        *("training", "export", "structure", "scale", "service", "rented_gpu"),
        *("studio", "troubleshooting", "calls", "commands", "published", "bundled"),
        *("notebooks", "diffusers", "adapters", "benchmarks", "elsewhere"),
    )
}
MOST_BYTES = 12_000  # of the README: what somebody reads to the end
LISTED = ("diffusers", "adapters", "benchmarks")  # pages with tests of their own
PAGES = {name: text for name, text in DOCS.items() if name not in LISTED}
EVERYTHING = "\n\n".join([TEXT, *PAGES.values()])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXPECTED_NOTEBOOKS = 19

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", EVERYTHING, re.M | re.S)
SNIPPETS = [code for language, code in BLOCKS if language == "python"]
SHELL = [
    line.partition(" #")[0].strip()
    for language, code in BLOCKS
    if language == "sh"
    for line in code.splitlines()
]
SPANS = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", EVERYTHING, flags=re.M | re.S))
COMMANDS = [part.strip() for line in [*SHELL, *SPANS] for part in line.split("&&")]

SECTIONS = [
    "Two commands",
    "Your first hour",
    "Ten lines",
    "What stands out",
    "Notebooks",
    "Where the rest is",
    "Licences",
]


def section(title):
    """Return the text below one heading, up to the next."""
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)[1]


def cells(text):
    """Return the cells of a text's tables, without their heads."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        lines = table.strip().splitlines()[2:]
        found += [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return found


def anchors(text):
    """Return the anchors that a Markdown page's headings get."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def links(text):
    return re.findall(r"\]\(([^)\s]+)\)", text)


# --- shape ---


def test_sections_stand_in_their_order():
    assert re.findall(r"^## (.+)$", TEXT, re.M) == SECTIONS
    assert TEXT.startswith("# kandi_nb\n\n")
    promise = TEXT.split("\n\n")[1]
    assert len(re.findall(r"[a-z]\.(?=\s|$)", promise)) == 2, "two sentences say what it is"
    assert len(TEXT.encode()) <= MOST_BYTES
    long = [
        line for line in EVERYTHING.splitlines() if len(line) > 96 and not line.startswith("|")
    ]
    assert long == []


def test_the_picture_is_there_small_and_described():
    from PIL import Image

    (alt, path), *_ = re.findall(r"!\[([^]]*)\]\(([^)]+)\)", TEXT)
    assert path == "docs/picture.png"
    assert TEXT.index("![") < TEXT.index("## "), "before the first section"
    assert len(alt.split()) >= 12, "somebody who cannot see it learns what it shows"
    file = ROOT / path
    assert file.stat().st_size <= 200_000
    with Image.open(file) as picture:
        picture.load()
        assert picture.format == "PNG" and picture.width >= 8 * 64 and picture.height >= 5 * 64


def test_a_newcomer_sees_lab_before_anything_long():
    first_hour = section("Your first hour")
    assert "make lab" in first_hour and len(re.findall(r"^\d\. ", first_hour, re.M)) == 5
    begin = TEXT.partition("## Your first hour")[0]
    assert len(begin.split()) < 250, "it stands on the first page"


@pytest.mark.parametrize(("page", "most"), [("notebooks", 300_000), ("studio", 200_000)])
def test_lab_and_studio_are_shown_small(page, most):
    from PIL import Image

    (alt, path), *_ = re.findall(r"!\[([^]]*)\]\(([^)]+)\)", DOCS[page])
    assert len(alt.split()) >= 12
    assert (ROOT / "docs" / path).stat().st_size <= most
    with Image.open(ROOT / "docs" / path) as picture:
        assert picture.format == "PNG" and picture.width >= 1000


def test_the_panel_is_shown_small_light_and_dark():
    from PIL import Image, ImageStat

    brightness = []
    for alt, path in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", DOCS["calls"]):
        assert len(alt.split()) >= 12
        assert (ROOT / "docs" / path).stat().st_size <= 150_000
        with Image.open(ROOT / "docs" / path) as picture:
            assert picture.width >= 800
            brightness.append(ImageStat.Stat(picture.convert("L")).median[0])
    light, dark, brush = brightness
    assert brush > 100 and light > 200 and dark < 60


def test_what_only_those_who_build_need_stands_in_docs():
    for word in ("movq-decoder", "MoVQ", "hidden_errors", "--begin landed"):
        assert word not in TEXT and (word == "MoVQ" or word in EVERYTHING)
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert "docs/README.md" in links(TEXT)
    for page in sorted((ROOT / "docs").glob("*.md")):
        assert page.name == "README.md" or page.name in links(index), "the index says where"


# --- links ---


def test_relative_links_and_anchors_resolve():
    local = [link for link in links(TEXT) if "://" not in link]
    assert len(local) >= EXPECTED_NOTEBOOKS + 15
    for link in local:
        path, _, anchor = link.partition("#")
        target = ROOT / path if path else ROOT / "README.md"
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize(
    "page", ["CONTRIBUTING.md", "docs/README.md", *(f"docs/{n}.md" for n in DOCS)]
)
def test_links_of_the_other_pages_resolve_too(page):
    local = links((ROOT / page).read_text(encoding="utf-8"))
    abroad = [urlsplit(link).hostname for link in local if "://" in link]
    assert set(abroad) <= {"huggingface.co"}
    for link in [link for link in local if "://" not in link]:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_absolute_links_lead_to_documentation_only():
    found = [urlsplit(link) for link in links(TEXT) if "://" in link]
    assert found
    assert {(url.scheme, url.hostname) for url in found} == {("https", "huggingface.co")}
    assert TEXT.count("://") == len(found), "addresses stand in links"


def test_no_path_of_one_machine():
    # /v1/… is an address of the service.
    assert set(re.findall(r"(?<![\w.~/<>)])/[a-z]\w*/", EVERYTHING)) <= {"/v1/"}


def test_notebooks_and_other_pages_find_their_anchor_here():
    pages = [*NOTEBOOKS, *(ROOT / "notebooks" / "solutions").glob("*.ipynb")]
    assert len(pages) == 2 * EXPECTED_NOTEBOOKS
    used = set()
    for page in pages:
        cells = nbformat.read(page, as_version=4).cells
        prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        for link in links(prose):
            path, _, anchor = link.partition("#")
            if Path(path).name == "README.md":
                assert (page.parent / path).resolve() == ROOT / "README.md", page.name
                used.add(anchor)
    assert used == {"notebooks"}
    assert "notebooks" in anchors(TEXT)


# --- notebooks ---


def test_the_table_lists_exactly_the_notebooks():
    table = cells(DOCS["notebooks"])
    assert len(table) == len(NOTEBOOKS) == EXPECTED_NOTEBOOKS
    for path, (title, promise, minutes, solution) in zip(NOTEBOOKS, table, strict=True):
        first = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0]
        link = f"[{first.removeprefix('# ')}]({{}}notebooks/{path.name})"
        assert title == link.format("../") and link.format("") in section("Notebooks")
        number = path.name[:2]
        assert solution == f"[{number}](../notebooks/solutions/{number}_solutions.ipynb)"
        assert promise and 1 <= int(minutes) <= 60


# --- calls ---


def test_every_call_exists_and_every_public_name_is_explained():
    assert set(re.findall(r"\bkn\.(\w+)", DOCS["calls"])) == set(kn.__all__)
    assert set(re.findall(r"\bkn\.(\w+)", TEXT)) <= set(kn.__all__)


def test_no_call_has_two_rows():
    calls = re.findall(r"^\| (`kn\..+?) \| ", DOCS["calls"], re.M)
    assert len(calls) >= 40 and len(calls) == len(set(calls))


def test_calls_in_the_table_can_be_made_as_they_stand():
    calls = re.findall(r"`(kn\.\w+\([^`]*\))`", DOCS["calls"])
    assert len(calls) >= 20
    for call in calls:
        node = ast.parse(call.replace("[…]", "[1]").replace(", …", ""), mode="eval").body
        signature = inspect.signature(getattr(kn, node.func.attr))
        signature.bind(*node.args, **{word.arg: word.value for word in node.keywords})


def test_the_settings_are_all_named():
    (listed,) = re.findall(r"holds the settings, checked at once: `([^`]+)`", DOCS["calls"])
    assert listed.split() == [name for name in FIELDS if name != "prompt"]


# --- commands ---


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*##", makefile, re.M))
    used = {match[1] for c in COMMANDS if (match := re.match(r"make ([a-z]+)\b", c))}
    assert used >= {"run", "test", "setup", "lab", "bench", "judge"}
    assert used <= targets


def test_every_kandi_nb_command_line_is_understood():
    lines = [shlex.split(c)[1:] for c in COMMANDS if c.startswith("kandi-nb ")]
    lines = [words for words in lines if words != ["command", "not", "found"]]  # a message
    assert {words[0] for words in lines} >= {
        "check",
        "models",
        "draw",
        "edit",
        "inpaint",
        "outpaint",
        "upscale",
        "strip",
        "batch",
        "run",
        "bench",
        "serve",
        "mini",
    }
    for words in lines:
        if words[0] == "mini" or words == ["--help"]:
            continue
        options = cli.parser().parse_args(words)
        assert callable(options.run)
    drawn = [words for words in lines if words[0] == "draw"]
    assert drawn and all(words[1] and "-o" in words for words in drawn)


def test_parameters_on_the_command_line_are_those_of_the_notebook():
    (words,) = [shlex.split(c) for c in COMMANDS if c.startswith("kandi-nb run 03")]
    pairs = [word for before, word in pairwise(words) if before == "-p"]
    assert from_text("03", pairs) == {"SEED": 7, "MODEL": "mini-2.2"}
    (which, given) = re.findall(
        r'kn\.run_notebook\("(\d+)", \{"(\w+)": \d+\}', DOCS["commands"]
    )[0]
    assert given in defaults(find(which))


@pytest.mark.parametrize("tool", MINI_TOOLS)
def test_tools_of_the_bundled_model_take_the_words_shown(tool, capsys):
    module = MINI_TOOLS[tool][0]
    lines = [shlex.split(c)[3:] for c in COMMANDS if c.startswith(f"kandi-nb mini {tool}")]
    lines += [shlex.split(c)[3:] for c in COMMANDS if c.startswith(f"python -m {module} ")]
    assert lines, "the README says how to call it"
    assert cli.main(["mini", tool, "--help"]) == 0
    explained = capsys.readouterr().out
    for words in lines:
        for option in [word for word in words if word.startswith("--")]:
            assert re.search(rf"{option}\b", explained), option


def test_training_stages_are_those_of_the_recipe():
    from kandi_nb.mini.training.stages import GROUPS, STAGES

    (listed,) = re.findall(r"run their stages in this\s+order: ([^:]+):\n", DOCS["training"])
    named = re.findall(r"`([^`]+)`", listed)
    assert named == list(STAGES)
    assert "order: " not in TEXT
    trained = [c.split()[3] for c in COMMANDS if c.startswith("python -m kandi_nb.mini.train")]
    assert trained and set(trained) <= {*named, *GROUPS}


def test_modules_that_are_run_exist():
    modules = {c.split()[2] for c in COMMANDS if c.startswith("python -m ")}
    assert modules and all(importlib.util.find_spec(module) for module in modules)


def test_downloads_are_those_of_the_published_model():
    wanted = {c.split()[2] for c in COMMANDS if c.startswith("kandi-nb fetch ")}
    assert wanted == {known.key for known in SPECS.values() if known.pins}


def test_conda_names_are_those_of_the_environment_file():
    import yaml

    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert f"conda activate {environment['name']}" in COMMANDS
    assert "conda env create -f environment.yml" in COMMANDS


# --- figures ---


def test_the_world_is_described_as_it_is():
    table = cells(DOCS["bundled"])
    counts = {
        what.split()[1].strip(","): int(what.split()[0])
        for what, _ in table
        if what[0].isdigit()
    }
    assert counts == {
        "objects": len(vocabulary.OBJECTS) - 1,
        "colours": len(vocabulary.COLOURS),
        "places": len(vocabulary.PLACES),
        "styles": len(vocabulary.STYLES),
        "languages": len(vocabulary.LANGUAGES),
    }
    which = dict(table)
    assert which["16 objects, one at a time"].split(", ") == list(vocabulary.OBJECTS[:-1])
    assert which["7 colours"].split(", ")[1:] == list(vocabulary.COLOURS[1:])
    assert len(which["8 places"].split(", ")) == len(vocabulary.PLACES)
    assert re.findall(r"a (\w+)", which["on animals' heads"]) == list(vocabulary.HEADWEAR[1:])
    size = SPECS["mini-2.2"].native_size
    assert f"{size} × {size} pixels" in DOCS["bundled"].replace("\n", " ")


def test_the_weights_are_as_small_as_said():
    numbers = 0
    folders = folders_of(SPECS["mini-2.2"])
    for role in ("prior", "decoder"):  # what draws from text; the rest is for other tasks
        for file in folders[role].rglob("*.safetensors"):
            with open(file, "rb") as stream:
                header = stream.read(struct.unpack("<Q", stream.read(8))[0])
            numbers += sum(
                math.prod(entry["shape"])
                for name, entry in json.loads(header).items()
                if name != "__metadata__"
            )
    said = int(re.search(r"but\s+(\d+)\s+million numbers", DOCS["bundled"])[1])
    assert round(numbers / 1e6) == said


def test_published_models_are_described_as_the_registry_does():
    published = [known for known in SPECS.values() if not known.bundled]
    table = [row for row in cells(DOCS["published"]) if len(row) == 5]
    assert len(table) == len(published) == 3
    for known, (key, download, size, _, reads) in zip(published, table, strict=True):
        assert key == f"`{known.key}`"
        assert download == known.download
        assert size == f"{known.native_size} px"
        assert reads == known.languages


def test_the_exported_family_is_listed():
    table = [row for row in cells(DOCS["export"]) if len(row) == 2]
    assert sorted(name.strip("`") for name, _ in table) == sorted(FAMILY)
    assert all(purpose for _, purpose in table)


def test_layers_are_those_that_the_tests_hold():
    table = cells(DOCS["structure"].partition("## ")[0])
    written = {folder: re.findall(r"`(\w+)`", modules) for folder, modules in table}
    held = {name.replace(".", "/"): modules.split() for name, modules in TABLE.items()}
    assert written == held


def test_pythons_are_those_of_the_project():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    low, above = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', text).groups()
    assert f"Python 3.{low} to 3.{int(above) - 1}" in TEXT


# --- snippets ---


def test_snippets_are_python():
    assert len(SNIPPETS) == 8
    for snippet in SNIPPETS:
        compile(snippet, "README.md", "exec")


def test_the_ten_lines_of_the_readme_crown_a_fox(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (snippet,) = [s for s in SNIPPETS if "kn.replay(paths[0], k)" in s]
    assert snippet in section("Ten lines") and len(snippet.splitlines()) <= 12
    names = {}
    exec(compile(snippet, "README.md", "exec"), names)
    assert judge.read(names["crowned"].images)[0].agrees(headwear="crown")["headwear"]
    assert names["crowned"].proof[0]["kept"] == 1
    assert names["again"][0].tobytes() == names["crowned"][0].tobytes()
    assert names["wide"][0].size[0] > names["fox"][0].size[0]


def test_the_first_snippet_of_the_calls_draws(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (snippet,) = [s for s in SNIPPETS if "kn.sweep" in s]
    names = {}
    exec(compile(snippet, "README.md", "exec"), names)
    (promised,) = re.findall(r"result\.save\(\"outputs\"\)  # (\S+)", snippet)
    assert (tmp_path / promised).is_file()
    assert [len(names[name]) for name in ("result", "six", "two")] == [1, 6, 2]
    assert names["edited"][0] != names["result"][0]
    assert names["crowned"].proof[0]["kept"] == 1
    assert len({picture.tobytes() for picture in names["six"]}) == 6


def test_the_commands_run_in_their_order_in_an_empty_folder(tmp_path, monkeypatch):
    """Each file that a command names is there by then; few steps, and the same words."""
    monkeypatch.chdir(tmp_path)
    (first,) = re.findall(r"in this order.*?^```sh\n(.*?)^```$", DOCS["commands"], re.M | re.S)
    (batch,) = re.findall(r"^## Batches\n\n```sh\n(.*?)^```$", DOCS["commands"], re.M | re.S)
    lines = [line.partition("  #")[0] for line in (first + batch).splitlines()]
    assert len(lines) == 17
    for line in lines:
        words = shlex.split(line)
        if words[0] != "kandi-nb":
            subprocess.run(line.replace("python", sys.executable), shell=True, check=True)
        elif "--workers" not in words:
            few = [] if words[1] == "strip" or "fast" in words else ["--steps", "4"]
            assert cli.main([*words[1:], *few]) == 0, line
    made = {path.name for path in tmp_path.iterdir()}
    promised = {
        word for line in lines for word in line.split() if word.endswith((".png", ".gif"))
    }
    assert promised <= made and "crown-stripped.png" in made
    assert len(kn.read_batch("outputs/batch")) == 2


def test_the_snippet_of_the_service_starts_one_and_draws_with_it():
    (snippet,) = [s for s in SNIPPETS if "kn.serve" in s]
    names = {}
    exec(compile(snippet, "service.md", "exec"), names)
    assert len(names["result"]) == 1 and "stopped" in repr(names["service"])


def test_scripts_for_the_published_models_run_in_the_exported_folder(tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (command,) = [c for c in COMMANDS if c.startswith("kandi-nb mini export")]
    assert cli.main(shlex.split(command)[1:]) == 0
    folder = tmp_path / command.split()[-1]
    (snippet,) = [s for s in SNIPPETS if "from diffusers" in s]
    monkeypatch.chdir(folder)
    exec(compile(snippet, "published.md", "exec"), {})
    with Image.open(folder / "fox.png") as picture:
        assert picture.size == (64, 64)
        assert len(picture.convert("L").getcolors(256)) > 20, "it shows something"


# --- the files beside it ---


def test_notice_names_every_sprite_and_its_source():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    plain = " ".join(notice.split())
    for word in [*vocabulary.OBJECTS[:-1], *vocabulary.HEADWEAR[1:]]:
        assert re.search(rf"\b{word}\b", plain), word
    for fact in ("Noto Emoji", "Google", "Apache License, Version 2.0", "Changes:"):
        assert fact in plain
    assert "published are not included" in plain
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_line_endings_of_weights_never_change(tmp_path):
    """Ask git itself, in an empty repository with our attributes."""
    if subprocess.run(["git", "--version"], capture_output=True).returncode:
        pytest.skip("git is not installed")
    attributes = (ROOT / ".gitattributes").read_bytes()
    (tmp_path / ".gitattributes").write_bytes(attributes)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    weights = "kandi_nb/mini/weights/kandinsky-2-2-prior"
    wanted = {
        f"{weights}/SHA256SUMS": ("unset", "unspecified"),
        f"{weights}/README.md": ("unset", "unspecified"),
        f"{weights}/prior/config.json": ("unset", "unspecified"),
        f"{weights}/tokenizer/merges.txt": ("unset", "unspecified"),
        f"{weights}/prior/diffusion_pytorch_model.safetensors": ("unset", "unspecified"),
        "kandi_nb/mini/world/sprites/fox.png": ("unset", "unspecified"),
        "docs/picture.png": ("unset", "unspecified"),
        "notebooks/00_check_your_setup.ipynb": ("set", "lf"),
        "Makefile": ("set", "lf"),
        ".ci/run": ("set", "lf"),
        "README.md": ("auto", "unspecified"),
    }
    asked = subprocess.run(
        ["git", "check-attr", "text", "eol", "--", *wanted],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {}
    for line in asked.stdout.splitlines():
        path, _, value = line.split(": ")
        found[path] = (*found.get(path, ()), value)
    assert found == wanted
