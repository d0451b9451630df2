"""Draw a mixture of texts and pictures."""

from __future__ import annotations

import argparse

from ....words.fields import number_or_text
from ..options import add_loading_options, add_setting_options
from .targets import add_output_options, draw_and_save


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the items, their weights, and how they are drawn."""
    parser.add_argument("items", nargs="+", metavar="ITEM", help="a text or a picture's file")
    parser.add_argument(
        "--weights",
        nargs="+",
        type=number_or_text,
        metavar="N",
        help="one an item (default: equal)",
    )
    add_mixing_options(parser, ".png")
    add_setting_options(parser, "mix")


def add_mixing_options(parser: argparse.ArgumentParser, ending: str) -> None:
    """Add how items are mixed, where the file goes, and how the model is loaded."""
    parser.add_argument("--how", default="mean", help="mean (default), slerp or sum")
    add_output_options(parser, ending)
    add_loading_options(parser)


def run(options: argparse.Namespace) -> None:
    """Draw the mixture and print the pictures' paths."""
    from ....tasks.embeddings.items import gather
    from ....tasks.embeddings.mixing import mix
    from ....tasks.embeddings.mixtures import shares_of

    # Before a model is loaded.
    shares_of(options.weights, len(gather(options.items, "mix")), options.how)
    mixing = {"items": options.items, "weights": options.weights, "how": options.how}
    draw_and_save(options, mix, **mixing)
