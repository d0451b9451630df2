"""Train the bundled models: ``python -m kandi_nb.mini.train STAGE --minutes N``.

Stages, in their order: judge, clip, movq, movq-decoder, prior, decoder-2.2; from that decoder's
weights on inpaint-2.2 and depth-2.2; for Kandinsky 2.1 text-2.1, decoder-2.1, inpaint-2.1; for
Kandinsky 3 text-3, decoder-3. Each goes on from its own checkpoint in ``--folder`` when
there is one. What an earlier stage learned comes from that folder too, or else from
``--weights``, where judge, prior and the decoders write their checkpoint folders.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from ..errors import KandiError
from . import loop, names, record, trained
from .data import Data
from .landing import land
from .loop import Plan
from .recipe import STAGES


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
    given = parser.parse_args(argv)
    if given.threads:
        torch.set_num_threads(given.threads)
    try:
        for path in _run(given):
            print(f"wrote {path}")
    except KandiError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    return 0


def _run(given: argparse.Namespace) -> list[Path]:
    """Train the stage, unless it shall only land, and return the folders it wrote."""
    torch.manual_seed(loop.seed_of(given.stage, -1))
    data = Data(given.folder, given.scenes, given.size, given.weights)
    if not given.land:
        with loop.alone(given.stage, given.folder):
            _train(given, data)
    return land(given.stage, data)


def _train(given: argparse.Namespace, data: Data) -> None:
    plan = Plan(given.stage, given.folder, given.minutes, given.steps, device=given.device)
    module, loss_of = STAGES[given.stage](data, plan)
    if given.begin == "landed":
        plan.rate /= 2  # what is trained already would be torn apart by the full rate
        plan.began = record.trained_so_far(given.stage, "what had landed", given.weights)
        trained.begin(module, given.stage, given.weights)
    loop.train(plan, module, loss_of)
    trained_on = record.hardware(given.device)
    record.record(given.stage, plan.log, trained_on, given.weights, plan.began)


if __name__ == "__main__":
    raise SystemExit(main())
