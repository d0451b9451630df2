"""Patterns that read German prompts; `reading` tells how they are used."""

from __future__ import annotations

# % stands for an adjective's ending. Prompts are read without accents (ü as u, ß as ss).
_TONE = (
    "(?:(?:rot|blau|grun|lila|violett|golden|goldfarben|weiss|schwarz|gelb|rosa|braun|grau)% )?"
)
PATTERNS = tuple(
    (attribute, value, pattern.replace("%", "(?:e|er|es|en|em)?"))
    for attribute, value, pattern in (
        ("colour", "white", "schneeweiss%"),
        ("object", "rocket", "raumschiffe?s?|raketen?"),
        ("object", "sailboat", "segelboote?s?|segelschiffe?s?|boote?s?|jacht|yacht"),
        ("style", "pencil", "bleistift(?:zeichnung|skizze)(?:en|n)?|bleistifts?|skizzen?"),
        ("style", "oil", "olgemaldes?|olbild(?:er|es)?|olmalerei|ol|olfarben?"),
        (
            "place",
            "plain",
            f"(?:(?:einfach|schlicht|einfarbig|leer|neutral)% )+{_TONE}hintergrund(?:es)?"
            "|weiss% hintergrund",
        ),
        ("place", "sunset", f"{_TONE}sonnenuntergange?s?|abendrot"),
        ("place", "snowy_forest", "wald(?:es|er|ern)?|winterwald(?:es)?"),
        ("place", "city", "stadt|stadte|grossstadt|nachtlich% strasse|wolkenkratzer"),
        ("place", "beach", "strande?s?|sandstrand|kuste|meeresufer"),
        ("place", "blossom", "kirsch(?:bluten?|blutengarten|garten|baume?n?|baum)(?:s)?"),
        ("place", "meadow", "(?:grun% )*(?:wiesen?|gras(?:es)?|feld(?:es|er)?|rasen)"),
        ("place", "space", "weltraume?s?|weltalls?|all|kosmos"),
        ("place", "space", f"{_TONE}sterne?n?|sternenhimmel"),
        ("place", "snowy_forest", f"{_TONE}schnee|verschneit%|schneebedeckt%|winter(?:lich%)?"),
        ("place", "beach", f"{_TONE}meere?s?|{_TONE}sand"),
        ("place", "sunset", "berge?n?"),
        ("place", "blossom", "gartens?"),
        ("headwear", "none", "ohne (?:eine? )?(?:krone|hut)|ohne einen hut"),
        ("headwear", "crown", f"{_TONE}kronen?|gekront%"),
        ("headwear", "hat", f"{_TONE}(?:hut(?:e|es)?|zylinders?)"),
        ("object", "fox", "fuchse?s?|fuchsen"),
        ("object", "cat", "katzen?|katers?|katzchens?"),
        ("object", "dog", "hunde?s?|hunden|welpen?|hundchens?"),
        ("object", "frog", "frosche?s?|kroten?"),
        ("object", "lion", "lowen?"),
        ("object", "bear", "bar(?:en)?"),
        ("object", "rabbit", "kaninchens?|hasen?|haschens?"),
        ("object", "owl", "eulen?|uhus?"),
        ("object", "castle", "schloss(?:es)?|schlosse?s?|schlosser|burg(?:en)?"),
        ("object", "house", "haus(?:es)?|hauser|hauschens?"),
        ("object", "car", "autos?|wagens?"),
        ("object", "mushroom", "pilze?s?|fliegenpilze?s?"),
        ("object", "apple", "apfels?"),
        ("object", "butterfly", "schmetterlinge?s?|falters?"),
        ("object", "nothing", "nichts|niemand"),
        ("colour", "red", "rot%"),
        ("colour", "blue", "blau%"),
        ("colour", "green", "grun%"),
        ("colour", "purple", "lila|violett%"),
        ("colour", "golden", "golden%|goldfarben%"),
        ("colour", "white", "weiss%"),
    )
)
HARMLESS = """
ein eine einen einem einer eines der die das den dem des im in am an auf aus bei mit von vom
zu zum
zur vor hinter unter uber neben zwischen mitten und oder als fur ohne um voller sein seine
seinen
seinem ihr ihre ist sind es er sie hat tragt da dort hier wo sehr nicht zeichne male mal
zeige mir bitte
foto fotografie bild aufnahme zeichnung gezeichnet gezeichnete gemalt gemalde malerei stil
portrat
ansicht szene kunst kunstwerk leinwand hintergrund illustration
klein kleine kleiner kleines kleinen niedlich niedliche niedlicher niedliches niedlichen
schon
schone schoner schones schonen gross grosse grosser grosses grossen suss susse susser susses
sussen
lustig lustige lustiger lustiges alt alte alter altes alten jung junge junger junges leer
leere
landschaft leerer leeres leeren einfach detailliert bunt hell hohe qualitat
sitzt steht lauft fliegt flattert parkt fahrt segelt schwimmt wachst liegt sitzend stehend
kopf farbe bluhend bluhende bluhender bluhendem bluhenden
"""
BESIDE = {
    "city": "nacht nachts nachtlich nachtliche nachtlicher nachtlichen licht lichter lichtern "
    "strasse strassen",
    "space": "nacht himmel planet planeten mond",
    "sunset": "himmel sonne abend",
    "snowy_forest": "baum baume baumen",
    "beach": "wellen wasser",
    "blossom": "baum baume baumen fruhling bluten",
    "meadow": "blumen sommer",
}
