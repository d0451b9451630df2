"""The studio without a browser: its tabs, what goes from one to another, and its gallery."""

from __future__ import annotations

import io
import re
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


def test_a_tab_that_is_not_there_is_named_with_those_that_are(studio):
    with pytest.raises(KandiError, match=r"no tab 'inpant'; did you mean inpaint.*gallery"):
        studio["inpant"]
    with pytest.raises(KandiError, match=r"kn\.load"):
        kn.studio("mini-2.2")


def test_what_a_model_cannot_do_has_no_tab(tiny3_folder):
    k = kn.load(tiny3_folder, device="cpu")
    assert "mix" not in list(kn.studio(k, models=[])), "Kandinsky 3 has no prior"
    assert "compare" not in list(kn.studio(k, models=[])), "nothing to compare with"


def test_a_service_has_tabs_for_what_it_does():
    far = SimpleNamespace(spec=SPECS["mini-2.2"], remote=lambda *words, **named: None)
    assert {"mix", "compare"}.isdisjoint(kn.studio(far))
    assert {"generate", "inpaint", "gallery"} <= set(kn.studio(far))


def test_bundled_models_are_compared_with_each_other_and_others_with_what_is_here(monkeypatch):
    mini = SimpleNamespace(spec=SPECS["mini-2.2"])
    assert rivals(mini) == [key for key in SPECS if SPECS[key].bundled and key != "mini-2.2"]
    published = SimpleNamespace(spec=SPECS["kandinsky-2.2"])
    monkeypatch.setattr("kandi_nb.model.hub.cached", lambda spec, role: None)
    assert rivals(published) == []
    monkeypatch.setattr("kandi_nb.model.hub.cached", lambda spec, role: "here")
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
    seen._made["generate"]._onward.buttons[0].click()
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
    seen._made["upscale"]._choices._factor.value = 3
    assert seen["upscale"].inputs == {"factor": 3}
    seen["upscale"].give("factor", 4)
    assert seen._made["upscale"]._choices._factor.value == 4, "what code sets is shown"
    seen._made["upscale"]._choices._factor.value = 2
    assert seen["upscale"].inputs == {}
    seen.open("edit")
    assert seen._made["edit"]._choices.row is None


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
    code = seen._made["compare"].control.view().trays.history.code
    assert code.startswith("result = kn.versus(kn.Params('a fox'") and code.endswith("result")


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
    assert re.fullmatch(r"a-fox-\d+\.png", name)
    made = kn.recipe(Image.open(io.BytesIO(data)))
    assert made["task"] == "edit" and "image" in made["inputs"], "its hash"
    with_it = studio["edit"].results[0]
    assert len(data) < len(png_with_inputs(with_it)), "the original stays at home"


def png_with_inputs(result):
    from kandi_nb.pictures.recipe import png_bytes

    return png_bytes(result[0], result.recipes[0], result.inputs[0])


def test_a_prompt_cannot_write_html_into_the_gallery(seen):
    seen.gallery.add(
        Result([Image.new("RGB", (64, 64))], [kn.Params("<script>x</script>")], "mini-2.2")
    )
    seen.open("gallery")
    view = seen._made["gallery"]._view
    assert "<script>" not in view.picture.value and "&lt;script&gt;" in view.picture.value


def test_a_picture_is_picked_from_the_strip(seen):
    seen.gallery.add(result_of(3))
    seen.open("gallery")
    view = seen._made["gallery"]._view
    assert view.chosen.number == 3 and len(view.strip.pictures) == 3
    view._heard(view.strip, {"kind": "pick", "number": 1}, [])
    assert view.chosen.number == 1 and "a-fox-0.png" in view.picture.value
    for nonsense in ({"kind": "pick", "number": "1"}, {"kind": "pick"}, {}, None, "pick"):
        view._heard(view.strip, nonsense, [])
    assert view.chosen.number == 1


# --- mixing ---


def mix_tab(studio):
    studio.open("mix")
    return studio._made["mix"]


def test_items_are_added_changed_and_removed(seen):
    tab = mix_tab(seen)
    tab._add()
    assert tab.control.items == ["A cat", "A dog", ""]
    tab._doing(tab._mix)
    assert "item 3 is empty" in tab._said.value
    tab._rows.children[2].children[0].value = "A frog"
    tab._doing(lambda: tab._remove(0))
    assert tab.control.items == ["A dog", "A frog"]
    tab._doing(lambda: tab._remove(0))
    assert "at least 2 items" in tab._said.value and len(tab.control.items) == 2


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
    assert tab._dropped("sky.png", buffer.getvalue()) == "sky.png is item 3"
    assert tab.control.items[2].size == (64, 48)
    with pytest.raises(KandiError, match=r"notes\.txt"):
        tab._dropped("notes.txt", b"no picture")
    assert len(tab.control.items) == 3


def test_settings_of_the_mixture_reach_the_mixer(seen):
    tab = mix_tab(seen)
    tab._doing(tab._mix)
    tab._tell("seed", lambda: 5)
    assert tab.control.mixer.params.seed == 5
    tab.control.mixer.stop()


# --- what may be written, and what is left behind ---


def test_without_a_folder_there_is_nothing_that_saves(tiny_roles, monkeypatch):
    studio = kn.studio(tiny_roles, QUICK, models=[], folder=None)
    panel = studio["generate"]
    panel.run()
    studio.view()
    assert panel.view().saving.widgets == [] and panel.folder is None
    panel.view().saving.folder.value = "/tmp"  # as a message of a made-up page would
    assert panel.folder is None
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
        tab._add()
        tab._remove(2)
        tab._doing(tab._mix)
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
