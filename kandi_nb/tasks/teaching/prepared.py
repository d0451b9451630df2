"""Pictures and captions as the networks see them: embeddings and latents, computed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...model.machine.out_of_memory import in_halves
from ...model.pipelines import picture_decoder
from ...pictures.editing.canvas import Canvas, canvas_size
from ..embeddings.clip import check_picture, encode
from ..loop.windows import encode as latents_of
from ..prior import NOTHING, positive
from ..prior import embeddings as embeddings_of
from ..sources import as_images
from .dataset import Example

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from ...pictures.result import Result

_BATCH = 16  # pictures or texts at once


@dataclass(frozen=True)
class Texts:
    """Hold what an encoder reads in texts, the empty one last, float32 on the CPU.

    `embeds` is [texts, dim], `states` [texts, tokens, width], `mask` bool [texts, tokens].
    """

    embeds: torch.Tensor
    states: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True)
class Prepared:
    """Hold what training needs of each picture, float32 on the CPU, mirrored ones behind.

    `latents` are [c, h, w] each, `embeddings` [n, dim], `captions` [n] say which text goes with
    a picture, `nothing` [dim] is the embedding of a black picture. `read` is what the prior's
    CLIP reads in the texts, `decoded` what a decoder that reads them itself does. The last
    `kept` are what the model draws anyway, with the embeddings that its prior imagines.
    """

    latents: tuple[torch.Tensor, ...]
    embeddings: torch.Tensor
    captions: torch.Tensor
    nothing: torch.Tensor
    read: Texts
    decoded: Texts | None
    kept: int = 0

    def batch(self, most: int, generator: torch.Generator) -> torch.Tensor:
        """Return places of new pictures of one size, at random."""
        import torch

        count = len(self.latents) - self.kept
        first = int(torch.randint(count, (), generator=generator))
        shape = self.latents[first].shape
        alike = [n for n in range(count) if self.latents[n].shape == shape]
        chosen = torch.randint(len(alike), (most,), generator=generator)
        return torch.tensor(alike)[chosen]

    def kept_batch(self, most: int, generator: torch.Generator) -> torch.Tensor:
        """Return places of old pictures, at random."""
        import torch

        first = len(self.latents) - self.kept
        return torch.randint(first, len(self.latents), (most,), generator=generator)


def prepare(
    k: Kandinsky, examples: Sequence[Example], mirrored: bool, kept: Result | None = None
) -> Prepared:
    """Let the frozen networks look at pictures and captions once; hold `k` for it.

    `kept` is what the model draws anyway and shall go on drawing.
    """
    import torch
    from PIL import ImageOps

    pictures = [on_canvas(k, example.picture) for example in examples]
    if mirrored:
        pictures += list(map(ImageOps.mirror, pictures))
    for picture in pictures:
        check_picture(picture)
    texts = [example.caption for example in examples] * (2 if mirrored else 1)
    old = [] if kept is None else list(kept.params)
    wants = [positive(params) for params in old]
    imagined = embeddings_of(k, [*wants, NOTHING], lambda: None)
    embeddings = [*encode(k, pictures), *(imagined[want][0].float().cpu() for want in wants)]
    pictures += [] if kept is None else list(kept.images)
    texts += [params.prompt for params in old]
    distinct = list(dict.fromkeys(texts))
    decoded = None
    if k.spec.generation.decoder_reads_text:
        decoded = _texts_in_batches(k, [*distinct, ""], _decoders_texts)
    return Prepared(
        latents=tuple(_own(row) for row in _rows_in_batches(k, pictures, _latents)),
        embeddings=_own(torch.stack(embeddings)),  # [n, dim]
        captions=torch.tensor([distinct.index(text) for text in texts]),
        nothing=_own(imagined[NOTHING][0]),
        read=_texts_in_batches(k, [*distinct, ""], _priors_texts),
        decoded=decoded,
        kept=len(old),
    )


def on_canvas(k: Kandinsky, picture: Image) -> Image:
    """Return a picture of any size on a canvas of about the model's native area."""
    return Canvas(picture.size, canvas_size(picture.size, k.spec.native_size)).lay(picture)


def _own(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy that autograd may use, of what was made in inference mode."""
    import torch

    with torch.inference_mode(False):
        return tensor.detach().clone().float().cpu()


def _rows_in_batches(k: Kandinsky, items: Sequence[Any], work: Callable[..., Any]) -> list[Any]:
    rows: list[Any] = []
    for start in range(0, len(items), _BATCH):
        part = items[start : start + _BATCH]
        rows += in_halves(
            lambda some: list(work(k, some)),
            part,
            k.device,
            lambda item: "one picture or caption",
            retreat=k.retreat,
        )
    return rows


def _latents(k: Kandinsky, pictures: Sequence[Image]) -> list[torch.Tensor]:
    movq = picture_decoder(k.decoder)
    fits = {"device": k.decoder._execution_device, "dtype": k.dtype}
    return [latents_of(movq, as_images(p).to(**fits))[0].float().cpu() for p in pictures]


def _texts_in_batches(k: Kandinsky, texts: Sequence[str], work: Callable[..., Any]) -> Texts:
    import torch

    columns = zip(*_rows_in_batches(k, texts, work), strict=True)
    embeds, states, mask = (_own(torch.stack(column)) for column in columns)
    return Texts(embeds, states, mask.bool())


def _priors_texts(k: Kandinsky, texts: Sequence[str]) -> Any:
    """Yield for each text what the prior's pipeline hands its network."""
    return zip(
        *k.prior._encode_prompt(list(texts), k.prior._execution_device, 1, False), strict=True
    )


def _decoders_texts(k: Kandinsky, texts: Sequence[str]) -> Any:
    """Yield for each text what 2.1's decoder hands its UNet."""
    where = k.decoder._execution_device
    return zip(*k.decoder._encode_prompt(list(texts), where, 1, False), strict=True)
