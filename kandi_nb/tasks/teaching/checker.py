"""A small judge for what was taught: tells from CLIP's view whether a picture shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...model.loading.kandinsky import Kandinsky
from ...model.pipelines import picture_decoder
from ...pictures.images import pictures as read_pictures
from ...pictures.pixels import is_picture
from ...words.errors import KandiError, collected_warnings, quote
from ...words.params import Params
from ...words.tables import Table
from ..checks import check_prior
from ..embeddings.clip import encode
from ..embeddings.items import gather
from ..generate import generate
from ..loop.windows import decode
from ..loop.windows import encode as latents_of
from ..sources import as_images
from .dataset import read_dataset
from .prepared import on_canvas
from .preservation import SETTINGS, texts_to_keep

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

PENALTY = 0.01  # on the squared weights, beside the mean loss: 128 numbers, some dozens of rows
FOLDS = 5  # parts of the pictures, each left out once to see how well it is told


@dataclass(frozen=True, repr=False)
class Checker:
    """Tell whether pictures show what was taught, by logistic regression on CLIP's view.

    `right` is the share of its own examples that it told when it had not learned from them,
    `shown` how many show the new thing and `others` how many do not. It is no better than
    that, so judge its figures by `right`.
    """

    k: Kandinsky
    weights: torch.Tensor
    right: float
    shown: int
    others: int

    def __repr__(self) -> str:
        return (
            f"Checker({self.shown} pictures with it, {self.others} without; tells "
            f"{self.right:.0%} of those that it had not seen)"
        )

    def chances(self, pictures: Any) -> list[float]:
        """Return for each picture how likely it shows the new thing, 0…1."""
        drawn = getattr(pictures, "images", pictures)
        rows = _clip_embeddings(self.k, read_pictures(list(drawn), "the checker's picture"))
        return _chances(self.weights, rows).tolist()

    def share(self, pictures: Any) -> float:
        """Return the share of pictures that show the new thing, 0…1."""
        chances = self.chances(pictures)
        return sum(chance > 0.5 for chance in chances) / len(chances)

    def compare(
        self,
        models: Mapping[str, Kandinsky],
        prompts: Mapping[str, Sequence[str]],
        params: Params | None = None,
        *,
        progress: bool = True,
    ) -> Table:
        """Return how often models draw the new thing: a row for each name of `prompts`.

        `models` is such as {"before": k, "after": k.with_adapter(a)}, `prompts` such as
        {"trained": […], "untrained": […]}; `params` has the settings, `count` pictures each.
        """
        if not models or not prompts:
            raise KandiError(
                'compare takes models and prompts by name: {"before": k}, {"trained": […]}'
            )
        settings = params or Params()
        rows = []
        for name, texts in prompts.items():
            row: dict[str, Any] = {"prompts": name, "pictures": len(texts) * settings.count}
            for label, k in models.items():
                drawn = _draw_pictures(k, texts, settings, progress)
                row[label] = round(self.share(drawn), 3)
            rows.append(row)
        return Table(rows, note=f"shares of pictures that show it; {self!r}")


def checker(
    k: Kandinsky,
    pictures: Any,
    captions: Any = None,
    *,
    against: Any = True,
    seed: int = 0,
    progress: bool = True,
) -> Checker:
    """Return a `Checker` that has learned from pictures what they show, in a moment.

    `pictures` and `captions` are those of `teach`, and `k` the model that has not been taught:
    what it draws for the captions are examples of pictures without the new thing. `against`
    are more of them, texts that are drawn or pictures: give it what might be taken for it. By
    default these are common things; without any (None) all of them pass for the new one. The
    examples go through the model's MoVQ, so that sharpness tells nothing.
    """
    check_prior(k, "no CLIP inside; models that have it")
    if k.adapters:
        raise KandiError(
            f"a checker compares with what the model draws untaught, and {k.spec.key} has "
            f"{k.adapters[0].adapter.name} on; give it k.with_adapter(None)"
        )
    examples = read_dataset(pictures, captions)
    shown_rows = _views(k, [on_canvas(k, example.picture) for example in examples])
    others = _draw_pictures(
        k, [example.caption for example in examples], SETTINGS.replace(seed=seed), progress
    )
    other_rows = _clip_embeddings(k, _with_mirrored(others))
    if against is True:
        against = texts_to_keep(True, k)
    if against is not None:
        other_rows = _join(other_rows, _against(k, against, seed, progress))
    return _train(k, shown_rows, other_rows)


def _against(k: Kandinsky, against: Any, seed: int, progress: bool) -> torch.Tensor:
    items = gather(against, "checker")
    texts = [item.prompt for item in items if isinstance(item, Params)]
    given = [item for item in items if is_picture(item)]
    if len(texts) + len(given) < len(items):
        raise KandiError("against takes texts and pictures, no embeddings")
    drawn = _draw_pictures(k, texts, SETTINGS.replace(seed=seed), progress) if texts else []
    rows = [_clip_embeddings(k, _with_mirrored(drawn))] if drawn else []
    rows += [_views(k, [on_canvas(k, item) for item in given])] if given else []
    return _join(*rows)


def _draw_pictures(
    k: Kandinsky, texts: Sequence[str], params: Params, progress: bool
) -> list[Image]:
    """Return pictures of texts, each from a seed of its own; unknown words are no news."""
    if isinstance(texts, str) or not texts:
        raise KandiError(f"prompts are lists of texts, not {quote(texts)}")
    runs = [
        params.replace(prompt=text, seed=params.seed + n * params.count)
        for n, text in enumerate(texts)
    ]
    with collected_warnings():
        return generate(k, runs, progress=progress).images


def _with_mirrored(pictures: Sequence[Image]) -> list[Image]:
    from PIL import ImageOps

    return [*pictures, *map(ImageOps.mirror, pictures)]


def _views(k: Kandinsky, pictures: Sequence[Image]) -> torch.Tensor:
    """Return CLIP's rows of pictures as MoVQ gives them back, mirrored ones behind."""
    from diffusers.image_processor import VaeImageProcessor

    processor = VaeImageProcessor(do_normalize=True)
    with k.alone():
        fits = {"device": k.decoder._execution_device, "dtype": k.dtype}
        movq = picture_decoder(k.decoder)
        coded = [latents_of(movq, as_images(each).to(**fits)) for each in pictures]
        back = [decode(movq, each) for each in coded]
        seen = [processor.postprocess(each.float().cpu(), "pil")[0] for each in back]
    return _clip_embeddings(k, _with_mirrored(seen))


def _clip_embeddings(k: Kandinsky, pictures: Sequence[Image]) -> torch.Tensor:
    import torch

    with k.alone():
        rows = encode(k, pictures)
    return torch.stack([row.clone() for row in rows])


def _join(*rows: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat(rows)


def _train(k: Kandinsky, shown_rows: torch.Tensor, others: torch.Tensor) -> Checker:
    """Fit all examples, and say how well those were told that were left out."""
    import torch

    rows = torch.cat([shown_rows, others])  # [n, dim]
    truth = torch.tensor([1.0] * len(shown_rows) + [0.0] * len(others))
    right = 0
    # A picture and its mirror image are one example: they stand half of a side apart.
    halves = [torch.arange(len(side)) % max(1, len(side) // 2) for side in (shown_rows, others)]
    fold = torch.cat(halves) % FOLDS  # [n]
    for number in range(FOLDS):
        left_out = fold == number
        if not left_out.any() or left_out.all() or len(set(truth[~left_out].tolist())) < 2:
            continue
        weights = _fit(rows[~left_out], truth[~left_out])
        right += int(
            ((_chances(weights, rows[left_out]) > 0.5) == truth[left_out].bool()).sum()
        )
    weights = _fit(rows, truth)
    return Checker(k, weights, right / len(rows), len(shown_rows), len(others))


def _fit(rows: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Return weights [dim + 1] of a logistic regression, both classes counting the same."""
    import torch

    with torch.inference_mode(False), torch.enable_grad():
        mean, deviation = rows.mean(0), rows.std(0).clamp_min(1e-6)  # [dim] each
        scaled = (rows - mean) / deviation  # [n, dim]
        weights = torch.zeros(rows.shape[1], requires_grad=True)
        bias = torch.zeros(1, requires_grad=True)
        share = torch.where(truth > 0, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))  # [n]
        descent = torch.optim.LBFGS(
            [weights, bias], max_iter=100, line_search_fn="strong_wolfe"
        )

        def closure() -> torch.Tensor:
            descent.zero_grad()
            loss = (
                torch.nn.functional.binary_cross_entropy_with_logits(
                    scaled @ weights + bias, truth, share
                )
                + PENALTY * weights.square().sum()
            )
            loss.backward()
            return loss

        descent.step(closure)
        plain = weights.detach() / deviation
    return torch.cat([plain, bias.detach() - (plain * mean).sum()])


def _chances(weights: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return (rows @ weights[:-1] + weights[-1]).sigmoid()  # [n]
