"""Roles: each pipeline of a model when it is first asked for, what is the same only once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from calls import refusal
from conftest import COMMITS, DECODER, DEPTH, INPAINT, _movq

from kandi_nb.model import find, hub, integrity
from kandi_nb.model.loading.load import load
from kandi_nb.words import models
from kandi_nb.words.models import SPECS, WEIGHTS

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def roles_copy(tiny_roles_folder, tmp_path) -> Path:
    """A private copy of the tiny 2.2 with all its roles, to damage."""
    return Path(shutil.copytree(tiny_roles_folder, tmp_path / "roles"))


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The networks that are read from disk, as folder/component, in their order."""
    from kandi_nb.model.loading import assemble

    names, original = [], assemble._read_network

    def noted(spec, folder, entry, dtype):
        names.append(f"{folder.parent.name}/{folder.name}")
        return original(spec, folder, entry, dtype)

    monkeypatch.setattr(assemble, "_read_network", noted)
    return names


# What the table says


def test_the_roles_of_the_three_families():
    expected = {
        "2.2": ["prior", "decoder", "edit", "inpaint", "depth"],
        "2.1": ["prior", "decoder", "edit", "inpaint"],
        "3": ["decoder", "edit"],
    }
    for known in SPECS.values():
        assert list(known.roles) == expected[known.family], known.key


def test_what_load_reads_is_what_the_roles_prior_and_decoder_say():
    for known in SPECS.values():
        assert set(known.ids) == {"prior", "decoder"} & set(known.roles)
        assert known.roles["edit"].id == known.roles["decoder"].id, "the same files"


def test_the_tasks_of_a_model_are_those_of_its_roles():
    for row in models.models():
        known = SPECS[row["key"]]
        served = {task for role in known.roles.values() for task in role.tasks}
        assert set(row["tasks"].split(", ")) == set(known.tasks) == served
        assert "generate" in served


@pytest.mark.parametrize("family", ["2.1", "2.2", "3"])
def test_every_class_of_a_role_is_one_of_diffusers(family):
    import diffusers

    for role in models.FAMILIES[family].roles.values():
        assert hasattr(diffusers, role.pipeline)


# Lazy, and once


def test_a_role_is_loaded_when_it_is_first_asked_for(tiny_roles_folder, read):
    k = load(tiny_roles_folder, device="cpu")
    prior = [f"kandinsky-2-2-prior/{name}" for name in ("image_encoder", "prior")]
    assert {*read} == {*prior, "kandinsky-2-2-prior/text_encoder"} | {
        f"{DECODER}/unet",
        f"{DECODER}/movq",
    }
    assert set(k.revision) == {"prior", "decoder"}
    read.clear()
    assert k.pipeline("decoder") is k.decoder and k.pipeline("prior") is k.prior
    assert read == []
    inpaint = k.pipeline("inpaint")
    assert type(inpaint).__name__ == "KandinskyV22InpaintPipeline"
    assert read == [f"{INPAINT}/unet"]
    assert k.pipeline("inpaint") is inpaint and len(k.revision) == 3


def test_components_of_the_same_file_are_one_object(tiny_roles_folder, read):
    k = load(tiny_roles_folder, device="cpu")
    pipelines = {role: k.pipeline(role) for role in k.spec.roles}
    networks = {
        role: [id(n) for n in pipeline.components.values() if hasattr(n, "parameters")]
        for role, pipeline in pipelines.items()
    }
    assert len({one for each in networks.values() for one in each}) == len(read) == 7
    assert {id(pipelines[role].movq) for role in pipelines if role != "prior"} == {
        id(k.decoder.movq)
    }
    assert pipelines["edit"].unet is k.decoder.unet
    assert len({id(pipelines[r].unet) for r in ("decoder", "inpaint", "depth")}) == 3
    assert len({id(p.scheduler) for p in pipelines.values()}) == 5, "each keeps its own place"


@pytest.mark.parametrize(("key", "count"), [("mini-2.2", 7)])
def test_the_bundled_weights_share_too(key, count, read):
    k = load(key, device="cpu")
    for role in k.spec.roles:
        k.pipeline(role)
    assert len(read) == count
    assert len(k._components) == count


def test_the_bundled_folders_of_every_family_give_every_role(read):
    for name, networks in {"kandinsky-2-1": 7, "kandinsky-3": 3}.items():
        read.clear()
        k = load(WEIGHTS / name, device="cpu")
        for role in k.spec.roles:
            assert type(k.pipeline(role)).__name__ == k.spec.roles[role].pipeline
        assert k.pipeline("edit").unet is k.decoder.unet
        assert k.pipeline("edit").text_encoder is k.decoder.text_encoder
        assert len(read) == networks, read


def test_movq_of_other_numbers_is_another_object(roles_copy):
    import diffusers

    _movq().save_pretrained(roles_copy / INPAINT / "movq")
    k = load(roles_copy, device="cpu")
    assert k.pipeline("inpaint").movq is not k.decoder.movq
    assert isinstance(k.pipeline("inpaint").movq, diffusers.VQModel)


def test_the_same_weights_in_another_build_of_network_are_another_object(roles_copy):
    file = roles_copy / INPAINT / "movq" / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(config | {"scaling_factor": 0.5}), encoding="utf-8")
    k = load(roles_copy, device="cpu")
    assert k.pipeline("inpaint").movq is not k.decoder.movq


def test_all_roles_have_one_number_format(tiny_roles_folder):
    import torch

    k = load(tiny_roles_folder, device="cpu", dtype="bfloat16")
    for role in k.spec.roles:
        assert k.pipeline(role).dtype is torch.bfloat16


# Accepted where it belongs, refused where not


UNETS = {"a plain": DECODER, "an inpainting": INPAINT, "a depth": DEPTH}


@pytest.mark.parametrize("kind", UNETS)
@pytest.mark.parametrize(
    ("role", "folder"), [("decoder", DECODER), ("inpaint", INPAINT), ("depth", DEPTH)]
)
def test_a_unet_is_taken_in_its_own_role_alone(roles_copy, kind, role, folder):
    if UNETS[kind] == folder:
        load(roles_copy, device="cpu").pipeline(role)
        return
    shutil.rmtree(roles_copy / folder / "unet")
    shutil.copytree(roles_copy / UNETS[kind] / "unet", roles_copy / folder / "unet")
    said = refusal(lambda: load(roles_copy, device="cpu").pipeline(role))
    assert f"{folder} holds {kind} UNet (in_channels " in said and "; give the " in said


def test_what_failed_to_load_is_not_kept(roles_copy):
    k = load(roles_copy, device="cpu")
    before = len(k._components)
    shutil.move(roles_copy / INPAINT / "unet", roles_copy / "aside")
    shutil.copytree(roles_copy / DEPTH / "unet", roles_copy / INPAINT / "unet")
    assert "a depth UNet" in refusal(lambda: k.pipeline("inpaint"))
    assert len(k._components) == before and "inpaint" not in k.revision
    shutil.rmtree(roles_copy / INPAINT / "unet")
    shutil.move(roles_copy / "aside", roles_copy / INPAINT / "unet")
    assert k.pipeline("inpaint").movq is k.decoder.movq, "and once it is whole, it loads"


def test_damage_in_a_role_is_named_when_it_is_asked_for_and_harms_no_other(roles_copy):
    k = load(roles_copy, device="cpu")
    file = roles_copy / INPAINT / UNET
    file.write_bytes(file.read_bytes()[:-1])
    said = refusal(lambda: k.open(["depth", "inpaint"]))
    assert f"{INPAINT}/{UNET} has " in said
    assert said.endswith("copy the folder again from where it came")
    assert said.count(";") == 1, "the remedy once"
    assert set(k.revision) == {"prior", "decoder"}, "all are checked before one is loaded"
    k.pipeline("depth")


# Which roles a folder has


def test_a_folder_has_the_roles_that_lie_in_it(tiny_folder, tiny_roles_folder):
    assert set(load(tiny_folder, device="cpu").spec.roles) == {"prior", "decoder", "edit"}
    assert set(load(tiny_roles_folder, device="cpu").spec.roles) == set(
        SPECS["kandinsky-2.2"].roles
    )


def test_a_missing_role_says_who_has_it(tiny_folder, tiny3_folder):
    k = load(tiny_folder, device="cpu")
    said = refusal(lambda: k.pipeline("inpaint"))
    assert said == (
        f"{tiny_folder.name}/ has no part for inpaint; models that have one: mini-2.2, "
        "mini-2.1, kandinsky-2.2, kandinsky-2.1"
    )
    said = refusal(lambda: load(tiny3_folder, device="cpu").pipeline("prior"))
    assert "has no part for prior; models that have one: mini-2.2" in said
    assert refusal(lambda: k.pipeline("chisel")).endswith("models that have one: none")
    assert refusal(lambda: k.open(iter(["decoder", "chisel"]))).endswith("one: none")


def test_open_takes_any_iterable(tiny_roles_folder):
    k = load(tiny_roles_folder, device="cpu")
    k.open(iter(["edit", "inpaint"]))
    assert {"edit", "inpaint"} <= set(k._pipelines)


@pytest.mark.parametrize(
    ("own", "roles"),
    [
        (DECODER, ["prior", "decoder", "edit"]),
        ("kandinsky-2-2-prior", ["prior", "decoder", "edit"]),
        ("kandinsky-3", ["decoder", "edit"]),
    ],
)
def test_of_several_models_in_a_folder_the_one_asked_for_is_given(
    tmp_path, tiny_folder, tiny3_folder, own, roles
):
    for folder in (tiny_folder, tiny3_folder):
        shutil.copytree(folder, tmp_path / "all", dirs_exist_ok=True)
    said = refusal(lambda: load(tmp_path / "all"))
    assert "holds several models; load one of them" in said
    assert f"all/{DECODER}" in said and "all/kandinsky-3" in said
    k = load(tmp_path / "all" / own, device="cpu")
    assert list(k.spec.roles) == roles


@pytest.mark.parametrize("own", [INPAINT, DEPTH])
def test_the_folder_of_any_role_names_its_model(tiny_roles_folder, own):
    k = load(tiny_roles_folder / own, device="cpu")
    assert k.spec.family == "2.2" and k.folders["decoder"].name == DECODER


def test_two_roles_of_one_folder_have_one_fingerprint(tiny_roles_folder):
    k = load(tiny_roles_folder, device="cpu")
    k.open(k.spec.roles)
    assert k.revision["edit"] == k.revision["decoder"] != k.revision["inpaint"]


# The hub


@pytest.fixture
def published_roles(published, tiny_roles_folder):
    """The loopback hub, with the inpainting checkpoint besides."""
    name = SPECS["kandinsky-2.2"].roles["inpaint"].id
    folder = tiny_roles_folder / INPAINT
    published.publish(name, folder, "c" * 40)
    files = {UNET: ((folder / UNET).stat().st_size, None)}
    size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    models.PINS[name] = models.Pin("c" * 40, size, files)
    return published


def test_a_role_comes_from_the_hub_at_its_pin_and_is_then_cached(published_roles, monkeypatch):
    from huggingface_hub import constants

    k = load("kandinsky-2.2", device="cpu")
    assert not any(INPAINT in path for path in published_roles.asked), "not before"
    published_roles.asked.clear()
    assert k.pipeline("edit").unet is k.decoder.unet
    assert published_roles.asked == [], "the decoder's files are here"
    assert k.pipeline("inpaint").movq is k.decoder.movq
    assert k.revision == {**COMMITS, "edit": COMMITS["decoder"], "inpaint": "c" * 40}
    published_roles.asked.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    load("kandinsky-2.2", device="cpu").pipeline("inpaint")
    assert published_roles.asked == []


def test_the_published_id_of_any_role_names_its_model():
    for role in SPECS["kandinsky-2.2"].roles.values():
        assert find.find(role.id)[0].key == "kandinsky-2.2"


def test_a_role_that_cannot_be_downloaded_leaves_the_model_usable(published_roles):
    k = load("kandinsky-2.2", device="cpu")
    published_roles.down = True
    with pytest.raises(hub.NotFetched):
        k.pipeline("inpaint")
    published_roles.down = False
    assert k.pipeline("inpaint").unet.config.in_channels == 9


def test_the_remedy_for_a_damaged_role_in_the_cache_mends_it(published_roles, tmp_path):
    k = load("kandinsky-2.2", device="cpu")
    k.pipeline("inpaint")
    assert [row["checkpoint"] for row in find.fetch("kandinsky-2.2")] == [
        k.spec.roles[role].id for role in ("prior", "decoder", "inpaint")
    ]
    file = next((tmp_path / "hub").glob(f"*inpaint/snapshots/*/{UNET}")).resolve()
    file.write_bytes(file.read_bytes()[:-1])
    other = load("kandinsky-2.2", device="cpu")
    with pytest.raises(
        integrity.Damaged, match=r"instead of .*; .*kandi-nb fetch kandinsky-2.2$"
    ):
        other.pipeline("inpaint")
    find.fetch("kandinsky-2.2")
    assert other.pipeline("inpaint").unet.config.in_channels == 9
