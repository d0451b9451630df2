"""Whether anybody looks at what a notebook shows, and may use its controls."""

from __future__ import annotations

import os

from ...model.progress import place
from ...words.errors import HEADLESS


def watched() -> bool:
    """Tell whether controls would be seen: in a live notebook, or in a page that Voilà serves.

    Voilà runs the notebook before anybody sees it, as drivers without a browser do; it says who
    it is in the kernel's environment.
    """
    if place() == "notebook":
        return True
    served = os.environ.get("SERVER_SOFTWARE", "").startswith("voila/")
    return served and os.environ.get(HEADLESS, "0") in ("", "0")
