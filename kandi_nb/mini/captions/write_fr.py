"""French wording of captions."""

from __future__ import annotations

from functools import cache
from random import Random

from .phrases import Grammar, Phrase, kind, openers, scenery, spread, spread_all

NOUNS = {
    "fox": "renard m",
    "cat": "chat m*5 | chaton m*2",
    "dog": "chien m*5 | chiot m*2",
    "frog": "grenouille f*6 | crapaud m",
    "lion": "lion m",
    "bear": "ours m*6 | ourson m",
    "rabbit": "lapin m*5 | lièvre m",
    "owl": "hibou m*4 | chouette f*3",
    "castle": "château m*6 | forteresse f",
    "house": "maison f*6 | maisonnette f",
    "car": "voiture f*6 | automobile f",
    "rocket": "fusée f*5 | vaisseau_spatial m",
    "sailboat": "voilier m*5 | bateau_à_voile m | bateau m",
    "mushroom": "champignon m",
    "apple": "pomme f",
    "butterfly": "papillon m",
}
# masculine and feminine
COLOUR_WORDS = {
    "natural": "",
    "red": "rouge rouge",
    "blue": "bleu bleue",
    "green": "vert verte",
    "purple": "violet violette*4 | pourpre pourpre",
    "golden": "doré dorée*4 | couleur_or couleur_or",
    "white": "blanc blanche",
}
ADORNING = spread(" *16 | petit petite*2 | joli jolie")  # these two stand before the noun

AT = {
    "plain": "sur un fond uni*2 | sur fond uni | sur un fond simple",
    "snowy_forest": "dans une forêt enneigée*5 | dans la forêt enneigée*2 | dans la neige | "
    "dans un bois enneigé | dans une forêt sous la neige | dans une forêt en hiver | "
    "dans une forêt couverte de neige | parmi les arbres enneigés | dans la forêt",
    "space": "dans l'espace*5 | dans le cosmos | parmi les étoiles | au milieu des étoiles | "
    "dans l'espace étoilé",
    "sunset": "dans les montagnes au coucher du soleil*3 | "
    "au coucher du soleil dans les montagnes*2 | au coucher du soleil | "
    "devant un coucher de soleil sur les montagnes | à la montagne au coucher du soleil | "
    "devant des montagnes au coucher du soleil | au soleil couchant",
    "city": "dans une ville la nuit*3 | dans la ville la nuit*2 | en ville la nuit | "
    "dans une ville de nuit | dans une ville nocturne | sous les lumières de la ville | "
    "dans une rue la nuit | dans une grande ville la nuit | en ville",
    "beach": "sur la plage*4 | sur une plage*3 | à la plage | au bord de la mer | "
    "sur une plage de sable | sur le sable au bord de la mer",
    "meadow": "dans une prairie verte*4 | dans un pré vert*3 | dans un pré | "
    "dans une prairie | dans l'herbe verte | dans l'herbe | dans un champ vert",
    "blossom": "dans un jardin de cerisiers en fleurs*4 | sous les cerisiers en fleurs*2 | "
    "sous un cerisier en fleurs | parmi les cerisiers en fleurs | "
    "dans un jardin aux cerisiers en fleurs | sous des fleurs de cerisier | "
    "dans un jardin avec des fleurs de cerisier",
}
SCENERY = {
    "plain": "un fond uni*2 | un fond simple",
    "snowy_forest": "une forêt enneigée*5 | un bois enneigé | une forêt sous la neige | "
    "une forêt en hiver",
    "space": "l'espace*3 | l'espace étoilé | le cosmos",
    "sunset": "un coucher de soleil sur les montagnes*2 | "
    "des montagnes au coucher du soleil*2 | "
    "un coucher de soleil en montagne | un coucher de soleil",
    "city": "une ville la nuit*4 | une ville de nuit | une ville nocturne | "
    "les lumières de la ville la nuit",
    "beach": "une plage*3 | une plage de sable*2 | une plage au bord de la mer",
    "meadow": "une prairie verte*4 | un pré vert*3 | une prairie | un champ vert",
    "blossom": "un jardin de cerisiers en fleurs*4 | des cerisiers en fleurs*2 | "
    "un cerisier en fleurs | des fleurs de cerisier",
}
EMPTY = {
    "plain": "un fond vide | ~rien",
    "snowy_forest": "une forêt enneigée déserte",
    "space": "l'espace vide",
    "sunset": "un paysage désert avec un coucher de soleil sur les montagnes",
    "city": "une ville déserte la nuit",
    "beach": "une plage déserte",
    "meadow": "une prairie verte déserte",
    "blossom": "un jardin désert de cerisiers en fleurs",
}
WEARING = {
    "crown": "avec une couronne*4 | portant une couronne*2 | coiffé d'une couronne | "
    "avec une couronne sur la tête | avec une couronne dorée",
    "hat": "avec un chapeau*4 | portant un chapeau*2 | coiffé d'un chapeau | "
    "avec un chapeau sur la tête | avec un chapeau haut-de-forme | en haut-de-forme",
}
WORN = {"crown": "couronne*2 | avec une couronne", "hat": "chapeau*2 | avec un chapeau"}
VERBS = {
    "animal": "se tient*2 | se promène | se trouve",
    "owl": "se tient | vole",
    "butterfly": "vole | volette",
    "building": "se trouve | se dresse",
    "car": "roule | se trouve",
    "rocket": "vole | se trouve",
    "sailboat": "navigue | flotte",
    "mushroom": "pousse | se trouve",
    "apple": "se trouve",
}
OPENERS = {
    "plain": "une photo {of}*3 | photo {of}*2 | une image {of}*2 | image {of} | "
    "une photographie {of} | une image {along}",
    "pencil": "un dessin au crayon {of}*3 | un croquis au crayon {of}*3 | "
    "croquis au crayon {of}*2 | dessin au crayon {of}*2",
    "oil": "une peinture à l'huile {of}*4 | un tableau à l'huile {of} | "
    "peinture à l'huile {of}*2",
}
TAILS = {
    "pencil": "croquis au crayon*3 | dessin au crayon*3 | au crayon | "
    "style dessin au crayon | esquisse au crayon",
    "oil": "peinture à l'huile*4 | huile sur toile*2 | style peinture à l'huile | "
    "dans le style d'une peinture à l'huile | tableau à l'huile",
}

DE = {"un ": "d'un ", "une ": "d'une ", "l'": "de l'", "le ": "du ", "la ": "de la "}


def elide(article: str, words: str) -> str:
    """Put "le", "la" or "de" before words, as l' or d' before a vowel (hibou has none)."""
    if words[0] in "aeiouéèêàâôh" and not words.startswith("hibou"):
        return f"{article[0]}'{words}"
    return f"{article} {words}"


def _agreeing(forms: str, gender: str) -> str:
    return forms.split()["mf".index(gender)].replace("_", " ") if forms else ""


def _subject(adorning: str, noun: str, tone: str, gender: str) -> Phrase:
    words = (_agreeing(adorning, gender), noun, _agreeing(tone, gender))
    bare = " ".join(word for word in words if word)
    one = ("un " if gender == "m" else "une ") + bare
    the = elide("le" if gender == "m" else "la", bare)
    return Phrase(one, bare, f"d'{one}", f"avec {one}", the, gender)


def _scenery(words: str) -> Phrase:
    if words.startswith("~"):
        words = words[1:]
        return Phrase(words, words, f"de {words}", f"avec {words}", words)
    article, gap, bare = words.partition("'" if words.startswith("l'") else " ")
    if article == "des":
        of = elide("de", bare)
    elif article == "les":
        of = f"des {bare}"
    else:
        of = DE[article + gap] + bare
    return Phrase(words, bare, of, f"avec {words}", words)


def _subjects(nouns: str, colours: str) -> tuple[Phrase, ...]:
    phrases = []
    for entry in spread(nouns):
        noun, gender = entry.split()
        for adorning in ADORNING:
            for tone in spread(colours):
                phrases.append(_subject(adorning, noun.replace("_", " "), tone, gender))
    return tuple(phrases)


_PLAIN = str.maketrans("àâéèêëîïôûùçÀÉÊ", "aaeeeeiiouucAEE")


def _spell(text: str, rng: Random) -> str:
    # Some people type without accents.
    return text.translate(_PLAIN) if rng.random() < 0.06 else text


@cache
def grammar() -> Grammar:
    """Build the French phrases (once)."""
    beside, alone = scenery(SCENERY, EMPTY, _scenery)
    wearing = {}
    for item, text in WEARING.items():
        wearing[item, "m"] = spread(text)
        wearing[item, "f"] = spread(text.replace("coiffé ", "coiffée "))
    return Grammar(
        subjects={
            (thing, colour): _subjects(nouns, colours)
            for thing, nouns in NOUNS.items()
            for colour, colours in COLOUR_WORDS.items()
        },
        scenery=beside,
        empty=alone,
        at=spread_all(AT),
        wearing=wearing,
        worn=spread_all(WORN),
        verbs={thing: spread(VERBS[kind(thing)]) for thing in NOUNS},
        # French turns the sentence round only with difficulty: "il y a" is what people say.
        inverted={thing: spread("il y a*2 | se trouve") for thing in NOUNS},
        openers={style: openers(text) for style, text in OPENERS.items()},
        tails=spread_all(TAILS),
        colon=" : ",  # as French typography wants it
        spell=_spell,
    )
