"""Load a model, from the package, the hub's cache, the hub or a folder, by one table."""

from __future__ import annotations

import dataclasses
import importlib
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import integrity, memory, threads
from .check import torchvision_fault
from .convolutions import ease
from .errors import KandiError
from .finite import not_finite
from .hub import first_line
from .padding import skip_padding
from .progress import progress_bar
from .quiet import quiet
from .registry import SPECS, ModelSpec
from .shortage import enough_memory, is_shortage
from .sources import find, from_hub, remedy_for

if TYPE_CHECKING:
    import torch

EMBEDDINGS_KEPT = 512  # each a few kilobytes
_WAIT = 0.05  # seconds between two looks at the stop button while another thread draws


class Recent(OrderedDict):
    """Hold at most `limit` entries and drop the ones used longest ago."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def __getitem__(self, key: Any) -> Any:
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self.limit:
            self.popitem(last=False)


@dataclass(eq=False, repr=False)
class Kandinsky:
    """Hold a loaded model; the task functions take it as their first argument `k`.

    `prior` and `decoder` are diffusers pipelines (`prior` is None for Kandinsky 3); `revision`
    says role → commit on the hub, or the fingerprint of a folder's weights. A task holds
    `lock` while it runs, see `alone`. `embeddings` remembers the latest image embeddings.
    """

    spec: ModelSpec
    prior: Any | None
    decoder: Any
    device: str
    dtype: torch.dtype
    revision: dict[str, str]
    lock: Any = field(default_factory=threading.RLock)
    embeddings: Recent = field(default_factory=lambda: Recent(EMBEDDINGS_KEPT))
    # One entry while a task runs. Belongs to the lock, so that copies share both.
    _running: list[bool] = field(default_factory=list)

    def __repr__(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        size = self.spec.native_size
        return f"Kandinsky({self.spec.key!r}, {self.device}, {dtype}, {size} × {size} pixels)"

    @contextmanager
    def alone(self, stop: Any = None) -> Iterator[None]:
        """Hold the model for one task, without gradients; other threads wait for their turn.

        Schedulers keep their place in the step loop and tokenizers their padding, so two tasks
        must not use one model at once. `stop`, anything with is_set(), ends the waiting too.
        Raises KandiError inside a task of the same thread, such as in its callback.
        """
        import torch

        while not self.lock.acquire(timeout=_WAIT):
            progress_bar(0, "", shown=False, stop=stop).check()
        try:
            if self._running:
                raise KandiError(
                    f"this {self.spec.key} is at work on another task, from whose callback it "
                    "cannot be used; wait until that task is done, or load the model once more"
                )
            self._running.append(True)
            try:
                with torch.inference_mode():
                    yield
            finally:
                self._running.clear()
        finally:
            self.lock.release()


def load(
    key_or_folder: str | Path, *, device: str | None = None, dtype: Any = None
) -> Kandinsky:
    """Load a model by its key, such as "mini-2.2" or "kandinsky-2.2", or from a folder.

    A folder holds the publisher's sub-folders, such as kandinsky-2-2-prior and
    kandinsky-2-2-decoder, itself or in a sub-folder kandinsky-community; where several models
    lie together, give the decoder's own folder. A published key is looked for in the hub's
    cache, then downloaded. `device` and `dtype` (a torch dtype or its name) are chosen by the
    machine unless given. Raises KandiError, before any weights are read, for unknown names
    and for missing or damaged files.
    """
    chosen, found = find(key_or_folder)
    where = memory.device(device)
    number_format = memory.dtype(where, dtype)
    with quiet(), enough_memory(where, chosen.key):
        stages = found or from_hub(chosen)
        remedies = {role: remedy_for(chosen, role, bool(found)) for role in stages}
        for role, folder in stages.items():
            integrity.check_folder(folder, remedies[role], chosen.variant)
        threads.choose(stages.values(), where)
        pipelines = {
            role: _pipeline(chosen, role, folder, number_format, remedies[role]).to(where)
            for role, folder in stages.items()
        }
    for role, pipeline in pipelines.items():
        _check_weights(stages[role], pipeline, remedies[role])
    decoder = pipelines["decoder"]
    integrity.check_channels(stages["decoder"], decoder.unet, decoder.movq)
    ease(decoder.unet, where)
    if "prior" in pipelines:
        skip_padding(pipelines["prior"].prior)
    if chosen.key not in SPECS:
        chosen = dataclasses.replace(chosen, native_size=_native_size(decoder, chosen))
    return Kandinsky(
        spec=chosen,
        prior=pipelines.get("prior"),
        decoder=decoder,
        device=where,
        dtype=number_format,
        revision={
            role: integrity.fingerprint(folder, remedies[role], chosen.variant)
            if found
            else folder.name  # a snapshot's folder is named after its commit
            for role, folder in stages.items()
        },
    )


def _pipeline(
    chosen: ModelSpec, role: str, folder: Path, dtype: torch.dtype, remedy: str
) -> Any:
    """Build one pipeline from a checked folder, part by part, with no weight left out."""
    import diffusers

    ready: dict[str, Any] = {}
    for name, (library, class_name) in integrity.parts(folder, remedy).items():
        if integrity.is_model(class_name):
            ready[name] = _part(folder / name, library, class_name, dtype, chosen, remedy)
    try:
        pipeline_class = getattr(diffusers, chosen.classes[role])
        pipeline = pipeline_class.from_pretrained(
            folder, local_files_only=True, dtype=dtype, **ready
        )
    except Exception as error:
        raise _not_loaded(folder, error, remedy) from error
    if "tokenizer" in pipeline.components:
        integrity.check_tokenizer(
            folder / "tokenizer", pipeline.tokenizer, pipeline.text_encoder, remedy
        )
        integrity.limit_tokens(pipeline.tokenizer, pipeline.text_encoder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _check_weights(folder: Path, pipeline: Any, remedy: str) -> None:
    if weight := not_finite(pipeline):
        component, _, name = weight.partition(" ")
        dtype = str(pipeline.dtype).removeprefix("torch.")
        raise integrity.Damaged(
            f"{folder / component} holds weights that are not finite in {dtype} ({name}); "
            f"{remedy}"
        )


def _part(
    folder: Path, library: str, class_name: str, dtype: Any, chosen: ModelSpec, remedy: str
) -> Any:
    known = library in ("diffusers", "transformers")
    try:
        module = importlib.import_module(library if known else f"diffusers.pipelines.{library}")
        model, info = getattr(module, class_name).from_pretrained(
            folder,
            dtype=dtype,
            variant=_variant_of(folder, chosen.variant),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise _not_loaded(folder, error, remedy) from error
    integrity.check_missing(folder, _names(info), model, remedy)
    return model


def _not_loaded(folder: Path, error: Exception, remedy: str) -> Exception:
    """Return the error to raise: the weights are to blame only if nothing else is."""
    if is_shortage(error):
        return error
    if fault := torchvision_fault():
        return KandiError(f"torchvision {fault[0]}; {fault[1]}")
    if isinstance(error, ImportError):
        return KandiError(
            f"{folder.name} cannot be loaded, as a package cannot be imported "
            f"({first_line(error)}); type: kandi-nb check"
        )
    return integrity.Damaged(f"{folder} cannot be loaded ({first_line(error)}); {remedy}")


def _variant_of(folder: Path, variant: str | None) -> str | None:
    """Return the variant if this part has it; parts without it are stored once, plainly."""
    return variant if variant and any(folder.glob(f"*.{variant}*.*")) else None


def _names(info: Mapping[str, Any]) -> list[str]:
    wrong = [
        entry[0] if isinstance(entry, tuple) else entry for entry in info["mismatched_keys"]
    ]
    return [*info["missing_keys"], *wrong]


def _native_size(decoder: Any, chosen: ModelSpec) -> int:
    """Return the side in pixels that a decoder was made for (side of its latents × factor)."""
    side = getattr(decoder.unet.config, "sample_size", None)
    factor = 2 ** (len(decoder.movq.config.block_out_channels) - 1)
    return side * factor if isinstance(side, int) and side else chosen.native_size
