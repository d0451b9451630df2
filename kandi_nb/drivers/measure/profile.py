"""Where the time of a picture goes: seconds in each network, as a table with a flame."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...model.loading.kandinsky import Kandinsky
from ...tasks.checks import check_model
from ...tasks.generate import generate
from ...words.params import Params
from ...words.tables import Table

WIDTH = 32  # characters of a flame
REST = "all the rest"
# Component of a pipeline → what it is called here, in the order they run.
_NAMES = {
    "prior": {
        "text_encoder": "text encoder",
        "image_encoder": "image encoder",
        "prior": "prior",
    },
    "decoder": {"text_encoder": "decoder's text encoder", "unet": "UNet", "movq": "MoVQ"},
}


def profile(k: Kandinsky, params: Params, repeats: int = 3) -> Table:
    """Draw from a text and return how long each network took, in the order they run.

    A row a network: `calls`, `seconds`, `share` of the whole, and `flame`, its place in the
    run. "all the rest" is what stands between them: tokenizers, schedulers, noise. The run of
    median length of `repeats` is shown, after one to warm up; nothing is remembered from
    earlier ones. Raises KandiError.
    """
    from .bench import check_repeats

    check_model(k, "generate")
    check_repeats(repeats)
    runs = [_run_once(k, params) for _ in range(repeats + 1)][1:]
    rows = sorted(runs, key=lambda run: run[REST][2])[len(runs) // 2]
    total = rows[REST][2]
    table, begun = [], 0.0
    rest = total - sum(seconds for name, (_, seconds, _) in rows.items() if name != REST)
    for name, (calls, seconds, _) in rows.items():
        taken = rest if name == REST else seconds
        table.append(
            {
                "network": name,
                "calls": calls,
                "seconds": taken,
                "share": taken / total,
                "flame": _flame(begun / total, taken / total),
            }
        )
        begun += taken
    pictures = "1 picture" if params.count == 1 else f"{params.count} pictures"
    note = f"{total:.3f} s for {pictures} on {k.device}"
    return Table(table, note=note)


def _flame(begins: float, share: float) -> str:
    before = round(begins * WIDTH)
    return "·" * before + "█" * max(1, round((begins + share) * WIDTH) - before)


def _run_once(k: Kandinsky, params: Params) -> Mapping[str, tuple[int, float, float]]:
    """Draw once; return name → calls, seconds and, of the rest, the seconds of all."""
    k.forget()
    with _clocked_calls(k) as taken:
        began = time.perf_counter()
        generate(k, params, progress=False)
        whole = time.perf_counter() - began
    rows = {name: (len(each), sum(each), 0.0) for name, each in taken.items() if each}
    return {**rows, REST: (1, 0.0, whole)}


@contextmanager
def _clocked_calls(k: Kandinsky) -> Iterator[dict[str, list[float]]]:
    """List the seconds of each call of each network while the block runs.

    The hooks hang on whole networks, which changes nothing of how they work.
    """
    taken: dict[str, list[float]] = {}
    hooks = []
    for role, names in _NAMES.items():
        if role not in k.spec.roles:
            continue
        for component, name in names.items():
            network = getattr(k.pipeline(role), component, None)
            if network is None:
                continue
            network = network.decoder if component == "movq" else network
            taken[name] = []
            hooks += _clocks(network, taken[name], k.device)
    try:
        yield taken
    finally:
        for hook in hooks:
            hook.remove()


def _clocks(network: Any, taken: list[float], device: str) -> list[Any]:
    """Hang two hooks on a network, which note the seconds of its calls."""
    began: list[float] = []

    def now() -> float:
        if device.startswith("cuda"):  # which goes on by itself after a call
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()

    before = network.register_forward_pre_hook(lambda *_: began.append(now()))
    after = network.register_forward_hook(lambda *_: taken.append(now() - began.pop()))
    return [before, after]
