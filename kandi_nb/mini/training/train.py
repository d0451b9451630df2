"""Train the bundled models: ``python -m kandi_nb.mini.train STAGE [STAGE …] --minutes N``.

The stages are the rows of `stages.STAGES`, in their order. Each goes on from its own checkpoint
in ``--folder`` when there is one. What an earlier stage learned comes from that folder too, or
else from ``--weights``, where judge, prior and the decoders write their checkpoint folders.
Several stages, or a group of them, are a queue: each is a process of its own.
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
from ..shared import whole
from . import loop, networks, queue
from .data import Data
from .loop import Loss, Plan
from .losses.decoder import widen
from .stage import Stage
from .stages import GROUPS, STAGES
from .store import record

if TYPE_CHECKING:
    from torch import nn


MINUTES = 20.0  # of a stage, unless said
SMALL = 64  # pixels of the smaller of two sizes
SMALL_SHARE = 0.25  # of the batches, where pictures of 128 px are learned


def main(argv: Sequence[str] | None = None) -> int:
    """Run one stage from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="kandi-nb mini train", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument(
        "stages",
        nargs="+",
        choices=[*STAGES, *GROUPS],
        metavar="STAGE",
        help=f"of {', '.join(STAGES)}; or {' or '.join(GROUPS)}",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="training time of all stages together, earlier runs counted in (default: "
        f"{MINUTES:g} a stage)",
    )
    parser.add_argument("--steps", type=int, help="length in steps instead")
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--size", type=int, choices=(64, 128), default=64, help="pixels of the pictures"
    )
    parser.add_argument(
        "--scenes", type=int, default=40_000, help="how many scenes to learn from"
    )
    parser.add_argument("--batch", type=int, help="pictures a step (default: the stage's own)")
    parser.add_argument(
        "--fall",
        type=float,
        default=1.0,
        help="share of the length, at its end, over which the learning rate falls",
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
        "--no-land", action="store_true", help="keep the checkpoint, and write no weights"
    )
    parser.add_argument(
        "--side-by-side",
        type=int,
        metavar="N",
        help="how many stages of a queue at once (default: on a card 1, else 2 of one thread)",
    )
    parser.add_argument(
        "--weights", type=Path, default=names.WEIGHTS, help="where checkpoint folders land"
    )
    options = parser.parse_args(argv)
    chosen = {stage for word in options.stages for stage in GROUPS.get(word, [word])}
    options.stages = [stage for stage in STAGES if stage in chosen]
    options.minutes = options.minutes or MINUTES * len(options.stages)
    options.side_by_side = options.side_by_side or (1 if _on_card(options) else 2)
    if options.threads:
        torch.set_num_threads(options.threads)
    whole(options.weights)  # what has landed is read, and may be stored elsewhere
    try:
        if len(options.stages) > 1:
            _run_all(options)
        else:
            _run(options, options.stages[0])
    except KandiError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    return 0


def _on_card(options: argparse.Namespace) -> bool:
    return options.device.startswith("cuda")


def _data(options: argparse.Namespace) -> Data:
    return Data(options.folder, options.scenes, options.size, options.weights)


def _run(options: argparse.Namespace, stage: str) -> None:
    """Train a stage and land it, unless only one of the two is asked for."""
    torch.manual_seed(loop.seed_of(stage, -1))
    if not options.land:
        with loop.alone(stage, options.folder):
            _train(options, stage)
    if not options.no_land:
        _land(options, stage)


def _land(options: argparse.Namespace, stage: str) -> None:
    """Write what a stage completes, and how long it was trained."""
    for path in land(stage, _data(options)):
        print(f"wrote {path}", flush=True)
    plan = Plan(stage, options.folder)
    state = loop.state_of(plan)
    hardware = state.get("hardware") or record.hardware(options.device)
    record.record(stage, plan.log, hardware, options.weights, state.get("began"))


def _run_all(options: argparse.Namespace) -> None:
    """Train the stages of a queue, each in a process of its own, and land what is whole.

    Raises KandiError with the names of those that were not trained.
    """
    minutes = queue.minutes_of(options.stages, options.minutes)
    processes = queue.Processes()

    def train(stage: str) -> bool:
        return options.land or processes.train(stage, *_words(options, minutes[stage]))

    def land_one(stage: str) -> None:
        if not options.no_land:
            _land(options, stage)

    with processes.stopped_in_the_end():
        done = queue.train_all(options.stages, train, land_one, options.side_by_side)
    if failed := [stage for stage, well in done.items() if not well]:
        raise KandiError(
            f"not trained: {', '.join(failed)}: mend what stands above, and repeat the command"
        )


def _words(options: argparse.Namespace, minutes: float) -> list[str]:
    """Return the options of one stage of a queue as they are typed."""
    threads = options.threads or (None if options.side_by_side == 1 else 1)
    settings = {
        "--minutes": minutes,
        "--steps": options.steps,
        "--device": options.device,
        "--size": options.size,
        "--batch": options.batch,
        "--fall": options.fall,
        "--scenes": options.scenes,
        "--threads": threads,
        "--folder": options.folder,
        "--begin": options.begin,
        "--weights": options.weights,
    }
    given = [[name, str(value)] for name, value in settings.items() if value is not None]
    return [word for pair in given for word in pair] + ["--no-land"]


def _train(options: argparse.Namespace, name: str) -> None:
    stage, weights, data = STAGES[name], options.weights, _data(options)
    plan = Plan(
        name,
        options.folder,
        options.minutes,
        options.steps,
        device=options.device,
        hardware=record.hardware(options.device),
        fall=options.fall,
        batch=options.batch or (stage.card_batch if _on_card(options) else None),
        **stage.pace,
    )
    if stage.begins:
        began = record.trained_so_far(stage.begins, stage.begins, weights)
        plan = replace(plan, began=began)
    network, loss = network_and_loss(plan, data)
    if options.begin == "landed":
        data.store.begin(network, plan.stage)
        began = record.trained_so_far(plan.stage, "what had landed", weights)
        # What is trained already would be torn apart by the full rate.
        plan = replace(plan, rate=plan.rate / 2, began=began)
    loop.train(plan, network, loss)


def network_and_loss(plan: Plan, data: Data) -> tuple[nn.Module, Loss]:
    """Return the network of a stage as it is before its first step, and its loss."""
    stage = STAGES[plan.stage]
    loss = _loss(stage, data, plan)
    network = stage.network(data.size)
    if stage.begins:
        network = widen(network, data.store.weights_of(stage.begins))
    if stage.prepare:
        stage.prepare(network, data, plan)
    for name, weight in network.named_parameters():
        if name.startswith(stage.frozen):
            weight.requires_grad_(False)
    return network, loss


def _loss(stage: Stage, data: Data, plan: Plan) -> Loss:
    """Return a stage's loss; of pictures of 128 px, a share of the batches has 64 px."""
    loss = stage.loss(data, plan)
    if not stage.sizes or data.size == SMALL:
        return loss
    batch = plan.batch and 2 * plan.batch
    small = stage.loss(replace(data, size=SMALL), replace(plan, batch=batch))
    return mixed_loss(loss, small, SMALL_SHARE)


def mixed_loss(large: Loss, small: Loss, share: float) -> Loss:
    """Return the loss that takes ``small`` at a ``share`` of all steps, and else ``large``."""

    def loss(
        model: nn.Module, generator: torch.Generator
    ) -> tuple[torch.Tensor, dict[str, float]]:
        which = small if float(torch.rand((), generator=generator)) < share else large
        return which(model, generator)

    return loss


def land(name: str, data: Data) -> list[Path]:
    """Write the checkpoint folders that a stage completes, from its average weights.

    Raises KandiError where the stage has no checkpoint in the training folder.
    """
    if not data.store.checkpointed(name):
        raise KandiError(f"{data.folder} has no checkpoint of {name}: train it first")
    stage = STAGES[name]
    if stage.land is None:
        return []
    network = networks.load_weights(
        stage.network(data.size), loop.average_weights(data.folder, name)
    )
    return stage.land(stage, network, data)


if __name__ == "__main__":
    raise SystemExit(main())
