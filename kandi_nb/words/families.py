"""How the generations of Kandinsky differ: one row each, which everything else reads.

To add a generation, add its row: its pipelines are told by how their classes' names begin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .tasks import tasks_of

Classes = tuple[tuple[str, str], ...]  # (library, class) pairs
_D, _T = "diffusers", "transformers"
_CLIP_TOKENS = 77

# What a network is for, whatever its family calls it; others bear the name of their component.
DENOISER, PICTURE_DECODER = "denoiser", "picture decoder"
# When a network runs: while the prompt is read, while a picture is looked at, at the drawing.
READING, LOOKING, DRAWING = "reading", "looking", "drawing"


@dataclass(frozen=True)
class Role:
    """Say what one pipeline of a model is: its checkpoint, its class, the tasks that it serves.

    `id` names a checkpoint on the hub, or the folder of a bundled model; `pipeline` a class of
    diffusers. Roles of one checkpoint share its files.
    """

    id: str
    pipeline: str
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """Say how a generation differs from the others.

    `pipelines` is how the names of its pipelines' classes begin. `stages` are stage ("prior",
    "decoder") → component → the classes that it may be of; schedulers may be of any. `roles`
    are role → checkpoint, without its publisher, class and tasks.

    `denoiser` and `picture_decoder` are the components' names of what predicts noise at each
    step, and of what turns latents into pixels; `latent_factor` is how many pixels a latent
    has along each side. `tokens` is how many of a text every stage reads, marks included,
    fixed inside of its pipelines. `guidance_offset` is what its pipelines add to
    `guidance_scale`: our `guidance` is the effective weight. `no_adapters` is why it takes no
    LoRA, empty where it does.
    """

    key: str
    pipelines: str
    stages: Mapping[str, Mapping[str, Classes]] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)
    denoiser: str = "unet"
    picture_decoder: str = "movq"
    latent_factor: int = 8
    tokens: int = _CLIP_TOKENS
    guidance_offset: int = 0
    no_adapters: str = ""

    @property
    def has_prior(self) -> bool:
        """Tell whether a first stage makes an embedding of the text."""
        return "prior" in self.stages

    @property
    def decoder_reads_text(self) -> bool:
        """Tell whether the second stage reads the text itself, beside an embedding or alone."""
        return "text_encoder" in self.stages.get("decoder", ())

    def kind_of(self, component: str) -> str:
        """Return what a component is for: `DENOISER`, `PICTURE_DECODER`, else its own name.

        >>> FAMILIES["3"].kind_of("unet"), FAMILIES["3"].kind_of("text_encoder")
        ('denoiser', 'text_encoder')
        """
        kinds = {self.denoiser: DENOISER, self.picture_decoder: PICTURE_DECODER}
        return kinds.get(component, component)

    def phase_of(self, stage: str, component: str) -> str:
        """Return when a component runs: `READING`, `LOOKING` or `DRAWING`.

        Where there is a prior, a decoder that reads the text as well does so when it draws.

        >>> FAMILIES["3"].phase_of("decoder", "text_encoder")
        'reading'
        >>> FAMILIES["2.1"].phase_of("decoder", "text_encoder")
        'drawing'
        """
        if component == "image_encoder":
            return LOOKING
        first = stage == "prior" or not self.has_prior
        return READING if first and component in ("prior", "text_encoder") else DRAWING


_UNET, _MOVQ = ((_D, "UNet2DConditionModel"),), ((_D, "VQModel"),)
_CLIP_PRIOR = {
    "prior": ((_D, "PriorTransformer"),),
    "image_encoder": ((_T, "CLIPVisionModelWithProjection"),),
    "text_encoder": ((_T, "CLIPTextModelWithProjection"),),
    "tokenizer": ((_T, "CLIPTokenizer"), (_T, "CLIPTokenizerFast")),
    "image_processor": tuple(
        (_T, f"CLIP{kind}")
        for kind in ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil")
    ),
}
_DRAW, _REDRAW, _REPAINT = map(tasks_of, ("decoder", "edit", "inpaint"))

FAMILIES: dict[str, Family] = {
    row.key: row
    for row in (
        Family(
            "2.1",
            "Kandinsky",
            {
                "prior": _CLIP_PRIOR,
                "decoder": {
                    "unet": _UNET,
                    "movq": _MOVQ,
                    "text_encoder": (("kandinsky", "MultilingualCLIP"),),
                    "tokenizer": (
                        (_T, "XLMRobertaTokenizer"),
                        (_T, "XLMRobertaTokenizerFast"),
                    ),
                },
            },
            {
                "prior": Role("kandinsky-2-1-prior", "KandinskyPriorPipeline"),
                "decoder": Role("kandinsky-2-1", "KandinskyPipeline", _DRAW),
                "edit": Role("kandinsky-2-1", "KandinskyImg2ImgPipeline", _REDRAW),
                "inpaint": Role("kandinsky-2-1-inpaint", "KandinskyInpaintPipeline", _REPAINT),
            },
        ),
        Family(
            "2.2",
            "KandinskyV22",
            {"prior": _CLIP_PRIOR, "decoder": {"unet": _UNET, "movq": _MOVQ}},
            {
                "prior": Role("kandinsky-2-2-prior", "KandinskyV22PriorPipeline"),
                "decoder": Role("kandinsky-2-2-decoder", "KandinskyV22Pipeline", _DRAW),
                "edit": Role("kandinsky-2-2-decoder", "KandinskyV22Img2ImgPipeline", _REDRAW),
                "inpaint": Role(
                    "kandinsky-2-2-decoder-inpaint", "KandinskyV22InpaintPipeline", _REPAINT
                ),
                "depth": Role(
                    "kandinsky-2-2-controlnet-depth", "KandinskyV22ControlnetPipeline"
                ),
            },
        ),
        Family(
            "3",
            "Kandinsky3",
            {
                "decoder": {
                    "unet": ((_D, "Kandinsky3UNet"),),
                    "movq": _MOVQ,
                    "text_encoder": ((_T, "T5EncoderModel"),),
                    "tokenizer": ((_T, "T5Tokenizer"), (_T, "T5TokenizerFast")),
                },
            },
            {
                # Inpainting needs no weights of its own here: what is kept is put back at
                # each step.
                "decoder": Role("kandinsky-3", "Kandinsky3Pipeline", (*_DRAW, *_REPAINT)),
                "edit": Role("kandinsky-3", "Kandinsky3Img2ImgPipeline", _REDRAW),
            },
            tokens=128,
            guidance_offset=1,
            no_adapters="diffusers reads no LoRA for Kandinsky 3 (load_lora_weights raises), "
            "so what it learned could be used nowhere else; take kandinsky-2.2 or mini-2.2",
        ),
    )
}


def family_of(pipeline_class: str) -> Family | None:
    """Return the family whose pipelines' classes have such a name, None for another's.

    >>> family_of("KandinskyV22Pipeline").key, family_of("KandinskyPriorPipeline").key
    ('2.2', '2.1')
    """
    rows = [row for row in FAMILIES.values() if pipeline_class.startswith(row.pipelines)]
    return max(rows, key=lambda row: len(row.pipelines), default=None)
