"""Claims: one owner at a time, free again the moment that he is dead."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from kandi_nb.drivers.batches.folder.claims import HIDDEN, Claims

MARK = "ab" * 32
HOLDER = (
    "import sys, time; from pathlib import Path\n"
    "from kandi_nb.drivers.batches.folder.claims import Claims\n"
    "claims = Claims(Path(sys.argv[1]))\n"
    f"assert claims.take({MARK!r}); print('mine', flush=True)\n"
    "time.sleep(60)"
)


@pytest.fixture
def holder(tmp_path):
    """Another process that has claimed a picture."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "mine\n"
    yield process
    process.kill()
    process.wait()


def test_a_picture_has_one_owner(tmp_path):
    one, two = Claims(tmp_path), Claims(tmp_path)
    assert one.take(MARK) and not two.take(MARK)
    assert two.take("cd" * 32)
    one.give_back(MARK)
    assert two.take(MARK)
    one.close()
    assert not Claims(tmp_path).take(MARK), "closing one leaves the other's"


def test_what_is_closed_leaves_nothing(tmp_path):
    claims = Claims(tmp_path)
    claims.take(MARK)
    claims.close()
    assert not list((tmp_path / HIDDEN).glob("*/*"))


def test_what_a_killed_process_had_is_free_at_once(tmp_path, holder):
    claims, other = Claims(tmp_path), Claims(tmp_path)
    assert not claims.take(MARK), "it lives"
    holder.kill()
    holder.wait()
    began = time.monotonic()
    assert claims.take(MARK) and not other.take(MARK), "by one of those who wait"
    assert time.monotonic() - began < 5
    claims.close()
    other.close()
    assert not list((tmp_path / HIDDEN).glob("*/*")), "and its traces go"


def test_a_claim_cut_short_belongs_to_nobody(tmp_path):
    claims = Claims(tmp_path)
    (tmp_path / HIDDEN / "claims" / MARK).touch()
    assert claims.take(MARK)
