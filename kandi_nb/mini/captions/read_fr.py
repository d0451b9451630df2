"""Patterns that read French prompts; `reading` tells how they are used."""

from __future__ import annotations

# Prompts are read without accents. % stands for an adjective's ending.
_TONE = "(?: (?:rouge|bleue?|verte?|violette?|doree?|blanc(?:he)?|noire?|jaune|rose)s?)?"
PATTERNS = tuple(
    (attribute, value, pattern.replace("%", "e?s?"))
    for attribute, value, pattern in (
        # As an adjective "desert" is no desert.
        ("place", "blossom", "jardins? deserts?"),
        ("place", "sunset", "paysages? deserts?(?= avec (?:un|le) coucher)"),
        ("object", "rocket", "vaisseau(?:x)? spati(?:al|aux)|fusees?"),
        ("object", "sailboat", "bateaux? a voiles?|voiliers?|bateaux?"),
        ("style", "pencil", "(?:croquis|dessin|dessine%|esquisse) au crayon|crayon|croquis"),
        ("style", "oil", "(?:peintures?|tableaux?|peint%) a l'huile|huile sur toile|huile"),
        ("place", "plain", "fonds? (?:uni|simple|vide|neutre|blanc)s?(?: blanc)?"),
        ("place", "sunset", f"couchers? d[ue] soleil{_TONE}|soleil couchant|crepuscule"),
        ("place", "snowy_forest", "forets?|bois"),
        ("place", "city", "villes?|rues? (?:la nuit|de nuit|nocturnes?)|gratte-ciels?"),
        ("place", "beach", "plages?|bord de (?:la )?mer|littoral"),
        ("place", "blossom", "cerisiers?(?: en fleurs?)?|sakura"),
        ("place", "meadow", "(?:prairie|pre|herbe|champ|pelouse|gazon)s?(?: verte?s?)?"),
        ("place", "space", "espace|cosmos|galaxie"),
        ("place", "space", f"etoiles?{_TONE}|etoile%"),
        ("place", "snowy_forest", "neiges?(?: blanche)?|enneige%|hiver"),
        ("place", "beach", f"mer(?: bleue)?|ocean|sable{_TONE}"),
        ("place", "sunset", "montagnes?"),
        ("place", "blossom", "jardins?"),
        ("headwear", "none", "sans (?:une? )?(?:couronne|chapeau)"),
        ("headwear", "crown", f"couronnes?(?: d'or)?{_TONE}|couronne%"),
        ("headwear", "hat", f"chapeaux?(?: haut[- ]de[- ]forme)?{_TONE}|haut[- ]de[- ]forme"),
        ("object", "fox", "renards?"),
        ("object", "cat", "chats?|chatons?|chattes?"),
        ("object", "dog", "chiens?|chiots?|chiennes?"),
        ("object", "frog", "grenouilles?|crapauds?"),
        ("object", "lion", "lions?"),
        ("object", "bear", "ours|oursons?"),
        ("object", "rabbit", "lapins?|lievres?"),
        ("object", "owl", "hiboux?|chouettes?"),
        ("object", "castle", "chateaux?|forteresses?"),
        ("object", "house", "maisons?|maisonnettes?"),
        ("object", "car", "voitures?|automobiles?"),
        ("object", "mushroom", "champignons?"),
        ("object", "apple", "pommes?"),
        ("object", "butterfly", "papillons?"),
        ("object", "nothing", "rien"),
        ("colour", "red", "rouges?"),
        ("colour", "blue", "bleu%"),
        ("colour", "green", "vert%"),
        ("colour", "purple", "violet(?:te)?s?|pourpres?"),
        ("colour", "golden", "dore%|couleur or|en or|d'or"),
        ("colour", "white", "blanc(?:he)?s?"),
    )
)
HARMLESS = """
un une des le la les l d du de en dans sur sous au aux a et ou avec sans par pour parmi
entre devant
derriere pres milieu bord se son sa ses il elle qui est y c ce cette comme
dessine-moi montre fais moi
photo photographie image dessin peinture tableau peint peinte dessine dessinee style
portrait vue
scene fond toile art illustration
petit petite petits jolie joli mignon mignonne beau belle bel grand grande vieux vieille
jeune drole
vide deserte paysage simple uni detaille detaillee lumineux haute qualite colore
coloree
tient promene trouve vole volette dresse roule navigue flotte pousse assis assise debout
couche
couchee portant porte coiffe coiffee tete couleur couvert couverte fleurs fleuri fleurie
"""
BESIDE = {
    "city": "nuit nocturne lumieres lumiere rue rues",
    "space": "nuit ciel planete planetes lune",
    "sunset": "ciel soleil soir",
    "snowy_forest": "arbre arbres",
    "beach": "vagues eau",
    "blossom": "arbre arbres printemps fleur",
    "meadow": "ete fleur",
}
