"""English wording of captions."""

from __future__ import annotations

import re
from functools import cache

from .phrases import Grammar, Phrase, kind, openers, scenery, spread, spread_all

NOUNS = {
    "fox": "fox",
    "cat": "cat*5 | kitten | kitty",
    "dog": "dog*5 | puppy | doggy",
    "frog": "frog*6 | toad",
    "lion": "lion",
    "bear": "bear*6 | bear cub",
    "rabbit": "rabbit*4 | bunny*2 | hare",
    "owl": "owl",
    "castle": "castle*6 | fortress",
    "house": "house*5 | home | cottage",
    "car": "car*5 | automobile",
    "rocket": "rocket*4 | spaceship | rocket ship",
    "sailboat": "sailboat*4 | sailing boat | boat | sailing ship | yacht",
    "mushroom": "mushroom*5 | toadstool",
    "apple": "apple",
    "butterfly": "butterfly",
}
COLOUR_WORDS = {
    "natural": "",
    "red": "red",
    "blue": "blue",
    "green": "green",
    "purple": "purple*2 | violet",
    "golden": "golden*3 | gold",
    "white": "white",
}
ADORNING = spread(" *14 | little | small | cute | beautiful")

AT = {
    "plain": "on a plain background*2 | against a plain background | on a simple background",
    "snowy_forest": "in a snowy forest*5 | in the snowy forest | in a snow-covered forest | "
    "in snowy woods | in the snowy woods | in a winter forest | in the snow | "
    "in a forest in winter | in a forest covered with snow | among snowy trees | in the forest",
    "space": "in space*5 | in outer space*2 | among the stars | in the cosmos | "
    "surrounded by stars | in deep space",
    "sunset": "at sunset in the mountains*3 | in the mountains at sunset*2 | at sunset*2 | "
    "in front of a sunset over mountains | in front of mountains at sunset | "
    "against a mountain sunset | under a sunset sky",
    "city": "in a city at night*3 | in the city at night*2 | in a night city | "
    "in the night city | on a city street at night | in a big city at night | "
    "under the city lights | in the city | downtown at night",
    "beach": "on the beach*3 | on a beach*3 | at the beach | on a sandy beach | "
    "on the seashore | by the sea | at the seaside | on the sand by the sea",
    "meadow": "in a green meadow*4 | in a meadow*2 | on a green meadow | in the meadow | "
    "on the grass | in the green grass | in a green field | in a grassy meadow",
    "blossom": "in a cherry blossom garden*3 | in a garden of cherry blossoms | "
    "under cherry blossoms | among cherry blossoms | in a blooming cherry garden | "
    "under a blooming cherry tree | in a sakura garden | under the sakura | "
    "in a garden with cherry blossoms | under cherry trees in bloom",
}
SCENERY = {
    "plain": "a plain background*2 | a simple background",
    "snowy_forest": "a snowy forest*4 | a winter forest | a snow-covered forest | "
    "~snowy woods | a forest in the snow",
    "space": "~space*3 | ~outer space*3 | ~deep space | ~stars and space",
    "sunset": "a sunset over mountains*2 | a sunset in the mountains | a mountain sunset | "
    "~mountains at sunset*2 | a sunset over the mountains | a sunset",
    "city": "a city at night*4 | a night city*2 | ~city lights at night | a big city at night",
    "beach": "a beach*3 | a sandy beach*2 | a seashore | ~sea and sand",
    "meadow": "a green meadow*4 | a meadow | a green field | a grassy meadow",
    "blossom": "a cherry blossom garden*3 | a garden of cherry blossoms | a sakura garden | "
    "a blooming cherry garden | ~cherry blossoms | ~cherry trees in bloom",
}
EMPTY = {
    "plain": "an empty background | a blank background | ~nothing",
    "snowy_forest": "an empty snowy forest",
    "space": "~empty space",
    "sunset": "an empty landscape with a sunset over mountains",
    "city": "an empty city at night",
    "beach": "an empty beach",
    "meadow": "an empty green meadow",
    "blossom": "an empty cherry blossom garden",
}
WEARING = {
    "crown": "with a crown*3 | wearing a crown*3 | in a crown | with a crown on its head | "
    "with a golden crown",
    "hat": "with a hat*3 | wearing a hat*3 | in a hat*2 | in a top hat | wearing a top hat | "
    "with a hat on its head",
}
WORN = {"crown": "crown*2 | wearing a crown", "hat": "hat*2 | wearing a hat | top hat"}
VERBS = {  # (after the subject, in front of it)
    "animal": (
        "sitting*2 | standing*2 | sits | stands | is sitting | walking",
        "there is*2 | sits*2 | stands",
    ),
    "owl": ("sitting | flying | sits | flies", "there is | sits"),
    "butterfly": ("flying*2 | flies | fluttering", "there is | flies"),
    "building": ("standing | stands | is standing", "there is*2 | stands"),
    "car": ("parked | standing | driving | drives", "there is*2 | stands"),
    "rocket": ("flying*2 | flies | standing", "there is | flies"),
    "sailboat": ("sailing | floating | sails", "there is*2 | floats"),
    "mushroom": ("growing | standing | grows", "there is | grows"),
    "apple": ("lying | lies", "there is | lies"),
}
OPENERS = {
    "plain": "a photo {of}*3 | photo {of} | a picture {of}*2 | picture {of} | "
    "an image {of} | image {of} | a picture {along}",
    "pencil": "a pencil sketch {of}*3 | pencil sketch {of}*2 | a pencil drawing {of}*2 | "
    "pencil drawing {of} | a sketch {of}",
    "oil": "an oil painting {of}*4 | oil painting {of}*2 | a painting in oils {of} | "
    "an oil painting {along}",
}
TAILS = {
    "pencil": "pencil sketch*3 | pencil drawing*3 | drawn in pencil | "
    "in the style of a pencil sketch | a pencil sketch",
    "oil": "oil painting*5 | an oil painting | painted in oils | "
    "in the style of an oil painting | oil on canvas",
}


def _with_article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _phrase(words: str) -> Phrase:
    one = _with_article(words)
    return Phrase(one, words, f"of {one}", f"with {one}", f"the {words}")


def _scenery(words: str) -> Phrase:
    if words.startswith("~"):
        words = bare = words[1:]
    else:
        bare = words.partition(" ")[2]
    return Phrase(words, bare, f"of {words}", f"with {words}", f"the {bare}")


def _drop_articles(words: str) -> str:
    return re.sub(r"\b(?:an?|the|its) ", "", words)


@cache
def grammar() -> Grammar:
    """Build the English phrases (once)."""
    beside, alone = scenery(SCENERY, EMPTY, _scenery)
    subjects = {
        (thing, colour): tuple(
            _phrase(" ".join(word for word in (adorning, tone, noun) if word))
            for adorning in ADORNING
            for noun in spread(nouns)
            for tone in spread(tones)
        )
        for thing, nouns in NOUNS.items()
        for colour, tones in COLOUR_WORDS.items()
    }
    return Grammar(
        subjects=subjects,
        scenery=beside,
        empty=alone,
        at=spread_all(AT),
        wearing={(item, "m"): spread(text) for item, text in WEARING.items()},
        worn=spread_all(WORN),
        verbs={thing: spread(VERBS[kind(thing)][0]) for thing in NOUNS},
        inverted={thing: spread(VERBS[kind(thing)][1]) for thing in NOUNS},
        openers={style: openers(text) for style, text in OPENERS.items()},
        tails=spread_all(TAILS),
        drop_articles=_drop_articles,
    )
