"""One check for whole numbers, one for all: the same for Python's and NumPy's."""

import pickle

import numpy as np
import pytest

from kandi_nb.words.bounds import as_real, as_whole, real, whole
from kandi_nb.words.errors import KandiError
from kandi_nb.words.params import Params


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers_of_every_library_are_pythons(value):
    assert type(whole("columns", value, 1, 4)) is int and whole("columns", value, 1, 4) == 3


@pytest.mark.parametrize("value", [True, np.True_, 3.0, "3", None, np.float32(3), -1, 5])
def test_what_is_no_whole_number_in_range_is_refused_by_name(value):
    with pytest.raises(
        KandiError, match=r"^columns is a whole number from 0 to 4, not"
    ) as caught:
        whole("columns", value, 0, 4)
    assert caught.value.about == "columns"


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int16(2)])
def test_real_numbers_of_every_library_are_pythons(value):
    assert type(real("gamma", value, above=0)) is float and real("gamma", value, above=0) == 2


@pytest.mark.parametrize("value", [False, float("nan"), float("inf"), 10**400, "2", 1j, 0, -1])
def test_what_is_no_finite_number_in_range_is_refused_by_name(value):
    with pytest.raises(KandiError, match=r"^gamma is a number above 0, not") as caught:
        real("gamma", value, above=0)
    assert caught.value.about == "gamma"


def test_a_sentence_of_its_own_stands_before_what_was_given():
    with pytest.raises(KandiError, match=r"^say a port, not 99999$"):
        whole("port", 99_999, 0, 65_535, "say a port")


def test_no_number_is_none():
    assert as_whole(2.5) is None and as_real("2") is None and as_real(2**70) == 2.0**70


def test_an_error_says_which_setting_it_is_about_also_from_another_process():
    with pytest.raises(KandiError) as caught:
        Params("a cat", steps="many")
    assert caught.value.about == "steps"
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.about == "steps" and str(again) == str(caught.value)
    assert KandiError("x").about is None
