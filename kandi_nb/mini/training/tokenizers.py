"""Make the bundled model's tokenizers from its own captions."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from ...words.files import write
from ..captions import caption
from ..world.scenes import scenes
from ..world.vocabulary import LANGUAGES
from .networks import TOKENS, VOCABULARY

START, END = "<|startoftext|>", "<|endoftext|>"


def corpus(count: int = 40_000) -> Iterator[str]:
    """Yield captions of all languages, the same ones every time."""
    draw = random.Random("tokens")
    for number, scene in enumerate(scenes(count)):
        yield caption(scene, LANGUAGES[number % len(LANGUAGES)], draw)


def make_clip_tokenizer(folder: Path, count: int = 40_000) -> None:
    """Learn a byte-level BPE like CLIP's and write its files to ``folder``.

    The merges are learnt on the captions; all 256 bytes are in the vocabulary, so any text can
    be written, in many small tokens if it is strange.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE(continuing_subword_prefix="", end_of_word_suffix="</w>"))
    learner.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    # CLIP's vocabulary holds every byte twice: inside a word and at its end.
    room = VOCABULARY - len(letters) - 2
    trainer = trainers.BpeTrainer(
        vocab_size=room,
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
        min_frequency=3,
    )
    learner.train_from_iterator(corpus(count), trainer)
    learnt = json.loads(learner.to_str())["model"]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    known = set(vocabulary)
    vocabulary += [
        t for t in sorted(learnt["vocab"], key=learnt["vocab"].get) if t not in known
    ]
    vocabulary = vocabulary[: VOCABULARY - 2]
    vocabulary += [f"<|unused{i}|>" for i in range(VOCABULARY - 2 - len(vocabulary))]
    vocabulary += [START, END]
    inside = set(vocabulary)
    merges = [m if isinstance(m, str) else " ".join(m) for m in learnt["merges"]]
    merges = [m for m in merges if m.replace(" ", "") in inside]
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": TOKENS,
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "unk_token": END,
        "do_lower_case": True,
        "errors": "replace",
    }
    special = {k: settings[k] for k in ("bos_token", "eos_token", "pad_token", "unk_token")}
    ids = {token: number for number, token in enumerate(vocabulary)}
    files = {
        "vocab.json": json.dumps(ids, ensure_ascii=False),
        "tokenizer_config.json": json.dumps(settings, indent=2) + "\n",
        "special_tokens_map.json": json.dumps(special, indent=2) + "\n",
        # Last, because its presence tells that the tokenizer is whole.
        "merges.txt": "#version: 0.2\n" + "\n".join(merges) + "\n",
    }
    for name, text in files.items():
        write(folder / name, text.encode(), overwrite=True)
