"""The words of the bundled model's world: every attribute a scene can have."""

OBJECTS = (
    "fox", "cat", "dog", "frog", "lion", "bear", "rabbit", "owl",
    "castle", "house", "car", "rocket", "sailboat", "mushroom", "apple", "butterfly",
    "nothing",
)  # fmt: skip
ANIMALS = OBJECTS[:8]
COLOURS = ("natural", "red", "blue", "green", "purple", "golden", "white")
PLACES = ("plain", "snowy_forest", "space", "sunset", "city", "beach", "meadow", "blossom")
HEADWEAR = ("none", "crown", "hat")
STYLES = ("plain", "pencil", "oil")
LANGUAGES = ("en", "ru", "zh", "de", "fr")
