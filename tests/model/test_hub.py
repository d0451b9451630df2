"""Downloading, going on with, and verifying published checkpoints, from a hub on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import COMMITS
from loopback_hub import checksum

from kandi_nb import cli
from kandi_nb.model import find, hub, integrity
from kandi_nb.model.check import check
from kandi_nb.model.loading.load import load
from kandi_nb.words import models
from kandi_nb.words.errors import KandiError
from kandi_nb.words.models import PINS, SPECS

UNET = "unet/diffusion_pytorch_model.safetensors"
KEY = "kandinsky-2.2"
KNOWN = SPECS[KEY]


def snapshot(tmp_path, role="decoder"):
    name = KNOWN.ids[role].replace("/", "--")
    return tmp_path / "hub" / f"models--{name}" / "snapshots" / COMMITS[role]


def said_by_check(key=KEY):
    return {row["what"]: row for row in check()}[key]


def without_network(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


# --- what is pinned ---


def test_the_download_of_22_is_as_large_as_its_checkpoints():
    assert KNOWN.download_gb == 15.86
    assert KNOWN.revisions == {
        "prior": "9fc51ad5732afc5d031724219d22e6c42179c5a8",
        "decoder": "9ae140d347fed8ce6e8bb3005dcc1f48543bb8e3",
        "edit": "9ae140d347fed8ce6e8bb3005dcc1f48543bb8e3",
        "inpaint": "db790ad5cbcabed886f069ef2710774657621702",
        "depth": "08632524a2b7e3bed39a7901d92cdd07e37544d0",
    }


@pytest.mark.parametrize("name", PINS)
def test_pins_are_whole(name):
    pin = PINS[name]
    assert len(pin.revision) == 40 and set(pin.revision) <= set("0123456789abcdef")
    rest = pin.size - sum(size for size, _ in pin.files.values())
    assert 0 < rest < 3e6, "configurations and vocabularies are small"
    for path, (_, sha256) in pin.files.items():
        assert path.endswith(".safetensors")
        assert sha256 is None or len(sha256) == 64


def test_sizes_without_a_pin_are_called_unverified():
    for key in ("kandinsky-2.1", "kandinsky-3"):
        assert SPECS[key].download.endswith(" GB, unverified")
        assert SPECS[key].revisions == {}
    assert KNOWN.download == "15.86 GB"


def test_only_what_a_pipeline_reads_is_wanted():
    paths = dict.fromkeys(
        [
            "model_index.json", "README.md", "movq/config.json", "movq/weights.bin",
            "movq/diffusion_pytorch_model.safetensors", "unet/weights.fp16.safetensors",
            "unet/weights.safetensors", "text/model.safetensors.index.fp16.json",
            "text/model.fp16-00001-of-00002.safetensors", "text/config.json",
            "text/model-00001-of-00003.safetensors", "tokenizer/spiece.model",
            "text/model.safetensors.index.json",
        ]
    )  # fmt: skip
    plain = hub.files_to_read(paths)
    assert not {"README.md", "movq/weights.bin"} & set(plain) and len(plain) == 11
    assert set(plain) - set(hub.files_to_read(paths, "fp16")) == {
        "unet/weights.safetensors",
        "text/model-00001-of-00003.safetensors",
        "text/model.safetensors.index.json",
    }


# --- fetch ---


def test_fetch_brings_everything_once_at_the_pinned_commit(published, tmp_path, monkeypatch):
    rows = find.fetch(KEY)
    assert [row["checkpoint"] for row in rows] == list(KNOWN.ids.values())
    assert [row["commit"] for row in rows] == [c[:12] for c in COMMITS.values()]
    assert all("files" in row["verified"] for row in rows)
    once = published.brought()
    assert UNET in once and len(once) == len(set(once)) + 2, "two names stand in both stages"
    assert (snapshot(tmp_path) / UNET).resolve().name == checksum(snapshot(tmp_path) / UNET)
    assert said_by_check()["found"] == "ready"
    assert {row["downloaded"] for row in find.fetch(KEY)} == {"0.00 GB"}
    assert published.brought() == once, "nothing is brought twice"
    without_network(monkeypatch)
    assert len(find.fetch(KEY)) == 2, "verified without the hub"
    assert load(KEY, device="cpu").revision == COMMITS


def test_a_broken_download_goes_on_where_it_stopped(published, tmp_path):
    published.cut[UNET] = 100_000
    with pytest.raises(hub.NotFetched, match="cannot be downloaded now") as found:
        find.fetch(KEY)
    assert "\n" not in str(found.value) and "kandi-nb fetch kandinsky-2.2" in str(found.value)
    published.down = False
    published.asked.clear()
    find.fetch(KEY)
    assert [span for _, path, span in published.asked if path == UNET and span] == [
        "bytes=100000-"
    ]
    assert "image_encoder/model.safetensors" not in published.brought(), "it was whole"
    assert list((tmp_path / "hub").rglob("*.part")) == []
    assert load(KEY, device="cpu").spec.key == KEY


def test_the_disk_needs_room_for_what_is_missing_only(published, tmp_path, monkeypatch):
    published.cut[UNET] = 100_000
    with pytest.raises(hub.NotFetched):
        find.fetch(KEY)
    published.down = False
    missing = hub.missing_bytes(KNOWN, "decoder", hub.listing(KNOWN, "decoder"))
    size = (published.checkpoints[KNOWN.ids["decoder"]][0] / UNET).stat().st_size
    assert missing[UNET] == size - 100_000
    needed = sum(missing.values())
    usage = type("Usage", (), {"free": needed - 1})
    monkeypatch.setattr(hub.shutil, "disk_usage", lambda place: usage)
    published.asked.clear()
    with pytest.raises(hub.NotFetched, match=r"GB more of disk.*HF_HOME to a larger disk"):
        find.fetch(KEY)
    assert published.brought() == []
    usage.free = needed
    find.fetch(KEY)
    usage.free = 0
    find.fetch(KEY)  # all is here


def test_a_damaged_file_is_brought_anew(published, tmp_path):
    find.fetch(KEY)
    for path in (UNET, "model_index.json"):
        flip_a_bit((snapshot(tmp_path) / path).resolve())
    published.asked.clear()
    find.fetch(KEY)
    assert sorted(published.brought()) == ["model_index.json", UNET]
    for file in snapshot(tmp_path).rglob("*.*"):
        assert file.resolve().name == checksum(file)


def test_damage_without_a_network_is_named(published, tmp_path, monkeypatch):
    find.fetch(KEY)
    flip_a_bit((snapshot(tmp_path) / UNET).resolve())
    without_network(monkeypatch)
    with pytest.raises(integrity.Damaged, match=f"{UNET} is not as published.*kandi-nb fetch"):
        find.fetch(KEY)


def test_a_hub_that_sends_something_else_is_not_believed(published, tmp_path):
    pin = models.PINS[KNOWN.ids["decoder"]]
    size, _ = pin.files[UNET]
    models.PINS[KNOWN.ids["decoder"]] = models.Pin(
        pin.revision, pin.size, {**pin.files, UNET: (size, "0" * 64)}
    )
    with pytest.raises(integrity.Damaged, match=f"{UNET} is not as published"):
        find.fetch(KEY)
    with pytest.raises(integrity.Damaged, match=f"{UNET} is not as published"):
        load(KEY)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("size", "bytes instead of"),
        ("blob", "is not as published"),
        ("gone", "is missing"),
    ],
)
def test_check_and_load_see_sizes_and_names_in_the_cache(
    published, tmp_path, wrong, message, monkeypatch
):
    find.fetch(KEY)
    file = snapshot(tmp_path) / UNET
    blob = file.resolve()
    if wrong == "size":
        blob.write_bytes(blob.read_bytes()[:-1])
    else:
        file.unlink()
    if wrong == "blob":
        other = blob.with_name("0" * 64)
        other.write_bytes(blob.read_bytes())
        file.symlink_to(other)
    row = said_by_check()
    assert message in row["found"]
    assert row["remedy"] == "restore it with: kandi-nb fetch kandinsky-2.2"
    without_network(monkeypatch)
    with pytest.raises(KandiError, match=r"kandi-nb fetch kandinsky-2\.2") as found:
        load(KEY)
    assert "\n" not in str(found.value)


def test_a_model_without_a_pin_comes_as_the_hub_has_it(
    published, tmp_path, tiny3_folder, monkeypatch
):
    published.publish("kandinsky-community/kandinsky-3", tiny3_folder / "kandinsky-3", "c" * 40)
    table = find.fetch("kandinsky-3")
    assert table[0]["commit"] == "c" * 12 and "nobody here knows the sizes" in table.note
    assert said_by_check("kandinsky-3")["found"] == "ready, its sizes unverified"
    without_network(monkeypatch)
    assert load("kandinsky-3", device="cpu").revision == {"decoder": "c" * 40}


def test_the_command_says_what_it_did(published, capsys):
    assert cli.main(["fetch", KEY]) == 0
    assert "verified" in capsys.readouterr().out
    published.down = True
    assert cli.main(["fetch", "kandinsky-3"]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith('kandi-nb: take kn.load("mini-2.2")')
    assert "kandinsky-3 is not whole in the cache" in said
    assert cli.main(["fetch", "mini-2.2"]) == 2
    assert "nothing to download" in capsys.readouterr().err
    assert cli.main(["fetch", "kandinsky-22"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_the_address_of_another_hub_is_honoured(published, tmp_path):
    """In a process of its own, by the variables that the hub's library documents."""
    settings = {
        "HF_ENDPOINT": published.address,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "kandi_nb.cli", "fetch", KEY],
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, "the commit that is pinned is not on this hub"
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("kandi-nb: ") and f"{KEY} is not whole" in last
    assert "Traceback" not in done.stderr
