"""The door to the training: ``python -m kandi_nb.mini.train STAGE --minutes N``."""

from __future__ import annotations

from .training.train import main

__all__ = ["main"]

if __name__ == "__main__":
    raise SystemExit(main())
