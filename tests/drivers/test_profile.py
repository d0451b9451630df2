"""Where the time of a picture goes, read off the networks themselves."""

from __future__ import annotations

import pytest

import kandi_nb as kn
from kandi_nb.drivers.measure.profile import REST
from kandi_nb.words.errors import KandiError

QUICK = kn.Params("a red fox", steps=3, prior_steps=2, width=64, height=64)


def test_every_network_that_runs_has_its_calls_and_its_share(tiny):
    table = kn.profile(tiny, QUICK, repeats=1)
    calls = {row["network"]: row["calls"] for row in table}
    assert calls["UNet"] == 3 and calls["prior"] == 2 and calls["MoVQ"] == 1
    assert list(calls)[-1] == REST
    assert sum(row["share"] for row in table) == pytest.approx(1)
    assert all(row["seconds"] > 0 for row in table)


def test_flames_follow_one_another(tiny):
    """Each begins where the one before it ended, so that they read as one run."""
    ended = 0
    for row in kn.profile(tiny, QUICK, repeats=1):
        dots = row["flame"].count("·")
        assert dots <= ended <= dots + 1 and "█" in row["flame"]
        ended = len(row["flame"])


def test_the_model_is_left_as_it_was(tiny):
    networks = (tiny.decoder.unet, tiny.prior.prior)
    before = [len(network._forward_hooks) for network in networks]
    kn.profile(tiny, QUICK, repeats=1)
    assert [len(network._forward_hooks) for network in networks] == before


def test_kandinsky_3_has_no_prior(tiny3_folder):
    quick = QUICK.replace(prior_steps=kn.Params().prior_steps)
    names = [row["network"] for row in kn.profile(kn.load(tiny3_folder), quick, repeats=1)]
    assert names[:2] == ["decoder's text encoder", "UNet"]


@pytest.mark.parametrize(
    ("given", "says"), [({"repeats": 0}, "repeats"), ({"k": "mini-2.2"}, "loaded model")]
)
def test_bad_input_is_refused(tiny, given, says):
    with pytest.raises(KandiError, match=says):
        kn.profile(given.pop("k", tiny), QUICK, **given)
