"""What stands in the place of a text or of a seed's noise: once, for all tasks."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..model.pipelines import denoiser, latent_factor, picture_decoder
from ..words.embedding import as_embedding
from ..words.errors import KandiError, Unsupported
from ..words.fields import floats
from .checks import as_list, check_embedding
from .job import Job
from .prior import Noise, Ready, Text

if TYPE_CHECKING:
    import torch

    from ..model.loading.kandinsky import Kandinsky
    from ..words.params import Params


@dataclass(frozen=True)
class Steering:
    """Hold what stands for texts and noise of a model's pictures; `steering` makes it.

    `rows` are name of the input → its rows, one for all pictures or one a picture.
    """

    rows: Mapping[str, Sequence[Any]]

    @property
    def instead(self) -> tuple[str, ...]:
        """Return the names of what stands in the place of texts, as `filled_runs` takes it."""
        return tuple(n for n in ("embedding", "negative_embedding") if n in self.rows)

    def jobs(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs with it in the place of their texts and noise.

        A single job is drawn once for each row. The rows are noted as inputs, so that they
        travel in the recipe. Raises KandiError for counts that do not fit.
        """
        rows = self.rows
        count = len(jobs) if len(jobs) > 1 else max([1, *map(len, rows.values())])
        for name, many in {"params": jobs, **rows}.items():
            if len(many) not in (1, count):
                raise KandiError(
                    f"{name} has {len(many)} rows for {count} pictures; give one for all, or "
                    "one a picture",
                    about=name,
                )
        ready = {name: [_ready(name, row) for row in many] for name, many in rows.items()}
        return [
            _replace(
                jobs[n % len(jobs)],
                {name: many[n % len(many)] for name, many in rows.items()},
                {name: many[n % len(many)] for name, many in ready.items()},
            )
            for n in range(count)
        ]


def steering(
    k: Kandinsky,
    params: Params | Sequence[Params],
    *,
    latents: Any = None,
    **embeddings: Any,
) -> tuple[Any, Steering]:
    """Return the params, of the latents' size, and the steering of a task's inputs.

    `embeddings` are `embedding`, `negative_embedding` and `prior_latents`, None where there is
    none. Raises KandiError for a model without a prior, embeddings of another model, latents of
    another shape, and inputs that exclude each other.
    """
    params, noise = start_noise(k, params, latents)
    rows = {n: _for_model(k, n, value) for n, value in embeddings.items() if value is not None}
    if {"prior_latents", "embedding"} <= rows.keys():
        raise KandiError(
            "an embedding is there already, so the prior has nothing to do with prior_latents; "
            "give one of the two",
            about="prior_latents",
        )
    return params, Steering(rows if noise is None else {**rows, "latents": noise.split(1)})


def start_noise(k: Kandinsky, params: Any, latents: Any) -> tuple[Any, torch.Tensor | None]:
    """Return params of the latents' size, and the latents as float32 [n, c, h, w] on the CPU.

    One side is the picture's divided by MoVQ's factor, 8. Raises KandiError for other shapes,
    numbers that are not finite, and params of another size.
    """
    if latents is None:
        return params, None
    channels = denoiser(k.decoder).config.in_channels
    scale = latent_factor(picture_decoder(k.decoder))
    wanted = f"floats [n, {channels}, height / {scale}, width / {scale}]"
    noise = floats(latents, f"latents are {wanted}")
    noise = noise[None] if noise.ndim == 3 else noise  # [n, c, h/f, w/f]
    shape = list(noise.shape)
    if noise.ndim != 4 or noise.shape[1] != channels or not noise.numel():
        raise KandiError(f"latents are {wanted}, not of shape {shape}", about="latents")
    if not noise.isfinite().all():
        raise KandiError(
            "latents hold numbers that are not finite; torch.randn makes good ones",
            about="latents",
        )
    sides = {"height": scale * noise.shape[2], "width": scale * noise.shape[3]}
    if any(side % 64 for side in sides.values()):
        raise KandiError(
            f"latents of shape {shape} make {sides['width']} × {sides['height']} pixels; sizes "
            "are multiples of 64",
            about="latents",
        )
    runs = as_list(params)
    for run in runs:
        for name, side in sides.items():
            if getattr(run, name) not in (None, side):
                raise KandiError(
                    f"{name} is {getattr(run, name)}, but the latents make {side}; leave it "
                    "out",
                    about=name,
                )
    return [run.replace(**sides) for run in runs], noise


def _for_model(k: Kandinsky, name: str, value: Any) -> Sequence[Any]:
    if k.prior is None:
        raise Unsupported(
            f"{k.spec.key} has no prior, so it takes no {name}; mix with kandinsky-2.2, then "
            "refine that picture with Kandinsky 3: kn.edit(k3, params, image=result[0])",
            about=name,
        )
    embedding = as_embedding(value, name)
    check_embedding(k, embedding)
    return list(embedding)


def _ready(name: str, row: Any) -> Any:
    if name == "prior_latents":
        return Noise(row.tensor)
    return row if name == "latents" else Ready(row.tensor)


def _replace(job: Job, inputs: Mapping[str, Any], ready: Mapping[str, Any]) -> Job:
    """Return one job with what it wants replaced by what is ready."""
    wants = job.wants
    if wants:
        wants = (ready.get("embedding", wants[0]), ready.get("negative_embedding", wants[1]))
        if "prior_latents" in ready:
            text = wants[0]
            if isinstance(text, Text):
                wants = (text._replace(noise=ready["prior_latents"]), wants[1])
    arguments = {name: value for name, value in ready.items() if name == "latents"}
    return dataclasses.replace(
        job,
        wants=wants,
        arguments={**job.arguments, **arguments},
        inputs={**job.inputs, **inputs},
    )
