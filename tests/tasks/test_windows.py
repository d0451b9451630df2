"""Windows on a large canvas: they cover it, agree where they overlap, and cost one window."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kandi_nb.tasks.loop import windows
from kandi_nb.tasks.loop.windows import calls, cover, decode, encode, predict_noise

cells = st.integers(8, 60)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(cells, cells, st.sampled_from([64, 128]), st.sampled_from([64, 128]))
def test_windows_cover_the_canvas_and_overlap_by_half(across, down, width, height):
    canvas = max(8 * across, width), max(8 * down, height)
    boxes = cover(canvas, (width, height)) or ((0, 0, *canvas),)
    covered = np.zeros((canvas[1] // 8, canvas[0] // 8), int)
    for left, top, right, bottom in boxes:
        assert (right - left, bottom - top) == (width, height) and left % 8 == top % 8 == 0
        covered[top // 8 : bottom // 8, left // 8 : right // 8] += 1
    assert covered.min() >= 1
    for axis, side in ((0, width), (1, height)):
        starts = sorted({box[axis] for box in boxes})
        assert starts[0] == 0 and starts[-1] == canvas[axis] - side
        # Half of a window, and half a cell of rounding at either end.
        assert all(b - a <= side // 2 + 8 for a, b in itertools.pairwise(starts))


def test_one_go_has_no_windows():
    assert cover((128, 64), (128, 64)) == ()
    assert calls(()) == 1


def test_what_depends_on_its_place_alone_is_the_same_in_windows():
    import torch

    rows = torch.rand(2, 4, 8, 40, generator=torch.Generator().manual_seed(0))
    boxes = cover((320, 64), (64, 64))

    def double(parts, t, **condition):
        return (parts * 2 + condition["rows"].mean((1, 2, 3), keepdim=True) * 0,)

    ticks = []
    seen = predict_noise(double, rows, 0, {"rows": rows}, boxes, lambda: ticks.append(1))
    assert torch.allclose(seen, 2 * rows, atol=1e-5)
    assert len(ticks) == calls(boxes)


def test_each_window_is_told_of_its_own_picture():
    import torch

    rows = torch.zeros(3, 1, 8, 24)
    told = torch.arange(3.0)
    boxes = cover((192, 64), (64, 64))

    def told_only(parts, t, **condition):
        return (parts + condition["added"]["number"][:, None, None, None],)

    seen = predict_noise(
        told_only, rows, 0, {"added": {"number": told}, "nothing": None}, boxes
    )
    assert torch.allclose(seen, told[:, None, None, None].expand_as(seen), atol=1e-6)


def test_no_more_than_one_large_window_is_looked_at_at_once():
    import torch

    sizes = []

    def look(parts, t, **condition):
        sizes.append(tuple(parts.shape))
        return (parts,)

    rows = torch.zeros(2, 4, 8, 128)
    predict_noise(look, rows, 0, {}, cover((1024, 64), (128, 64)))
    assert set(sizes) == {(2, 4, 8, 16)} and len(sizes) == 15


def test_the_codec_in_windows_is_near_to_the_codec_in_one_go(tiny_roles):
    import torch

    movq = tiny_roles.pipeline("inpaint").movq
    pictures = torch.rand(1, 3, 8, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pictures = torch.nn.functional.interpolate(pictures, scale_factor=8, mode="bilinear")
    boxes = cover((128, 64), (64, 64))
    with torch.no_grad():
        latents = encode(movq, pictures)
        assert encode(movq, pictures, boxes).shape == latents.shape
        whole, parts = decode(movq, latents), decode(movq, latents, boxes)
    assert parts.shape == whole.shape == pictures.shape
    assert (parts - whole).abs().mean() < whole.std()


@pytest.mark.parametrize("side", [64, 128])
def test_a_window_counts_least_at_its_border(side):
    import torch

    share = windows._tent(torch.zeros(1, 1, side, side))[0, 0]
    assert share.min() > 0 and share[0].max() < share[side // 2].max()
    assert torch.equal(share, share.flip(0)) and torch.equal(share, share.flip(1))
