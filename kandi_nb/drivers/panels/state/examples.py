"""Prompts to begin with, in each language, and what a bundled model knows of what is typed."""

from __future__ import annotations

from ....words.models import ModelSpec, function_at

# Language → its own name and a prompt that every model understands who reads the language.
EXAMPLES = {
    "en": ("English", "A red fox in a snowy forest"),
    "ru": ("Русский", "Красная лиса в снежном лесу"),
    "zh": ("中文", "雪林中的红狐狸"),
    "de": ("Deutsch", "Ein roter Fuchs im verschneiten Wald"),
    "fr": ("Français", "Un renard rouge dans une forêt enneigée"),
}
FIRST = EXAMPLES["en"][1]
_STRIDE = 97  # from one sentence of a long list to one that is about something else


def example(spec: ModelSpec, language: str, number: int) -> str:
    """Return a prompt in a language; a bundled model has another one for each number."""
    first = EXAMPLES[language][1]
    if number == 0 or not spec.sentences:
        return first
    sentences = function_at(spec.sentences)(language)
    return sentences[number * _STRIDE % len(sentences)]


def advice(spec: ModelSpec, prompt: str | None) -> str:
    """Return what the model does not know of a prompt; "" when there is nothing to say."""
    if not prompt or not spec.advice:
        return ""
    return function_at(spec.advice)(prompt) or ""
