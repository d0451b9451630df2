"""Make the SentencePiece tokenizers of 2.1 (as XLM-R's) and 3 (as T5's) from the captions."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ...words.files import replace_folder, write
from .networks import TOKENS, TOKENS_3, VOCABULARY
from .tokenizers import corpus

if TYPE_CHECKING:
    from transformers import T5Tokenizer, XLMRobertaTokenizer

# Ids of the special pieces in the SentencePiece file. XLM-R's tokenizer moves all others up by
# one and puts <s> <pad> </s> <unk> first; T5's takes the file's ids as they are.
XLM_R = {"unk_id": 0, "bos_id": 1, "eos_id": 2, "pad_id": -1}
T5 = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
SENTINELS = 100  # T5's <extra_id_n>, which close its vocabulary
# What transformers 5 writes into tokenizer_config.json although its defaults say it too, and
# what transformers 4 takes for something else.
_NEWER = ("backend", "extra_special_tokens", "is_local", "local_files_only", "unk_id")


def learn(special: dict[str, int], pieces: int, count: int = 40_000) -> bytes:
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

    model = learn(XLM_R, VOCABULARY - 2, count)
    return _write(folder, "sentencepiece.bpe.model", model, XLMRobertaTokenizer, TOKENS)


def make_t5_tokenizer(folder: Path, count: int = 40_000) -> T5Tokenizer:
    """Learn Kandinsky 3's tokenizer, write its files to ``folder`` and return it."""
    from transformers import T5Tokenizer

    model = learn(T5, VOCABULARY - SENTINELS, count)
    return _write(folder, "spiece.model", model, T5Tokenizer, TOKENS_3)


def _write(folder: Path, name: str, model: bytes, kind: type, length: int):
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
