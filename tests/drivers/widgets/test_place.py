"""Where widgets are shown, and what is said where they could not be seen."""

from __future__ import annotations

import sys
import types
import warnings

import pytest

from kandi_nb.drivers.widgets import place
from kandi_nb.words.errors import KandiWarning


@pytest.fixture
def colab(monkeypatch):
    """Google's module, as Colab has it, in a notebook that somebody watches."""
    module = types.SimpleNamespace(_installed_url=None)
    monkeypatch.setitem(sys.modules, "google.colab.output._widgets", module)
    monkeypatch.setattr(place, "place", lambda: "notebook")
    monkeypatch.setattr(place, "_TOLD", [])
    return module


def test_colab_is_told_once_what_lets_it_show_controls(colab):
    with pytest.warns(KandiWarning, match=r"output\.enable_custom_widget_manager\(\)"):
        assert place.is_watched()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert place.is_watched()


def test_colab_that_may_is_told_nothing(colab):
    colab._installed_url = "https://ssl.gstatic.com/manager.js"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert place.is_watched()
