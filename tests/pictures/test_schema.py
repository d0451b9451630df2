"""Recipes of every schema, and replays that warn of whatever is not as it was."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import os
import pickle
import shutil
import struct
import warnings

import numpy as np
import pytest
from calls import refusal
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from kandi_nb.model.loading.load import load
from kandi_nb.pictures import inputs
from kandi_nb.pictures.diff import diff
from kandi_nb.pictures.inputs import MOST_BYTES, pack_inputs, unpack_inputs
from kandi_nb.pictures.recipe import CHUNK, inputs_in, png_bytes, recipe
from kandi_nb.pictures.result import Result, package_versions
from kandi_nb.tasks.checks import TASKS, Task
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.replay import replay
from kandi_nb.words.errors import KandiError, KandiWarning, collected_warnings
from kandi_nb.words.params import Params

QUICK = Params("a red fox", steps=3, prior_steps=2, seed=7)


def difference(a, b) -> int:
    """The largest difference of any two pixels, in 1/255."""
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


def noise(*size: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8))


def drawing(params: Params = QUICK, *, seed: int = 0, **more) -> Result:
    """A Result of as many noisy pictures as the params say, which no model drew."""
    singles = params.replace(width=64, height=64).singles()
    images = [noise(64, 64, 3, seed=seed + n) for n in range(len(singles))]
    settings = {
        "model": "mini-2.2",
        "revision": {"prior": "abc", "decoder": "def"},
        "options": {"dtype": "float32", "device": "cpu", "scheduler": "DDPMScheduler"},
        "versions": package_versions(),
    }
    return Result(images, singles, **{**settings, **more})


def png(text: str, *chunks: tuple[bytes, bytes]) -> bytes:
    info, buffer = PngInfo(), io.BytesIO()
    info.add_itxt(CHUNK, text)
    for name, data in chunks:
        info.add(name, data)
    Image.new("RGB", (64, 64)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def silently(call):
    """What a call gives that must not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", KandiWarning)
        return call()


# The first schema


def in_schema_1(made: dict, **changes) -> str:
    """The text of a recipe as the first release wrote it."""
    params = made["params"] | {"strength": 0.3, "width": None, "height": None}
    old = {name: made[name] for name in ("task", "model", "size", "revision", "versions")}
    return json.dumps({"schema": 1, **old, "params": params, **changes})


def test_a_picture_of_the_first_schema_is_read_and_replayed(tiny, tmp_path):
    drawn = generate(tiny, QUICK)
    path = tmp_path / "old.png"
    path.write_bytes(png(in_schema_1(drawn.recipes[0])))
    made = recipe(path)
    assert Params.from_dict(made["params"]) == drawn.params[0], "no strength; the size drawn"
    assert (made["inputs"], made["options"]) == ({}, {})
    assert difference(silently(lambda: replay(path, tiny))[0], drawn[0]) == 0
    larger = dataclasses.replace(tiny, spec=dataclasses.replace(tiny.spec, native_size=128))
    assert replay(path, larger)[0].size == (64, 64)


@pytest.mark.parametrize(
    "name",
    ["./evil", "../evil", "/evil", "~/evil", "evil/", "evil", "C:\\evil", "\\\\evil\\share",
     "//evil/share", "kandinsky-community/evil", "mini-2.2/", " mini-2.2", "", "\x1b[2J\n",
     "kandinsky-community/kandinsky-2-2-decoder"],
)  # fmt: skip
def test_a_recipe_never_says_what_is_read_from_disk(tiny, tiny_folder, tmp_path, name):
    drawn = generate(tiny, QUICK)
    path = tmp_path / "evil.png"
    for called in (name, str(tiny_folder)):
        path.write_bytes(png(json.dumps({**drawn.recipes[0], "model": called})))
        said = refusal(lambda: replay(path))
        assert "hand it over: kn.replay(picture, k)" in said
        assert said.isprintable()


def test_a_folder_of_the_first_schema_is_handed_over(tiny, tiny_folder, tmp_path):
    drawn = generate(tiny, QUICK)
    path = tmp_path / "old.png"
    path.write_bytes(png(in_schema_1(drawn.recipes[0], model=str(tiny_folder))))
    assert difference(silently(lambda: replay(path, tiny))[0], drawn[0]) == 0


@pytest.mark.parametrize(
    "options",
    [{"dtype": ["float32"]}, {"scheduler": ["DDPM"]}, {"scheduler": {"a": 1}}, {"speed": 7},
     {"scheduler": "../evil"}, {"adapters": "../evil"}, {"adapters": [{"name": "/etc"}]},
     {"changes": [{"open": {"file": "/etc/passwd"}}]}, {"memory": {"store": "evil"}},
     {"quantisation": "evil"}],
)  # fmt: skip
def test_options_of_strangers_give_a_line_or_the_picture(tiny, tmp_path, options):
    drawn = generate(tiny, QUICK)
    path = tmp_path / "evil.png"
    made = drawn.recipes[0]
    path.write_bytes(png(json.dumps({**made, "options": made["options"] | options})))
    try:
        with collected_warnings():
            assert difference(replay(path, tiny)[0], drawn[0]) == 0
    except KandiError as error:
        assert str(error).isprintable()


# The second schema


def guidance_of(made: dict, **changes) -> float:
    """What the guidance of a recipe in the second schema is today."""
    return recipe(io_file(json.dumps({**made, "schema": 2, **changes})))["params"]["guidance"]


@pytest.mark.parametrize(
    "of_3",
    [
        {"model": "kandinsky-3"},
        {"model": "mini-3", "revision": {}},
        {"model": "a-folder/", "revision": {"decoder": "abc"}},
    ],
)
def test_old_guidance_of_3_is_counted_as_the_weight_that_it_was(of_3):
    made = drawing(QUICK.replace(guidance=3)).recipes[0]
    assert guidance_of(made, **of_3) == 4
    assert guidance_of(made, **of_3, task="edit") == 3, "it had today's meaning"
    assert guidance_of(drawing(QUICK.replace(guidance=1)).recipes[0], **of_3) == 1, "none"
    assert recipe(io_file(json.dumps({**made, **of_3})))["params"]["guidance"] == 3, "today's"


@pytest.mark.parametrize("other", [{}, {"model": "kandinsky-2.1"}, {"model": "a-folder/"}])
def test_old_guidance_of_the_others_stays(other):
    assert guidance_of(drawing(QUICK.replace(guidance=3)).recipes[0], **other) == 3


def test_an_old_picture_of_3_is_replayed_as_it_was(tiny3_folder, tmp_path):
    import torch

    k = load(tiny3_folder, device="cpu")
    params = Params("a red fox", steps=3, seed=7, guidance=3, width=64, height=64)
    (old,) = k.decoder(
        "a red fox", num_inference_steps=3, guidance_scale=3.0, width=64, height=64,
        generator=torch.Generator().manual_seed(7),
    ).images  # fmt: skip
    made = generate(k, params).recipes[0]
    path = tmp_path / "old.png"
    path.write_bytes(png(json.dumps({**made, "schema": 2})))
    again = silently(lambda: replay(path, k))
    assert difference(again[0], old) <= 2 and again.params[0].guidance == 4


def test_recipes_are_written_in_the_third_schema():
    made = drawing().recipes[0]
    assert list(made) == [
        *("schema", "task", "model", "params", "size"),
        *("inputs", "options", "revision", "versions"),
    ]
    assert made["schema"] == 3
    text = json.dumps({**made, "schema": 4})
    assert "newer release" in refusal(lambda: recipe(io_file(text)))


def io_file(text):
    image = Image.open(io.BytesIO(png(text)))
    image.load()
    return image


# What is not as it was


@pytest.fixture
def in_bfloat16(tiny_folder):
    k = load(tiny_folder, device="cpu", dtype="bfloat16")
    return generate(k, QUICK.replace(guidance=8))


def test_another_number_format_is_named_and_its_own_gives_the_same_pixels(
    in_bfloat16, tiny, tiny_folder, tmp_path, monkeypatch
):
    (path,) = in_bfloat16.save(tmp_path)
    tiny.embeddings.clear()
    with pytest.warns(KandiWarning) as said:
        other = replay(path, tiny)
    assert [str(w.message) for w in said] == [
        "dtype here is float32, the recipe's was bfloat16: the picture may differ"
    ]
    assert difference(other[0], in_bfloat16[0]) > 2, "or there would be nothing to warn of"
    # Without k, the number format of the recipe; here of a model that has a name.
    made = {**recipe(path), "model": "mini-2.2"}
    path.write_bytes(png_bytes(in_bfloat16[0], made))
    asked = []

    def loaded(name, **options):
        asked.append(name)
        return load(tiny_folder, device="cpu", **options)

    monkeypatch.setattr("kandi_nb.tasks.replay.load", loaded)
    again = replay(path)
    assert asked == ["mini-2.2"] and difference(again[0], in_bfloat16[0]) == 0


@pytest.mark.parametrize(
    ("part", "name", "words"),
    [
        ("versions", "torch", "version of torch here is "),
        ("options", "scheduler", "scheduler here is DDPMScheduler, the recipe's was another"),
        ("options", "device", "device here is cpu, the recipe's was another"),
        ("revision", "decoder", "the decoder of .* the recipe's was another"),
        ("revision", "inpaint", "the inpaint of .* here is None, the recipe's was another"),
    ],
)
def test_whatever_differs_is_named(tiny, tmp_path, part, name, words):
    drawn = generate(tiny, QUICK)
    made = drawn.recipes[0]
    made[part] = {**made[part], name: "another"}
    (tmp_path / "x.png").write_bytes(png_bytes(drawn[0], made))
    with pytest.warns(KandiWarning, match=f"{words}.*: the picture may differ") as said:
        again = replay(tmp_path / "x.png", tiny)
    assert len(said) == 1 and difference(again[0], drawn[0]) == 0


def test_nothing_is_said_when_nothing_differs(tiny, tmp_path):
    (path,) = generate(tiny, QUICK).save(tmp_path)
    silently(lambda: replay(path, tiny))


def test_a_number_format_that_is_none_is_one_line(tmp_path):
    for dtype in ("int3", 7, ["float32"], {}):
        made = {**drawing().recipes[0], "options": {"dtype": dtype}}
        (tmp_path / "x.png").write_bytes(png_bytes(drawing()[0], made))
        assert "unknown dtype" in refusal(lambda: replay(tmp_path / "x.png"))


# Models in folders


def test_a_folder_is_recorded_by_its_last_name_and_fingerprint(tiny_folder, tmp_path):
    place = tmp_path / "somebody" / "my models"
    shutil.copytree(tiny_folder, place)
    k = load(place, device="cpu")
    drawn = generate(k, QUICK)
    (path,) = drawn.save(tmp_path / "pictures")
    made = recipe(path)
    assert made["model"] == drawn.model == "my models/"
    assert made["revision"] == k.revision and len(made["revision"]["decoder"]) == 12
    for said in (json.dumps(made), repr(drawn), repr(k), path.read_bytes()):
        for part in (str(tmp_path), "somebody"):
            assert (part.encode() if isinstance(said, bytes) else part) not in said
    shutil.move(place, tmp_path / "elsewhere")
    said = refusal(lambda: replay(path))
    assert "'my models/' (prior " in said and "kn.replay(picture, k)" in said
    moved = load(tmp_path / "elsewhere", device="cpu")
    assert difference(silently(lambda: replay(path, moved))[0], drawn[0]) == 0


@pytest.mark.parametrize("way", ["absolute", "relative", "dots", "own"])
def test_no_way_to_name_a_folder_gets_into_a_recipe(tiny_folder, tiny, monkeypatch, way):
    monkeypatch.chdir(tiny_folder)
    name = {
        "absolute": str(tiny_folder),
        "relative": os.path.join("..", tiny_folder.name),
        "dots": "./",
        "own": "kandinsky-2-2-decoder",
    }[way]
    key = load(name, device="cpu").spec.key
    assert key == ("kandinsky-2-2-decoder/" if way == "own" else f"{tiny_folder.name}/")


# Pictures that keep their recipes


def test_one_picture_of_a_result_keeps_its_recipe(tiny):
    drawn = generate(tiny, QUICK.replace(count=2))
    assert isinstance(drawn[1], Image.Image)
    assert recipe(drawn[1]) == drawn.recipes[1]
    assert [row["name"] for row in diff(drawn[0], drawn[1])] == ["seed"]
    assert len(diff(drawn[1], drawn[1:])) == 0
    again = silently(lambda: replay(drawn[1], tiny))
    assert again.params == drawn.params[1:] and difference(again[0], drawn[1]) <= 2


def changed_pictures(path, picture):
    """Name → a picture that was changed since it was drawn, from memory or from its file."""
    for source, original in (("drawn", picture), ("opened", Image.open(path))):
        changes = {
            "mirrored": ImageOps.mirror(original),
            "converted": original.convert("L"),
            "smaller": original.resize((32, 32)),
            "cut": original.crop((0, 0, 32, 64)),
        }
        for change, changed in changes.items():
            yield f"{source} and {change}", changed


def test_a_picture_that_was_changed_is_refused(tiny, tmp_path):
    drawn = drawing()
    (path,) = drawn.save(tmp_path)
    for name, changed in changed_pictures(path, drawn[0]):
        for call in (recipe, inputs_in, lambda p: diff(p, QUICK), lambda p: replay(p, tiny)):
            said = refusal(lambda call=call, changed=changed: call(changed))
            assert "was changed" in said or "holds no recipe" in said, name
    copied = drawn[0].copy()
    assert recipe(copied) == drawn.recipes[0], "a copy is the same picture"
    copied.putpixel((0, 0), (1, 2, 3))
    assert "was changed" in refusal(lambda: recipe(copied))
    assert recipe(copy.deepcopy(drawn[0])) == drawn.recipes[0]
    assert recipe(pickle.loads(pickle.dumps(drawn[0]))) == drawn.recipes[0]


def test_a_change_is_not_forgotten_by_slices_and_is_saved_without_a_recipe(tmp_path):
    drawn = drawing(QUICK.replace(count=2))
    drawn[0].putpixel((0, 0), (1, 2, 3))
    assert "was changed" in refusal(lambda: recipe(drawn[:1][0]))
    with pytest.warns(KandiWarning, match="was changed .* a-red-fox-7 has no recipe") as said:
        first, second = drawn.save(tmp_path)
    assert len(said) == 1 and recipe(second) == drawn.recipes[1]
    assert "holds no recipe" in refusal(lambda: recipe(first))
    with Image.open(first) as saved:
        assert difference(saved, drawn[0]) == 0


def test_a_picture_without_a_recipe_says_so():
    assert "this picture holds no recipe" in refusal(lambda: recipe(noise(8, 8, 3)))


def test_a_result_changes_no_recipe_of_another():
    first = drawing()
    second = dataclasses.replace(first, model="kandinsky-2.2")
    assert recipe(first[0])["model"] == "mini-2.2"
    assert recipe(second[0])["model"] == "kandinsky-2.2"
    images = list(first.images)
    Result(images, first.params, "another")
    assert images[0] is first[0]


def test_a_slice_is_a_result(tmp_path):
    whole = drawing(QUICK.replace(count=4), layout=(2, 2))
    part = whole[1:3]
    assert isinstance(part, Result) and len(part) == 2
    assert [p.seed for p in part.params] == [8, 9] and part.layout is None
    assert part[0] is whole[1] and part.recipes == whole.recipes[1:3]
    assert len(part.save(tmp_path)) == 2 and len(whole[:0]) == 0
    assert [p.seed for p in whole[::-1].params] == [10, 9, 8, 7]
    assert len(whole) == 4 and whole.layout == (2, 2)


def test_pixels_as_arrays_and_tensors():
    import torch

    whole = drawing(QUICK.replace(count=2))
    arrays, tensors = whole.arrays(), whole.tensors()
    assert (arrays.shape, arrays.dtype) == ((2, 64, 64, 3), np.uint8)
    assert (arrays[1] == np.asarray(whole[1])).all()
    assert (tuple(tensors.shape), tensors.dtype) == ((2, 3, 64, 64), torch.float32)
    assert tensors.permute(0, 2, 3, 1).numpy() * 255 == pytest.approx(arrays, abs=1e-4)
    mixed = Result([noise(8, 8, 3), noise(8, 16, 3)], list(whole.params), "m")
    assert "8 × 8, 16 × 8" in refusal(mixed.arrays)
    assert "no pictures" in refusal(whole[:0].tensors)


def test_results_of_uneven_parts_are_refused():
    params = [QUICK, QUICK]
    assert "one Params per picture" in refusal(lambda: Result([noise(8, 8, 3)], params, "m"))
    said = refusal(lambda: Result([noise(8, 8, 3)] * 2, params, "m", inputs=[{}]))
    assert "one dict of inputs per picture, not 1 for 2" in said


# Inputs that travel


def with_inputs(**inputs: Image.Image) -> Result:
    return drawing(inputs=[inputs])


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_inputs_travel_unchanged(tmp_path, mode):
    given = noise(9, 7, 4).convert(mode)
    (path,) = with_inputs(image=given, mask=noise(9, 7)).save(tmp_path)
    there = inputs_in(path)
    assert list(there) == ["image", "mask"]
    assert there["image"].mode == mode and there["image"].tobytes() == given.tobytes()


@pytest.mark.parametrize("mode", ["P", "CMYK", "F", "I;16", "HSV", "LA"])
def test_inputs_of_other_modes_travel_as_they_are_seen(tmp_path, mode):
    result = with_inputs(image=noise(9, 7, 3).convert("L").convert(mode))
    (path,) = result.save(tmp_path)
    assert inputs_in(path)["image"].mode == "RGB"
    assert inputs.describe_inputs(inputs_in(path)) == result.recipes[0]["inputs"]


def test_a_recipe_is_read_without_its_inputs(tmp_path):
    made = with_inputs(image=noise(9, 7, 3)).recipes[0]
    (tmp_path / "x.png").write_bytes(png(json.dumps(made), (b"kaNb", b"damaged")))
    assert recipe(tmp_path / "x.png") == made


def body(chunk: bytes) -> bytes:
    return chunk[4 + struct.unpack(">I", chunk[:4])[0] :]


def joined(head: bytes, rest: bytes) -> bytes:
    return struct.pack(">I", len(head)) + head + rest


def damaged_chunks():
    whole = pack_inputs({"image": noise(9, 7, 3)})
    rest = body(whole)
    yield "cut", whole[:-40]
    yield "empty", b"\0"
    yield "a length beyond its end", b"\xff\xff\xff\xff" + whole[4:]
    yield "no JSON", joined(b"{", rest)
    yield "a list", joined(b"[1]", rest)
    yield "deep", joined(b"[" * 100_000, rest)
    yield "no numbers", joined(b'{"image": "x"}', rest)
    yield "below nothing", joined(b'{"image": -5}', rest)
    jpeg = io.BytesIO()
    noise(9, 7, 3).save(jpeg, "JPEG")
    yield "no PNG", joined(b'{"image": %d}' % len(jpeg.getvalue()), jpeg.getvalue())
    bit = bytearray(whole)
    bit[len(whole) // 2 + 40] ^= 1
    yield "a flipped bit", bytes(bit)
    yield "too long", whole + bytes(MOST_BYTES)
    flat = io.BytesIO()
    Image.new("1", (8192, 8192)).save(flat, "PNG")
    bomb = flat.getvalue()
    yield (
        "a bomb of several pictures",
        joined(json.dumps({"a": len(bomb), "b": len(bomb)}).encode(), bomb * 2),
    )


@pytest.mark.parametrize(
    ("kind", "chunk"), [pytest.param(*c, id=c[0]) for c in damaged_chunks()]
)
def test_inputs_damaged_by_hand_are_one_line(tmp_path, tiny, kind, chunk):
    made = with_inputs(image=noise(9, 7, 3)).recipes[0]
    path = tmp_path / "x.png"
    path.write_bytes(png(json.dumps(made), (inputs.CHUNK, chunk)))
    said = refusal(lambda: inputs_in(path))
    assert "the inputs in" in said and "x.png" in said and "original file" in said
    assert recipe(path) == made


def test_an_input_that_was_exchanged_is_refused(tmp_path, tiny, monkeypatch):
    monkeypatch.setitem(
        TASKS, "veil", Task(lambda *a, **b: pytest.fail("ran"), inputs=("image",))
    )
    result = drawing(inputs=[{"image": noise(9, 7, 3)}], task="veil")
    chunk = pack_inputs({"image": noise(9, 7, 3, seed=1)})
    path = tmp_path / "x.png"
    path.write_bytes(png(json.dumps(result.recipes[0]), (inputs.CHUNK, chunk)))
    assert "image is not the picture of the recipe" in refusal(lambda: replay(path, tiny))


def test_inputs_that_the_task_does_not_take_are_refused(tmp_path, tiny):
    for name in ("progress", "k", "params", "image"):
        (path,) = with_inputs(**{name: noise(9, 7, 3)}).save(tmp_path, name=name)
        assert f"does not take: {name}" in refusal(lambda path=path: replay(path, tiny))


@pytest.mark.parametrize(
    "described",
    [
        None,
        {},
        {"size": 3, "sha256": "a"},
        {"size": [9, 7]},
        {"size": [9, 7], "sha256": 3},
        {"size": [9, 7], "sha256": "a", "file": ["x"]},
        {"size": [-9, 7], "sha256": "a"},
    ],
)
def test_damaged_words_about_inputs_are_one_line(tmp_path, tiny, described):
    made = {**drawing().recipes[0], "inputs": {"image": described}}
    (tmp_path / "x.png").write_bytes(png(json.dumps(made)))
    for call in (recipe, lambda p: diff(p, p), lambda p: replay(p, tiny)):
        assert "the input 'image' is damaged" in refusal(lambda c=call: c(tmp_path / "x.png"))


def test_inputs_beyond_4_mib_stay_behind_and_save_says_so(tmp_path, capsys):
    large = noise(1300, 1200, 3)
    assert pack_inputs({"image": large}) is None
    result = with_inputs(image=large)
    with pytest.warns(KandiWarning, match="too large to travel in the PNG: keep them"):
        (path,) = result.save(tmp_path)
    assert inputs_in(path) == {} and recipe(path)["inputs"]["image"]["size"] == [1200, 1300]
    assert path.stat().st_size < 100_000 and capsys.readouterr().out == ""
    small = {"image": noise(600, 600, 3), "mask": noise(600, 600)}
    assert len(pack_inputs(small)) <= MOST_BYTES and list(
        unpack_inputs(pack_inputs(small), "x")
    ) == list(small)
    assert pack_inputs({"image": Image.new("1", (8192, 8256))}) is None, (
        "too many pixels to read"
    )


def test_a_result_keeps_the_inputs_that_it_was_drawn_from(tmp_path):
    given = noise(9, 7, 3)
    result = with_inputs(image=given)
    before = result.recipes
    given.putpixel((0, 0), (1, 2, 3))
    (path,) = result.save(tmp_path)
    assert result.recipes == before == [recipe(path)]
    assert inputs.describe_inputs(inputs_in(path)) == before[0]["inputs"]


def test_cameras_notes_do_not_travel(tmp_path):
    given, buffer = noise(9, 7, 3), io.BytesIO()
    notes = Image.Exif()
    notes[0x010E] = "at somebody's home"
    given.save(buffer, "JPEG", exif=notes, comment=b"somebody")
    result = with_inputs(image=Image.open(buffer))
    (path,) = result.save(tmp_path)
    assert b"somebody" not in path.read_bytes()
    assert not {"exif", "comment"} & {*result.inputs[0]["image"].info}


def test_diff_names_inputs_and_options():
    a = with_inputs(image=noise(9, 7, 3), mask=noise(9, 7))
    b = with_inputs(image=noise(9, 7, 3, seed=1), mask=noise(9, 7))
    b.options = {**b.options, "dtype": "bfloat16"}
    rows = {row["name"]: row for row in diff(a, b)}
    assert list(rows) == ["input image", "dtype"]
    assert rows["input image"]["a"].startswith("7 × 9, ")
    assert (rows["dtype"]["a"], rows["dtype"]["b"]) == ("float32", "bfloat16")
    [row] = diff(a, drawing(inputs=[{"image": noise(9, 7, 3)}]))
    assert (row["name"], row["b"]) == ("input mask", None)
