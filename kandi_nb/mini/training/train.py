"""Train the bundled models: ``python -m kandi_nb.mini.train STAGE --minutes N``.

The stages are the rows of `stages.STAGES`, in their order. Each goes on from its own checkpoint
in ``--folder`` when there is one. What an earlier stage learned comes from that folder too, or
else from ``--weights``, where judge, prior and the decoders write their checkpoint folders.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...words.errors import KandiError
from .. import names
from . import loop, networks, record
from .data import Data
from .loop import Loss, Plan
from .losses.decoder import grown
from .stages import STAGES

if TYPE_CHECKING:
    from torch import nn


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="kandi-nb mini train", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument(
        "--minutes",
        type=float,
        default=20.0,
        help="training time in all, earlier runs counted in",
    )
    parser.add_argument("--steps", type=int, help="length in steps instead")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--size", type=int, choices=(64, 128), default=64, help="pixels of the pictures"
    )
    parser.add_argument(
        "--scenes", type=int, default=40_000, help="how many scenes to learn from"
    )
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument(
        "--folder", type=Path, default=Path("training"), help="checkpoints and logs"
    )
    parser.add_argument(
        "--begin",
        choices=("new", "landed"),
        default="new",
        help="without a checkpoint, begin anew, or with the weights that have landed",
    )
    parser.add_argument(
        "--land",
        action="store_true",
        help="write the weights of the checkpoint as it is, and stop",
    )
    parser.add_argument(
        "--weights", type=Path, default=names.WEIGHTS, help="where checkpoint folders land"
    )
    options = parser.parse_args(argv)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        for path in _run(options):
            print(f"wrote {path}")
    except KandiError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    return 0


def _run(options: argparse.Namespace) -> list[Path]:
    """Train the stage, unless it shall only land, and return the folders it wrote."""
    torch.manual_seed(loop.seed_of(options.stage, -1))
    data = Data(options.folder, options.scenes, options.size, options.weights)
    if not options.land:
        with loop.alone(options.stage, options.folder):
            _train(options, data)
    return land(options.stage, data)


def _train(options: argparse.Namespace, data: Data) -> None:
    stage, weights = STAGES[options.stage], options.weights
    plan = Plan(
        options.stage,
        options.folder,
        options.minutes,
        options.steps,
        device=options.device,
        **stage.pace,
    )
    if stage.begins:
        began = record.trained_so_far(stage.begins, stage.begins, weights)
        plan = replace(plan, began=began)
    network, loss = prepared(plan, data)
    if options.begin == "landed":
        data.trained.begin(network, plan.stage)
        began = record.trained_so_far(plan.stage, "what had landed", weights)
        # What is trained already would be torn apart by the full rate.
        plan = replace(plan, rate=plan.rate / 2, began=began)
    loop.train(plan, network, loss)
    hardware = record.hardware(options.device)
    record.record(plan.stage, plan.log, hardware, weights, loop.began_with(plan))


def prepared(plan: Plan, data: Data) -> tuple[nn.Module, Loss]:
    """Return the network of a stage as it is before its first step, and its loss."""
    stage = STAGES[plan.stage]
    loss = stage.loss(data, plan)
    network = stage.network(data.size)
    if stage.begins:
        network = grown(network, data.trained.weights_of(stage.begins))
    if stage.prepare:
        stage.prepare(network, data, plan)
    for name, weight in network.named_parameters():
        if name.startswith(stage.frozen):
            weight.requires_grad_(False)
    return network, loss


def land(name: str, data: Data) -> list[Path]:
    """Write the checkpoint folders that a stage completes, from its average weights.

    Raises KandiError where the stage has no checkpoint in the training folder.
    """
    if not data.trained.checkpointed(name):
        raise KandiError(f"{data.folder} has no checkpoint of {name}: train it first")
    stage = STAGES[name]
    if stage.land is None:
        return []
    network = networks.loaded(stage.network(data.size), loop.averaged(data.folder, name))
    return stage.land(stage, network, data)


if __name__ == "__main__":
    raise SystemExit(main())
