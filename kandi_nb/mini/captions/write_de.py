"""German wording of captions."""

from __future__ import annotations

from functools import cache

from .phrases import Grammar, Phrase, kind, openers, scenery, spread, spread_all

# noun and gender; a weak noun also has its dative
NOUNS = {
    "fox": "Fuchs m",
    "cat": "Katze f*5 | Kater m | Kätzchen n",
    "dog": "Hund m*5 | Welpe m Welpen | Hündchen n",
    "frog": "Frosch m*6 | Kröte f",
    "lion": "Löwe m Löwen",
    "bear": "Bär m Bären",
    "rabbit": "Kaninchen n*3 | Hase m Hasen*3 | Häschen n",
    "owl": "Eule f*6 | Uhu m",
    "castle": "Schloss n*4 | Burg f*3",
    "house": "Haus n*6 | Häuschen n",
    "car": "Auto n*5 | Wagen m",
    "rocket": "Rakete f*4 | Raumschiff n",
    "sailboat": "Segelboot n*4 | Segelschiff n | Boot n",
    "mushroom": "Pilz m*6 | Fliegenpilz m",
    "apple": "Apfel m",
    "butterfly": "Schmetterling m*6 | Falter m",
}
COLOUR_WORDS = {
    "natural": "",
    "red": "rot",
    "blue": "blau",
    "green": "grün",
    "purple": "lila!*2 | violett*2",  # "!" is never declined
    "golden": "golden*4 | goldfarben",
    "white": "weiß",
}
ADORNING = spread(" *16 | klein | niedlich | schön")

AT = {
    "plain": "vor einem einfachen Hintergrund | vor schlichtem Hintergrund | "
    "vor einfarbigem Hintergrund | auf schlichtem Hintergrund",
    "snowy_forest": "im verschneiten Wald*5 | in einem verschneiten Wald*3 | im Winterwald | "
    "im Schnee | in einem schneebedeckten Wald | im schneebedeckten Wald | "
    "in einem Wald voller Schnee | zwischen verschneiten Bäumen | im Wald",
    "space": "im Weltraum*4 | im Weltall*3 | im All | zwischen den Sternen | im Kosmos | "
    "mitten im Weltraum",
    "sunset": "bei Sonnenuntergang in den Bergen*3 | in den Bergen bei Sonnenuntergang*2 | "
    "vor einem Sonnenuntergang in den Bergen | bei Sonnenuntergang | im Sonnenuntergang | "
    "vor Bergen im Sonnenuntergang | vor den Bergen im Abendrot",
    "city": "in der Stadt bei Nacht*3 | in einer Stadt bei Nacht*2 | nachts in der Stadt*2 | "
    "in einer nächtlichen Stadt | in der nächtlichen Stadt | vor den Lichtern der Stadt | "
    "in der Großstadt bei Nacht | auf einer nächtlichen Straße | in der Stadt",
    "beach": "am Strand*5 | an einem Strand*2 | am Meer | am Sandstrand | an der Küste | "
    "im Sand am Meer",
    "meadow": "auf einer grünen Wiese*4 | auf der grünen Wiese*2 | auf einer Wiese*2 | "
    "im grünen Gras | auf der Wiese | im Gras | auf einem grünen Feld",
    "blossom": "im Kirschblütengarten*3 | in einem Kirschblütengarten | unter Kirschblüten | "
    "in einem Garten mit Kirschblüten | unter blühenden Kirschbäumen | "
    "unter einem blühenden Kirschbaum | zwischen Kirschblüten | "
    "in einem Garten voller Kirschblüten | im blühenden Kirschgarten",
}
# adjective, noun and gender, then anything that follows; "~" is a noun with a fixed article
# (definite, or none): nominative / dative behind "von" / behind "mit"
SCENERY = {
    "plain": "einfach Hintergrund m | schlicht Hintergrund m | einfarbig Hintergrund m",
    "snowy_forest": "verschneit Wald m*4 | schneebedeckt Wald m | - Winterwald m | "
    "- Wald m im Schnee",
    "space": "~der Weltraum/vom Weltraum/mit dem Weltraum*2 | "
    "~das Weltall/vom Weltall/mit dem Weltall*2",
    "sunset": "- Sonnenuntergang m in den Bergen*2 | - Sonnenuntergang m über den Bergen*2 | "
    "~Berge bei Sonnenuntergang/von Bergen bei Sonnenuntergang/mit Bergen bei Sonnenuntergang",
    "city": "- Stadt f bei Nacht*4 | nächtlich Stadt f*2 | - Großstadt f bei Nacht",
    "beach": "- Strand m*3 | - Sandstrand m*2 | - Strand m am Meer",
    "meadow": "grün Wiese f*4 | - Wiese f | grün Feld n",
    "blossom": "- Kirschblütengarten m*3 | - Garten m mit Kirschblüten*2 | "
    "- Garten m voller Kirschblüten | blühend Kirschgarten m | "
    "~Kirschblüten/von Kirschblüten/mit Kirschblüten",
}
EMPTY = {
    "plain": "leer Hintergrund m | ~nichts/von nichts/mit nichts",
    "snowy_forest": "leer verschneit Wald m",
    "space": "~der leere Weltraum/vom leeren Weltraum/mit dem leeren Weltraum",
    "sunset": "leer Landschaft f bei Sonnenuntergang in den Bergen",
    "city": "leer Stadt f bei Nacht",
    "beach": "leer Strand m",
    "meadow": "leer grün Wiese f",
    "blossom": "leer Kirschblütengarten m",
}
WEARING = {
    "crown": "mit einer Krone*4 | mit Krone*3 | mit einer Krone auf dem Kopf | "
    "mit einer goldenen Krone",
    "hat": "mit einem Hut*4 | mit Hut*3 | mit einem Hut auf dem Kopf | mit Zylinder | "
    "mit einem Zylinder",
}
WORN = {"crown": "Krone*2 | mit Krone", "hat": "Hut*2 | mit Hut"}
VERBS = {
    "animal": "sitzt*2 | steht*2 | läuft",
    "owl": "sitzt | fliegt",
    "butterfly": "fliegt | flattert",
    "building": "steht",
    "car": "steht | fährt | parkt",
    "rocket": "fliegt | steht",
    "sailboat": "segelt | schwimmt",
    "mushroom": "wächst | steht",
    "apple": "liegt",
}
OPENERS = {
    "plain": "ein Foto {of}*2 | Foto {of}*2 | ein Bild {of}*2 | Bild {of} | "
    "ein Bild {along} | eine Aufnahme {of}",
    "pencil": "eine Bleistiftzeichnung {of}*3 | Bleistiftskizze {of}*2 | "
    "eine Bleistiftskizze {of}*2 | Bleistiftzeichnung {of}",
    "oil": "ein Ölgemälde {of}*4 | Ölgemälde {of}*2 | ein Ölbild {of} | ein Ölgemälde {along}",
}
TAILS = {
    "pencil": "Bleistiftzeichnung*3 | Bleistiftskizze*3 | als Bleistiftzeichnung | "
    "mit Bleistift gezeichnet | im Stil einer Bleistiftskizze",
    "oil": "Ölgemälde*4 | Ölmalerei*2 | als Ölgemälde | im Stil eines Ölgemäldes*2 | "
    "in Öl gemalt | Öl auf Leinwand",
}

STRONG = {"m": "er", "f": "e", "n": "es"}  # as after "ein", and without an article
ARTICLE = {
    "m": ("ein", "einem", "der"),
    "f": ("eine", "einer", "die"),
    "n": ("ein", "einem", "das"),
}


def _decline(adjectives: list[str], ending: str) -> str:
    return " ".join(a[:-1] if a.endswith("!") else a + ending for a in adjectives)


def _phrase(adjectives: list[str], noun: str, gender: str, dative: str, rest: str) -> Phrase:
    def said(article: str, ending: str, noun: str = noun) -> str:
        words = (article, _decline(adjectives, ending), noun, rest)
        return " ".join(word for word in words if word)

    one, to_one, the = ARTICLE[gender]
    return Phrase(
        a=said(one, STRONG[gender]),
        bare=said("", STRONG[gender]),
        of="von " + said(to_one, "en", dative),
        along="mit " + said(to_one, "en", dative),
        the=said(the, "e"),
        gender=gender,
    )


def _subjects(nouns: str, colours: str) -> tuple[Phrase, ...]:
    phrases = []
    for entry in spread(nouns):
        noun, gender, *dative = entry.split()
        for adorning in ADORNING:
            for tone in spread(colours):
                adjectives = [word for word in (adorning, tone) if word]
                phrases.append(
                    _phrase(adjectives, noun, gender, dative[0] if dative else noun, "")
                )
    return tuple(phrases)


def _scenery(text: str) -> Phrase:
    if text.startswith("~"):
        plain, of, along = text[1:].split("/")
        bare = plain.removeprefix("der ").removeprefix("das ")
        if bare.startswith("leere "):
            bare = bare.replace("leere", "leerer", 1)
        return Phrase(plain, bare, of, along, plain)
    words = text.split()
    at = next(i for i, word in enumerate(words) if word in STRONG)
    adjectives = [word for word in words[: at - 1] if word != "-"]
    return _phrase(
        adjectives, words[at - 1], words[at], words[at - 1], " ".join(words[at + 1 :])
    )


@cache
def grammar() -> Grammar:
    """Build the German phrases (once)."""
    beside, alone = scenery(SCENERY, EMPTY, _scenery)
    return Grammar(
        subjects={
            (thing, colour): _subjects(nouns, colours)
            for thing, nouns in NOUNS.items()
            for colour, colours in COLOUR_WORDS.items()
        },
        scenery=beside,
        empty=alone,
        at=spread_all(AT),
        wearing={(item, g): spread(text) for item, text in WEARING.items() for g in "mfn"},
        worn=spread_all(WORN),
        verbs={thing: spread(VERBS[kind(thing)]) for thing in NOUNS},
        inverted={thing: spread(VERBS[kind(thing)]) for thing in NOUNS},
        openers={style: openers(text) for style, text in OPENERS.items()},
        tails=spread_all(TAILS),
    )
