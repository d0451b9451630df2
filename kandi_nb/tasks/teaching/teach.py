"""`teach`: pictures with captions → an adapter that lets a model draw what they show."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...model.adapters.adapter import Adapter
from ...model.loading.kandinsky import Kandinsky
from ...model.progress import check_stop, interruptible
from ...words.errors import KandiError
from ...words.files import writable
from ..loop.texts import complain, unknown_words
from .dataset import Example, read_dataset
from .limits import check_numbers, check_teachable, read_parts, share_of, steps_of
from .losses import SMALL
from .prepared import prepare
from .preservation import pictures_of, texts_to_keep
from .trainer import Trainer, previewer
from .training import Schedule

if TYPE_CHECKING:
    from PIL.Image import Image


def teach(
    k: Kandinsky,
    pictures: Any,
    captions: Any = None,
    *,
    minutes: float = 2,
    steps: int | Mapping[str, int] | None = None,
    parts: str | Sequence[str] = ("prior", "decoder"),
    rank: int = 8,
    scale: float = 1.0,
    rate: float = 2e-3,
    batch: int | None = None,
    mirrored: bool = False,
    keep: bool | Sequence[str] = True,
    checkpointing: bool | None = None,
    seed: int = 0,
    name: str | None = None,
    folder: str | os.PathLike | None = None,
    snapshots: int = 0,
    preview: float = 30,
    on_preview: Callable[[list[Image], float], None] | None = None,
    progress: bool = True,
    stop: Any = None,
) -> Adapter:
    """Teach a model what pictures show; return an Adapter for `k.with_adapter`.

    `pictures` is a folder (captions in captions.jsonl, captions.csv or .txt files), a Result or
    a list of pictures of any size with a list of `captions`. The model itself stays as it is,
    and may draw meanwhile: low-rank matrices beside its weights are trained, the prior's for a
    third of the time and the decoder's for the rest. `minutes` are those of training; `steps`
    count instead: those of the decoder, or a mapping of part → steps. `parts` may be one alone.

    `rank` is that of the matrices, `scale` what they count for, `rate` the peak of the learning
    rate, `batch` pictures a step (by default 32 and 8 for small pictures, else 16 and 2).
    `mirrored` also shows each picture mirrored. `keep` are texts that shall be drawn as before:
    some of common things in five languages, or your own list; False lets the model forget.
    `checkpointing` computes activations twice, for
    less memory: by default for pictures beyond 128 pixels. `folder` keeps checkpoints: the
    same call goes on where it was stopped or killed, and more minutes go on further; the
    adapter lies there as adapter.safetensors. `snapshots` also returns so many states on the
    way.

    Every `preview` seconds a few captions are drawn, where somebody sees them, or
    `on_preview(pictures, share done)` gets them. A stop keeps what was learned until then.
    Needs peft, the extra `teach`. Raises KandiError before any training for what cannot be
    taught, and for Kandinsky 3, to which diffusers has no LoRA.
    """
    chosen = read_parts(parts)
    check_teachable(k)
    check_numbers(minutes, rank, scale, rate, batch, snapshots, preview, seed)
    counts = steps_of(steps, chosen)
    check_stop(stop)
    examples = read_dataset(pictures, captions)
    complain(k, [example.caption for example in examples])
    words = _new_words(k, examples)
    named = name or (words[0] if words else _folders_name(pictures))
    settings = {"rank": rank, "scale": scale, "rate": rate, "seed": seed, "mirrored": mirrored}
    kept_texts = texts_to_keep(keep, k)
    subject = _subject(k, examples, {**settings, "batch": batch, "keep": kept_texts})
    ended = (
        "what was learned is in the folder" if folder else "without a folder nothing is kept"
    )
    with interruptible(ended), _checkpoint_folder(folder) as kept:
        old = pictures_of(k, kept_texts, seed, stop)
        with k.alone(stop):
            prepared = prepare(k, examples, mirrored, old)
        card = {
            "model": k.spec.key,
            "revision": {part: k.revision[part] for part in chosen},
            "words": words,
            "pictures": [example.mark for example in examples],
            **settings,
        }
        schedules = [
            Schedule(
                part,
                counts.get(part),
                60 * minutes * share_of(part, chosen),
                rank,
                scale,
                rate,
                seed,
                kept and kept / f"{part}.checkpoint.safetensors",
                subject,
            )
            for part in chosen
        ]
        lighter = k.spec.native_size > SMALL if checkpointing is None else checkpointing
        look = previewer(k, examples, preview, on_preview, progress)
        trainer = Trainer(k, named, card, prepared, batch, lighter, snapshots, look)
        adapter = trainer.train(schedules, progress, stop)
        if kept:
            adapter.save(kept / "adapter.safetensors", overwrite=True)
    return adapter


@contextmanager
def _checkpoint_folder(folder: Any) -> Iterator[Path | None]:
    """Hold a folder for one teaching at a time; None for none."""
    if folder is None:
        yield None
        return
    from filelock import FileLock, Timeout

    path = writable(folder)
    lock = FileLock(path / ".teaching.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise KandiError(
            f"another teaching is at work in {path}: wait for it, or take another folder"
        ) from None
    try:
        yield path
    finally:
        lock.release()


def _subject(k: Kandinsky, examples: Sequence[Example], settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a checkpoint belongs to; how long it is taught may change."""
    said = {
        "model": k.spec.key,
        "revision": [k.revision[part] for part in ("prior", "decoder")],
        "lessons": [[example.mark, example.caption] for example in examples],
        **settings,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _new_words(k: Kandinsky, examples: Sequence[Example]) -> list[str]:
    """Return the words of the captions that the model does not know, the commonest first.

    Of models that cannot tell: the longer words that half of the captions have in common.
    """
    counts: dict[str, int] = {}
    for example in examples:
        for word in set(unknown_words(k, example.caption)):
            counts[word] = counts.get(word, 0) + 1
    if k.spec.advice is None:
        counts = {w: n for w, n in counts.items() if 2 * n >= len(examples) and len(w) > 3}
    return sorted(counts, key=lambda word: (-counts[word], word))


def _folders_name(pictures: Any) -> str:
    return Path(pictures).name if isinstance(pictures, (str, os.PathLike)) else "taught"
