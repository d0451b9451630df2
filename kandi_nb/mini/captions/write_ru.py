"""Russian wording of captions."""

from __future__ import annotations

from functools import cache
from random import Random

from .phrases import Grammar, Phrase, kind, openers, scenery, spread, spread_all

# nominative, genitive, instrumental, gender
NOUNS = {
    "fox": "лиса лисы лисой f*5 | лисица лисицы лисицей f | лисичка лисички лисичкой f | "
    "лис лиса лисом m",
    "cat": "кот кота котом m*4 | кошка кошки кошкой f*3 | котёнок котёнка котёнком m | "
    "котик котика котиком m",
    "dog": "собака собаки собакой f*4 | пёс пса псом m*2 | щенок щенка щенком m | "
    "собачка собачки собачкой f",
    "frog": "лягушка лягушки лягушкой f*5 | лягушонок лягушонка лягушонком m | "
    "жаба жабы жабой f",
    "lion": "лев льва львом m*6 | львёнок львёнка львёнком m",
    "bear": "медведь медведя медведем m*5 | медвежонок медвежонка медвежонком m | "
    "мишка мишки мишкой m",
    "rabbit": "кролик кролика кроликом m*4 | заяц зайца зайцем m*2 | зайчик зайчика зайчиком m",
    "owl": "сова совы совой f*6 | совёнок совёнка совёнком m | филин филина филином m",
    "castle": "замок замка замком m*6 | крепость крепости крепостью f",
    "house": "дом дома домом m*4 | домик домика домиком m",
    "car": "машина машины машиной f*3 | автомобиль автомобиля автомобилем m*2",
    "rocket": "ракета ракеты ракетой f*5 | звездолёт звездолёта звездолётом m | "
    "космический_корабль космического_корабля космическим_кораблём m",
    "sailboat": "парусник парусника парусником m*4 | лодка лодки лодкой f | "
    "парусная_лодка парусной_лодки парусной_лодкой f | яхта яхты яхтой f",
    "mushroom": "гриб гриба грибом m*5 | мухомор мухомора мухомором m | "
    "грибок грибка грибком m",
    "apple": "яблоко яблока яблоком n*6 | яблочко яблочка яблочком n",
    "butterfly": "бабочка бабочки бабочкой f*6 | мотылёк мотылька мотыльком m",
}
# An adjective's stem and the way it is declined.
COLOUR_WORDS = {
    "natural": "",
    "red": "красн ый",
    "blue": "син ий*4 | голуб ой",
    "green": "зелён ый",
    "purple": "фиолетов ый*4 | пурпурн ый | лилов ый",
    "golden": "золот ой*3 | золотист ый",
    "white": "бел ый",
}
ADORNING = spread(" *16 | маленьк кий | мил ый | красив ый")
OF_COLOUR = {
    "red": "красного цвета",
    "blue": "синего цвета",
    "green": "зелёного цвета",
    "purple": "фиолетового цвета",
    "golden": "золотого цвета",
    "white": "белого цвета",
}
# masculine, feminine, neuter in the nominative; then genitive; then instrumental
ENDINGS = {
    "ый": ("ый ая ое", "ого ой ого", "ым ой ым"),
    "ой": ("ой ая ое", "ого ой ого", "ым ой ым"),
    "ий": ("ий яя ее", "его ей его", "им ей им"),
    "кий": ("ий ая ое", "ого ой ого", "им ой им"),
}

AT = {
    "plain": "на простом фоне*2 | на однотонном фоне | на ровном фоне",
    "snowy_forest": "в снежном лесу*5 | в заснеженном лесу*2 | в зимнем лесу*2 | на снегу | "
    "в снегу | в лесу зимой | среди заснеженных деревьев | в лесу под снегом | в лесу",
    "space": "в космосе*5 | в открытом космосе*2 | среди звёзд | на фоне звёзд | "
    "на фоне космоса | в космическом пространстве",
    "sunset": "на закате в горах*3 | в горах на закате*2 | на фоне заката в горах | "
    "на фоне заката | на закате | на фоне гор на закате | на фоне заката над горами",
    "city": "в ночном городе*4 | в городе ночью*2 | ночью в городе | на фоне ночного города | "
    "на ночной улице | на улице ночного города | среди огней ночного города | в городе",
    "beach": "на пляже*4 | на берегу моря*2 | у моря | на песчаном пляже | на морском берегу | "
    "на песке у моря",
    "meadow": "на зелёном лугу*4 | на лугу*2 | на зелёной траве | в траве | "
    "на зелёной поляне | на зелёной лужайке | среди зелёной травы",
    "blossom": "в саду цветущей вишни*3 | в саду с цветущей вишней | под цветущей вишней | "
    "в цветущем вишнёвом саду*2 | под цветущей сакурой | среди цветущей сакуры | "
    "в саду сакуры | под сакурой | среди цветов вишни | в вишнёвом саду",
}
# nominative / genitive / instrumental
SCENERY = {
    "plain": "простой фон/простого фона/простым фоном | "
    "однотонный фон/однотонного фона/однотонным фоном",
    "snowy_forest": "снежный лес/снежного леса/снежным лесом*4 | "
    "заснеженный лес/заснеженного леса/заснеженным лесом*2 | "
    "зимний лес/зимнего леса/зимним лесом | лес зимой/леса зимой/лесом зимой",
    "space": "космос/космоса/космосом*4 | "
    "открытый космос/открытого космоса/открытым космосом*2 | "
    "космическое пространство/космического пространства/космическим пространством",
    "sunset": "закат в горах/заката в горах/закатом в горах*3 | "
    "закат над горами/заката над горами/закатом над горами*2 | "
    "горы на закате/гор на закате/горами на закате | закат/заката/закатом",
    "city": "ночной город/ночного города/ночным городом*4 | "
    "город ночью/города ночью/городом ночью*2 | "
    "огни ночного города/огней ночного города/огнями ночного города",
    "beach": "пляж/пляжа/пляжем*3 | песчаный пляж/песчаного пляжа/песчаным пляжем | "
    "берег моря/берега моря/берегом моря | "
    "морской берег/морского берега/морским берегом",
    "meadow": "зелёный луг/зелёного луга/зелёным лугом*4 | луг/луга/лугом | "
    "зелёная поляна/зелёной поляны/зелёной поляной",
    "blossom": "сад цветущей вишни/сада цветущей вишни/садом цветущей вишни*3 | "
    "цветущий вишнёвый сад/цветущего вишнёвого сада/цветущим вишнёвым садом*2 | "
    "сад сакуры/сада сакуры/садом сакуры | "
    "цветущая сакура/цветущей сакуры/цветущей сакурой",
}
EMPTY = {
    "plain": "пустой фон/пустого фона/пустым фоном",
    "snowy_forest": "пустой снежный лес/пустого снежного леса/пустым снежным лесом",
    "space": "пустой космос/пустого космоса/пустым космосом",
    "sunset": "пустынные горы на закате/пустынных гор на закате/пустынными горами на закате",
    "city": "пустой ночной город/пустого ночного города/пустым ночным городом",
    "beach": "пустой пляж/пустого пляжа/пустым пляжем",
    "meadow": "пустой зелёный луг/пустого зелёного луга/пустым зелёным лугом",
    "blossom": "пустой сад сакуры/пустого сада сакуры/пустым садом сакуры",
}
WEARING = {
    "crown": "в короне*5 | с короной | с короной на голове | в золотой короне",
    "hat": "в шляпе*5 | со шляпой на голове | в цилиндре | в шляпе-цилиндре",
}
WORN = {"crown": "корона*2 | в короне", "hat": "шляпа*2 | в шляпе"}
VERBS = {
    "animal": "сидит*2 | стоит*2 | гуляет",
    "owl": "сидит | летит | летает",
    "butterfly": "летит | летает | порхает",
    "building": "стоит",
    "car": "стоит | едет",
    "rocket": "летит | стоит",
    "sailboat": "плывёт | стоит",
    "mushroom": "растёт | стоит",
    "apple": "лежит",
}
OPENERS = {
    "plain": "фото {of}*3 | фотография {of}*2 | изображение {of} | картинка {along}*2 | "
    "картинка: {a} | фото: {a}",
    "pencil": "карандашный набросок: {a}*2 | карандашный набросок {of}*2 | "
    "рисунок карандашом: {a}*2 | карандашный рисунок {of}*2 | эскиз карандашом: {a} | "
    "набросок {of}",
    "oil": "картина маслом: {a}*3 | картина маслом {along}*2 | масляная картина {along} | "
    "живопись маслом: {a}",
}
TAILS = {
    "pencil": "карандашный набросок*3 | рисунок карандашом*3 | карандашный рисунок | "
    "нарисовано карандашом | эскиз карандашом | в стиле карандашного наброска",
    "oil": "картина маслом*4 | масляная живопись*2 | живопись маслом | нарисовано маслом | "
    "в стиле масляной живописи | холст, масло",
}


def _together(words: str) -> str:
    # "с" takes a vowel before clusters that are hard to say: со львом, со щенком.
    return ("со " if words.startswith(("льв", "щ", "зв")) else "с ") + words


def _decline(adjective: str, gender: str) -> tuple[str, str, str]:
    if not adjective:
        return "", "", ""
    stem, model = adjective.split()
    column = "mfn".index(gender)
    nominative, genitive, instrumental = (row.split()[column] for row in ENDINGS[model])
    return stem + nominative, stem + genitive, stem + instrumental


def _phrase(cases: tuple[str, str, str], gender: str) -> Phrase:
    nominative, genitive, instrumental = cases
    return Phrase(nominative, nominative, genitive, _together(instrumental), nominative, gender)


def _subjects(nouns: str, colour: str) -> tuple[Phrase, ...]:
    phrases = []
    for noun in spread(nouns):
        *cases, gender = noun.split()
        cases = [case.replace("_", " ") for case in cases]
        for adorning in ADORNING:
            before = _decline(adorning, gender)
            for tone in spread(COLOUR_WORDS[colour]):
                rows = zip(before, _decline(tone, gender), cases, strict=True)
                spoken = tuple(" ".join(word for word in row if word) for row in rows)
                phrases.append(_phrase(spoken, gender))
        if colour in OF_COLOUR:
            spoken = tuple(f"{case} {OF_COLOUR[colour]}" for case in cases)
            phrases.append(_phrase(spoken, gender))
    return tuple(phrases)


def _scenery(text: str) -> Phrase:
    return _phrase(tuple(text.split("/")), "m")


def _spell(text: str, rng: Random) -> str:
    # Most people type е for ё.
    return text.replace("ё", "е") if rng.random() < 0.4 else text


@cache
def grammar() -> Grammar:
    """Build the Russian phrases (once)."""
    beside, alone = scenery(SCENERY, EMPTY, _scenery)
    return Grammar(
        subjects={
            (thing, colour): _subjects(nouns, colour)
            for thing, nouns in NOUNS.items()
            for colour in COLOUR_WORDS
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
        spell=_spell,
    )
