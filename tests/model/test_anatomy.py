"""A model taken apart: the shapes and sizes that are told are those that run."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from PIL import Image

from kandi_nb.model.anatomy import diagram
from kandi_nb.model.anatomy.anatomy import anatomy
from kandi_nb.model.loading.load import load
from kandi_nb.tasks.generate import generate
from kandi_nb.words.errors import KandiError, KandiWarning
from kandi_nb.words.params import Params

QUICK = Params("a red fox", steps=2, prior_steps=2, guidance=1, prior_guidance=1)


@pytest.fixture(params=["tiny_folder", "tiny21_folder", "tiny3_folder"])
def family(request):
    """A tiny model of each family in turn, drawing at its native size of 64."""
    k = load(request.getfixturevalue(request.param), device="cpu")
    k.spec = k.spec if k.spec.native_size == 64 else _of_64(k.spec)
    return k


def _of_64(spec):
    import dataclasses

    return dataclasses.replace(spec, native_size=64)


def shapes_that_run(k):
    """Draw once, unguided; return stage/name → shapes of what each network took and gave."""
    import torch

    seen: dict[str, set] = {}

    def shapes(found):
        if isinstance(found, torch.Tensor):
            yield tuple(found.shape[1:])
        elif isinstance(found, dict):
            for each in found.values():
                yield from shapes(each)
        elif isinstance(found, (tuple, list)):
            for each in found:
                yield from shapes(each)

    hooks = []
    for role in k.spec.ids:
        for name, part in k.pipeline(role).components.items():
            if not hasattr(part, "register_forward_hook"):
                continue

            def note(module, args, named, output, name=f"{role}/{name}"):
                given = dict(output) if hasattr(output, "items") else output
                seen.setdefault(name, set()).update(shapes([args, named, given]))

            hooks.append(part.register_forward_hook(note, with_kwargs=True))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", KandiWarning)
            generate(k, QUICK, progress=False)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def test_what_is_told_to_go_in_and_out_does(family):
    seen = shapes_that_run(family)
    told = anatomy(family)
    ran = [piece for piece in told.pieces if diagram.label(piece) in seen]
    assert {piece.name for piece in ran} >= {"text_encoder", "unet"}
    for piece in ran:
        for flow in (*piece.takes, *piece.gives):
            cut = family.prior is None and flow.name == "text states"  # to the text's length
            shapes = {
                (None, *shape[1:]) if cut else shape for shape in seen[diagram.label(piece)]
            }
            wanted = (None, *flow.shape[2:]) if cut else tuple(flow.shape[1:])
            assert wanted in shapes, f"{piece.name}: {flow}"


def test_numbers_and_bytes_are_those_of_the_networks(family):
    told = anatomy(family)
    networks = {
        id(part): part
        for role in family.spec.ids
        for part in family.pipeline(role).components.values()
        if hasattr(part, "parameters")
    }
    numbers = sum(p.numel() for part in networks.values() for p in part.parameters())
    assert sum(row["parameters"] or 0 for row in told) == numbers
    half = load(next(iter(family.folders.values())).parent, device="cpu", dtype="bfloat16")
    assert sum(row["mb"] or 0 for row in anatomy(half)) < 0.6 * sum(
        row["mb"] or 0 for row in told
    )


def test_what_roles_share_is_one_row(tiny_roles):
    tiny_roles.open(["decoder", "inpaint", "depth", "edit"])
    rows = list(anatomy(tiny_roles))
    (movq,) = [row for row in rows if row["piece"] == "movq"]
    assert set(movq["roles"].split(", ")) == {"decoder", "inpaint", "depth", "edit"}
    unets = {row["roles"]: row["takes"] for row in rows if row["piece"] == "unet"}
    assert len(unets) == 3
    assert "mask [n, 1, 8, 8]" in unets["inpaint"] and "depth [n, 3, 64, 64]" in unets["depth"]


def test_only_what_is_loaded_is_told_and_nothing_is_loaded_for_it(tiny_folder):
    k = load(tiny_folder, device="cpu")
    roles = {role for row in anatomy(k) for role in row["roles"].split(", ")}
    assert roles == {"prior", "decoder"} and set(k._pipelines) == roles


def test_every_arrow_of_the_drawing_goes_to_the_right_or_down_to_the_decoder(family):
    pieces = anatomy(family).pieces
    places = diagram.places(pieces)
    assert len(set(places.values())) == len(pieces), "no two boxes in one place"
    ways = [(giver, taker) for giver, _, taker in diagram.arrows(pieces) if giver]
    assert len(ways) >= len(pieces) - 3
    for giver, taker in ways:
        start, end = places[diagram.label(giver)], places[diagram.label(taker)]
        assert start.column < end.column if giver.stage == taker.stage else start.row < end.row


def test_the_words_of_the_drawing_are_read_on_a_laptop(family):
    """A notebook shows 728 pixels of width; 11 pixels are the smallest that is read."""
    figure = anatomy(family).figure
    shrunk = min(1, 728 / (figure.get_figwidth() * 100))
    sizes = [text.get_fontsize() / 72 * 100 * shrunk for text in figure.axes[0].texts]
    assert min(sizes) >= 11
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    page = figure.bbox
    assert all(page.x0 <= b.x0 and b.x1 <= page.x1 and b.y0 >= page.y0 for b in boxes)
    overlaps = [
        (a, b) for n, a in enumerate(boxes) for b in boxes[:n] if a.shrunk(0.9, 0.9).overlaps(b)
    ]
    assert not overlaps


def test_the_text_reaches_each_decoder_as_the_publisher_has_it(
    tiny, tiny21_folder, tiny3_folder
):
    """2.2 by an embedding alone, 2.1 by that and by words, 3 by words alone."""
    into = []
    for k in (tiny, load(tiny21_folder, device="cpu"), load(tiny3_folder, device="cpu")):
        ways = diagram.arrows(
            [p for p in anatomy(k).pieces if p.roles[0] in ("prior", "decoder")]
        )
        into.append(
            {flow.name for _, flow, taker in ways if taker.name == "unet"} - {"latents"}
        )
    assert into == [
        {"image embedding"},
        {"image embedding", "text states", "text embedding"},
        {"text states"},
    ]


def test_the_drawing_is_shown_and_saved(tiny, tmp_path):
    told = anatomy(tiny)
    page = told._repr_html_()
    assert "data:image/png" in page and "prior&#x27;s prior to decoder&#x27;s unet" in page
    assert told.note.startswith(f"{tiny.spec.key}: ") and "numbers" in repr(told)
    path = told.save(tmp_path / "anatomy.png")
    with Image.open(path) as picture:
        assert picture.width > 1.5 * picture.height > 200
    with pytest.raises(KandiError, match="exists"):
        told.save(path)


def test_what_is_no_model_is_refused():
    with pytest.raises(KandiError, match=r"anatomy takes a loaded model, k = kn.load"):
        anatomy(Path("mini-2.2"))
