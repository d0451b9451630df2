"""The panel without a browser: settings both ways, runs, errors in their place, no leaks."""

from __future__ import annotations

import io
import sys
import threading
import time

import pytest
from comm import get_comm_manager
from ipywidgets.widgets import widget as widgets
from PIL import Image

import kandi_nb as kn
from kandi_nb.drivers.panels import settings
from kandi_nb.drivers.panels.history import KEPT
from kandi_nb.drivers.panels.recalled import MOST_BYTES, MOST_SIDE
from kandi_nb.pictures.result import Result
from kandi_nb.tasks.checks import every_task
from kandi_nb.words.errors import Cancelled, KandiError, KandiWarning, warn
from kandi_nb.words.fields import FIELDS

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


def ran(panel):
    """Press Run and wait until the controls say that the run is over."""
    panel.view().running.run.click()
    until(lambda: panel.view().running.stop.disabled)


def seen(panel):
    """Return the names of the settings whose controls are on the page."""
    controls = panel.view().controls
    return {name for name, made in controls.items() if made.box.layout.display != "none"}


def complaint(panel, name):
    return panel.view().controls[name]._problem.value


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


def main_widget(made):
    return next(
        getattr(made, name) for name in ("slider", "text", "choice") if hasattr(made, name)
    )


def test_values_are_there_for_every_setting():
    assert set(VALUES) == set(FIELDS)
    assert all(value != FIELDS[name].default for name, value in VALUES.items())


@pytest.mark.parametrize("name", FIELDS)
def test_a_control_shows_its_setting_and_sets_it(several, name):
    several.give("image", picture())
    several.task = kn.edit  # it uses strength, too
    view = several.view()
    control = view.controls[name]
    several.params = QUICK.replace(**{name: VALUES[name]})
    wanted = str(VALUES[name]) if name in settings.SEEDS else VALUES[name]
    assert main_widget(control).value == wanted
    several.params = QUICK
    if name in settings.SIZES:
        assert main_widget(control).label == "auto"
    if name == "strength":
        assert control.auto.value and control.slider.disabled, "the task chooses"
        control.auto.value = False
    main_widget(control).value = wanted
    assert getattr(several.params, name) == VALUES[name]
    assert several.params.replace(**{name: getattr(QUICK, name)}) == QUICK, "and no other"


def test_a_number_beyond_the_slider_can_be_typed_and_takes_it_along(panel):
    control = panel.view().controls["steps"]
    assert control.slider.max == 100
    control.number.value = 500
    assert (panel.params.steps, control.slider.max, control.slider.value) == (500, 500, 500)
    control.number.value = 5000
    assert panel.params.steps == FIELDS["steps"].high, "as far as the table goes"


def test_sizes_are_those_that_the_model_can(panel, k):
    choice = panel.view().controls["width"].choice
    assert [value for _, value in choice.options] == [0, 64, 128]
    assert all(n % 64 == 0 for n in settings.sizes(1024)) and max(settings.sizes(1024)) == 2048
    panel.params = QUICK.replace(width=256)
    assert choice.value == 256, "what is set by code is shown, too"


def test_a_die_and_words_draw_seeds(panel):
    control = panel.view().controls["seed"]
    drawn = set()
    for typed in ("random", "-1", " ", "RANDOM"):
        control.text.value = typed
        drawn.add(panel.params.seed)
        assert control.text.value == str(panel.params.seed), "the number is written down"
    panel.view().doing("seed", lambda: panel.change("seed", settings.random_seed()))
    assert len({*drawn, panel.params.seed}) == 5


@pytest.mark.parametrize("typed", ["abc", "1.5", "-7", "9" * 400, "٣"])
def test_what_is_no_seed_is_said_beside_it_and_keeps_the_last(panel, typed):
    view = panel.view()
    view.controls["seed"].text.value = typed
    assert "seed" in complaint(panel, "seed") and view.running.run.disabled
    assert view.controls["seed"].text.value == typed, "to be corrected, not retyped"
    assert panel.params.seed == 0
    with pytest.raises(KandiError, match="seed"):
        panel.start()
    view.controls["seed"].text.value = "4"
    assert not complaint(panel, "seed") and not view.running.run.disabled


def test_settings_that_exclude_each_other_are_refused_beside_the_control(panel):
    panel.params = QUICK.replace(seed=2**63 - 1)
    panel.view().controls["count"].number.value = 2
    assert "too high for count" in complaint(panel, "count")
    assert panel.params.count == 1


def test_an_emptied_prompt_switches_run_off_and_says_why(panel):
    view = panel.view()
    view.controls["prompt"].text.value = "  "
    assert view.running.run.disabled and "prompt is empty" in complaint(panel, "prompt")
    with pytest.raises(KandiError, match="prompt is empty"):
        panel.run()
    view.controls["prompt"].text.value = "a dog"
    assert not view.running.run.disabled and not complaint(panel, "prompt")


@pytest.mark.parametrize("name", every_task())
def test_every_task_has_a_panel_with_what_it_uses(name, k):
    task = every_task()[name]
    if name not in k.spec.tasks and task.role not in k.spec.roles:
        pytest.skip("the tiny model cannot do it")
    made = kn.panel(task.function, k)
    assert seen(made) == {n for n, field in FIELDS.items() if field.used_by(name, k.spec.roles)}
    trays = made.view().trays.trays
    assert set(trays) == set(made.call.pictures) <= set(task.inputs)
    assert not {"embedding", "latents"} & set(trays), "those are no pictures"
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
    view = several.view()
    several.params = QUICK.replace(guidance=7)
    assert "strength" not in seen(several)
    view.tasks.value = "edit"
    assert "strength" in seen(several) and view.running.run.disabled
    assert "edit needs an image" in view.trays.trays["image"].note
    view.controls["strength"].auto.value = False
    view.controls["strength"].number.value = 0.8
    view.tasks.value = "generate"
    assert several.params.strength == 0.8 and several.params.guidance == 7
    assert several.asked().params.strength is None, "generate is not asked for it"


def test_models_switch_and_take_away_what_they_lack(k, tiny3_folder):
    third = kn.load(tiny3_folder, device="cpu")
    made = kn.panel([kn.generate, kn.mix], [k, third], QUICK.replace(width=64, height=64))
    view = made.view()
    assert "prior_steps" in seen(made)
    view.models.value = 1
    assert made.k is third and "prior_steps" not in seen(made)
    assert len({label for label, _ in view.models.options}) == 2
    ran(made)
    assert made.error is None and made.results[0].model == third.spec.key
    made.close()


def test_examples_come_in_every_language_and_doubts_are_said_while_one_types():
    mini = kn.load("mini-2.2", device="cpu")
    made = kn.panel(kn.generate, mini)
    view = made.view()
    prompts = []
    for button in view.help.buttons.values():
        button.click()
        button.click()
        prompts.append(made.params.prompt)
        assert not view.help.advice.value, "the model knows its own examples"
    assert len(set(prompts)) == 5 and len(view.help.buttons) == 5
    assert "mushroom" in view.help.known.value, "what the model draws"
    view.controls["prompt"].text.value = "a dragon in spce"
    assert "dragon" in view.help.advice.value
    assert view.help.advice.layout.display is None
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
    view = panel.view()
    assert panel.start()
    assert not panel.start()
    assert view.running.run.disabled and not view.running.stop.disabled
    with pytest.raises(KandiError, match="at work"):
        panel.run()
    view.controls["steps"].number.value = 2
    until(lambda: "/1000 steps" in view.running.time.value or "/100" in view.running.time.value)
    assert "s left" in view.running.time.value or "0/" in view.running.time.value
    view.running.stop.click()
    until(lambda: view.running.stop.disabled)
    assert isinstance(panel.error, Cancelled) and "stopped after" in view.running.message.value
    ran(panel)
    assert panel.error is None and panel.results[0].params[0].steps == 2
    assert not view.running.message.value, "the old message is gone"


def test_previews_are_shown_every_few_steps(panel):
    panel.params = QUICK.replace(steps=7)
    panel.preview = 3
    view = panel.view()
    shown = []
    view.preview = lambda pictures: shown.append(len(pictures))
    ran(panel)
    assert shown == [1, 1], "after three steps and after six"
    view.preview_every.value = 0
    ran(panel)
    assert len(shown) == 2 and panel.preview == 0


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
        view.running.run.click()
        assert "waiting for the model" in view.running.time.value
        view.running.stop.click()
        until(lambda: view.running.stop.disabled)
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
        states.append((view.running.run.disabled, view.running.stop.disabled))
        return Result([picture()], [params], "m")

    states = []
    made = kn.panel(look, k, QUICK)
    view = made.view()
    made.run()
    states.append((view.running.run.disabled, view.running.stop.disabled))
    assert states == [(True, False), (False, True)]
    made.close()


def failing(k, params, *, image=None):
    raise {
        "plain": KandiError("guidance is too much for this model; take less"),
        "input": KandiError("this image is of no use; give another"),
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
    view = made.view()
    ran(made)
    assert made.error is not None and not view.running.run.disabled
    said = {"message": view.running.message.value, "guidance": complaint(made, "guidance")}
    assert words in said.pop(place) and not any(said.values())
    if place == "guidance":
        view.controls["guidance"].number.value = 3
        assert not complaint(made, "guidance"), "it was said of another value"
    with pytest.raises(type(made.error)):
        made.run()
    made.close()


def test_an_error_that_names_an_input_stands_in_its_tray(several):
    several.inputs = {"image": picture(), "mask": picture("white", (32, 32))}
    several.task = kn.inpaint
    tray = several.view().trays.trays["mask"]
    ran(several)
    assert "mask" in tray.note and tray.wrong and not several.view().running.run.disabled
    several.give("mask", picture("white"))
    assert not tray.wrong
    ran(several)
    assert several.error is None
    assert "kept" in several.view().picture.value, "the proof is shown, too"


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
    assert "&lt;b&gt;cut" in made.view().running.message.value
    assert capfd.readouterr() == ("", "") and not recwarn.list
    with pytest.warns(KandiWarning, match="cut"):
        made.run()
    made.close()


# --- what was drawn ---


def test_history_brings_settings_back(several):
    view = several.view()
    several.params = QUICK.replace(seed=3, count=2)
    ran(several)
    view.tasks.value = "edit"
    view.trays._picked(101)  # the second picture of the first run
    assert several.task is kn.generate and several.params.count == 2
    view.tasks.value = "edit"
    view.trays._take("image")
    assert several.inputs["image"] is several.results[0][1]
    several.params = QUICK.replace(seed=9)
    ran(several)
    assert [e["number"] for e in view.trays.history.pictures] == [100, 101, 200]
    several.inputs = {}
    several.task = kn.generate
    several.recall(2)
    assert several.task is kn.edit and several.params.seed == 9
    assert several.inputs["image"] is several.results[0][1]
    with pytest.raises(KandiError, match="run 7"):
        several.recall(7)


def test_history_keeps_the_latest(k):
    def quick(k, params):
        return Result([picture()], [params], "m")

    made = kn.panel(quick, k, QUICK)
    for seed in range(KEPT + 3):
        made.params = QUICK.replace(seed=seed)
        made.run()
    assert len(made.results) == KEPT and made.results[0].params[0].seed == 3
    assert len(made.view().trays.history.pictures) == KEPT
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
    view = several.view()
    view.trays._take("image")
    edited = several.run(progress=False)
    code = view.trays.history.code
    assert code.splitlines()[-1] == "result" and "kn.edit(model, " in code
    again = executed(code, monkeypatch, model=k)
    assert again[0].tobytes() == edited[0].tobytes()


def test_copied_code_names_the_notebooks_own_variables_and_files(several, k, monkeypatch):
    source = picture("blue")
    several.task = kn.edit
    several.give("image", source)
    several.run(progress=False)
    monkeypatch.setattr(sys.modules["__main__"], "my_sketch", source, raising=False)
    view = several.view()
    assert "image=my_sketch)" in view.trays.history.code
    view.trays._taken("image", "holiday.png", png(picture("green")))
    several.run(progress=False)
    assert "'holiday.png'  # the file that was dropped" in view.trays.history.code
    compile(view.trays.history.code, "cell", "exec")


def test_save_writes_to_the_folder_and_says_where(several, tmp_path, capfd):
    several.task = kn.edit
    several.give("image", picture())
    view = several.view()
    with pytest.raises(KandiError, match="nothing is drawn"):
        several.save()
    several.run(progress=False)
    view.saving.folder.value = str(tmp_path / "kept")
    view.saving.save()
    (file,) = (tmp_path / "kept").glob("*.png")
    assert file.name in view.saving.said.value and "travel inside" in view.saving.said.value
    assert capfd.readouterr().out == ""
    (tmp_path / "file").touch()
    view.saving.folder.value = str(tmp_path / "file")
    view.saving.save()
    assert "choose another folder" in view.saving.said.value


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
    """What a browser would do with a tray."""

    def __init__(self, tray):
        self.tray, self.answers = tray, []
        tray.send = lambda content, buffers=None: self.answers.append(content)

    def message(self, content, buffers=()):
        self.tray._handle_custom_msg(content, buffers)

    def drop(self, name, data, size=None, piece=1000):
        words = {"id": "1", "name": name, "size": len(data) if size is None else size}
        self.message({"kind": "begin", **words})
        for at in range(0, len(data), piece):
            if self.answers[-1]["kind"] != "next":
                break
            self.message({"kind": "piece", "id": "1"}, [memoryview(data[at : at + piece])])
        if self.answers[-1]["kind"] == "next":
            self.message({"kind": "end", "id": "1"})
        return self.answers[-1]


@pytest.fixture
def page(several):
    several.task = kn.edit
    return Page(several.view().trays.trays["image"])


def test_a_dropped_picture_becomes_the_input(page, several):
    image = Image.effect_noise((80, 60), 90).convert("RGB")
    answer = page.drop("noise.png", png(image))
    assert answer["kind"] == "done" and "80 × 60" in answer["text"]
    assert several.inputs["image"].tobytes() == image.tobytes()
    assert not several.view().running.run.disabled and page.tray.shown.startswith("data:image")
    page.message({"kind": "remove"})
    assert several.inputs == {} and page.tray.shown == ""


def large():
    """Return a small file that says that it is a picture of 20,000 pixels."""
    return png(Image.new("1", (20_000, 8)))


@pytest.mark.parametrize(
    ("data", "size", "words"),
    [
        (b"no picture at all", None, "is no picture that can be read"),
        (b"x", 200 * 2**20, "has 200 MB"),
        (b"", None, "has 0 MB"),
        (large(), None, "has 20,000 × 8 pixels"),
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
    [None, 3, {}, {"kind": "pick"}, {"kind": "pick", "number": "x"}, {"kind": ["pick"]}],
)
def test_strange_messages_change_nothing(page, several, message):
    page.message(message)
    assert page.answers == [] and several.inputs == {}


def test_limits_are_the_same_on_both_sides(page):
    assert (page.tray.most_bytes, page.tray.most_side) == (MOST_BYTES, MOST_SIDE)


def test_a_picture_of_a_run_that_is_gone_is_said(several):
    page = Page(several.view().trays.history)
    page.message({"kind": "pick", "number": 700})
    assert "run 7" in page.answers[-1]["text"]


def test_a_png_on_the_history_brings_its_settings(several, k, tmp_path):
    page = Page(several.view().trays.history)
    (path,) = kn.generate(k, QUICK.replace(seed=42), progress=False).save(tmp_path)
    answer = page.drop("saved.png", path.read_bytes())
    assert answer["kind"] == "done" and "settings of saved.png" in answer["text"]
    assert several.view().controls["seed"].text.value == "42"
    answer = page.drop("plain.png", png(picture()))
    assert answer["kind"] == "refused" and "holds no recipe" in answer["text"]


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
        assert len(widgets._instances) > before[0] + 50
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
    assert panel.view().controls["steps"].slider.value == 2


def test_a_cell_that_is_run_again_closes_the_panel_that_it_showed(k, monkeypatch):
    from kandi_nb.drivers.panels import panel as module
    from kandi_nb.drivers.widgets import place

    ran = ["cell", "first"]
    monkeypatch.setattr(place, "_running_cell", lambda: tuple(ran))
    monkeypatch.setattr(module, "watched", lambda: True)
    first, beside, second = (kn.panel(kn.generate, k, QUICK) for _ in range(3))
    first._repr_mimebundle_()
    beside._repr_mimebundle_()
    assert first._view and beside._view, "one run may show several"
    ran[1] = "second"
    second._repr_mimebundle_()
    assert first._view is None and beside._view is None and second._view
    ran[1] = "third"
    second._repr_mimebundle_()
    assert second._view, "the same one again stays"
    ran[:] = "another cell", "fourth"
    first._repr_mimebundle_()
    assert second._view
    first.close()
    second.close()


def test_who_watches_gets_controls(panel, monkeypatch):
    from kandi_nb.drivers.widgets import place

    assert not place.watched()
    monkeypatch.setenv("SERVER_SOFTWARE", "voila/0.5.13")
    assert place.watched()
    data = panel._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"] == repr(panel)
    monkeypatch.setenv("KANDI_NB_HEADLESS", "1")
    assert not place.watched()
