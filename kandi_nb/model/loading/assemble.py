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
from ...words.families import DENOISER, PICTURE_DECODER
from ...words.models import ModelSpec
from .. import integrity, match, pipelines
from ..check import torchvision_fault
from ..finite import not_finite
from ..hub import first_line
from ..machine.out_of_memory import is_out_of_memory
from ..progress import heed_stop
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

    stage = "prior" if role == "prior" else "decoder"
    networks = {
        name: _network(spec, stage, folder / name, entry, placement, components)
        for name, entry in integrity.components(folder).items()
        if integrity.is_model(entry[1])
    }
    try:
        pipeline_class = getattr(diffusers, spec.roles[role].pipeline)
        pipeline = pipeline_class.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            dtype=placement.dtype,
            **networks,
        )
    except Exception as error:
        raise _not_loaded(folder, error) from error
    if "tokenizer" in pipeline.components:
        tokenizer, encoder = pipeline.tokenizer, pipeline.text_encoder
        match.check_tokenizer(folder / "tokenizer", tokenizer, encoder)
        match.limit_tokens(tokenizer, encoder)
    if role != "prior":
        denoiser, decoder = pipelines.denoiser(pipeline), pipelines.picture_decoder(pipeline)
        match.check_channels(folder, role, denoiser, decoder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _network(
    spec: ModelSpec,
    stage: str,
    folder: Path,
    entry: tuple[str, str],
    placement: Placement,
    components: list[Component],
) -> Any:
    """Return one network of a pipeline: the one that is there, or a new one, checked."""
    for component in components:
        if is_same(component, folder, entry[1], spec.variant):
            return component.network
    heed_stop()
    read = functools.partial(_read_network, spec, folder, entry, placement)
    network = read()
    if weight := not_finite(network):
        raise integrity.Damaged(
            f"{folder} holds weights that are not finite in "
            f"{str(placement.dtype).removeprefix('torch.')} ({weight})"
        )
    kind = spec.generation.kind_of(folder.name)
    quicken(kind, network, placement.device)
    _heed_stops(kind, network)
    components.append(Component(folder, network))
    phase = spec.generation.phase_of(stage, folder.name)
    placement.settle(folder.name, network, read, kind=kind, phase=phase)
    return network


def _heed_stops(kind: str, network: Any) -> None:
    """Let each call of a network first ask whether the run was stopped.

    So a stop is heard between networks and windows, in diffusers' own pipelines too. A picture
    decoder is called by its two halves.
    """
    for part in (network.encoder, network.decoder) if kind == PICTURE_DECODER else (network,):
        part.register_forward_pre_hook(_ask)


def _ask(module: Any, inputs: tuple) -> None:
    heed_stop()


def quicken(kind: str, network: Any, device: str) -> None:
    """Let a network of a kind, see `Family.kind_of`, give the same for less work, in place."""
    if kind == DENOISER:
        ease(network, device)
        look_up(network)
    elif kind == PICTURE_DECODER:
        norm_in_place(network)
    elif kind == "prior":
        skip_padding(network)


def is_same(component: Component, folder: Path, class_name: str, variant: str | None) -> bool:
    """Tell whether a folder holds the very network that is there: class, settings, weights."""
    alike = type(component.network).__name__ == class_name
    return alike and integrity.same_files(component.folder, folder, variant)


def components_of(
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


def _read_network(
    spec: ModelSpec, folder: Path, entry: tuple[str, str], placement: Placement
) -> Any:
    library, class_name = entry
    known = library in ("diffusers", "transformers")
    try:
        module = importlib.import_module(library if known else f"diffusers.pipelines.{library}")
        network, info = getattr(module, class_name).from_pretrained(
            folder,
            dtype=placement.dtype,
            **placement.reading(spec.generation.kind_of(folder.name), library),
            variant=_variant_of(folder, spec.variant),
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **({} if library == "diffusers" else {"trust_remote_code": False}),
        )
    except Exception as error:
        raise _not_loaded(folder, error) from error
    match.check_missing(folder, _names(info), network)
    return network


def _not_loaded(folder: Path, error: Exception) -> Exception:
    """Return the error to raise: the weights are to blame only if nothing else is."""
    if is_out_of_memory(error):
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
    side = getattr(pipelines.denoiser(decoder).config, "sample_size", None)
    movq = pipelines.picture_decoder(decoder)
    if isinstance(side, int) and side:
        return side * pipelines.latent_factor(movq)
    trained = getattr(movq.config, "sample_size", None)
    if isinstance(trained, int) and trained > MOVQ_SAYS_NOTHING and trained % 64 == 0:
        return trained
    return spec.native_size


@contextmanager
def without_gc() -> Iterator[None]:
    """Keep the garbage collector out: it would walk all modules again and again as they load.

    What is there at the end counts as old, so that frequent looks at what is new pass it over.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # else what somebody froze would thaw
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def refuse_copy(k: Any, protocol: Any) -> Any:
    """Raise KandiError: a copy of a model would share half of it, and not its lock."""
    raise KandiError(
        "a loaded model is neither copied nor pickled: k.with_scheduler, k.with_speed and "
        "k.with_adapter give light ones that share its weights, and another process loads its "
        f"own: kn.load({k.spec.key!r})"
    )
