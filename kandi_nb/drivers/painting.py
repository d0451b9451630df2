"""The commands that make pictures, such as draw and outpaint, and the one that strips them."""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..words.errors import KandiError, shown
from ..words.fields import FIELDS

if TYPE_CHECKING:
    from PIL.Image import Image

    from ..model.loading.kandinsky import Kandinsky
    from ..pictures.result import Result
    from ..words.params import Params


def draw(options: argparse.Namespace) -> None:
    from ..tasks.generate import generate

    _paint(options, generate, **_depth(options))


def edit(options: argparse.Namespace) -> None:
    from ..pictures.images import picture
    from ..tasks.depth import check_same_size
    from ..tasks.edit import edit

    image, depth = picture(options.image), _depth(options)
    for given in depth.values():
        check_same_size(given, image)
    _paint(options, edit, image=image, **depth)


def inpaint(options: argparse.Namespace) -> None:
    from ..pictures import masks
    from ..pictures.images import picture
    from ..pictures.join import check_join
    from ..pictures.shapes import rectangle
    from ..tasks.inpaint import inpaint

    image = picture(options.image)
    mask = rectangle(image, _box(options.box)) if options.box else options.mask
    check_join(options.join)
    with warnings.catch_warnings():  # the task says them again
        warnings.simplefilter("ignore")
        masks.check(mask, image)  # before a model is loaded
    _paint(options, inpaint, image=image, mask=mask, join=options.join)


def outpaint(options: argparse.Namespace) -> None:
    from ..pictures.images import picture
    from ..pictures.join import check_join
    from ..tasks.outpaint import SIDES, check_sides, outpaint

    image = picture(options.image)
    asked = {name: getattr(options, name) for name in SIDES}
    asked |= {"aspect": options.aspect, "size": options.size and _size(options.size)}
    check_join(options.join)
    check_sides(image, **asked)  # before a model is loaded
    _paint(options, outpaint, image=image, join=options.join, **asked)


def upscale(options: argparse.Namespace) -> None:
    from ..pictures.images import picture
    from ..tasks.upscale import check_factor, enlarged, upscale

    image = picture(options.image)
    check_factor(options.factor)
    enlarged(image, options.factor)  # before a model is loaded
    _paint(options, upscale, image=image, factor=options.factor)


def mix(options: argparse.Namespace) -> None:
    from ..tasks.embeddings.items import gathered
    from ..tasks.embeddings.mixing import mix
    from ..tasks.embeddings.mixtures import shares_of

    # Before a model is loaded.
    shares_of(options.weights, len(gathered(options.items, "mix")), options.how)
    mixing = {"items": options.items, "weights": options.weights, "how": options.how}
    _paint(options, mix, **mixing)


def path(options: argparse.Namespace) -> None:
    from ..tasks.embeddings.items import gathered
    from ..tasks.embeddings.mixing import path
    from .animation import animate, target_file

    params = _params(options)
    target = target_file(options.output or Path("path.gif"), options.force)
    gathered(options.items, "path")

    k = _load(options)
    result = path(k, params, *options.items, options.frames, options.how)
    print(animate(result, target, seconds=options.seconds, overwrite=options.force))
    print(result, file=sys.stderr)


def versus(options: argparse.Namespace) -> None:
    from ..words.files import writable

    params = _params(options)
    folder = writable(options.output or Path.cwd())

    from ..model.progress import in_log
    from ..tasks.versus import versus

    with in_log():
        compared = versus(params, options.models, device=options.device)
    for path in compared.save(folder):
        print(path)
    print(compared, file=sys.stderr)


def strip(options: argparse.Namespace) -> None:
    from ..pictures.inputs import stripped
    from ..words.files import expanded, write

    source = expanded(options.file)
    try:
        data = source.read_bytes()
    except OSError as error:
        reason = error.strerror or error
        raise KandiError(f"{source} cannot be read ({reason}); give a .png file") from None
    left = stripped(data, source)
    target = expanded(options.output or source.with_stem(f"{source.stem}-stripped"))
    _check_free(target, options.force)
    print(write(target, left, overwrite=options.force))


def _box(text: str) -> list[int]:
    try:
        left, top, right, bottom = map(int, text.split(","))
    except ValueError:
        raise KandiError(
            f"--box is four whole numbers, LEFT,TOP,RIGHT,BOTTOM, not {shown(text)}"
        ) from None
    return [left, top, right, bottom]


def _size(text: str) -> list[int]:
    try:
        width, height = map(int, text.lower().replace("x", ",").split(","))
    except ValueError:
        raise KandiError(
            f"--size is two whole numbers, WIDTH,HEIGHT, not {shown(text)}"
        ) from None
    return [width, height]


def _depth(options: argparse.Namespace) -> dict[str, Image]:
    """Return the depth map that is named, read before a model is loaded."""
    from ..tasks.depth import depth_map

    return {"depth": depth_map(options.depth)} if options.depth else {}


def _paint(options: argparse.Namespace, task: Callable[..., Result], **inputs: Any) -> None:
    """Run a task with the options' settings, write its pictures and print their paths."""
    params = _params(options)
    target = _png_target(options, params.count)

    from ..model.progress import in_log

    with in_log():
        result = task(_load(options), params, **inputs)
    travel = not getattr(options, "no_inputs", False)
    # Only paths go to the output, for the next command.
    with contextlib.redirect_stdout(sys.stderr):
        if target is None:
            paths = result.save(Path.cwd(), inputs=travel)
        else:
            paths = _write(result, _numbered(target, len(result)), travel, options.force)
    for path in paths:
        print(path)
    print(result, file=sys.stderr)
    if result.proof:
        print(result.proof, file=sys.stderr)


def _load(options: argparse.Namespace) -> Kandinsky:
    from ..model.adapters.scales import scales_of
    from ..model.loading.load import load

    return load(
        options.model,
        device=options.device,
        scheduler=options.scheduler,
        speed=options.speed,
        adapter=scales_of(options.adapter),
    )


def _params(options: argparse.Namespace) -> Params:
    from ..words.params import Params

    return Params(**{name: getattr(options, name) for name in FIELDS if hasattr(options, name)})


def _write(result: Result, targets: list[Path], travel: bool, force: bool) -> list[Path]:
    """Write each picture to its file."""
    from ..pictures.recipe import png_bytes
    from ..words.files import write

    if travel:
        result.announce_inputs("--no-inputs")
    every = zip(targets, result.images, result.recipes, result.inputs, strict=True)
    return [
        write(path, png_bytes(image, made, given if travel else None), overwrite=force)
        for path, image, made, given in every
    ]


def _png_target(options: argparse.Namespace, count: int) -> Path | None:
    """Return the file to write, having made sure before any drawing that it can be."""
    from ..words.files import expanded, writable

    if options.output is None:
        writable(Path.cwd())
        return None
    target = expanded(options.output)
    if target.name.lower() == ".png":
        raise KandiError(f"{target} has no name before the ending; write -o fox.png")
    if target.suffix.lower() != ".png":
        raise KandiError(f"{target} must end in .png: only PNG files can hold the recipe")
    for path in map(expanded, _numbered(target, count)):
        _check_free(path, options.force)
    writable(target.parent)
    return target


def _check_free(path: Path, force: bool) -> None:
    if path.is_dir():
        raise KandiError(f"{path} is a folder; name a file in it: -o {path / 'fox.png'}")
    if path.exists() and not force:
        raise KandiError(f"{path} exists; take another name or add --force")


def _numbered(target: Path, count: int) -> list[Path]:
    """Return one path for each picture: the target itself, or target-1, target-2…"""
    if count == 1:
        return [target]
    return [target.with_stem(f"{target.stem}-{n}") for n in range(1, count + 1)]
