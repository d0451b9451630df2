"""What a job wants of the first stage, and how it becomes an embedding.

Only here do our settings become arguments of diffusers' priors, and here stand the guards
against what those do unasked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..model.caches import DiskCache
from ..model.finite import check_finite
from ..model.machine.out_of_memory import enough_memory, in_halves
from ..model.speed.prior_kv_cache import kv_cached_texts

if TYPE_CHECKING:
    import torch

    from ..model.loading.kandinsky import Kandinsky
    from ..words.params import Params

PRIOR_BATCH = 64  # texts: an embedding is small, a prior's activations are not

Tick = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Noise:
    """Hold what the prior starts from instead of its seed's noise, shape [1, dim]."""

    rows: torch.Tensor


class Text(NamedTuple):
    """Say which embedding is wanted: a text, and how the prior gets there."""

    text: str
    steps: int
    guidance: float
    seed: int
    noise: Noise | None = None


@dataclass(frozen=True, eq=False)
class Ready:
    """Hold an embedding that is there already, shape [1, dim]: of a picture, of a mixture."""

    embedding: torch.Tensor


NOTHING = "the embedding of a black picture"  # what the decoder steers away from by default

Want = Text | Ready | str  # the only str is NOTHING


def positive(params: Params) -> Text:
    """Return the embedding that the prompt asks for."""
    return Text(params.prompt, params.prior_steps, params.prior_guidance, params.prior_seed)


def negative(params: Params) -> Text | str:
    """Return the embedding that the negative text asks for, `NOTHING` without one.

    It is a run of its own at guidance 1: diffusers would put it in the same batch, where it
    takes noise away from the prompt and so changes the positive embedding too. Guidance 1
    gives the numbers that diffusers has there, as it guides that row away from itself.
    """
    if not (params.negative or "").strip():
        return NOTHING
    return Text(params.negative, params.prior_steps, 1.0, params.prior_seed)


@dataclass
class Step:
    """Hold what the prior knows after one step: predicted embeddings, shape [texts, dim]."""

    number: int
    timestep: int
    predicted: torch.Tensor


def embeddings(
    k: Kandinsky,
    wants: Iterable[Want],
    tick: Tick,
    on_step: Callable[[Step], None] | None = None,
) -> dict[Want, torch.Tensor]:
    """Return want → embedding, shape [1, dim], each text from its own seed, remembered in `k`.

    One call of the prior for all texts with equal steps and guidance; a generator per text, so
    that company does not change a text's noise. With `on_step` nothing is taken from memory.
    """
    fresh = on_step is not None
    distinct = list(dict.fromkeys(wants))
    batches = _batches(k, distinct, fresh)
    rows: dict[Want, torch.Tensor] = {w: w.embedding for w in distinct if isinstance(w, Ready)}
    # Taken before anything is added, which may drop it from a memory that is full.
    if not fresh:
        rows |= {want: k.embeddings[want] for want in distinct if want in k.embeddings}
    for batch in batches:
        for text, row in zip(batch, _rows(k, batch, tick, on_step), strict=True):
            rows[text] = k.embeddings[text] = row[None]
    if NOTHING in distinct and NOTHING not in rows:
        rows[NOTHING] = k.embeddings[NOTHING] = _nothing(k)
    return rows


def _nothing(k: Kandinsky) -> torch.Tensor:
    """Return the embedding of a black picture, [1, dim].

    The image encoder is the largest network of a prior and reads nothing else for most
    pictures: unless all networks stay in memory, what it says is remembered on disk.
    """
    disk = None if k.memory.place == "resident" else DiskCache(k)
    known = disk and disk.read()
    if known is not None:
        return known

    def look(_: Any) -> list[torch.Tensor]:
        return [k.prior.get_zero_embed(device=k.prior._execution_device)]

    (nothing,) = in_halves(look, [NOTHING], k.device, str, retreat=k.retreat)
    check_finite(nothing, k.prior, NOTHING)
    if disk:
        disk.write(nothing)
    return nothing


def steps_left(k: Kandinsky, wants: Iterable[Want], fresh: bool = False) -> int:
    """Return how many steps the prior will take for what is not remembered."""
    return sum(batch[0].steps for batch in _batches(k, wants, fresh))


def _batches(k: Kandinsky, wants: Iterable[Want], fresh: bool = False) -> list[list[Text]]:
    """Return the texts that the prior still has to do, in batches of one call each.

    Fresh ones are not cut into batches of `PRIOR_BATCH`: who looks on sees all at each step.
    """
    groups: dict[tuple, list[Text]] = {}
    for text in dict.fromkeys(wants):
        if isinstance(text, Text) and (fresh or text not in k.embeddings):
            kind = text.steps, text.guidance, text.noise is None
            groups.setdefault(kind, []).append(text)
    return [
        group[start : start + most]
        for group in groups.values()
        for most in [len(group) if fresh else PRIOR_BATCH]
        for start in range(0, len(group), most)
    ]


def _rows(
    k: Kandinsky, batch: list[Text], tick: Tick, on_step: Callable[[Step], None] | None
) -> list[torch.Tensor]:
    """Run the prior on a batch, in halves where memory is short; return a row a text."""
    if on_step is None:
        work = lambda part: _prior(k, part, tick, None)  # noqa: E731
        what = "the embedding of one text"
        return in_halves(work, batch, k.device, lambda text: what, retreat=k.retreat)
    with enough_memory(k.device, f"{len(batch)} embeddings at once"):
        return list(_prior(k, batch, tick, on_step))


def _prior(
    k: Kandinsky, batch: list[Text], tick: Tick, on_step: Callable[[Step], None] | None
) -> torch.Tensor:
    """Run the prior on texts with equal steps and guidance; return [texts, dim]."""
    guidance = batch[0].guidance
    number = 0

    # A hook on the network, because the 2.1 prior calls nobody back between its steps.
    def after_step(module: Any, args: tuple, named: dict, output: Any) -> None:
        nonlocal number
        if on_step is not None:
            guided = _apply_guidance(output.predicted_image_embedding, guidance)
            on_step(Step(number, int(named["timestep"]), _final(k.prior, guided)))
        number += 1
        tick()

    hook = k.prior.prior.register_forward_hook(after_step, with_kwargs=True)
    try:
        # The pipeline would let the image encoder look at a black picture after every call.
        k.prior.get_zero_embed = lambda batch_size=1, device=None: None
        with kv_cached_texts(k.prior.prior):
            rows = k.prior(
                [text.text for text in batch],
                num_inference_steps=batch[0].steps,
                guidance_scale=guidance,
                generator=[generator(text.seed) for text in batch],
                latents=_noise(k.prior, batch),
            ).image_embeds
    except BaseException:  # the keyboard too: give offloaded components back before it goes on
        k.prior.maybe_free_model_hooks()
        raise
    finally:
        del k.prior.get_zero_embed
        hook.remove()
    check_finite(rows, k.prior, "the embedding that the prior made")
    return rows


def _noise(prior: Any, batch: list[Text]) -> torch.Tensor | None:
    """Return what the texts of a batch start from, [texts, dim]; None for their seeds' own."""
    import torch

    noises = [text.noise.rows for text in batch if text.noise is not None]
    if not noises:
        return None
    rows = torch.cat(noises)  # [texts, dim]
    return rows.to(device=prior._execution_device, dtype=prior.prior.dtype)


def _apply_guidance(predicted: torch.Tensor, guidance: float) -> torch.Tensor:
    """Combine the unguided and guided halves of a batch as the pipeline does."""
    if guidance <= 1:
        return predicted
    unguided, guided = predicted.chunk(2)  # [texts, dim] each
    return unguided + guidance * (guided - unguided)


def _final(prior: Any, predicted: torch.Tensor) -> torch.Tensor:
    """Turn what the network predicts into an embedding, as the last step would.

    Every Kandinsky prior predicts the clean embedding itself (prediction_type "sample"), which
    the scheduler clips and the prior stretches back to CLIP's mean and deviation.
    """
    limits = prior.scheduler.config
    if limits.clip_sample:
        predicted = predicted.clamp(-limits.clip_sample_range, limits.clip_sample_range)
    return prior.prior.post_process_latents(predicted)


_WORDS = slice(24, 24 + 8 * 624)  # bytes of torch's state that are the Mersenne Twister's own


def generator(seed: int) -> torch.Generator:
    """Return noise that depends neither on the batch nor on the device: made on the CPU.

    torch reads 32 bits of a seed. For a larger one the state is set from all of its bits, by
    the generator's own `init_by_array` (Matsumoto and Nishimura 2002), as NumPy has it.
    """
    import numpy as np
    import torch

    made = torch.Generator("cpu").manual_seed(seed % 2**63)
    if seed < 2**32:
        return made
    key = [seed >> place & 0xFFFFFFFF for place in range(0, seed.bit_length(), 32)]
    state = made.get_state()
    words = state.numpy()[_WORDS].view(np.uint64)
    numbers: Any = np.random.RandomState(key).get_state()
    words[:] = numbers[1]
    return made.set_state(state)
