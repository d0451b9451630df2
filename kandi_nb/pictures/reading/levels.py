"""Numbers of any kind → 8 bits, by one rule for arrays, tensors and files.

Floats lie in 0…1. Whole numbers are read by the largest one: up to 255 as levels of 8 bits;
65535, multiples of 257 and, from half of it, anything else as 16 bits; the largest number of 9
to 15 bits as so many, which is said. What lies between could mean many things: a mask or a map
of depth is refused then, a picture read as 16 bits, which is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...words.errors import KandiError, warn

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

DEEP = 65535
_WIDENED = 257  # 65535 / 255: a level of 8 bits, written as 16
_FEW_BITS = {2**bits - 1: bits for bits in range(9, 16)}
# Of what holds distances in metres or millimetres, near is small.
_DISTANCES = (
    "; near = white, so 1 - x / x.max() of distances, x / x.max() where near is large already"
)


def numbers(source: Any, user: str) -> np.ndarray:
    """Return the numbers of an array or a torch tensor, in its own shape; raise KandiError."""
    import numpy as np

    if type(source).__module__.partition(".")[0] == "torch":
        return _of_tensor(source, user)
    if isinstance(source, np.ma.MaskedArray) and source.mask.any():
        raise KandiError(
            f"{user} is an array with {source.mask.sum():,} numbers masked out; say what "
            "stands there: x.filled(0)"
        )
    try:
        values = np.asarray(source)
    except Exception as error:  # the array of another library, such as one on a GPU
        raise _no_numbers(
            user, f"cannot be read as an array ({type(error).__name__})"
        ) from None
    return _check_kind(values, user)


def _of_tensor(tensor: Any, user: str) -> np.ndarray:
    """Return a tensor's numbers, floats as float32: NumPy knows no bfloat16 and no float8."""
    import torch

    if tensor.layout != torch.strided:
        raise KandiError(f"{user} is a sparse tensor; give all of its numbers: x.to_dense()")
    if tensor.is_meta:
        raise KandiError(
            f"{user} is a tensor on the device meta, which has a shape but no numbers; make it "
            'on "cpu"'
        )
    try:
        here = tensor.detach().cpu()
        values = (here.float() if here.is_floating_point() else here).numpy()
    except Exception as error:  # kinds of tensors that nobody has numbers of
        raise _no_numbers(user, f"has no numbers to read ({type(error).__name__})") from None
    return _check_kind(values, user)


def _check_kind(values: np.ndarray, user: str) -> np.ndarray:
    if values.dtype.kind not in "biuf":
        what = {"U": "text", "S": "text", "c": "complex numbers"}.get(values.dtype.kind)
        raise _no_numbers(user, f"is an array of {what or values.dtype}")
    return values


def _no_numbers(user: str, fault: str) -> KandiError:
    return KandiError(f"{user} {fault}; give numbers: uint8, or floats in 0…1")


def as_bytes(values: np.ndarray, user: str, *, strict: bool = False) -> np.ndarray:
    """Return pixel values as uint8; see above. KandiError names the `user` and a remedy.

    `strict` refuses what could mean two things.
    """
    import numpy as np

    if values.dtype == np.uint8:
        return values
    if values.dtype == bool:
        return values.astype(np.uint8) * 255
    low, high = _range(values, user)
    remedy = _remedy(low, high, user, strict)
    if values.dtype.kind == "f":
        if low < 0 or high > 1:
            raise KandiError(
                f"{user} holds floats from {low:g} to {high:g}; bring them to 0…1, such as "
                f"{remedy}"
            )
        return (values * 255).round().astype(np.uint8)
    if low < 0 or high > DEEP:
        raise KandiError(
            f"{user} holds {values.dtype} from {low} to {high}; give uint8, or floats in 0…1"
        )
    if high <= 255:
        return values.astype(np.uint8)
    if high in _FEW_BITS and not (values % _WIDENED == 0).all():
        warn(f"{user} is read as {_FEW_BITS[high]} bits: {high:,} is white")
        return (values * np.float32(255 / high)).round().astype(np.uint8)
    if high <= DEEP // 2 and not (values % _WIDENED == 0).all():
        if strict:
            raise KandiError(
                f"{user} holds whole numbers up to {high:,}, neither 0…255 nor 0…65535; bring "
                f"them to 0…1, such as {remedy}"
            )
        warn(f"{user} is read as 16 bits, and its brightest number is {high:,} of 65,535")
    return ((values.astype(np.uint32) + _WIDENED // 2) // _WIDENED).astype(np.uint8)


def _range(values: np.ndarray, user: str) -> tuple[Any, Any]:
    """Return the smallest and the largest value; raise KandiError for NaN and infinity."""
    import numpy as np

    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and not (np.isfinite(low) and np.isfinite(high)):
        lost = int(np.isnan(values).sum())
        what = f"NaN, which is no number, at {lost:,}" if lost else "infinity"
        raise KandiError(
            f"{user} holds {what} of {values.size:,} places; put numbers there, such as "
            "numpy.nan_to_num(x), all in 0…1"
        )
    return low, high


def _remedy(low: Any, high: Any, user: str, strict: bool) -> str:
    """Return what brings numbers to 0…1."""
    if low < 0:
        near = low >= -1 and high <= 1
        return "(x + 1) / 2" if near else "(x - x.min()) / (x.max() - x.min())"
    if high == 255 or (high < 255 and not strict):
        return "x / 255"
    return f"x / x.max(){_DISTANCES if 'depth' in user else ''}"


def largest_value(picture: Image) -> int:
    """Return the largest number in any channel of an 8-bit picture."""
    import numpy as np

    return int(np.asarray(picture).max())
