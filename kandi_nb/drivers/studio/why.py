"""A tab that says why it is empty."""

from __future__ import annotations

import html
from typing import Any

from ..panels.kit import Kit
from ..panels.state.history import Around

NO_RIVALS = (
    "Comparing draws the same with several models. The service that draws for this page has "
    "one; whoever keeps the page can give it the addresses of others."
)


class WhyNot:
    """Hold a sentence instead of controls."""

    control = None
    picture = None

    def __init__(self, why: str) -> None:
        self.why = why

    def look(self, picture: Any) -> None:
        """Do nothing: there is no stage."""

    def view(self, kit: Kit, around: Around) -> Any:
        """Return the widget, made now."""
        return kit("HTML", value=f'<p class="kandi-why">{html.escape(self.why)}</p>')

    def close(self) -> None:
        """Do nothing."""
