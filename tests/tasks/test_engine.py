"""The engine: what a task gets that says no more than which jobs it wants."""

from __future__ import annotations

import inspect
import re
import threading
import warnings

import numpy as np
import pytest
from calls import StopAt
from PIL import Image, ImageOps

from kandi_nb.drivers.measure.bench import bench
from kandi_nb.model.loading.load import load
from kandi_nb.pictures.recipe import recipe
from kandi_nb.tasks.checks import TASKS, check_model, filled_runs, task
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.job import text_job
from kandi_nb.tasks.loop.dry_run import dry_run
from kandi_nb.tasks.replay import replay
from kandi_nb.tasks.run import run
from kandi_nb.words import models
from kandi_nb.words.errors import Cancelled, KandiError, KandiWarning
from kandi_nb.words.params import Params

QUICK = Params("a red fox", steps=3, prior_steps=2, seed=7)
TOLERANCE = 2  # of 255: the order of a batch's sums differs from a single run's


@task("mirror")
def mirror(k, params, **options):
    """Draw, and flip left and right."""
    jobs = [text_job(k, single) for single in filled_runs("mirror", k, params)]
    return run("mirror", k, jobs, finish=lambda job, drawn: ImageOps.mirror(drawn), **options)


@task("veil", inputs=("image",))
def veil(k, params, *, image, **options):
    """Draw, and lay the drawing over a picture."""
    jobs = [text_job(k, p, inputs={"image": image}) for p in filled_runs("veil", k, params)]
    return run("veil", k, jobs, finish=laid_over, **options)


def laid_over(job, drawn):
    below = job.inputs["image"].convert("RGB").resize(drawn.size)
    return Image.blend(below, drawn, 0.5)


@task("dream", prompt=False)
def dream(k, params):
    """Draw from noise alone."""
    from kandi_nb.tasks.prior import NOTHING

    jobs = [text_job(k, p, wants=(NOTHING, NOTHING)) for p in filled_runs("dream", k, params)]
    return run("dream", k, jobs)


@pytest.fixture(autouse=True)
def nothing_remembered(tiny):
    tiny.embeddings.clear()


@pytest.fixture
def photograph():
    noise = np.random.default_rng(3).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    picture.info["file"] = "/home/somebody/holiday/beach.jpg"
    return picture


def difference(a, b) -> int:
    """The largest difference of any two pixels, in 1/255."""
    return int(np.abs(np.asarray(a, int) - np.asarray(b, int)).max())


# A task of a few lines


@pytest.mark.parametrize("function", [mirror, veil])
def test_a_task_is_short(function):
    assert len(inspect.getsource(function).splitlines()) <= 20


def test_a_new_task_draws_what_it_says(tiny):
    drawn, flipped = generate(tiny, QUICK), mirror(tiny, QUICK)
    assert difference(ImageOps.mirror(drawn[0]), flipped[0]) == 0
    assert (flipped.task, flipped.params) == ("mirror", drawn.params)
    assert flipped.seconds > 0 and flipped.options == drawn.options


def test_a_new_task_is_validated(tiny):
    for arguments, words in [
        ((3, QUICK), "first argument is a loaded model"),
        ((tiny, "a cat"), "second argument is Params"),
        ((tiny, []), "list of Params is empty"),
        ((tiny, Params()), "mirror needs a prompt"),
    ]:
        with pytest.raises(KandiError, match=words):
            mirror(*arguments)
    for name, value in {"preview": -1, "on_preview": 3, "stop": 3}.items():
        with pytest.raises(KandiError, match=name):
            mirror(tiny, QUICK, **{name: value})
    with pytest.warns(KandiWarning, match="mirror with .* does not use strength; left out"):
        assert mirror(tiny, QUICK.replace(strength=0.5)).params[0].strength is None
    with pytest.raises(KandiError, match=r"not use strength, so 0\.5 and 0\.6"):
        mirror(tiny, [QUICK.replace(strength=s) for s in (0.5, 0.6)])


def test_a_dry_run_says_what_a_task_would_draw_and_draws_nothing(tiny, monkeypatch):
    def guarded(k, params, **inputs):
        try:
            return generate(k, params, **inputs)[0]  # there is none in a dry run
        except BaseException as error:  # as a task's own tidying may do
            assert isinstance(error, Exception)
            raise

    real = generate(tiny, [QUICK, QUICK.replace(steps=2)])
    monkeypatch.setattr(tiny.decoder.unet, "forward", None)
    for one in (generate, guarded):
        dry = dry_run(one, tiny, [QUICK, QUICK.replace(steps=2)], progress=False)
        assert [recipe["params"] for recipe in dry.recipes] == [
            recipe["params"] for recipe in real.recipes
        ]
        assert dry.steps == [3, 2]
    with pytest.raises(KandiError, match="needs a prompt"):
        dry_run(generate, tiny, Params())
    with pytest.raises(KandiError, match="drew without saying what"):
        dry_run(lambda k: None, tiny)


def test_a_new_task_has_batches(tiny):
    sizes = []
    hook = tiny.decoder.unet.register_forward_pre_hook(
        lambda module, args, named: sizes.append(len([*args, *named.values()][0])),
        with_kwargs=True,
    )
    try:
        result = mirror(tiny, [QUICK.replace(count=2), QUICK.replace(steps=2), QUICK])
    finally:
        hook.remove()
    assert sizes == [6, 6, 6, 2, 2], "guided and not; equal settings share a batch"
    assert [p.seed for p in result.params] == [7, 8, 7, 7]
    assert difference(result[0], result[3]) == 0 < difference(result[0], result[1])


def test_a_new_task_halves_what_the_memory_cannot_hold(tiny):
    whole = mirror(tiny, QUICK.replace(count=3))

    def refuse(module, args, named):
        if len([*args, *named.values()][0]) > 2:
            raise MemoryError

    hook = tiny.decoder.unet.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        halved = mirror(tiny, QUICK.replace(count=3))
    finally:
        hook.remove()
    assert max(map(difference, whole, halved)) <= TOLERANCE


def test_a_new_task_shows_previews_and_progress(tiny, monkeypatch, capsys):
    seen = []
    mirror(tiny, QUICK.replace(count=2), on_preview=lambda p, step: seen.append((len(p), step)))
    assert seen == [(2, 1), (2, 2)]
    monkeypatch.setattr("kandi_nb.model.progress.place", lambda: "terminal")
    mirror(tiny, QUICK.replace(prior_seed=3))
    assert "1 picture: " in capsys.readouterr().err
    mirror(tiny, QUICK, progress=False)
    assert not capsys.readouterr().err


def test_a_new_task_is_measured(tiny):
    [row] = bench(mirror, tiny, QUICK, repeats=1)
    assert row["model"] == tiny.spec.key and row["steps"] == 3 and row["seconds"] > 0


def test_a_new_task_is_replayed_from_its_png_alone(tiny, tmp_path):
    drawn = mirror(tiny, QUICK.replace(count=2, width=128))
    _, path = drawn.save(tmp_path)
    assert recipe(path)["task"] == "mirror"
    again = replay(path, tiny)
    assert (again.task, again.params) == ("mirror", drawn.params[1:])
    assert difference(again[0], drawn[1]) <= TOLERANCE
    assert difference(replay(drawn[1], tiny)[0], drawn[1]) <= TOLERANCE


def test_a_model_without_its_role_cannot_do_a_new_task(tiny, monkeypatch):
    monkeypatch.setitem(TASKS, "carve", TASKS["mirror"].__class__(mirror, role="chisel"))
    with pytest.raises(KandiError, match="cannot carve; models that can: none"):
        check_model(tiny, "carve")


def test_a_task_may_do_without_a_prompt(tiny, tmp_path):
    dreamt = dream(tiny, Params(steps=2))
    (path,) = dreamt.save(tmp_path)
    assert path.name == "dream-0.png"
    assert difference(replay(path, tiny)[0], dreamt[0]) == 0


def test_every_task_of_the_package_is_known_before_it_was_used(tiny, tmp_path, fresh_python):
    (path,) = generate(tiny, QUICK).save(tmp_path)
    fresh_python(
        "import sys, kandi_nb.tasks.replay as r",
        "from kandi_nb.tasks.checks import TASKS",
        "assert 'generate' not in TASKS",
        "r._load = lambda made: sys.exit('found the task' if 'generate' in TASKS else 1)",
        f"r.replay({str(path)!r})",
        says="found the task",
    )


@pytest.fixture
def fresh_python():
    """A function that runs lines in a new Python, which must end with some words."""
    import subprocess
    import sys

    def run(*lines, says):
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True
        )
        assert done.stderr.strip().endswith(says)

    return run


# A task that starts from a picture


def test_the_pictures_that_a_task_starts_from_are_recorded(tiny, photograph, tmp_path):
    drawn = veil(tiny, QUICK.replace(count=2), image=photograph)
    assert [list(inputs) for inputs in drawn.inputs] == [["image"], ["image"]]
    described = drawn.recipes[1]["inputs"]["image"]
    assert described["size"] == [56, 40] and len(described["sha256"]) == 64
    assert described["file"] == "beach.jpg", "no folder of somebody's machine"


def test_one_file_alone_is_enough_for_a_replay(tiny, photograph, tmp_path, capsys):
    drawn = veil(tiny, QUICK, image=photograph)
    (path,) = drawn.save(tmp_path)
    assert "the original pictures (image) travel inside the PNG" in capsys.readouterr().out
    again = replay(path, tiny)
    assert difference(again[0], drawn[0]) == 0
    assert again.recipes == drawn.recipes
    assert difference(again.inputs[0]["image"], photograph) == 0
    with Image.open(path) as opened:
        assert difference(replay(opened, tiny)[0], drawn[0]) == 0


def test_without_its_inputs_a_file_asks_for_them_and_checks_them(
    tiny, photograph, tmp_path, capsys
):
    drawn = veil(tiny, QUICK, image=photograph)
    (path,) = drawn.save(tmp_path, inputs=False)
    assert capsys.readouterr().out == ""
    with pytest.raises(KandiError, match=r"beach.jpg.* did not travel .* image=…"):
        replay(path, tiny)
    with pytest.raises(KandiError, match=r"image is not the picture of the recipe \(beach.jpg"):
        replay(path, tiny, image=ImageOps.flip(photograph))
    with pytest.raises(KandiError, match="the recipe has no input 'imagee'; it has: image"):
        replay(path, tiny, imagee=photograph)
    photograph.save(tmp_path / "elsewhere.png")
    photograph.convert("RGBA").save(tmp_path / "clear.png")
    for given in (photograph, tmp_path / "elsewhere.png", str(tmp_path / "clear.png")):
        again = replay(path, tiny, image=given)
        assert difference(again[0], drawn[0]) == 0
        assert again.recipes == drawn.recipes


@pytest.mark.parametrize("given", ["nowhere.png", 3, None, np.zeros((8, 8, 3), np.uint8), ""])
def test_what_is_no_picture_is_no_input_of_a_replay(tiny, photograph, tmp_path, given):
    (path,) = veil(tiny, QUICK, image=photograph).save(tmp_path, inputs=False)
    with pytest.raises(KandiError) as caught:
        replay(path, tiny, image=given)
    assert "\n" not in str(caught.value)


def test_a_picture_may_be_the_input_of_the_next_without_a_chain_of_memories(tiny, photograph):
    from kandi_nb.pictures.inputs import MEMORY

    first = veil(tiny, QUICK, image=photograph)
    second = veil(tiny, QUICK, image=first[0])
    assert MEMORY not in second.inputs[0]["image"].info
    assert recipe(first[0])["task"] == "veil", "the first picture keeps its own"
    assert difference(replay(second[0], tiny)[0], second[0]) == 0


def test_a_task_may_give_the_same_picture_twice(tiny, photograph):
    jobs = [text_job(tiny, p) for p in filled_runs("mirror", tiny, QUICK.replace(count=2))]
    result = run("mirror", tiny, jobs, finish=lambda job, drawn: photograph)
    assert [recipe(picture)["params"]["seed"] for picture in result] == [7, 8]


# A stop at every moment, errors at every moment


def test_a_new_task_stops_at_every_step(tiny):
    """Before each call of a network: so within each step, and between two of them."""
    whole = mirror(tiny, QUICK)
    done = []
    for looks in range(1, 40):
        tiny.embeddings.clear()
        try:
            mirror(tiny, QUICK, stop=StopAt(looks))
        except Cancelled as stopped:
            done.append(int(re.match(r"stopped after (\d) of 5 steps", str(stopped))[1]))
        else:
            break
        assert not tiny.lock._is_owned() and not tiny._running
    assert done == sorted(done) and set(done) == {0, 1, 2, 3, 4, 5}
    assert difference(mirror(tiny, QUICK)[0], whole[0]) == 0


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, Cancelled])
@pytest.mark.parametrize("place", ["finish", "on_preview", "stop"])
def test_an_error_of_a_callback_comes_through_and_the_model_stays_usable(tiny, error, place):
    whole = mirror(tiny, QUICK)
    tiny.embeddings.clear()

    def fail(*arguments):
        raise error

    options = (
        {"stop": type("Stop", (), {"is_set": fail})()} if place == "stop" else {place: fail}
    )
    jobs = [text_job(tiny, p) for p in filled_runs("mirror", tiny, QUICK)]
    with pytest.raises(error):
        run("mirror", tiny, jobs, **options)
    assert not tiny.lock._is_owned() and not tiny._running
    assert difference(mirror(tiny, QUICK)[0], whole[0]) == 0


def test_warnings_that_are_errors_leave_the_model_usable(tiny):
    long = QUICK.replace(prompt="a very red fox " * 40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(KandiWarning):
            mirror(tiny, long)
    assert not tiny.lock._is_owned() and not tiny._running
    assert len(mirror(tiny, QUICK)) == 1


def test_nothing_is_loaded_and_a_stop_is_heard_while_another_thread_draws(tiny_folder):
    k = load(tiny_folder, device="cpu")
    drawing, go_on = threading.Event(), threading.Event()

    def wait(pictures, step):
        drawing.set()
        go_on.wait(30)

    thread = threading.Thread(target=mirror, args=(k, QUICK), kwargs={"on_preview": wait})
    thread.start()
    try:
        assert drawing.wait(30)
        assert k.pipeline("decoder") is k.decoder, "what is there needs no turn"
        stop = threading.Event()
        threading.Timer(0.1, stop.set).start()
        for role in ("decoder", "edit"):
            jobs = [text_job(k, p, role=role) for p in filled_runs("mirror", k, QUICK)]
            with pytest.raises(Cancelled):
                run("mirror", k, jobs, stop=stop)
        assert "edit" not in k._pipelines
    finally:
        go_on.set()
        thread.join()


def test_a_callback_may_load_a_role_but_not_draw_with_it(tiny_folder):
    k = load(tiny_folder, device="cpu")
    alone = mirror(k, QUICK)
    said = []

    def look(pictures, step):
        said.append(k.pipeline("edit"))
        with pytest.raises(KandiError, match="at work on another task"):
            generate(k, QUICK)

    watched = mirror(k, QUICK, on_preview=look)
    assert said[0].unet is k.decoder.unet
    assert difference(watched[0], alone[0]) == 0


def test_no_jobs_are_no_pictures(tiny):
    assert len(run("mirror", tiny, [])) == 0


# A model that is a row


@pytest.fixture
def toy(tiny_folder, monkeypatch):
    """A model that is known by one more row of the table, with roles of another model."""
    role = models.Role(str(tiny_folder / "kandinsky-2-2-decoder"), "KandinskyV22Pipeline")
    prior = models.Role(str(tiny_folder / "kandinsky-2-2-prior"), "KandinskyV22PriorPipeline")
    row = models.ModelSpec(
        key="toy-1",
        family="2.2",
        roles={
            "prior": prior,
            "decoder": models.dataclasses.replace(role, tasks=("generate",)),
        },
        native_size=64,
        languages="none",
        draws="noise",
        bundled=True,
    )
    monkeypatch.setitem(models.ROWS, row.key, row)
    return row.key


def test_a_row_is_a_model(toy, tiny, tmp_path):
    [row] = [row for row in models.models() if row["key"] == toy]
    assert (row["tasks"], row["download"]) == ("generate", "bundled")
    k = load(toy, device="cpu")
    drawn = mirror(k, QUICK)
    assert drawn.model == toy and difference(drawn[0], mirror(tiny, QUICK)[0]) == 0
    with pytest.raises(KandiError, match="toy-1 cannot inpaint"):
        check_model(k, "inpaint")
    with pytest.raises(KandiError, match="toy-1 has no part for inpaint"):
        k.pipeline("inpaint")
    (path,) = drawn.save(tmp_path)
    assert difference(replay(path)[0], drawn[0]) == 0, "the recipe's key is enough"
    with pytest.raises(KandiError, match="did you mean toy-1"):
        load("toy-2")
