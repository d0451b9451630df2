"""The door to the evaluation: ``python -m kandi_nb.mini.evaluate [NAME…]``."""

from __future__ import annotations

from .evaluation.command import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
