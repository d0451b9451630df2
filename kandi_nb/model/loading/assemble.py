"""Assemble the pipeline of a role; components that are the same files are one object."""

from __future__ import annotations

import functools
import gc
import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...words.errors import KandiError
from ...words.models import ModelSpec
from .. import integrity, match
from ..check import torchvision_fault
from ..finite import not_finite
from ..hub import first_line
from ..shortage import is_shortage
from ..speed.convolutions import ease
from ..speed.networks import look_up
from ..speed.norms import norm_in_place
from ..speed.padding import skip_padding

if TYPE_CHECKING:
    from ..plan.placement import Placement


class Component(NamedTuple):
    """Hold a loaded network and the folder that it came from."""

    folder: Path
    network: Any


def assemble(
    spec: ModelSpec,
    role: str,
    folder: Path,
    placement: Placement,
    components: list[Component],
) -> Any:
    """Return the pipeline of a role, with no weight left out; new networks join `components`.

    Those that are there already are taken where the files are the same. `placement` has them
    where its plan says. Raises KandiError.
    """
    import diffusers

    networks = {
        name: _network(spec, folder / name, entry, placement, components)
        for name, entry in integrity.components(folder).items()
        if integrity.is_model(entry[1])
    }
    try:
        pipeline_class = getattr(diffusers, spec.roles[role].pipeline)
        pipeline = pipeline_class.from_pretrained(
            folder, local_files_only=True, dtype=placement.dtype, **networks
        )
    except Exception as error:
        raise _not_loaded(folder, error) from error
    if "tokenizer" in pipeline.components:
        tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
        match.check_tokenizer(folder / "tokenizer", tokenizer, encoder)
        match.limit_tokens(tokenizer, encoder)
    if hasattr(pipeline, "unet"):
        match.check_channels(folder, role, pipeline.unet, pipeline.movq)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _network(
    spec: ModelSpec,
    folder: Path,
    entry: tuple[str, str],
    placement: Placement,
    components: list[Component],
) -> Any:
    """Return one network of a pipeline: the one that is there, or a new one, checked."""
    for component in components:
        if is_same(component, folder, entry[1], spec.variant):
            return component.network
    read = functools.partial(_read, spec, folder, entry, placement)
    network = read()
    if weight := not_finite(network):
        raise integrity.Damaged(
            f"{folder} holds weights that are not finite in "
            f"{str(placement.dtype).removeprefix('torch.')} ({weight})"
        )
    quicken(folder.name, network, placement.device)
    components.append(Component(folder, network))
    placement.settle(folder.name, network, read)
    return network


def quicken(name: str, network: Any, device: str) -> None:
    """Let a network, "unet", "movq" or "prior", give the same for less work, in place."""
    if name == "unet":
        ease(network, device)
        look_up(network)
    elif name == "movq":
        norm_in_place(network)
    elif name == "prior":
        skip_padding(network)


def is_same(component: Component, folder: Path, class_name: str, variant: str | None) -> bool:
    """Tell whether a folder holds the very network that is there: class, settings, weights."""
    alike = type(component.network).__name__ == class_name
    return alike and integrity.same_files(component.folder, folder, variant)


def kept(
    components: list[Component], spec: ModelSpec, folders: Mapping[str, Path]
) -> list[Component]:
    """Return those of the components that some roles of a model hold, too."""
    wanted = [
        (folder / name, class_name)
        for folder in dict.fromkeys(folders.values())
        for name, (_, class_name) in integrity.components(folder).items()
        if integrity.is_model(class_name)
    ]
    return [
        component
        for component in components
        if any(is_same(component, *network, spec.variant) for network in wanted)
    ]


def _read(spec: ModelSpec, folder: Path, entry: tuple[str, str], placement: Placement) -> Any:
    library, class_name = entry
    known = library in ("diffusers", "transformers")
    try:
        module = importlib.import_module(library if known else f"diffusers.pipelines.{library}")
        network, info = getattr(module, class_name).from_pretrained(
            folder,
            dtype=placement.dtype,
            **placement.reading(folder.name, library),
            variant=_variant_of(folder, spec.variant),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except Exception as error:
        raise _not_loaded(folder, error) from error
    match.check_missing(folder, _names(info), network)
    return network


def _not_loaded(folder: Path, error: Exception) -> Exception:
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
    return integrity.Damaged(f"{folder} cannot be loaded ({first_line(error)})")


def _variant_of(folder: Path, variant: str | None) -> str | None:
    """Return the variant if this component has it; others are stored once, plainly."""
    return variant if variant and any(folder.glob(f"*.{variant}*.*")) else None


def _names(info: Mapping[str, Any]) -> list[str]:
    wrong = [
        entry[0] if isinstance(entry, tuple) else entry for entry in info["mismatched_keys"]
    ]
    return [*info["missing_keys"], *wrong]


MOVQ_SAYS_NOTHING = 32  # the default of its class, whatever a MoVQ was trained on


def native_size(decoder: Any, spec: ModelSpec) -> int:
    """Return the side in pixels that a decoder was made for: side of its latents × factor.

    Kandinsky 3's UNet does not say; there the MoVQ may, in pixels, else the registry does.
    """
    side = getattr(decoder.unet.config, "sample_size", None)
    if isinstance(side, int) and side:
        return side * 2 ** (len(decoder.movq.config.block_out_channels) - 1)
    trained = getattr(decoder.movq.config, "sample_size", None)
    says = isinstance(trained, int) and trained > MOVQ_SAYS_NOTHING and trained % 64 == 0
    return trained if says else spec.native_size


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector out: it would walk all modules of torch while they load."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
