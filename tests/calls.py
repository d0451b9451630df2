"""How tests look at calls that are refused, and stop those that run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kandi_nb.words.errors import KandiError


def refusal(call: Callable[[], Any]) -> str:
    """The one line that a call is refused with."""
    with pytest.raises(KandiError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


class StopAt:
    """Be set from the n-th look on."""

    def __init__(self, n: int) -> None:
        self.left = n

    def is_set(self) -> bool:
        self.left -= 1
        return self.left < 0
