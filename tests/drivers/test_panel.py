"""The panel without a browser: settings both ways, runs, errors in their place, no leaks."""

from __future__ import annotations

import io
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from comm import get_comm_manager
from ipywidgets.widgets import widget as widgets
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.panels.state import settings
from kandi_nb.drivers.panels.state.history import KEPT
from kandi_nb.drivers.panels.state.uploads import most_pixels
from kandi_nb.drivers.queue.limits import Limits
from kandi_nb.drivers.widgets.parts import MOST_BYTES
from kandi_nb.pictures.result import Result
from kandi_nb.tasks.checks import every_task
from kandi_nb.words.errors import Cancelled, KandiError, KandiWarning, warn
from kandi_nb.words.fields import FIELDS
from kandi_nb.words.params import SEEDS

QUICK = kn.Params("a fox", steps=2, prior_steps=2)
LONG = QUICK.replace(steps=1000)
WAIT = 60  # seconds that a busy machine may take


@pytest.fixture(scope="module")
def k(tiny_roles):
    return tiny_roles


@pytest.fixture
def panel(k):
    made = kn.panel(kn.generate, k, QUICK)
    yield made
    made.close()
    made.wait(WAIT)


@pytest.fixture
def several(k):
    made = kn.panel([kn.generate, kn.edit, kn.inpaint], k, QUICK)
    yield made
    made.close()
    made.wait(WAIT)


def picture(colour="red", size=(64, 64)):
    return Image.new("RGB", size, colour)


def png(image, **words):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **words)
    return buffer.getvalue()


def until(true):
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def say(panel, kind, **words):
    """Send a message, as the page does."""
    panel.view().rail._handle_custom_msg({"kind": kind, **words}, [])


def choose(panel, name, value):
    say(panel, "set", name=name, value=value)


def ran(panel):
    """Press Run and wait until the controls say that the run is over."""
    say(panel, "run")
    until(lambda: not panel.view().runbar.running)


def fields(panel):
    """Return name → what the rail shows of it."""
    form = panel.view().rail.form
    return {row["name"]: row for row in (*form["fields"], *form["more"])}


def seen(panel):
    """Return the names of the settings whose controls are on the page."""
    named = set(fields(panel))
    return {*named, *({"width", "height"} if "shape" in named else ())} & set(FIELDS)


def complaint(panel, name):
    return panel.view().rail.form["wrong"].get(name, "")


def blocked(panel):
    return bool(panel.view().runbar.reason)


def said(panel, kind="bad"):
    return "; ".join(line for how, line in panel.view().runbar.said if how == kind)


# --- settings and controls, both ways ---

VALUES = {
    "prompt": "a cat",
    "negative": "blue",
    "steps": 77,
    "guidance": 8.5,
    "prior_steps": 9,
    "prior_guidance": 2.5,
    "strength": 0.35,
    "width": 128,
    "height": 64,
    "seed": 2**63 - 1,
    "prior_seed": 12,
    "count": 3,
}


def test_values_are_there_for_every_setting():
    assert set(VALUES) == set(FIELDS)
    assert all(value != FIELDS[name].default for name, value in VALUES.items())


@pytest.mark.parametrize("name", FIELDS)
def test_a_control_shows_its_setting_and_sets_it(several, name):
    several.give("image", picture())
    several.task = kn.edit  # it uses strength, too
    several.params = QUICK.replace(**{name: VALUES[name]})
    wanted = str(VALUES[name]) if name in SEEDS else VALUES[name]
    assert fields(several)[name]["value"] == wanted
    several.params = QUICK
    choose(several, name, str(wanted) if isinstance(wanted, (int, float)) else wanted)
    assert getattr(several.params, name) == VALUES[name]
    assert several.params.replace(**{name: getattr(QUICK, name)}) == QUICK, "and no other"
    assert name in several.own
    if name == "strength":
        choose(several, name, None)
        assert several.params.strength is None and fields(several)[name]["usual"] == 0.3


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("steps", "5000", "from 1 to 1000, not 5000"),
        ("steps", "many", "from 1 to 1000"),
        ("guidance", "inf", "guidance"),
        ("strength", "1.5", "from 0.01 to 1"),
        ("steps", "2.5", "steps"),
    ],
)
def test_what_is_out_of_range_is_said_and_the_last_value_stays(several, name, typed, words):
    several.give("image", picture())
    several.task = kn.edit
    before = several.params
    choose(several, name, typed)
    assert words.lower() in complaint(several, name).lower() and blocked(several)
    assert several.params == before
    choose(several, name, "0.5" if name == "strength" else "4")
    assert not complaint(several, name) and not blocked(several)


def test_shapes_are_those_that_the_model_can(panel):
    sizes = [value for value, _ in fields(panel)["width"]["choices"]]
    assert sizes == [None, 64, 128]
    assert all(n % 64 == 0 for n in settings.sizes(1024)) and max(settings.sizes(1024)) == 2048
    choose(panel, "shape", "wide")
    assert (panel.params.width, panel.params.height) == (128, 64)
    choose(panel, "shape", "square")
    assert panel.params.width is None and fields(panel)["shape"]["value"] == "square"
    panel.params = QUICK.replace(width=256)
    assert fields(panel)["width"]["value"] == 256, "what is set by code is shown, too"
    choose(panel, "shape", "round")
    assert panel.params.width == 256, "what is none changes nothing"


def test_a_die_and_words_draw_seeds(panel):
    drawn = set()
    for typed in ("random", "-1", " ", "RANDOM"):
        choose(panel, "seed", typed)
        drawn.add(panel.params.seed)
        assert fields(panel)["seed"]["value"] == str(panel.params.seed)
    say(panel, "roll", name="seed")
    assert len({*drawn, panel.params.seed}) == 5


def test_an_open_lock_takes_another_seed_for_each_press_and_none_for_code(panel):
    seeds = []
    for _ in range(2):
        choose(panel, "locked", False)
        ran(panel)
        seeds.append(panel.results[-1].params[0].seed)
    panel.run(progress=False)
    assert panel.results[-1].params[0].seed == seeds[1]
    choose(panel, "locked", True)
    ran(panel)
    assert panel.results[-1].params[0].seed == seeds[1] != seeds[0]


@pytest.mark.parametrize("typed", ["abc", "1.5", "-7", "9" * 400, "٣"])
def test_what_is_no_seed_is_said_beside_it_and_keeps_the_last(panel, typed):
    choose(panel, "seed", typed)
    assert "seed" in complaint(panel, "seed").lower() and blocked(panel)
    assert panel.params.seed == 0
    with pytest.raises(KandiError, match="seed"):
        panel.start()
    choose(panel, "seed", "4")
    assert not complaint(panel, "seed") and not blocked(panel)


def test_settings_that_exclude_each_other_are_refused_beside_the_control(panel):
    panel.params = QUICK.replace(seed=2**63 - 1)
    choose(panel, "count", 2)
    assert "too high for count" in complaint(panel, "count")
    assert panel.params.count == 1


def test_an_emptied_prompt_switches_run_off_and_says_why(panel):
    choose(panel, "prompt", "  ")
    assert blocked(panel) and complaint(panel, "prompt") == "Say what to draw."
    with pytest.raises(KandiError, match="prompt is empty"):
        panel.run()
    choose(panel, "prompt", "a dog")
    assert not blocked(panel) and not complaint(panel, "prompt")


@pytest.mark.parametrize("name", every_task())
def test_every_task_has_a_panel_with_what_it_uses(name, k):
    task = every_task()[name]
    if name not in k.spec.tasks and task.role not in k.spec.roles:
        pytest.skip("the tiny model cannot do it")
    made = kn.panel(task.function, k)
    assert seen(made) == {n for n, field in FIELDS.items() if field.used_by(name, k.spec.roles)}
    slots = {n for n, row in fields(made).items() if row["kind"] == "picture"}
    assert slots == set(made.call.pictures) <= set(task.inputs)
    assert not {"embedding", "latents"} & slots, "those are no pictures"
    made.close()


def test_a_function_of_the_same_shape_has_a_panel_too(k):
    def twice(k, params, *, image, sharper=1):
        return kn.edit(k, params, image=image, progress=False)

    made = kn.panel(twice, k, QUICK, image=picture(), sharper=2)
    assert made.call.needed == ("image",) and made.call.options == ()
    assert made.start() and made.wait(WAIT) and made.error is None
    mixed = kn.panel(kn.mix, k, QUICK.replace(prompt=None), items=["a cat", "a dog"])
    assert len(mixed.run(progress=False)) == 1


def test_tasks_switch_and_keep_each_others_settings(several):
    several.params = QUICK.replace(guidance=7)
    assert "strength" not in seen(several)
    choose(several, "task", "edit")
    assert "strength" in seen(several) and blocked(several)
    assert several.view().stage.empty["title"] == "Choose one of your pictures, or drop one"
    choose(several, "strength", 0.8)
    choose(several, "task", "generate")
    assert several.params.strength == 0.8 and several.params.guidance == 7
    assert several.as_run().params.strength is None, "generate is not asked for it"


def test_models_switch_and_take_away_what_they_lack(k, tiny3_folder):
    third = kn.load(tiny3_folder, device="cpu")
    made = kn.panel([kn.generate, kn.mix], [k, third], QUICK.replace(width=64, height=64))
    assert "prior_steps" in seen(made)
    choose(made, "model", 1)
    assert made.k is third and "prior_steps" not in seen(made)
    assert len({label for _, label in fields(made)["model"]["choices"]}) == 2
    ran(made)
    assert made.error is None and made.results[0].model == third.spec.key
    made.close()


def test_examples_come_in_every_language_and_doubts_are_said_while_one_types():
    mini = kn.load("mini-2.2", device="cpu")
    made = kn.panel(kn.generate, mini)
    prompts = []
    for code, _ in fields(made)["prompt"]["languages"]:
        say(made, "language", value=code)
        say(made, "language", value=code)
        prompts.append(made.params.prompt)
        assert not fields(made)["prompt"]["advice"], "the model knows its own examples"
    assert len(set(prompts)) == 5
    words = dict(fields(made)["prompt"]["words"])
    assert "mushroom" in words["objects"], "what the model draws"
    assert ["crown", " with a crown"] in fields(made)["prompt"]["chips"]
    choose(made, "prompt", "a dragon in spce")
    assert "dragon" in fields(made)["prompt"]["advice"]
    made.close()


# --- runs ---


def test_run_draws_what_the_task_draws_and_nothing_is_shown(panel, k):
    before = len(widgets._instances)
    result = panel.run(progress=False)
    assert result[0].tobytes() == kn.generate(k, QUICK, progress=False)[0].tobytes()
    assert panel.results == [result]
    assert panel._repr_mimebundle_() == {"text/plain": repr(panel)}
    assert len(widgets._instances) == before


def test_run_raises_plainly_what_the_task_raises(several):
    several.inputs = {"image": picture(), "mask": picture("white", (32, 32))}
    several.task = kn.inpaint
    with pytest.raises(KandiError, match="mask"):
        several.run()
    assert isinstance(several.error, KandiError) and not several.running
    assert "mask" in several.problems


def test_a_second_click_on_run_does_nothing_and_settings_count_for_the_next(panel):
    panel.params = LONG
    assert panel.start()
    assert not panel.start()
    bar = panel.view().runbar
    assert bar.running
    with pytest.raises(KandiError, match="at work"):
        panel.run()
    choose(panel, "steps", 2)
    until(lambda: "/1000 steps" in bar.words or "/100" in bar.words)
    assert "s left" in bar.words or "0/" in bar.words
    say(panel, "stop")
    until(lambda: not bar.running)
    assert isinstance(panel.error, Cancelled) and not said(panel)
    assert "topped after" in said(panel, "note"), "what was wanted is no fault"
    ran(panel)
    assert panel.error is None and panel.results[0].params[0].steps == 2
    assert not said(panel, "note"), "the old message is gone"


def test_previews_are_shown_every_few_steps(panel):
    panel.params = QUICK.replace(steps=7)
    panel.preview = 3
    view = panel.view()
    shown = []
    view.preview = lambda pictures: shown.append(len(pictures))
    ran(panel)
    assert shown == [1, 1], "after three steps and after six"
    choose(panel, "preview", 0)
    ran(panel)
    assert len(shown) == 2 and panel.preview == 0


def test_a_service_is_asked_for_unfinished_pictures_and_nothing_is_noted(k):
    asked = []

    def remote(task, params, **named):
        asked.append(named)
        return Result([picture()], [params], "m")

    far = SimpleNamespace(spec=k.spec, remote=remote, url="http://127.0.0.1:9")
    made = kn.panel(kn.generate, far, QUICK)
    ran(made)
    choose(made, "preview", 0)
    ran(made)
    assert made.error is None and asked[0]["preview"] == 5 and callable(asked[0]["on_preview"])
    assert "on_preview" not in asked[1]
    assert not said(made, "note")
    assert "k = kn.Client('http://127.0.0.1:9')" in made.view().stage.code
    made.close()


def test_a_panel_waits_for_its_model_says_so_and_can_be_stopped_meanwhile(panel, k):
    taken, free = threading.Event(), threading.Event()

    def hold():
        with k.lock:
            taken.set()
            free.wait(WAIT)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(WAIT)
    view = panel.view()
    try:
        say(panel, "run")
        assert "waiting for the model" in view.runbar.words
        say(panel, "stop")
        until(lambda: not view.runbar.running)
        assert isinstance(panel.error, Cancelled)
        assert panel.start()
    finally:
        free.set()
        holder.join()
    assert panel.wait(WAIT) and panel.error is None


def test_two_panels_on_one_model_take_turns(panel, k):
    other = kn.panel(kn.generate, k, QUICK.replace(seed=1))
    assert panel.start() and other.start()
    assert panel.wait(WAIT) and other.wait(WAIT)
    assert panel.error is None and other.error is None
    assert panel.results[0][0].tobytes() != other.results[0][0].tobytes()


def test_a_run_by_code_takes_the_button_away_meanwhile(k):
    def look(k, params):
        states.append(view.runbar.running)
        return Result([picture()], [params], "m")

    states = []
    made = kn.panel(look, k, QUICK)
    view = made.view()
    made.run()
    states.append(view.runbar.running)
    assert states == [True, False]
    made.close()


def failing(k, params, *, image=None):
    raise {
        "plain": KandiError("too much for this model; take less", about="guidance"),
        "input": KandiError("guidance is named, but this is no fault of it"),
        "other": KandiError("nobody is to blame"),
        "bug": ZeroDivisionError("division\nby zero"),
    }[params.prompt]


@pytest.mark.parametrize(
    ("why", "place", "words"),
    [
        ("plain", "guidance", "too much for this model"),
        ("other", "message", "nobody is to blame"),
        ("bug", "message", "ZeroDivisionError: division by zero"),
    ],
)
def test_an_error_stands_beside_the_control_that_it_names(k, why, place, words):
    made = kn.panel(failing, k, QUICK.replace(prompt=why))
    ran(made)
    assert made.error is not None and not blocked(made)
    where = {"message": said(made), "guidance": complaint(made, "guidance")}
    assert words.lower() in where.pop(place).lower() and not any(where.values())
    if place == "guidance":
        choose(made, "guidance", 3)
        assert not complaint(made, "guidance"), "it was said of another value"
    with pytest.raises(type(made.error)):
        made.run()
    made.close()


def test_an_error_that_names_an_input_stands_beside_it(several):
    several.inputs = {"image": picture(), "mask": picture("white", (32, 32))}
    several.task = kn.inpaint
    ran(several)
    assert "mask" in complaint(several, "mask") and not blocked(several)
    several.give("mask", kn.rectangle((64, 64), (0, 0, 32, 64)))
    assert not complaint(several, "mask")
    ran(several)
    assert several.error is None
    assert several.view().stage.proof == "Outside the mask nothing changed."


def test_outpainting_waits_for_a_side_and_what_was_said_goes_with_one(k):
    made = kn.panel(kn.outpaint, k, QUICK, image=picture())
    assert made.view().runbar.reason.startswith("Drag a side")
    with pytest.raises(KandiError, match="how far"):
        made.run()
    made.problems["left"] = "too far"
    assert made.view().stage.mode == "frame"
    made.view().framing.frame.margins = (0, 0, 32, 0)
    assert made.problems == {} and not blocked(made)
    made.give("right", None)
    assert blocked(made), "none again"
    made.close()


def test_warnings_of_a_run_in_the_background_are_notes_and_nothing_is_printed(
    k, capfd, recwarn
):
    def doubtful(k, params):
        warn("the end is <b>cut</b>")
        warn("the end is <b>cut</b>")
        return Result([picture()], [params], "m")

    made = kn.panel(doubtful, k, QUICK)
    made.view()
    ran(made)
    assert made.notes == ["the end is <b>cut</b>"]
    assert said(made, "note") == "The end is <b>cut</b>.", "a text, no HTML"
    assert capfd.readouterr() == ("", "") and not recwarn.list
    with pytest.warns(KandiWarning, match="cut"):
        made.run()
    made.close()


# --- what was drawn ---


def test_history_brings_settings_back(several):
    view = several.view()
    several.params = QUICK.replace(seed=3, count=2)
    ran(several)
    assert view.stage.mode == "grid" and len(view.stage.pictures) == 2
    choose(several, "task", "edit")
    say(several, "pick", number=101)  # the second picture of the first run
    assert several.task is kn.generate and several.params.count == 2
    assert view.stage.mode == "view" and view.stage.index == 1
    choose(several, "task", "edit")
    say(several, "use", name="image", number=101)
    assert several.inputs["image"] is several.results[0][1]
    assert view.stage.mode == "view" and not view.stage.before
    several.params = QUICK.replace(seed=9)
    ran(several)
    assert view.stage.before, "what it was made from"
    film = view.strip.film
    assert [e["number"] for e in film.entries] == [200, 100, 101]
    several.inputs = {}
    several.task = kn.generate
    several.recall(2)
    assert several.task is kn.edit and several.params.seed == 9
    assert several.inputs["image"] is several.results[0][1]
    with pytest.raises(KandiError, match="run 7"):
        several.recall(7)


def test_arrows_go_through_pictures_of_a_run_and_then_the_film(panel):
    panel.params = QUICK.replace(count=2)
    ran(panel)
    say(panel, "show", value=0)
    view = panel.view()
    for by, index in ((1, 1), (-1, 0), (-1, 0)):
        say(panel, "step", value=by)
        assert view.stage.index == index and view.stage.mode == "view"
    say(panel, "all")
    assert view.stage.mode == "grid"


def test_history_keeps_the_latest(k):
    def quick(k, params):
        return Result([picture()], [params], "m")

    made = kn.panel(quick, k, QUICK)
    for seed in range(KEPT + 3):
        made.params = QUICK.replace(seed=seed)
        made.run()
    assert len(made.results) == KEPT and made.results[0].params[0].seed == 3
    assert len(made.view().strip.film.entries) == KEPT
    made.close()


def executed(code, monkeypatch, **variables):
    main = sys.modules["__main__"]
    for name, value in variables.items():
        monkeypatch.setattr(main, name, value, raising=False)
    names = dict(variables, kn=kn)
    exec(code, names)
    return names["result"]


def test_copied_code_makes_the_picture_again(several, k, monkeypatch):
    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "model", k, raising=False)
    several.params = QUICK.replace(seed=5)
    several.run(progress=False)
    several.task = kn.edit
    say(several, "use", name="image", number=100)
    edited = several.run(progress=False)
    several.view().looking = True
    several.view().refresh()
    code = several.view().stage.code
    assert code.splitlines()[-1] == "result" and "kn.edit(model, " in code
    again = executed(code, monkeypatch, model=k)
    assert again[0].tobytes() == edited[0].tobytes()


def code_of(panel):
    panel.view().looking = True
    panel.view().refresh()
    return panel.view().stage.code


def test_the_code_of_a_run_has_the_mask_of_that_run(several, k, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "model", k, raising=False)
    several.task = kn.inpaint
    source = Image.effect_noise((64, 64), 90).convert("RGB")
    soft = kn.ellipse(source, (10, 10, 40, 30)).feather(2)
    for mask in (kn.rectangle(source, (0, 0, 20, 20)), soft):
        several.inputs = {"image": source, "mask": mask}
        made = several.run(progress=False)
        code = code_of(several)
        several.give("mask", kn.rectangle(source, (30, 30, 60, 60)))  # today's is another
        assert code_of(several) == code
        again = executed(code, monkeypatch, model=k)
        assert again[0].tobytes() == made[0].tobytes()


def test_code_on_a_page_of_its_own_loads_what_it_needs(several, monkeypatch):
    several.run(progress=False)
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    monkeypatch.setattr(several.k, "spec", kn.load("mini-2.2", device="cpu").spec)
    code = code_of(several)
    assert code.startswith("import kandi_nb as kn\n") and "k = kn.load('mini-2.2')" in code
    names = {}
    exec(code, names)
    assert len(names["result"]) == 1


def test_copied_code_names_the_notebooks_own_variables_and_files(several, k, monkeypatch):
    source = picture("blue")
    several.task = kn.edit
    several.give("image", source)
    several.run(progress=False)
    monkeypatch.setattr(sys.modules["__main__"], "my_sketch", source, raising=False)
    assert "image=my_sketch)" in code_of(several)
    drop(several, "holiday.png", png(picture("green")), target="image")
    several.run(progress=False)
    assert "'holiday.png'  # the file that was dropped" in code_of(several)
    compile(code_of(several), "cell", "exec")


def test_save_writes_to_the_folder_and_says_where(several, tmp_path, capfd):
    several.task = kn.edit
    several.give("image", picture())
    view = several.view()
    with pytest.raises(KandiError, match="nothing is drawn"):
        several.save()
    several.run(progress=False)
    several.folder = tmp_path / "kept"
    say(several, "save")
    (file,) = (tmp_path / "kept").glob("*.png")
    words, wrong = view.stage.note
    assert file.name in words and "travel inside" in words and not wrong
    assert capfd.readouterr().out == ""
    (tmp_path / "file").touch()
    several.folder = tmp_path / "file"
    say(several, "save")
    assert "choose another folder" in view.stage.note[0] and view.stage.note[1]


def test_the_recipe_of_a_picture_sets_everything(several, k, tmp_path):
    wanted = QUICK.replace(seed=11, strength=0.5, guidance=6)
    source = picture("green")
    made = kn.edit(k, wanted, image=source, progress=False)
    (path,) = made.save(tmp_path)
    notes = several.recall(path)
    assert notes == [] and several.task is kn.edit
    assert several.params == made.params[0]
    assert several.inputs["image"].tobytes() == source.tobytes()
    assert several.run(progress=False)[0].tobytes() == made[0].tobytes()
    (bare,) = made.save(tmp_path, "bare", inputs=False)
    several.inputs = {}
    assert several.recall(bare.read_bytes()) == [
        "its image did not travel with it: give it again"
    ]
    alone = kn.panel(kn.generate, k)
    assert alone.recall(made[0]) == ["it was made by edit, which this panel does not offer"]
    assert alone.params.guidance == 6


# --- files from a browser ---


class Page:
    """What a browser would do with a widget that takes files."""

    def __init__(self, widget, target):
        self.widget, self.target, self.answers = widget, target, []
        widget.send = lambda content, buffers=None: self.answers.append(content)

    def message(self, content, buffers=()):
        # ipywidgets' own dispatcher would hide what a handler raises.
        for handler in list(self.widget._msg_callbacks.callbacks):
            handler(self.widget, content, list(buffers))

    def drop(self, name, data, size=None, piece=1000):
        same = {"id": "1", "target": self.target}
        words = {**same, "name": name, "size": len(data) if size is None else size}
        self.message({"kind": "begin", **words})
        for at in range(0, len(data), piece):
            if self.answers[-1]["kind"] != "next":
                break
            self.message({"kind": "piece", **same}, [memoryview(data[at : at + piece])])
        if self.answers[-1]["kind"] == "next":
            self.message({"kind": "end", **same})
        return self.answers[-1]


def drop(panel, name, data, target):
    return Page(panel.view().rail, target).drop(name, data)


@pytest.fixture
def page(several):
    several.task = kn.edit
    return Page(several.view().rail, "image")


def test_a_dropped_picture_becomes_the_input(page, several):
    image = Image.effect_noise((80, 60), 90).convert("RGB")
    answer = page.drop("noise.png", png(image))
    assert answer["kind"] == "done" and "80 × 60" in answer["text"]
    assert several.inputs["image"].tobytes() == image.tobytes()
    assert not blocked(several)
    assert several.view().rail.thumbnails["image"].startswith("data:image")
    page.message({"kind": "remove", "name": "image"})
    assert several.inputs == {} and several.view().rail.thumbnails == {}


def large():
    """Return a small file that says that it is a picture of more pixels than are taken."""
    return png(Image.new("1", (20_000, 3_400)))


@pytest.mark.parametrize(
    ("data", "size", "words"),
    [
        (b"no picture at all", None, "is no picture that can be read"),
        (b"x", 200 * 2**20, "has 200 MB"),
        (b"", None, "has 0 MB"),
        (large(), None, "has more than 67,108,864 pixels"),
        (png(picture())[:60], None, "cannot be"),
        (b"x" * 5000, 2500, "did not arrive as it was sent"),
        (b"x" * 5000, 9000, "did not arrive as it was sent"),
        (b"x", "many", "has 0 MB"),
    ],
)
def test_what_cannot_be_taken_is_said_in_a_line(page, several, data, size, words):
    answer = page.drop("holiday.png", data, size)
    assert answer["kind"] == "refused" and words in answer["text"]
    assert "holiday.png" in answer["text"] and len(answer["text"].splitlines()) == 1
    assert several.inputs == {}
    assert page.drop("good.png", png(picture()))["kind"] == "done", "the tray goes on"


@pytest.mark.parametrize(
    "message",
    [
        *(None, 3, {}, {"kind": "pick"}, {"kind": "pick", "number": "x"}, {"kind": ["pick"]}),
        *({"kind": "set"}, {"kind": "set", "name": "steps", "value": {}}),
        *({"kind": "set", "name": ["steps"], "value": 3}, {"kind": "step", "value": 7}),
        *({"kind": "show", "value": True}, {"kind": "go", "value": "edit"}),
        *({"kind": "set", "name": "model", "value": 9}, {"kind": "use", "number": None}),
    ],
)
def test_strange_messages_change_nothing(page, several, message):
    before = several.params
    page.message(message)
    assert page.answers == [] and several.inputs == {} and several.params == before


def test_limits_are_the_same_on_both_sides(several, monkeypatch):
    form = several.view().rail.form
    assert (form["most_bytes"], form["most_pixels"]) == (MOST_BYTES, most_pixels())
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    assert most_pixels() == Limits.pixels, "a stranger's as few as at a service"
    answer = drop(several, "big.png", png(Image.new("1", (4096, 1025))), target="image")
    assert answer["kind"] == "refused" and "more than 4,194,304 pixels" in answer["text"]


def test_a_picture_of_a_run_that_is_gone_is_said(several):
    say(several, "pick", number=700)
    assert "Run 7" in said(several)


def test_a_png_on_the_stage_brings_its_settings(several, k, tmp_path):
    page = Page(several.view().stage, "stage")
    (path,) = kn.generate(k, QUICK.replace(seed=42), progress=False).save(tmp_path)
    answer = page.drop("saved.png", path.read_bytes())
    assert answer["kind"] == "done" and "settings of saved.png" in answer["text"]
    assert fields(several)["seed"]["value"] == "42"
    answer = page.drop("plain.png", png(picture()))
    assert answer["kind"] == "refused" and "holds no settings" in answer["text"]


@pytest.mark.parametrize("answer", ["start", "settings", ""])
def test_a_png_with_a_recipe_is_asked_about_where_a_picture_can_start(
    several, k, answer, tmp_path
):
    several.task = kn.edit
    page = Page(several.view().stage, "stage")
    (path,) = kn.generate(k, QUICK.replace(seed=42), progress=False).save(tmp_path)
    assert page.drop("saved.png", path.read_bytes())["kind"] == "done"
    assert "take its settings" in several.view().stage.ask
    page.message({"kind": "answer", "value": answer})
    assert several.view().stage.ask == ""
    assert ("image" in several.inputs) == (answer == "start")
    assert (several.params.seed == 42) == (answer == "settings")


def test_no_python_is_said_to_people(several, k):
    from kandi_nb.drivers.panels.state.wording import _CODE, MISSING

    several.inputs = {"image": picture(), "mask": picture("white", (32, 32))}
    for name in several.calls:
        several.task = several.calls[name].function
        several.start()
        several.wait(WAIT)
        view = several.view()
        lines = [*MISSING.values(), view.runbar.reason, *view.rail.form["wrong"].values()]
        lines += [line for _, line in view.runbar.said]
        assert [line for line in lines if _CODE.search(line)] == []


# --- bad input, and the end ---


@pytest.mark.parametrize("task", ["generate", 3, None, print, kn.load, []])
def test_what_is_no_task_is_refused_with_the_names_of_some(k, task):
    with pytest.raises(KandiError, match=r"kn\.generate"):
        kn.panel(task, k)


def test_a_model_without_the_task_is_refused(tiny):
    with pytest.raises(KandiError, match="first argument is a loaded model"):
        kn.panel(kn.generate, "mini-2.2")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"imag": 1}, "did you mean image"),
        ({"mask": 1}, "edit takes no mask"),
        ({"steps": 3}, "is a setting"),
        ({"progress": False}, "panel's own matter"),
    ],
)
def test_inputs_that_the_task_does_not_take_are_refused(k, inputs, words):
    with pytest.raises(KandiError, match=words):
        kn.panel(kn.edit, k, QUICK, **inputs)


def test_attributes_refuse_what_they_cannot_be(panel):
    for name, value in {"params": {"steps": 3}, "task": kn.edit, "k": 3, "preview": -1}.items():
        with pytest.raises(KandiError):
            setattr(panel, name, value)
    with pytest.warns(KandiWarning, match="does not use strength"):
        panel.params = QUICK.replace(strength=0.5)


def test_twenty_panels_leave_nothing_behind(k):
    comms = get_comm_manager().comms
    before = len(widgets._instances), len(comms)
    for _ in range(20):
        made = kn.panel([kn.generate, kn.edit, kn.inpaint], k, QUICK)
        made.view()
        assert before[0] + 5 < len(widgets._instances) < before[0] + 40
        made.close()
        made.close()
    assert (len(widgets._instances), len(comms)) == before


def test_a_closed_panel_ends_its_run_and_comes_back_with_all_that_was_set(panel):
    panel.params = LONG
    first = panel.view()
    panel.start()
    panel.close()
    assert panel.wait(WAIT) and isinstance(panel.error, Cancelled)
    panel.params = QUICK
    assert panel.view() is not first
    assert fields(panel)["steps"]["value"] == 2


def test_a_cell_that_is_run_again_closes_the_panel_that_it_showed(k, monkeypatch):
    from kandi_nb.drivers.panels import panel as module
    from kandi_nb.drivers.widgets import place

    ran = ["cell", "first"]
    monkeypatch.setattr(place, "_running_cell", lambda: tuple(ran))
    monkeypatch.setattr(module, "is_watched", lambda: True)
    first, beside, second = (kn.panel(kn.generate, k, QUICK) for _ in range(3))
    first._repr_mimebundle_()
    beside._repr_mimebundle_()
    assert first.watcher and beside.watcher, "one run may show several"
    ran[1] = "second"
    second._repr_mimebundle_()
    assert first.watcher is None and beside.watcher is None and second.watcher
    ran[1] = "third"
    second._repr_mimebundle_()
    assert second.watcher, "the same one again stays"
    ran[:] = "another cell", "fourth"
    first._repr_mimebundle_()
    assert second.watcher
    first.close()
    second.close()


def test_who_watches_gets_controls(panel, monkeypatch):
    from kandi_nb.drivers.widgets import place

    assert not place.is_watched()
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    assert place.is_watched()
    data = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == repr(panel)
    monkeypatch.setenv("KANDI_NB_HEADLESS", "1")
    assert not place.is_watched()
