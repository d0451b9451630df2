"""Make the tokenizers of the bundled models from their own captions.

CLIP's is a byte-level BPE, those of 2.1 (as XLM-R's) and 3 (as T5's) are SentencePiece.
"""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...words.files import replace_folder, write
from ..captions import caption
from ..world.scenes import scenes
from ..world.vocabulary import LANGUAGES
from .networks import TOKENS, TOKENS_3, VOCABULARY

if TYPE_CHECKING:
    from transformers import T5Tokenizer, XLMRobertaTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
# Ids of the special pieces in the SentencePiece file. XLM-R's tokenizer moves all others up by
# one and puts <s> <pad> </s> <unk> first; T5's takes the file's ids as they are.
XLM_R = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
T5 = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
SENTINELS = 100  # T5's <extra_id_n>, which close its vocabulary
# What transformers 5 writes into tokenizer_config.json although its defaults say it too, and
# what transformers 4 takes for something else.
_NEWER = ("backend", "extra_special_tokens", "is_local", "local_files_only", "unk_id")


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


def learn_pieces(special: dict[str, int], pieces: int, count: int = 40_000) -> bytes:
    """Return a SentencePiece unigram model of the captions.

    Its normaliser is NFKC with case folding: small and capital letters, and the full-width
    punctuation of Chinese, are read alike. One thread, so that the same captions give the same
    pieces.
    """
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(count),
        model_writer=model,
        model_type="unigram",
        vocab_size=pieces,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_name="nmt_nfkc_cf",
        num_threads=1,
        minloglevel=2,
        **special,
    )
    return model.getvalue()


def make_xlm_r_tokenizer(folder: Path, count: int = 40_000) -> XLMRobertaTokenizer:
    """Learn 2.1's tokenizer, write its files to ``folder`` and return it."""
    from transformers import XLMRobertaTokenizer

    model = learn_pieces(XLM_R, VOCABULARY - 2, count)
    return _write_tokenizer(
        folder, "sentencepiece.bpe.model", model, XLMRobertaTokenizer, TOKENS
    )


def make_t5_tokenizer(folder: Path, count: int = 40_000) -> T5Tokenizer:
    """Learn Kandinsky 3's tokenizer, write its files to ``folder`` and return it."""
    from transformers import T5Tokenizer

    model = learn_pieces(T5, VOCABULARY - SENTINELS, count)
    return _write_tokenizer(folder, "spiece.model", model, T5Tokenizer, TOKENS_3)


def _write_tokenizer(folder: Path, name: str, model: bytes, kind: type, length: int):
    """Write a tokenizer for every release of transformers and return it as it loads again.

    transformers 5 reads tokenizer.json, 4 the SentencePiece file.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        source = Path(scratch) / "source"
        write(source / name, model, overwrite=True)
        fresh = Path(scratch) / "fresh"
        kind.from_pretrained(source, model_max_length=length).save_pretrained(fresh)
        write(fresh / name, model, overwrite=True)
        config = fresh / "tokenizer_config.json"
        settings = json.loads(config.read_text("utf-8"))
        older = {k: v for k, v in settings.items() if k not in _NEWER}
        text = json.dumps(older, indent=2, sort_keys=True) + "\n"
        write(config, text.encode(), overwrite=True)
        replace_folder(fresh, folder)
    return kind.from_pretrained(folder)
