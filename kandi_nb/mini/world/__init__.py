"""The small world that the bundled model draws: its words, scenes and painted pictures."""

from __future__ import annotations

from .scenes import Scene

__all__ = ["Scene"]
