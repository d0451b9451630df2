"""The studio without a browser: its tabs, what goes from one to another, and its gallery."""

from __future__ import annotations

import io
import re
import zipfile
from types import SimpleNamespace

import pytest
from ipywidgets.widgets import widget as widgets
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.studio import gallery as galleries
from kandi_nb.drivers.studio.bar import TOUR
from kandi_nb.drivers.studio.compare import rivals
from kandi_nb.drivers.studio.gallery import Gallery
from kandi_nb.pictures.result import Result
from kandi_nb.words.errors import KandiError
from kandi_nb.words.models import SPECS

QUICK = kn.Params("a fox", steps=2, prior_steps=2)
WAIT = 60  # seconds that a busy machine may take
TAKERS = ["edit", "inpaint", "outpaint", "upscale", "mix"]


@pytest.fixture
def studio(tiny_roles, tiny):
    made = kn.studio(tiny_roles, QUICK, models=[tiny])
    yield made
    made.close()


@pytest.fixture
def seen(studio):
    """The studio as somebody looks at it."""
    studio.view()
    return studio


def alive():
    return set(widgets._instances)


def test_each_task_has_a_tab_and_no_panel_is_made_before_it_is_asked_for(studio):
    assert list(studio) == ["generate", *TAKERS, "compare", "gallery"]
    assert studio.opened == []
    studio["edit"]
    assert studio.opened == ["edit"]


def test_no_moment_shows_two_tabs(seen):
    most = 0

    def count(_=None):
        nonlocal most
        shown = [box for box in seen._body.children if box.layout.display != "none"]
        most = max(most, len(shown))

    seen._body.observe(count, "children")
    for name in (*seen, *reversed(list(seen))):
        seen.open(name)
        count()
        for box in seen._boxes.values():
            box.layout.unobserve_all("display")
            box.layout.observe(count, "display")
    assert len(seen._body.children) == len(seen) and most == 1


def test_a_tab_that_is_not_there_is_named_with_those_that_are(studio):
    with pytest.raises(KandiError, match=r"no tab 'inpant'; did you mean inpaint.*gallery"):
        studio["inpant"]
    with pytest.raises(KandiError, match=r"kn\.load"):
        kn.studio("mini-2.2")


def test_what_a_model_cannot_do_has_no_tab(tiny3_folder):
    k = kn.load(tiny3_folder, device="cpu")
    assert "mix" not in list(kn.studio(k, models=[])), "Kandinsky 3 has no prior"
    assert "compare" not in list(kn.studio(k, models=[])), "nothing to compare with"


def test_a_service_draws_for_every_tab_and_tells_how_far_it_is(tiny_roles, tiny):
    with kn.serve(tiny_roles) as one, kn.serve(tiny) as other:
        made = kn.studio(kn.Client(one.url), QUICK, models=[kn.Client(other.url)])
        made.view()
        assert list(made) == ["generate", *TAKERS, "compare", "gallery"]
        panel, words, shown = made["generate"], [], []
        new = QUICK.replace(prompt="a fox that nobody drew before", steps=8)
        panel.params, panel.preview = new, 2
        view = panel.view()
        view.runbar.observe(lambda change: words.append(change["new"]), "words")
        view.preview = lambda pictures: shown.append(pictures[0].size)
        panel.start()
        assert panel.wait(WAIT) and panel.error is None and panel.notes == []
        assert any("/10 steps" in each for each in words), "of the model, prior included"
        assert set(shown) == {(64, 64)}
        mixed = seen_mixing(made)
        assert kn.recipe(mixed)["inputs"]["embedding"]["name"] == "50 % A cat + 50 % A dog"
        assert made.gallery.entries[-1].picture is mixed
        compared = made["compare"].run()
        assert (compared[1:].arrays() == kn.generate(tiny, QUICK).arrays()).all()
        made.open("compare")
        assert f"kn.Client('{other.url}')" in made["compare"].view().stage.code
        made.close()


def seen_mixing(studio):
    studio["mix"].params = studio["mix"].params.replace(steps=2, prior_steps=2)
    return studio["mix"].run()[0]


def test_a_service_alone_says_why_it_compares_nothing():
    far = SimpleNamespace(spec=SPECS["mini-2.2"], remote=lambda *words, **named: None)
    made = kn.studio(far)
    assert "mix" not in made, "of another release"
    made.view()
    made.open("compare")
    (why,) = made._boxes["compare"].children
    assert "the addresses of others" in why.value
    made.close()


def test_bundled_models_are_compared_with_each_other_and_others_with_what_is_here(monkeypatch):
    mini = SimpleNamespace(spec=SPECS["mini-2.2"])
    assert rivals(mini) == [key for key in SPECS if SPECS[key].bundled and key != "mini-2.2"]
    published = SimpleNamespace(spec=SPECS["kandinsky-2.2"])
    monkeypatch.setattr("kandi_nb.model.hub.cached_folder", lambda spec, role: None)
    assert rivals(published) == []
    monkeypatch.setattr("kandi_nb.model.hub.cached_folder", lambda spec, role: "here")
    assert "kandinsky-3" in rivals(published) and "mini-3" not in rivals(published)


def test_whatever_tab_draws_the_gallery_has_it(studio):
    fox = studio["generate"].run()[0]
    studio.use(fox, "edit")
    studio["edit"].run()
    studio["mix"].params = studio["mix"].params.replace(steps=2, prior_steps=2)
    studio["mix"].run([0.2, 0.8])
    assert [kn.recipe(p)["task"] for p in studio.pictures] == ["generate", "edit", "generate"]
    assert studio.pictures[0] is fox, "a picture is there once"
    assert kn.recipe(studio.pictures[2])["inputs"]["embedding"], "the mixture is known"


def test_a_picture_that_is_handed_over_is_what_the_tab_starts_from(seen):
    fox = seen["generate"].run()[0]
    say(seen, "generate", kind="go", value="edit")
    assert seen["edit"].inputs["image"] is fox
    assert seen._bar.shown == "edit"
    with pytest.raises(KandiError, match="starts from no picture; tabs that do: edit"):
        seen.use(fox, "generate")


def test_a_tab_that_is_opened_late_starts_from_the_latest_picture(seen):
    fox = seen["generate"].run()[0]
    seen._bar.wanted = "inpaint"
    assert seen["inpaint"].inputs["image"] is fox
    mine = Image.new("RGB", (64, 64))
    seen["outpaint"].give("image", mine)
    seen._bar.wanted = "outpaint"
    assert seen["outpaint"].inputs["image"] is mine, "what somebody gave stays"


def test_how_much_larger_is_chosen(seen):
    seen.open("upscale")
    say(seen, "upscale", kind="set", name="factor", value=3)
    assert seen["upscale"].inputs == {"factor": 3}
    seen["upscale"].give("factor", 4)
    rows = {row["name"]: row for row in seen["upscale"].view().rail.form["fields"]}
    assert rows["factor"]["value"] == 4, "what code sets is shown"
    for value in (2, 9, True, "2"):
        say(seen, "upscale", kind="set", name="factor", value=value)
    assert seen["upscale"].inputs == {}
    seen.open("edit")
    assert "factor" not in {row["name"] for row in seen["edit"].view().rail.form["fields"]}


def say(studio, where, **message):
    """Send a message to a tab's rail, as the page does."""
    tab = studio._made[where]
    rail = tab.rail if where == "mix" else tab.control.view().rail
    rail._handle_custom_msg(message, [])


def test_what_a_picture_was_drawn_with_goes_along_unless_it_was_set_there(seen):
    seen["generate"].params = QUICK.replace(prompt="a blue cat on a beach", seed=7, width=128)
    cat = seen["generate"].run()[0]
    seen.use(cat, "edit")
    made = seen["edit"].params
    assert (made.prompt, made.seed) == ("a blue cat on a beach", 7)
    seen.use(cat, "outpaint")
    assert seen["outpaint"].params.prompt == "A beach", "the place alone"
    assert seen["outpaint"].params.seed == 7
    say(seen, "edit", kind="set", name="prompt", value="a dog")
    seen["generate"].params = QUICK.replace(prompt="a green frog", seed=9, height=128, width=64)
    frog = seen["generate"].run()[0]
    seen.use(frog, "edit")
    made = seen["edit"].params
    assert made.prompt == "a dog", "what somebody typed stays"
    assert (made.seed, made.width, made.height) == (9, 64, 128)
    seen["inpaint"].params = QUICK.replace(prompt="by code")
    seen.use(frog, "inpaint")
    assert seen["inpaint"].params.prompt == "by code"
    assert seen["inpaint"].params.seed == 9


def test_one_tab_is_seen_at_a_time_and_an_unknown_one_changes_nothing(seen):
    for name in ("edit", "gallery", "mix"):
        seen._bar.wanted = name
    seen._bar.wanted = "no such tab"
    open_ones = [name for name, box in seen._boxes.items() if box.layout.display != "none"]
    assert open_ones == ["mix"] and list(seen._boxes) == ["generate", "edit", "gallery", "mix"]


def test_compare_draws_with_each_model_and_keeps_its_recipe(studio, tiny):
    result = studio["compare"].run()
    assert len(result) == 2 and result.layout is None, "side by side"
    assert [kn.recipe(picture)["model"] for picture in result] == result.labels
    one = kn.generate(tiny, QUICK)
    assert (result[1:].arrays() == one.arrays()).all(), "as the model alone draws"
    assert result[1:].recipes == result.recipes[1:]
    studio["compare"].params = QUICK.replace(count=2)
    four = studio["compare"].run()
    assert four.layout == (2, 2) and len(set(four.labels)) == 4, "a row a model"


def test_the_code_of_a_comparison_is_a_call_of_versus(seen):
    seen.open("compare")
    seen["compare"].run()
    code = seen["compare"].view().stage.code
    assert "result = kn.versus(kn.Params('a fox'" in code and code.endswith("result")
    assert seen["compare"].view().stage.mode == "grid"


def test_every_panel_begins_with_a_prompt(tiny_roles, tiny):
    studio = kn.studio(tiny_roles, models=[tiny])
    for name in ("generate", "upscale", "compare"):
        assert studio[name].params.prompt == "A red fox in a snowy forest"
        if name != "upscale":
            assert studio[name].reason() is None, "Run can be pressed at once"


# --- the gallery ---


def result_of(count, start=0):
    params = [kn.Params("a fox", seed=start + n) for n in range(count)]
    return Result([Image.new("RGB", (64, 64)) for _ in params], params, "mini-2.2")


def test_the_gallery_forgets_the_oldest_of_too_many(monkeypatch):
    monkeypatch.setattr(galleries, "MOST", 3)
    gallery = Gallery()
    gallery.add(result_of(2))
    gallery.add(result_of(2, start=2))
    assert [kn.recipe(e.picture)["params"]["seed"] for e in gallery.entries] == [1, 2, 3]
    assert gallery.entries[-1].number == 4, "numbers stay what they were"


def test_what_is_downloaded_holds_the_recipe_and_not_what_it_started_from(studio):
    secret = Image.effect_noise((64, 64), 90).convert("RGB")
    studio["edit"].give("image", secret)
    studio["edit"].run()
    name, data = studio.gallery.entries[0].file()
    assert re.fullmatch(r"a-fox-edit-\d+\.png", name)
    made = kn.recipe(Image.open(io.BytesIO(data)))
    assert made["task"] == "edit" and "image" in made["inputs"], "its hash"
    with_it = studio["edit"].results[0]
    assert len(data) < len(png_with_inputs(with_it)), "the original stays at home"


def png_with_inputs(result):
    from kandi_nb.pictures.recipe import png_bytes

    return png_bytes(result[0], result.recipes[0], result.inputs[0])


def test_a_picture_is_picked_starred_and_taken_away(seen):
    seen.gallery.add(result_of(3))
    seen.open("gallery")
    films = seen._films
    assert films.chosen.number == 3 and len(films.grid.entries) == len(films.film.entries) == 3
    heard(films, kind="pick", number=1)
    assert films.chosen.number == 1 and "a-fox-0.png" in str(stage_of(seen).shown)
    for nonsense in ({"kind": "pick", "number": "1"}, {"kind": "pick"}, {}, None, "pick"):
        films._on_message(films.grid, nonsense, [])
    assert films.chosen.number == 1
    heard(films, kind="star", number=1)
    assert [entry["star"] for entry in films.grid.entries] == [False, False, True]
    heard(films, kind="delete", number=2)
    assert [entry["number"] for entry in films.film.entries] == [3, 1]
    assert seen._bar.count == 2


def heard(films, **message):
    films._on_message(films.grid, message, [])


def stage_of(studio):
    return studio._made["gallery"]._stage.stage


def test_a_starred_picture_stays_when_others_make_room(monkeypatch):
    monkeypatch.setattr(galleries, "MOST", 3)
    gallery = Gallery()
    gallery.add(result_of(2))
    gallery.star(gallery.entries[0])
    gallery.add(result_of(3, start=2))
    assert [e.number for e in gallery.entries] == [1, 4, 5]


def test_all_pictures_come_in_one_file(seen):
    seen.gallery.add(result_of(2))
    sent = []
    seen._films.grid.send = lambda content, buffers: sent.append(buffers[0])
    heard(seen._films, kind="zip")
    with zipfile.ZipFile(io.BytesIO(sent[0])) as archive:
        assert archive.namelist() == ["001-a-fox-0.png", "002-a-fox-1.png"]
        made = kn.recipe(Image.open(io.BytesIO(archive.read("002-a-fox-1.png"))))
    assert made["params"]["seed"] == 1


def test_the_film_marks_what_was_drawn_last(seen):
    for number in (1, 2):
        seen.gallery.add(result_of(1))
        assert seen._films.film.chosen == number
    heard(seen._films, kind="pick", number=1)
    assert seen._films.film.chosen == 1


def test_a_picture_of_the_film_is_looked_at_in_any_tab(seen):
    fox = seen["generate"].run()[0]
    seen.open("upscale")
    heard(seen._films, kind="pick", number=1)
    stage = seen["upscale"].view().stage
    assert stage.mode == "view" and len(stage.pictures) == 1
    say(seen, "upscale", kind="go", value="here")
    assert seen["upscale"].inputs["image"] is fox


# --- mixing ---


def mix_tab(studio):
    studio.open("mix")
    return studio._made["mix"]


def test_items_are_added_changed_and_removed(seen):
    tab = mix_tab(seen)
    say(seen, "mix", kind="add item")
    assert tab.control.items == ["A cat", "A dog", ""]
    assert tab.runbar.reason.startswith("Item 3 is empty")
    say(seen, "mix", kind="run")
    assert tab.control.mixer is None and "Item 3 is empty" in str(tab.runbar.said)
    say(seen, "mix", kind="set", name="item 2", value="A frog")
    say(seen, "mix", kind="drop item", number=0)
    assert tab.control.items == ["A dog", "A frog"] and not tab.runbar.reason
    say(seen, "mix", kind="drop item", number=0)
    assert "at least 2 items" in str(tab.runbar.said) and len(tab.control.items) == 2
    for nonsense in ({"name": "item 9", "value": "x"}, {"name": "item x"}, {"name": []}):
        say(seen, "mix", kind="set", **nonsense)
    say(seen, "mix", kind="drop item", number="0")
    assert tab.control.items == ["A dog", "A frog"]


def test_an_item_that_is_changed_makes_the_mixer_anew(seen):
    tab = mix_tab(seen)
    say(seen, "mix", kind="run")
    first = tab.control.mixer
    first.weights = [0.3, 0.7]
    say(seen, "mix", kind="set", name="item 0", value="A frog")
    assert tab.control.mixer is not first
    assert tab.control.mixer.labels == ["A frog", "A dog"]
    assert tab.control.mixer.weights == [0.3, 0.7], "where somebody had put the point"
    assert tab._place.children == (tab.control.mixer,)
    tab.control.mixer.stop()


def test_a_picture_becomes_an_item_and_nine_are_too_many(seen):
    fox = Image.new("RGB", (64, 64), "red")
    seen.use(fox, "mix")
    assert seen["mix"].items[2] is fox
    for _ in range(5):
        seen.use(fox, "mix")
    with pytest.raises(KandiError, match="at most 8"):
        seen.use(fox, "mix")
    seen._use(fox, "mix")
    assert "at most 8" in seen._bar.fault


def test_a_file_that_is_dropped_becomes_an_item_and_what_is_none_does_not(seen):
    tab = mix_tab(seen)
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "blue").save(buffer, "PNG")
    assert tab._on_drop("picture", "sky.png", buffer.getvalue()) == "sky.png is item 3"
    assert tab.control.items[2].size == (64, 48)
    with pytest.raises(KandiError, match=r"notes\.txt"):
        tab._on_drop("picture", "notes.txt", b"no picture")
    assert len(tab.control.items) == 3


def test_settings_of_the_mixture_reach_the_mixer(seen):
    tab = mix_tab(seen)
    say(seen, "mix", kind="run")
    say(seen, "mix", kind="set", name="seed", value="5")
    assert tab.control.mixer.params.seed == 5
    say(seen, "mix", kind="set", name="steps", value="5000")
    assert "from 1 to 1000" in tab.rail.form["wrong"]["steps"]
    tab.control.mixer.stop()


# --- what may be written, and what is left behind ---


def test_without_a_folder_there_is_nothing_that_saves(tiny_roles, monkeypatch):
    studio = kn.studio(tiny_roles, QUICK, models=[], folder=None)
    panel = studio["generate"]
    panel.run()
    studio.view()
    assert panel.view().stage.saves == "" and panel.folder is None
    with pytest.raises(KandiError, match=r"panel.save\(folder\)"):
        panel.save()
    studio.close()


def test_a_studio_that_is_closed_leaves_nothing_and_can_be_shown_again(tiny_roles, tiny):
    before = alive()
    studio = kn.studio(tiny_roles, QUICK, models=[tiny])
    studio["generate"].run()
    for _ in range(2):
        studio.view()
        for name in studio:
            studio.open(name)
        tab = studio._made["mix"]
        for message in (
            {"kind": "add item"},
            {"kind": "drop item", "number": 2},
            {"kind": "run"},
        ):
            tab.rail._handle_custom_msg(message, [])
        tab.control.mixer.stop()
        tab.control.mixer.wait(WAIT)
        studio.close()
        assert alive() - before == set()
    assert len(studio.pictures) >= 1


def test_nothing_is_shown_where_nobody_looks(studio):
    assert studio._repr_mimebundle_() == {"text/plain": repr(studio)}
    assert "generate, edit, inpaint" in repr(studio)


def test_every_step_of_the_tour_has_words_and_a_place():
    assert 3 <= len(TOUR) <= 6
    for title, text, place in TOUR:
        assert title and len(text) < 240 and place.startswith(".kandi-")
