"""What a stage of training is, and what a checkpoint that stages complete."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from ...words.models import spec
from .loop import Loss, Plan

if TYPE_CHECKING:
    from .data import Data


@dataclass(frozen=True)
class Checkpoint:
    """One folder below the weights, in the publisher's layout, and what its model card says.

    ``role`` names the pipeline that it is saved as and evaluated in; ``stages`` are those whose
    weights it holds.
    """

    name: str
    family: str
    role: str
    title: str
    about: str
    stages: str

    @property
    def pipeline(self) -> str:
        """The class of the pipeline that is saved."""
        return spec(f"kandinsky-{self.family}").roles[self.role].pipeline


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    ``network(size)`` builds what is trained for pictures of that many pixels, and ``loss(data,
    plan)`` what it learns; ``pace`` are settings of the `Plan`. A network ``begins`` with what
    another stage learned, as far as it fits, and is then prepared by ``prepare(network, data,
    plan)``; weights whose names start with one of ``frozen`` stay as they are. ``land(stage,
    network, data)`` writes the ``checkpoints`` that the stage completes; where their weights
    lie from then on stands in `names.LANDED`.

    ``sizes`` says that it learns pictures of either size, and of both if of 128 px. A queue
    trains it after those it ``needs``, for its ``share`` of the time, and on a card with
    ``card_batch`` pictures a step.
    """

    network: Callable[[int], nn.Module]
    loss: Callable[[Data, Plan], Loss]
    pace: Mapping[str, float]
    begins: str | None = None
    prepare: Callable[[nn.Module, Data, Plan], None] | None = None
    frozen: tuple[str, ...] = ()
    land: Callable[[Stage, nn.Module, Data], list[Path]] | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    sizes: bool = False
    needs: tuple[str, ...] = ()
    share: float = 1.0
    card_batch: int | None = None
