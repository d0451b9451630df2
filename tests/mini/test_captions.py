"""Captions: what they say is true, grammatical, varied, and read back without loss."""

from __future__ import annotations

import doctest
import itertools
import random
import re
import subprocess
import sys
import time
import unicodedata
from typing import NamedTuple

import pytest

from kandi_nb.mini import captions
from kandi_nb.mini.captions import (
    LANGUAGE_NAMES,
    LANGUAGES,
    advise,
    canonical,
    caption,
    expects,
    phrases,
    reading,
    unknown_words,
    vocabulary,
)
from kandi_nb.mini.world.vocabulary import ANIMALS, COLOURS, HEADWEAR, OBJECTS, PLACES, STYLES


class Scene(NamedTuple):
    object: str = "fox"
    colour: str = "natural"
    place: str = "plain"
    headwear: str = "none"
    style: str = "plain"

    def said(self) -> dict[str, str]:
        """What a caption of this scene has to say."""
        default = Scene("", "natural", "plain", "none", "plain")
        return {k: v for k, v in self._asdict().items() if v != getattr(default, k)}


def any_scene(draw: random.Random) -> Scene:
    thing = draw.choice(OBJECTS)
    return Scene(
        thing,
        "natural" if thing == "nothing" else draw.choice(COLOURS),
        draw.choice(PLACES),
        draw.choice(HEADWEAR) if thing in ANIMALS else "none",
        draw.choice(("plain", *STYLES)),
    )


def draws(scene: Scene, language: str, count: int) -> list[str]:
    draw = random.Random(1)
    return [caption(scene, language, draw) for _ in range(count)]


FOX = Scene("fox", "red", "snowy_forest")
STANDARD = {
    "en": "A red fox in a snowy forest",
    "ru": "Красная лиса в снежном лесу",
    "zh": "雪林中的红狐狸",
    "de": "Ein roter Fuchs im verschneiten Wald",
    "fr": "Un renard rouge dans une forêt enneigée",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_famous_prompt_is_standard_and_drawn(language):
    assert canonical(FOX, language) == STANDARD[language]
    assert STANDARD[language] in draws(FOX, language, 500)
    assert expects(STANDARD[language]) == FOX.said()


@pytest.mark.parametrize(
    ("prompt", "scene"),
    [
        ("a cat", Scene("cat")),
        ("a dog", Scene("dog")),
        ("a fox in space", Scene("fox", place="space")),
        ("a red fox in space", Scene("fox", "red", "space")),
    ],
)
def test_short_english_prompts_are_drawn(prompt, scene):
    assert prompt in draws(scene, "en", 3000)
    assert expects(prompt) == scene.said()


@pytest.mark.parametrize(
    ("text", "scene", "language"),
    [
        ("雪林中红色的狐狸", FOX, "zh"),
        ("一只红色的狐狸在雪林里", FOX, "zh"),
        ("red fox, snowy forest", FOX, "en"),
        ("Ein Bild von einem roten Fuchs", Scene("fox", "red"), "de"),
        ("Лиса в шляпе", Scene("fox", headwear="hat"), "ru"),
        ("Une pomme blanche", Scene("apple", "white"), "fr"),
    ],
)
def test_other_wordings_are_drawn(text, scene, language):
    # Capitals and full stops vary by themselves.
    assert text.lower() in {found.lower() for found in draws(scene, language, 8000)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_captions_read_back_as_their_scene(language):
    draw = random.Random(f"read {language}")
    for _ in range(4000):
        scene = any_scene(draw)
        for text in (caption(scene, language, draw), canonical(scene, language)):
            read = expects(text)
            if scene.place == "plain" and read.get("place") == "plain":
                del read["place"]  # "on a plain background" may be said
            assert read == scene.said(), text
            assert unknown_words(text) == [], text
            assert advise(text) is None, text


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_phrase_of_every_scene_is_read(language):
    # All objects, colours and places once with each other, whatever chance may choose.
    draw = random.Random(7)
    for scene in itertools.starmap(Scene, itertools.product(OBJECTS[:-1], COLOURS, PLACES)):
        assert scene.said().items() <= expects(caption(scene, language, draw)).items()


@pytest.mark.parametrize("language", LANGUAGES)
def test_standard_wordings_differ(language):
    things = [
        Scene(thing, colour, place, headwear, style)
        for thing, colour, place, headwear, style in itertools.product(
            OBJECTS, COLOURS, PLACES, HEADWEAR, STYLES
        )
        if (thing in ANIMALS or headwear == "none")
        and (thing != "nothing" or colour == "natural")
    ]
    assert len({canonical(scene, language) for scene in things}) == len(things)


@pytest.mark.parametrize("language", LANGUAGES)
def test_wordings_vary_and_follow_the_seed(language):
    scene = Scene("cat", "blue", "beach", "crown", "oil")
    found = draws(scene, language, 500)
    assert found == draws(scene, language, 500)
    assert len(set(found)) > 250
    lower = sum(text == text.lower() for text in found)
    stopped = sum(text.endswith((".", "。")) for text in found)
    assert 0 < stopped < 150
    if language != "zh":
        assert 50 < lower < 450


def test_things_wear_nothing_and_emptiness_has_no_colour():
    for language in LANGUAGES:
        for text in draws(Scene("car", headwear="crown"), language, 200):
            assert "headwear" not in expects(text)
        for text in draws(Scene("nothing", "red", "beach", "hat"), language, 200):
            assert expects(text) == {"place": "beach", "object": "nothing"}


# --- grammar, held against tables written down a second time ---------------------------------

RUSSIAN = dict(
    fox="лиса f", cat="кот m", dog="собака f", frog="лягушка f", lion="лев m", bear="медведь m",
    rabbit="кролик m", owl="сова f", castle="замок m", house="дом m", car="машина f",
    rocket="ракета f", sailboat="парусник m", mushroom="гриб m", apple="яблоко n",
    butterfly="бабочка f",
)  # fmt: skip
GERMAN = dict(
    fox="Fuchs m", cat="Katze f", dog="Hund m", frog="Frosch m", lion="Löwe m", bear="Bär m",
    rabbit="Kaninchen n", owl="Eule f", castle="Schloss n", house="Haus n", car="Auto n",
    rocket="Rakete f", sailboat="Segelboot n", mushroom="Pilz m", apple="Apfel m",
    butterfly="Schmetterling m",
)  # fmt: skip
FRENCH = dict(
    fox="renard m", cat="chat m", dog="chien m", frog="grenouille f", lion="lion m",
    bear="ours m", rabbit="lapin m", owl="hibou m", castle="château m", house="maison f",
    car="voiture f", rocket="fusée f", sailboat="voilier m", mushroom="champignon m",
    apple="pomme f", butterfly="papillon m",
)  # fmt: skip
CHINESE = dict(
    fox="一只狐狸", cat="一只猫", dog="一只狗", frog="一只青蛙", lion="一头狮子", bear="一只熊",
    rabbit="一只兔子", owl="一只猫头鹰", castle="一座城堡", house="一栋房子", car="一辆汽车",
    rocket="一枚火箭", sailboat="一艘帆船", mushroom="一朵蘑菇", apple="一个苹果",
    butterfly="一只蝴蝶",
)  # fmt: skip


def test_tables_cover_every_object():
    for table in (RUSSIAN, GERMAN, FRENCH, CHINESE):
        assert tuple(table) == OBJECTS[:-1]


@pytest.mark.parametrize("thing", OBJECTS[:-1])
def test_russian_agrees(thing):
    noun, gender = RUSSIAN[thing].split()
    right = {"m": "красный", "f": "красная", "n": "красное"}[gender]
    blue = {"m": "синий", "f": "синяя", "n": "синее"}[gender]
    golden = {"m": "золотой", "f": "золотая", "n": "золотое"}[gender]
    assert canonical(Scene(thing, "red"), "ru") == f"{right} {noun}".capitalize()
    assert canonical(Scene(thing, "blue"), "ru") == f"{blue} {noun}".capitalize()
    assert canonical(Scene(thing, "golden"), "ru") == f"{golden} {noun}".capitalize()
    for text in draws(Scene(thing, "red"), "ru", 400):
        for ending in re.findall(rf"красн(\w+) {noun}\b", text.lower()):
            assert f"красн{ending}" == right, text


@pytest.mark.parametrize("thing", OBJECTS[:-1])
def test_german_agrees(thing):
    noun, gender = GERMAN[thing].split()
    one, red, to_one = {
        "m": ("ein", "roter", "einem"),
        "f": ("eine", "rote", "einer"),
        "n": ("ein", "rotes", "einem"),
    }[gender]
    dative = noun + {"lion": "n", "bear": "en"}.get(thing, "")
    assert canonical(Scene(thing, "red"), "de") == f"{one} {red} {noun}".capitalize().replace(
        noun.lower(), noun
    )
    painted = canonical(Scene(thing, "red", style="oil"), "de")
    assert painted == f"Ein Ölgemälde von {to_one} roten {dative}"
    for text in draws(Scene(thing, "red"), "de", 400):
        said = re.findall(
            rf"(?:(\w+) )?(?:(?:klein|niedlich|schön)\w+ )?(rot\w*) {noun}\b", text
        )
        for before, form in said:
            fits = {one: red, "der": "rote", "die": "rote", "das": "rote", to_one: "roten"}
            assert form == fits.get(before, red), text


@pytest.mark.parametrize("thing", OBJECTS[:-1])
def test_french_agrees(thing):
    noun, gender = FRENCH[thing].split()
    one = {"m": "un", "f": "une"}[gender]
    forms = {
        "white": ("blanc", "blanche"),
        "green": ("vert", "verte"),
        "blue": ("bleu", "bleue"),
        "golden": ("doré", "dorée"),
        "purple": ("violet", "violette"),
        "red": ("rouge", "rouge"),
    }
    for colour, (masculine, feminine) in forms.items():
        tone = masculine if gender == "m" else feminine
        scene = Scene(thing, colour)
        assert canonical(scene, "fr") == f"{one} {noun} {tone}".capitalize()
        wrong = masculine if gender == "f" else feminine
        if wrong != tone:
            said = " | ".join(draws(scene, "fr", 200)).lower()
            assert not re.search(rf"\b{noun} {wrong}\b", said)


@pytest.mark.parametrize("thing", OBJECTS[:-1])
def test_chinese_measure_words(thing):
    assert canonical(Scene(thing), "zh") == CHINESE[thing]


def test_english_articles():
    draw = random.Random(2)
    for _ in range(5000):
        text = caption(any_scene(draw), "en", draw).lower()
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), text


def test_french_contractions():
    draw = random.Random(3)
    for _ in range(5000):
        text = caption(any_scene(draw), "fr", draw).lower()
        assert not re.search(r"\bde (?:le|les|une?) |\b(?:de|le|la) [aeéiou]|[ld]'hibou", text)


def test_russian_prepositions():
    draw = random.Random(4)
    for _ in range(3000):
        text = caption(Scene("lion", "natural", draw.choice(PLACES)), "ru", draw).lower()
        assert " с льв" not in text


# --- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "read"),
    [
        ("белая лиса в снежном лесу", ("fox", "white", "snowy_forest", "", "")),
        ("Красивая лиса", ("fox", "", "", "", "")),
        ("красная лиса", ("fox", "red", "", "", "")),
        ("Нарисуй красную лису", ("fox", "red", "", "", "")),
        ("портрет кота в шляпе", ("cat", "", "", "hat", "")),
        ("Шляпа", ("", "", "", "hat", "")),
        ("котёнок и мяч", ("cat", "", "", "", "")),
        ("космический корабль на пляже", ("rocket", "", "beach", "", "")),
        ("левый берег моря", ("", "", "beach", "", "")),
        ("a fox in a green meadow", ("fox", "", "meadow", "", "")),
        ("a golden fox in a green meadow", ("fox", "golden", "meadow", "", "")),
        ("a white cat in a red hat", ("cat", "white", "", "hat", "")),
        ("a fox with a golden crown", ("fox", "", "", "crown", "")),
        ("a fox without a crown", ("fox", "", "", "none", "")),
        ("a cat under cherry blossoms", ("cat", "", "blossom", "", "")),
        ("a violet spaceship in outer space", ("rocket", "purple", "space", "", "")),
        ("a snow-white owl", ("owl", "white", "", "", "")),
        ("A car in front of a house", ("car", "", "", "", "")),
        ("snowy mountains at sunset", ("nothing", "", "sunset", "", "")),
        ("a pencil sketch of a bunny", ("rabbit", "", "", "", "pencil")),
        ("Fuchs auf grüner Wiese", ("fox", "", "meadow", "", "")),
        ("grüne Wiese", ("nothing", "", "meadow", "", "")),
        ("Der Fuchs hat eine Krone", ("fox", "", "", "crown", "")),
        ("ein gruener Loewe im Stil eines Oelgemaeldes", ("lion", "green", "", "", "oil")),
        ("un chat dans un pré vert", ("cat", "", "meadow", "", "")),
        ("un chateau dans une foret enneigee", ("castle", "", "snowy_forest", "", "")),
        ("un vaisseau spatial doré", ("rocket", "golden", "", "", "")),
        ("绿色的草地上的狐狸", ("fox", "", "meadow", "", "")),
        ("猫头鹰", ("owl", "", "", "", "")),
        ("宇宙飞船", ("rocket", "", "", "", "")),
        ("白雪中的猫", ("cat", "", "snowy_forest", "", "")),
        ("戴红帽子的白猫，油画", ("cat", "white", "", "hat", "oil")),
        ("red fox, ville de nuit", ("fox", "red", "city", "", "")),
        ("hello", ("", "", "", "", "")),
        ("", ("", "", "", "", "")),
    ],
)
def test_reading(prompt, read):
    names = ("object", "colour", "place", "headwear", "style")
    assert expects(prompt) == {n: v for n, v in zip(names, read, strict=True) if v}


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a cute red dragon over a Volcano", ["dragon", "volcano"]),
        ("a beautiful detailed photo of a fox, 4k", []),
        ("нарисуй милого дракона в космосе", ["дракона"]),
        ("雪地里的熊猫", ["熊猫"]),
        ("一条龙在太空", ["龙"]),
        ("Ein Drache am Strand", ["drache"]),
        ("une licorne dans un pré", ["licorne"]),
        ("un dragón rojo", ["dragón", "rojo"]),
        ("ein Bärenfell", ["bärenfell"]),
        ("a cat at night", ["night"]),
        ("a city at night", []),
        ("붉은 여우", ["붉은", "여우"]),
        ("fox fox unicorn unicorn", ["unicorn"]),
        ("", []),
    ],
)
def test_unknown_words(prompt, words):
    assert unknown_words(prompt) == words


def test_advice_is_one_short_line_that_says_where_the_words_are_listed():
    for prompt in (
        "A dragon in space",
        "dragons tea drinks newspapers wizards robots unicorns",
    ):
        advice = advise(prompt)
        assert "“drag" in advice and "space”" not in advice
        assert "k.vocabulary" in advice and "kandi-nb models mini-2.2" in advice
        assert "\n" not in advice and len(advice) < 220


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("spce", "space"), ("foox", "fox"), ("beech", "beach"), ("лса", "лиса"),
        ("renrad", "renard"), ("schmeterling", "Schmetterling"),
        ("dragon", None), ("wolf", None), ("people", None), ("龙", None), ("drawm", None),
    ],
)  # fmt: skip
def test_a_typo_gets_the_nearest_known_word_and_other_words_none(typed, meant):
    advice = advise(f"a fox {typed}")
    assert f"“{typed}”" in advice
    assert (f"“{typed}” (did you mean {meant}?)" in advice) == (meant is not None)
    assert meant or "did you mean" not in advice


def test_the_vocabulary_lists_the_whole_world():
    listed = repr(vocabulary())
    for word in (*OBJECTS[:-1], *COLOURS[1:], *HEADWEAR[1:]):
        assert word in listed
    for words in ("snowy forest", "city at night", "blossom garden", "oil painting"):
        assert words in " ".join(listed.split())
    assert "_" not in listed


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("a fox and a cat", "one object at a time"),
        ("кот и собака", "one object at a time"),
        ("a castle with a crown", "on animals only"),
        ("a photo", "no object"),
        ("???", "no object"),
        ("a black cat", "“black”"),
    ],
)
def test_advice_gives_the_reason(prompt, reason):
    assert reason in advise(prompt)


@pytest.mark.parametrize("prompt", [*STANDARD.values(), "a cat", "a beautiful sunset", "雪林"])
def test_no_advice_inside_the_world(prompt):
    assert advise(prompt) is None


# --- the module ------------------------------------------------------------------------------


def test_answers_are_the_callers_own():
    expects("a dragon in space")["place"] = "city"
    unknown_words("a dragon in space").append("x")
    assert expects("a dragon in space") == {"place": "space"}
    assert unknown_words("a dragon in space") == ["dragon"]


def test_names_of_languages():
    assert tuple(LANGUAGE_NAMES) == LANGUAGES
    assert set(captions.__all__) <= set(dir(captions))
    with pytest.raises(KeyError):
        caption(FOX, "xx", random.Random(0))
    with pytest.raises(KeyError):
        canonical(FOX, "xx")


@pytest.mark.parametrize("language", LANGUAGES)
def test_fast_enough_for_training(language):
    draw = random.Random(5)
    scenes = [any_scene(draw) for _ in range(4000)]
    caption(FOX, language, draw)  # builds the tables

    def seconds() -> float:
        start = time.process_time()
        for scene in scenes:
            caption(scene, language, draw)
        return time.process_time() - start

    assert min(seconds() for _ in range(3)) < len(scenes) / 20_000


def test_needs_the_standard_library_only():
    code = (
        "import sys; import kandi_nb.mini.captions as c; c.expects('a fox'); "
        "bad = {'torch', 'numpy', 'PIL', 'transformers'} & set(sys.modules); "
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", [captions, phrases, reading])
def test_examples(module):
    tried = doctest.testmod(module)
    assert tried.attempted and not tried.failed


def test_letters_that_were_taken_apart_are_read_as_whole_ones():
    """Some keyboards, and names of files on some systems, write ü as u and two dots."""
    for text in (
        "Ein grüner Frosch im verschneiten Wald",
        "une forêt enneigée, un renard orange",
        "Жёлтый медведь в зимнем лесу, йети",
        "a café with a piñata",
    ):
        apart = unicodedata.normalize("NFD", text)
        assert apart != text and advise(apart) == advise(text)
        assert expects(apart) == expects(text)
        assert unknown_words(apart) == unknown_words(text)
    assert advise(unicodedata.normalize("NFD", "ein grüner Frosch")) is None
