"""Several models on the same settings: one at a time, what both have loaded once."""

from __future__ import annotations

import gc
import shutil
import weakref

import numpy as np
import pytest
from calls import refusal

from kandi_nb.model.loading import assemble
from kandi_nb.model.loading.load import load, load_instead
from kandi_nb.pictures.recipe import recipe
from kandi_nb.tasks.edit import edit
from kandi_nb.tasks.generate import generate
from kandi_nb.tasks.inpaint import inpaint
from kandi_nb.tasks.versus import Versus, versus
from kandi_nb.words.params import Params, sweep

QUICK = Params("a red fox", steps=2, prior_steps=2, seed=7)


@pytest.fixture(scope="module")
def folders(tiny_folder, tiny21_folder, tmp_path_factory):
    """Two models whose priors and MoVQ are the same files: [2.2, 2.1]."""
    root = tmp_path_factory.mktemp("shared") / "twin"
    shutil.copytree(tiny21_folder, root)
    parts = [("kandinsky-2-2-decoder/movq", "kandinsky-2-1/movq")]
    parts += [
        (f"kandinsky-2-2-prior/{name}", f"kandinsky-2-1-prior/{name}")
        for name in ("image_encoder", "prior", "text_encoder")
    ]
    for here, there in parts:
        shutil.rmtree(root / there)
        shutil.copytree(tiny_folder / here, root / there)
    return [tiny_folder, root]


@pytest.fixture
def read(monkeypatch):
    """The folders of networks whose weights are read, in their order."""
    folders, usual = [], assemble._read_network

    def reading(spec, folder, *rest):
        folders.append("/".join(folder.parts[-2:]))
        return usual(spec, folder, *rest)

    monkeypatch.setattr(assemble, "_read_network", reading)
    return folders


def test_each_model_draws_what_it_draws_alone(folders):
    compared = versus(QUICK, folders, progress=False)
    assert isinstance(compared, Versus) and list(compared.columns) == [
        "model",
        "seconds",
        "peak_mb",
    ]
    assert [row["model"] for row in compared] == list(compared.results)
    for folder, result in zip(folders, compared.results.values(), strict=True):
        alone = generate(load(folder), QUICK, progress=False)
        assert np.array_equal(result.arrays(), alone.arrays())
    assert all(row["seconds"] > 0 for row in compared)


def test_what_both_have_is_read_once(folders, read):
    compared = versus(QUICK, folders, progress=False)
    assert len(read) == len(set(read)) == 5 + 2
    assert read[5:] == ["kandinsky-2-1/text_encoder", "kandinsky-2-1/unet"]
    label = list(compared.results)[1]
    shared = "image encoder, prior, text encoder, movq"
    assert compared.note == f"{label} took over {shared} of the model before it"


def test_no_more_than_one_model_is_held(folders, monkeypatch):
    first = load(folders[0])
    lonely = weakref.ref(first.decoder.unet)
    movq = weakref.ref(first.decoder.movq)
    alive, usual = [], assemble._read_network

    def reading(*arguments):
        gc.collect()
        alive.append(lonely() is not None)
        return usual(*arguments)

    monkeypatch.setattr(assemble, "_read_network", reading)
    second = load_instead(first, folders[1])
    assert second.decoder.movq is movq()
    assert alive == [False, False], "gone before the first network of the next is read"
    moved = [network.module for network in second.placement.networks]
    assert any(module is movq() for module in moved), "a memory plan moves what was handed on"


def test_another_number_format_shares_nothing(folders, read):
    first = load(folders[0], dtype="float32")
    load_instead(first, folders[1], dtype="bfloat16")
    assert "kandinsky-2-1/movq" in read


def test_other_tasks_take_their_inputs(folders, tiny3_folder, tmp_path, capsys):
    picture = np.zeros((64, 64, 3), np.uint8)
    edited = versus(
        QUICK.replace(strength=1.0, prior_steps=25, width=64, height=64),
        [folders[0], tiny3_folder], edit,
        image=picture, progress=False,
    )  # fmt: skip
    assert {result.task for result in edited.results.values()} == {"edit"}
    edited.save(tmp_path)
    assert capsys.readouterr().out.count("travel inside") == 1


def test_pictures_stand_side_by_side_and_are_saved_by_model(tiny, tiny21_folder, tmp_path):
    compared = versus(QUICK, [tiny, tiny21_folder], progress=False)
    assert compared.grid.cols == list(compared.results) and len(compared.grid) == 2
    page = compared._repr_html_()
    assert page.count("<img") == 2 and "peak_mb" in page
    paths = compared.save(tmp_path)
    assert len({path.parent for path in paths}) == 2
    assert [recipe(path)["model"] for path in paths] == list(compared.results)
    more = versus(QUICK.replace(count=2), [tiny, tiny21_folder], progress=False)
    assert more.grid.rows == list(more.results) and len(more.grid) == 4


def test_folders_of_one_name_are_called_as_they_were_given(tiny_folder, tmp_path):
    copy = tmp_path / tiny_folder.name
    shutil.copytree(tiny_folder, copy)
    compared = versus(QUICK, [tiny_folder, copy], progress=False)
    assert list(compared.results) == [str(tiny_folder), str(copy)]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: versus(QUICK, "mini-3"), 'models is a list, such as ["mini-2.1", "mini-3"]'),
        (lambda: versus(QUICK, []), "models is an empty list; known: mini-2.2"),
        (lambda: versus(QUICK, ["mini-3", "mini-4"]), "unknown model 'mini-4'"),
        (lambda: versus(QUICK, ["mini-3", "mini-3"]), "models names mini-3 twice"),
        (lambda: versus(QUICK, ["mini-3"], "edti"), "did you mean edit?"),
        (lambda: versus("a fox", ["mini-3"]), "the second argument is Params"),
        (
            lambda: versus(sweep(QUICK, prior_steps=[2, 3]), ["mini-2.2", "mini-3"]),
            "generate with mini-3 does not use prior_steps",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_a_model_is_loaded(call, words, monkeypatch):
    monkeypatch.setattr(assemble, "assemble", lambda *_: pytest.fail("loaded"))
    assert words in refusal(call)


def test_a_task_that_a_model_lacks_names_those_that_have_it(tiny_folder):
    said = refusal(lambda: versus(QUICK, ["mini-2.2", tiny_folder], inpaint, image=1, mask=1))
    assert said.startswith(f"{tiny_folder.name}/ cannot inpaint; models that can: mini-2.2")
