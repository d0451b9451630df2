"""Patterns that read English prompts; `reading` tells how they are used."""

from __future__ import annotations

_TONE = r"(?:red|blue|green|purple|violet|golden?|white|black|yellow|pink|brown|gr[ae]y|silver)"
PATTERNS = (
    ("colour", "white", r"snow[- ]white"),
    ("object", "rocket", r"(?:space|rocket|star) ?(?:ship|rocket|craft)s?|rockets?"),
    ("object", "sailboat", r"sail ?boats?|sailing (?:boat|ship)s?|boats?|yachts?"),
    ("style", "pencil", r"pencil (?:sketch(?:es)?|drawings?)|pencils?|sketch(?:es)?"),
    ("style", "oil", r"oil paintings?|(?:paintings?|painted) in oils?|oil on canvas|oils?"),
    (
        "place",
        "plain",
        r"(?:(?:plain|simple|blank|empty|neutral|white|solid) )+back(?:ground|drop)",
    ),
    ("place", "sunset", rf"(?:{_TONE} )?(?:sunset|sundown)s?"),
    ("place", "snowy_forest", r"forests?|woods|woodlands?|snowy trees"),
    (
        "place",
        "city",
        r"(?:city|night) streets?|streets? at night|cit(?:y|ies)|downtown|skyscrapers?",
    ),
    ("place", "beach", r"beach(?:es)?|sea ?shores?|seaside|seacoast|coast"),
    ("place", "blossom", r"cherry[ -](?:blossoms?|trees?|garden|orchard)|sakura|blossoms?"),
    (
        "place",
        "meadow",
        r"(?:(?:green|lush|grassy) )*(?:meadows?|fields?|grass|lawns?|pasture)",
    ),
    ("place", "space", r"outer space|space|cosmos|galax(?:y|ies)"),
    ("place", "space", r"(?:golden |white )?stars?|starry(?: (?:night )?sky)?"),
    ("place", "snowy_forest", r"(?:white )?snow(?:y|-covered)?|winter"),
    ("place", "beach", r"(?:blue )?(?:sea|ocean)|(?:golden |white )?sand"),
    ("place", "sunset", r"mountains?"),
    ("place", "blossom", r"gardens?"),
    ("headwear", "none", r"(?:without|no) (?:an? |any )?(?:top )?(?:crown|hat)"),
    ("headwear", "crown", rf"(?:{_TONE} )?crowns?|crowned"),
    ("headwear", "hat", rf"(?:{_TONE} )?(?:top[ -]?)?hats?"),
    ("object", "fox", r"fox(?:es)?"),
    ("object", "cat", r"cats?|kittens?|kitt(?:y|ies)"),
    ("object", "dog", r"dogs?|pupp(?:y|ies)|dogg(?:y|ies)"),
    ("object", "frog", r"frogs?|toads?"),
    ("object", "lion", r"lions?"),
    ("object", "bear", r"bears?"),
    ("object", "rabbit", r"rabbits?|bunn(?:y|ies)|hares?"),
    ("object", "owl", r"owls?"),
    ("object", "castle", r"castles?|fortress(?:es)?"),
    ("object", "house", r"houses?|homes?|cottages?"),
    ("object", "car", r"cars?|automobiles?"),
    ("object", "mushroom", r"mushrooms?|toadstools?"),
    ("object", "apple", r"apples?"),
    ("object", "butterfly", r"butterfl(?:y|ies)"),
    ("object", "nothing", r"nothing|nobody"),
    ("colour", "red", r"red"),
    ("colour", "blue", r"blue"),
    ("colour", "green", r"green"),
    ("colour", "purple", r"purple|violet"),
    ("colour", "golden", r"gold(?:en)?"),
    ("colour", "white", r"white"),
)
# Words that add nothing the model could miss; those behind a place count only beside it.
HARMLESS = """
a an the of in on at by with within and or under over among amid between near beside behind
before
front against from to into its his her their it this that is are was be being there here who
which
no not without very some one for as made up draw paint show me please surrounded landscape
photo photograph picture image drawing drawn painted painting art artwork illustration
portrait view
shot scene style background backdrop canvas render wallpaper
cute little small big large tiny beautiful pretty nice lovely sweet funny happy young old
baby cub
empty plain simple blank detailed highly realistic colourful colorful bright high quality
sharp
masterpiece best 4k 8k hd deep lone single
sitting sits sit standing stands stand walking walks running runs lying lies flying flies
fluttering
sailing sails floating floats driving drives parked growing grows built looking posing
wearing wears
head colour color coloured colored covered blooming bloom blossoming
"""
BESIDE = {
    "city": "night lights light big street streets town skyline neon",
    "space": "night sky planet planets moon",
    "sunset": "sky sun evening",
    "snowy_forest": "trees tree white",
    "beach": "sandy waves water sea",
    "blossom": "cherry tree trees pink spring flowers",
    "meadow": "flowers summer sunny",
}
