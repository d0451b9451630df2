"""A seed by chance, for doors where somebody asks for any picture: panel, service, command."""

from __future__ import annotations

import secrets

_ABOVE = 2**32  # short enough to be copied by hand, and exact in every language's numbers


def random_seed() -> int:
    """Return a seed from 0 to 2³² - 1 by chance; Python's own generators are not touched."""
    return secrets.randbelow(_ABOVE)
