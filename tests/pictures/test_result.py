"""Results: what they show, what they save, and the recipe inside the pictures."""

import io
import json
import os
import struct
import subprocess
import sys
import unicodedata
import zlib

import pytest
from calls import refusal
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kandi_nb.drivers.notebooks.run import find, run_notebook
from kandi_nb.mini.export import export
from kandi_nb.mini.world.make_sprites import make_sprites
from kandi_nb.model.loading.load import load
from kandi_nb.pictures.diff import diff, labels
from kandi_nb.pictures.grid import grid
from kandi_nb.pictures.recipe import recipe
from kandi_nb.pictures.result import Result, package_versions
from kandi_nb.tasks.replay import replay
from kandi_nb.words import files
from kandi_nb.words.files import file_stem, slug, writable, write, write_new
from kandi_nb.words.params import KandiError, Params

PROMPTS = ["A red fox, in snow!", "Красная лиса", "雪林中的红狐狸", "forêt enneigée"]


def result(params: Params, **more) -> Result:
    singles = params.singles()
    images = [Image.new("RGB", (64, 64), (p.seed % 256, 90, 30)) for p in singles]
    settings = {
        "model": "mini-2.2",
        "revision": {"prior": "abc", "decoder": "def"},
        "versions": {"torch": "2.13.0"},
        "seconds": 1.25,
        "peak_mb": 300.0,
    }
    return Result(images, singles, **{**settings, **more})


def test_result_is_a_sequence_of_pictures():
    made = result(Params("a cat", count=3))
    assert len(made) == 3
    assert list(made) == made.images
    assert made[1] is made.images[1]
    assert made[:2].images == made.images[:2] and made[:2].params == made.params[:2]
    assert "Params per picture" in refusal(lambda: Result(made.images, [], "m"))


def test_text_and_html():
    made = result(Params("a <cat>", count=2))
    bundle = made._repr_mimebundle_()
    assert set(bundle) == {"text/html", "text/plain"}
    assert bundle["text/html"].count("<img ") == 2
    assert "a &lt;cat&gt;" in bundle["text/html"] and "seed 1" in bundle["text/html"]
    assert bundle["text/plain"] == repr(made)
    assert repr(made) == "Result(2 pictures of 64 × 64, mini-2.2, 1.25 s, 300 MB)"
    assert repr(Result([], [], "m")) == "Result(0 pictures, m, 0.00 s)"
    assert "no pictures" in Result([], [], "m")._repr_mimebundle_()["text/html"]


def test_labels_name_what_differs():
    cat = Params("a cat")
    assert labels([cat]) == ["a cat · seed 0"]
    assert labels([cat, cat]) == ["a cat · seed 0"] * 2
    assert labels([cat, cat.replace(seed=3)]) == ["seed 0", "seed 3"]
    assert labels([cat, Params("a dog", guidance=2.5)]) == [
        "a cat · guidance 4",
        "a dog · guidance 2.5",
    ]
    assert labels([cat, cat.replace(negative="", prior_steps=9)]) == [
        "negative none · prior steps 25",
        "negative  · prior steps 9",
    ]
    assert labels([cat, Params("a dog")], leave_out=["prompt"]) == ["", ""]
    assert result(cat.replace(count=2)).labels == ["seed 0", "seed 1"]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_save_and_read_the_recipe(tmp_path, prompt):
    made = result(Params(prompt, count=2, seed=7, negative="сны 雪 \u202e \x07", steps=9))
    paths = made.save(tmp_path / "new" / "folder")
    assert [p.name for p in paths] == [f"{slug(prompt)}-7.png", f"{slug(prompt)}-8.png"]
    for path, params, image in zip(paths, made.params, made.images, strict=True):
        found = recipe(path)
        assert found["schema"] == 3
        assert Params.from_dict(found["params"]) == params
        assert (found["task"], found["model"]) == ("generate", "mini-2.2")
        assert found["revision"] == {"prior": "abc", "decoder": "def"}
        assert found["versions"] == {"torch": "2.13.0"}
        assert found["size"] == [64, 64]
        assert found == made.recipes[paths.index(path)]
        with Image.open(path) as again:
            assert again.tobytes() == image.tobytes()


@pytest.mark.parametrize("prompt", ["雪林中的红狐狸", "a cat"])
def test_the_recipe_is_an_itxt_chunk_of_utf8_json(tmp_path, prompt):
    [path] = result(Params(prompt)).save(tmp_path)
    data = path.read_bytes()
    at = data.index(b"iTXtkandi_nb\0")
    (length,) = struct.unpack(">I", data[at - 4 : at])
    text = data[at + 4 : at + 4 + length].split(b"\0", 5)[-1].decode("utf-8")
    assert json.loads(text)["params"]["prompt"] == prompt
    assert prompt in text


def test_nothing_is_overwritten(tmp_path):
    runs = [result(Params("a cat"), model=f"m{n}") for n in range(3)]
    paths = [made.save(tmp_path)[0] for made in runs]
    assert [p.name for p in paths] == ["a-cat-0.png", "a-cat-0-2.png", "a-cat-0-3.png"]
    before = [path.read_bytes() for path in paths]
    same = Result(runs[0].images * 2, runs[0].params * 2, "m").save(tmp_path)
    assert len({*paths, *same}) == 5, "one file for each picture of a run, equal or not"
    assert sorted(tmp_path.iterdir()) == sorted([*paths, *same])
    assert [path.read_bytes() for path in paths] == before


def test_names_given_by_the_user(tmp_path):
    one, two = result(Params("a cat", seed=5)), result(Params("a cat", count=2))
    assert [p.name for p in one.save(tmp_path, "fox.png")] == ["fox.png"]
    other = result(Params("a cat", seed=6))
    assert [p.name for p in other.save(tmp_path, "fox")] == ["fox-2.png"]
    assert [p.name for p in two.save(tmp_path, "My Лиса")] == ["My Лиса-0.png", "My Лиса-1.png"]
    for bad in ("", ".", "..", "a/b", "a\\b", "con", "NUL.txt", "a:b", "a\0b", "x" * 201, 3):
        words = "must be text" if bad == 3 else "file name"
        assert words in refusal(lambda bad=bad: one.save(tmp_path, bad))
    assert len(list(tmp_path.iterdir())) == 4


def test_two_processes_never_take_the_same_name(tmp_path):
    code = (
        "import sys; from PIL import Image; from kandi_nb.words.params import Params\n"
        "from kandi_nb.pictures.result import Result\n"
        "for n in range(20):\n"
        "    image = Image.new('RGB', (64, 64), (n, int(sys.argv[2]), 0))\n"
        "    print(*Result([image], [Params('a cat')], 'm').save(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    both = [
        subprocess.Popen([*command, colour], stdout=subprocess.PIPE, text=True)
        for colour in ("0", "255")
    ]
    names = [name for process in both for name in process.communicate()[0].splitlines()]
    assert len(set(names)) == 40
    assert len(list(tmp_path.iterdir())) == 40
    assert all(recipe(name)["params"]["prompt"] == "a cat" for name in names)


def test_disks_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no links on this disk")

    monkeypatch.setattr(os, "link", refuse)
    first = write_new(tmp_path, "a", ".png", b"1")
    second = write_new(tmp_path, "a", ".png", b"2")
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    assert "exists" in refusal(lambda: write(first, b"3"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a-2.png", "a.png"]


def test_write_keeps_what_exists_unless_told(tmp_path):
    path = write(tmp_path / "new" / "x.txt", b"1")
    assert "overwrite=True" in refusal(lambda: write(path, b"2"))
    assert path.read_bytes() == b"1"
    write(path, b"2", overwrite=True)
    assert path.read_bytes() == b"2"
    assert [p.name for p in path.parent.iterdir()] == ["x.txt"]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_claim", stop)
    with pytest.raises(KeyboardInterrupt):
        write_new(tmp_path, "a", ".png", b"1")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        text = refusal(lambda: write_new(tmp_path, "a", ".png", b"x" * 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert "cannot write to" in text
    assert list(tmp_path.iterdir()) == []


def test_saved_files_are_readable_by_others(tmp_path):
    old = os.umask(0o022)
    try:
        [path] = result(Params("a cat")).save(tmp_path)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o644


def test_unwritable_folders(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    made = result(Params("a cat"))
    for bad in (file, file / "below", "/proc/nowhere", "a\0b", 3):
        text = refusal(lambda bad=bad: made.save(bad))
        assert "cannot write" in text or "path" in text
    assert file.read_bytes() == b"x"
    assert writable(tmp_path / "deep" / "er") == tmp_path / "deep" / "er"
    assert list((tmp_path / "deep" / "er").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A red fox, in snow!", "a-red-fox-in-snow"),
        ("Красная лиса", "красная-лиса"),
        ("雪林中的红狐狸。", "雪林中的红狐狸"),
        ("forêt enneigée", "forêt-enneigée"),
        ("लोमड़ी", "लोमड़ी"),
        ("fore\u0302t", "forêt"),
        ("🦊 ?!", "picture"),
        ("../../etc", "etc"),
        ("con", "con_"),
        ("a" * 500, "a" * 48),
    ],
)
def test_slug(text, name):
    assert slug(text) == unicodedata.normalize("NFC", name)


def test_slugs_are_file_names():
    for text in [
        *PROMPTS,
        "雪" * 500,
        "𝒻𝑜𝓍" * 50,
        "a" * 47 + " b",
        '<>:"/\\|?* \0\n fox',
        "nul",
    ]:
        name = slug(text)
        assert file_stem(name) == name
        assert 0 < len(name) <= 48 and len(name.encode()) <= 121
        assert not name.startswith("-") and not name.endswith("-")


def _png(text: str | None, *, key: str = "kandi_nb") -> bytes:
    info, buffer = PngInfo(), io.BytesIO()
    if text is not None:
        info.add_itxt(key, text)
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _damaged(**changes) -> bytes:
    return _png(json.dumps({**GOOD, **changes}))


def _params(**changes) -> dict:
    return {"params": {"prompt": "x", **changes}}


DAMAGES = [
    ({"size": [8, 8, 8]}, "'size' is [8, 8, 8], not a width and a height"),
    ({"size": []}, "'size' is []"),
    ({"size": ["8", 8]}, "'size' is"),
    ({"size": [True, 8]}, "'size' is"),
    ({"size": [8, 0]}, "'size' is"),
    ({"size": [8, -8]}, "'size' is"),
    ({"size": None}, "'size' is missing or damaged"),
    ({"schema": True}, "no schema number"),
    ({"revision": None}, "'revision' is missing or damaged"),
    ({"revision": ["abc"]}, "'revision' is missing or damaged"),
    ({"versions": None}, "'versions' is missing or damaged"),
    (_params(self=1), "unknown setting 'self'"),
    (_params(guidance=10**400), "guidance must be from 1 to 30"),
    (_params(count=64), "'count' is 64"),
    (_params(prompt="x" * 100_001), "at most 100,000"),
    (_params(prompt="\ud800"), "half a character"),
]

GOOD = {
    "schema": 1,
    "task": "generate",
    "model": "m",
    "size": [64, 64],
    "params": {"prompt": "x"},
}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a whole PNG"),
        (b"no picture at all", "not a whole PNG"),
        (_png("{}")[:60], "not a whole PNG"),
        (_png(None), "no recipe"),
        (_png("{}", key="other"), "no recipe"),
        (_png("{"), "cannot be read"),
        (_png("[1]"), "no schema number"),
        (_png(json.dumps(GOOD)[:-1] + ', "params": {}}'), "'params' stands there twice"),
        (_png("[" * 100_000), "cannot be read"),
        (_png(json.dumps({**GOOD, "schema": 4})), "newer release"),
        (_png(json.dumps({**GOOD, "params": None})), "'params' is missing"),
        (_png(json.dumps({**GOOD, "model": 3})), "'model' is missing"),
        (_png(json.dumps({**GOOD, "params": {"prompt": "x", "steps": 0}})), "steps must be"),
        (
            _png(json.dumps({**GOOD, "params": {"prompt": "x", "stepz": 9}})),
            "did you mean steps",
        ),
        *((_damaged(**change), words) for change, words in DAMAGES),
    ],
)
def test_pictures_without_a_recipe(tmp_path, data, words):
    path = tmp_path / "x.png"
    path.write_bytes(data)
    text = refusal(lambda: recipe(path))
    assert words in text and "x.png" in text


def test_a_seed_of_5000_digits_is_one_line(tmp_path):
    text = json.dumps({**GOOD, **_params(seed=0)}).replace('"seed": 0', f'"seed": {"9" * 5000}')
    (tmp_path / "x.png").write_bytes(_png(text))
    assert "cannot be read" in refusal(lambda: recipe(tmp_path / "x.png"))


def test_damaged_recipes_are_one_line_for_diff_and_replay_too(tmp_path):
    for change, words in DAMAGES:
        (tmp_path / "x.png").write_bytes(_damaged(**change))
        assert words in refusal(lambda: diff(tmp_path / "x.png", Params("x")))
        assert words in refusal(lambda: replay(tmp_path / "x.png"))
        assert words in refusal(lambda change=change: diff({**GOOD, **change}, Params("x")))


def test_the_longest_texts_can_be_read_back(tmp_path):
    made = result(Params("\U0001f98a" * 100_000, negative="\x01" * 100_000))
    (path,) = made.save(tmp_path)
    assert Params.from_dict(recipe(path)["params"]) == made.params[0]


def _bomb() -> bytes:
    """The head of a PNG of 20000 × 20000 pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 9) + b"IDAT" + bytes(13)


def test_a_picture_too_large_to_open_is_one_line(tmp_path):
    (tmp_path / "x.png").write_bytes(_bomb())
    for use in (recipe, replay, lambda path: diff(path, Params("x"))):
        text = refusal(lambda use=use: use(tmp_path / "x.png"))
        assert "far larger" in text and "x.png" in text


NO_PATHS = {
    "~nosuch/x": "not known here",
    "a" * 300: "too long",
    "a/" * 3000 + "x": "too long",
    "x\0y": "no path",
    "\ud800": "half a letter",
    "": "no path",
}


@pytest.mark.parametrize("place", NO_PATHS)
def test_what_is_no_path_is_one_short_line_wherever_a_path_is_taken(
    place, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    picture = result(Params("x"))
    uses = [
        lambda: files.expand_path(place),
        lambda: picture.save(place),
        lambda: write(place, b""),
        lambda: writable(place),
        lambda: write_new(place, "x", ".png", b""),
        lambda: recipe(place),
        lambda: diff(place, picture),
        lambda: replay(place),
        lambda: load(place),
        lambda: export(place),
        lambda: make_sprites("font.ttf", place),
        lambda: make_sprites(place, tmp_path),
        lambda: run_notebook("00", out=place),
    ]
    assert "is no notebook" in refusal(lambda: find(place))
    for use in uses:
        text = refusal(use)
        assert NO_PATHS[place] in text and len(text) < 200
    if place:
        assert NO_PATHS[place] in refusal(lambda: grid(picture).save(f"{place}.png"))
    assert not list(tmp_path.iterdir()), "nothing is written"


@pytest.mark.parametrize("place", [None, 3, b"x", ["x"]])
def test_what_is_no_text_is_no_path(place):
    for use in (files.expand_path, recipe, writable, export, grid(result(Params("x"))).save):
        assert "path" in refusal(lambda use=use: use(place))


def test_the_home_folder_can_be_read_from_as_it_is_written_to(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (path,) = result(Params("x")).save("~/pictures")
    assert recipe(f"~/pictures/{path.name}")["params"]["prompt"] == "x"


def test_messages_are_one_line_of_plain_characters_whatever_they_quote(tmp_path):
    text = refusal(lambda: recipe(tmp_path / "a\nb\x1b[31m\u2028.png"))
    assert text.isprintable() and "there is no file" in text


def test_other_files_have_no_recipe(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.jpg")
    assert "not a whole PNG" in refusal(lambda: recipe(tmp_path / "x.jpg"))
    assert "no file" in refusal(lambda: recipe(tmp_path / "nope.png"))
    assert refusal(lambda: recipe(tmp_path))
    assert "path" in refusal(lambda: recipe(3))
    assert "path" in refusal(lambda: recipe(None))


def test_a_picture_saved_again_without_metadata_says_so(tmp_path):
    [path] = result(Params("a cat")).save(tmp_path)
    with Image.open(path) as image:
        image.save(tmp_path / "again.png")
    text = refusal(lambda: recipe(tmp_path / "again.png"))
    assert "without its metadata" in text


def test_a_recipe_behind_the_pixels_is_found(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    data = buffer.getvalue()
    body = b"iTXtkandi_nb\0\0\0\0\0" + json.dumps(GOOD).encode()
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end = data.index(b"IEND") - 4
    (tmp_path / "x.png").write_bytes(data[:end] + chunk + data[end:])
    assert recipe(tmp_path / "x.png")["model"] == "m"
    (tmp_path / "x.png").write_bytes(data[:end] + chunk + chunk + data[end:])
    with pytest.raises(KandiError, match=r"x\.png holds several recipes; use the file"):
        recipe(tmp_path / "x.png")


@pytest.mark.parametrize("change", ["crop", "resize"])
def test_a_file_of_another_size_is_not_what_its_recipe_drew(tmp_path, change):
    """Programs that keep a PNG's notes hand them on to what they cut out of it."""
    (path,) = result(Params("a cat")).save(tmp_path)
    with Image.open(path) as image:
        notes = PngInfo()
        notes.add_itxt("kandi_nb", image.text["kandi_nb"])
        small = image.crop((0, 0, 8, 16)) if change == "crop" else image.resize((8, 16))
        assert recipe(image)["task"] == "generate"
    small.save(tmp_path / "small.png", pnginfo=notes)
    words = "has 8 × 16 pixels and its recipe drew .*: it was cropped or resized since"
    with pytest.raises(KandiError, match=words):
        recipe(tmp_path / "small.png")
    with Image.open(tmp_path / "small.png") as held, pytest.raises(KandiError, match=words):
        recipe(held)


def test_diff_of_params():
    a = Params("a cat", steps=9)
    table = diff(a, a.replace(steps=10, negative="dogs"))
    assert list(table) == [
        {"name": "negative", "a": None, "b": "dogs"},
        {"name": "steps", "a": 9, "b": 10},
    ]
    assert "steps" in repr(table) and "dogs" in table._repr_html_()
    assert repr(diff(a, a)) == "no differences"
    assert len(diff(a, a)) == 0


def test_diff_of_results_files_and_recipes(tmp_path):
    one = result(Params("a cat"))
    two = result(Params("a cat", seed=3), model="kandinsky-2.2", versions={"torch": "2.14"})
    expected = ["model", "seed", "version of torch"]
    [path] = two.save(tmp_path)
    for other in (two, path, str(path), recipe(path)):
        assert [row["name"] for row in diff(one, other)] == expected
    assert len(diff(path, two)) == 0
    assert [row["name"] for row in diff(two, one.params[0])] == ["seed"]


def test_diff_of_a_run_lists_its_seeds():
    [row] = diff(result(Params("a cat", count=3)), result(Params("a cat")))
    assert (row["name"], row["a"], row["b"]) == ("seed", [0, 1, 2], 0)


def test_diff_refuses_other_things(tmp_path):
    assert "compares" in refusal(lambda: diff(3, Params("a cat")))
    assert "no file" in refusal(lambda: diff(Params("a cat"), tmp_path / "nope.png"))
    assert "schema" in refusal(lambda: diff(Params("a cat"), {"steps": 3}))
    assert "compares" in refusal(lambda: diff(Result([], [], "m"), Params("a cat")))


def test_package_versions_import_nothing():
    found = package_versions()
    assert list(found) == ["kandi_nb", "torch", "diffusers", "transformers"]
    assert all(value[0].isdigit() for value in found.values())
