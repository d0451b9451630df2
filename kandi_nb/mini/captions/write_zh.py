"""Chinese wording of captions."""

from __future__ import annotations

from random import Random
from typing import Any

from .phrases import kind, pick, spread, spread_all, wears

# noun and its measure word
NOUNS = spread_all(
    {
        "fox": "狐狸 只*6 | 小狐狸 只",
        "cat": "猫 只*5 | 小猫 只*2 | 猫咪 只",
        "dog": "狗 只*4 | 小狗 只*2 | 狗 条 | 狗狗 只",
        "frog": "青蛙 只*6 | 小青蛙 只",
        "lion": "狮子 头*3 | 狮子 只*3 | 小狮子 只",
        "bear": "熊 只*3 | 熊 头*2 | 小熊 只*2",
        "rabbit": "兔子 只*5 | 小兔子 只*2 | 兔 只",
        "owl": "猫头鹰 只",
        "castle": "城堡 座*6 | 古堡 座",
        "house": "房子 栋*3 | 房子 座*2 | 小屋 间 | 房屋 栋",
        "car": "汽车 辆*4 | 车 辆 | 小汽车 辆 | 轿车 辆",
        "rocket": "火箭 枚*4 | 火箭 支 | 飞船 艘 | 宇宙飞船 艘",
        "sailboat": "帆船 艘*4 | 帆船 只 | 小帆船 只 | 小船 只",
        "mushroom": "蘑菇 朵*3 | 蘑菇 个*3 | 小蘑菇 朵",
        "apple": "苹果 个*6 | 苹果 颗",
        "butterfly": "蝴蝶 只",
    }
)
TONES = {  # the bare character, and the full word
    "red": ("红", "红色"),
    "blue": ("蓝", "蓝色"),
    "green": ("绿", "绿色"),
    "purple": ("紫", "紫色"),
    "golden": ("金", "金色"),
    "white": ("白", "白色"),
}
ADORNING = spread("*16 | 可爱的 | 漂亮的")

AT = spread_all(
    {
        "plain": "纯色背景前 | 简单背景前 | 空白背景上",
        "snowy_forest": "雪林中*5 | 雪林里*3 | 雪中的森林里 | 下雪的森林里 | 雪地里 | 雪中 | "
        "白雪覆盖的森林里 | 白雪覆盖的森林中 | 冬天的森林里 | 积雪的森林中 | 森林里",
        "space": "太空中*4 | 太空里*2 | 宇宙中*2 | 外太空 | 星空中 | 群星之间 | 宇宙里",
        "sunset": "日落时的山中*3 | 夕阳下的山里*2 | 夕阳下的山上 | 夕阳下 | 日落时分的山前 | "
        "落日余晖下的群山前 | 日落时的山间 | 日落时的山上",
        "city": "夜晚的城市中*3 | 夜晚的城市里*2 | 夜里的城市里 | 城市夜景中 | 夜里的城市中 | "
        "都市的夜色中 | 夜晚的街道上 | 城市的灯光下 | 城市里",
        "beach": "海滩上*4 | 沙滩上*3 | 海边*2 | 海边的沙滩上 | 大海边",
        "meadow": "绿色的草地上*4 | 草地上*3 | 绿草地上 | 青草地上 | 绿色的草原上 | 草坪上 | "
        "草丛中",
        "blossom": "樱花园中*3 | 樱花园里*2 | 樱花树下*2 | 盛开的樱花下 | 樱花盛开的花园里 | "
        "樱花丛中 | 开满樱花的花园里",
    }
)
SCENERY = spread_all(
    {
        "plain": "空白背景 | 纯色背景 | 简单背景",
        "snowy_forest": "雪林*4 | 下雪的森林 | 雪中的森林 | 白雪覆盖的森林 | 冬天的森林",
        "space": "太空*4 | 宇宙*2 | 外太空 | 星空",
        "sunset": "山上的日落*2 | 夕阳下的山*2 | 日落时的群山 | 山间日落 | 日落",
        "city": "夜晚的城市*4 | 城市夜景*3 | 夜里的城市 | 都市夜景",
        "beach": "海滩*4 | 沙滩*3 | 海边",
        "meadow": "绿色的草地*4 | 草地*2 | 绿草地 | 绿色的草原",
        "blossom": "樱花园*4 | 樱花盛开的花园*2 | 盛开的樱花 | 开满樱花的花园",
    }
)
EMPTY = spread_all(
    {
        "plain": "空白背景*2 | 什么都没有",
        "snowy_forest": "空旷的雪林",
        "space": "空旷的太空",
        "sunset": "空旷的山间日落",
        "city": "空无一人的夜晚城市",
        "beach": "空旷的海滩",
        "meadow": "空旷的草地",
        "blossom": "空无一人的樱花园",
    }
)
WEARING = spread_all(  # before the noun, with 的
    {
        "crown": "戴皇冠*3 | 戴着皇冠*3 | 头戴皇冠 | 戴王冠 | 戴着王冠 | 戴着一顶皇冠",
        "hat": "戴帽子*4 | 戴着帽子*4 | 头戴帽子 | 戴礼帽 | 戴着一顶帽子 | 戴着高帽",
    }
)
WEARS = spread_all(  # behind the noun, as a verb
    {
        "crown": "戴着皇冠*3 | 戴着一顶皇冠*2 | 头戴皇冠 | 戴着王冠",
        "hat": "戴着帽子*3 | 戴着一顶帽子*2 | 头戴礼帽 | 戴着高帽",
    }
)
WORN = spread_all({"crown": "皇冠*3 | 王冠 | 戴皇冠", "hat": "帽子*3 | 礼帽 | 戴帽子"})
VERBS = spread_all(
    {
        "animal": "坐*2 | 站",
        "owl": "站 | 飞",
        "butterfly": "飞*2 | 停",
        "building": "坐落 | 立",
        "car": "停*2 | 开",
        "rocket": "飞*2 | 停",
        "sailboat": "停*2 | 漂",
        "mushroom": "长*2 | 立",
        "apple": "放",
    }
)
OPENERS = spread_all(
    {
        "plain": "{}的照片*3 | 一张{}的照片*2 | {}的图片*2 | 一张{}的图片 | 照片：{}",
        "pencil": "{}的铅笔素描*3 | 一幅{}的铅笔素描*2 | {}的铅笔画*2 | 铅笔素描：{} | "
        "一张{}的铅笔画",
        "oil": "{}的油画*4 | 一幅{}的油画*3 | 油画：{} | 一张{}的油画",
    }
)
TAILS = spread_all(
    {
        "pencil": "铅笔素描*4 | 铅笔画*2 | 素描 | 铅笔素描风格 | 铅笔草图",
        "oil": "油画*4 | 油画风格*2 | 布面油画 | 油画作品",
    }
)


# Nouns before which a bare colour reads well: 红狐狸, but 红色的小屋.
SHORT = frozenset(
    spread(
        "狐狸 | 猫 | 狗 | 狮子 | 熊 | 兔子 | 兔 | 城堡 | 房子 | 汽车 | 车 | 火箭 | "
        "帆船 | 蘑菇 | 苹果 | 蝴蝶"
    )
)


def standard(scene: Any) -> str:
    """Word a scene in the one standard way."""
    style = "" if scene.style == "plain" else "，" + TAILS[scene.style][0]
    if scene.object == "nothing":
        return SCENERY[scene.place][0] + style
    noun, measure = NOUNS[scene.object][0].split()
    name = noun
    if scene.colour != "natural":
        short, full = TONES[scene.colour]
        name = (short if noun in SHORT else full) + noun
    if wears(scene):
        name = f"{WEARING[scene.headwear][0]}的{name}"
    if scene.place == "plain":
        return f"一{measure}{name}{style}"
    return f"{AT[scene.place][0]}的{name}{style}"


def compose(scene: Any, rng: Random) -> str:
    """Draw one of the many wordings of a scene."""
    chance = rng.random
    shape = chance()
    if shape < 0.1:
        text = standard(scene)
    elif scene.object == "nothing":
        words = SCENERY if chance() < 0.8 else EMPTY
        text = _with_style(pick(words[scene.place], rng), True, scene.style, rng)
    elif shape < 0.28:
        text = _keywords(scene, rng)
    else:
        text, named = _sentence(scene, rng)
        text = _with_style(text, named, scene.style, rng)
    if chance() < 0.1:
        text = text.replace("，", ", ")
    return text + "。" if chance() < 0.12 else text


def _with_style(text: str, named: bool, style: str, rng: Random) -> str:
    """Say the style; `named` tells that the text is a noun phrase, which openers need."""
    chance = rng.random()
    if named and chance < (0.12 if style == "plain" else 0.5):
        return pick(OPENERS[style], rng).replace("{}", text)
    if style == "plain":
        return text
    tails = TAILS[style]
    if chance > 0.88:
        return f"{pick(tails[:4], rng)}{'，' if chance > 0.94 else '：'}{text}"
    return f"{text}，{pick(tails, rng)}"


def _name(scene: Any, adorned: bool, rng: Random) -> tuple[str, str]:
    """A noun with its colour ("红色的狐狸") and its measure word ("只")."""
    chance = rng.random
    noun, measure = pick(NOUNS[scene.object], rng).split()
    adorning = pick(ADORNING, rng) if adorned else ""
    if scene.colour == "natural":
        return adorning + noun, measure
    short, full = TONES[scene.colour]
    form = chance()
    if form < 0.4 and noun in SHORT:
        tone = short
    else:  # one 的 is enough
        tone = full if adorning or form > 0.8 else f"{full}的"
    return adorning + tone + noun, measure


def _keywords(scene: Any, rng: Random) -> str:
    chance = rng.random
    words = [_name(scene, True, rng)[0]]
    if wears(scene):
        words.append(pick(WORN[scene.headwear], rng))
    if scene.place != "plain" or chance() < 0.1:
        words.append(pick(SCENERY[scene.place], rng))
    if scene.style != "plain":
        words.append(pick(TAILS[scene.style], rng))
    if chance() < 0.25:
        rng.shuffle(words)
    return ("，" if chance() < 0.8 else " ").join(words)


def _sentence(scene: Any, rng: Random) -> tuple[str, bool]:
    """Put object and place together; also tell whether the result is a noun phrase."""
    chance = rng.random
    worn = wears(scene)
    name, measure = _name(scene, not worn, rng)
    one = f"一{measure}"
    wearing = ""
    if worn and chance() < 0.75:
        name = f"{pick(WEARING[scene.headwear], rng)}的{name}"
    elif worn:
        wearing = pick(WEARS[scene.headwear], rng)
    subject = one + name if chance() < 0.5 else name

    if scene.place == "plain":
        if chance() > 0.1:
            return subject + wearing, not wearing
        place = pick(AT["plain"], rng)
        if wearing:
            return f"{place}，{subject}{wearing}", False
        return f"{place}的{subject}", True

    place = pick(AT[scene.place], rng)
    order = chance()
    if wearing:  # "一只红狐狸戴着皇冠，在雪林里"
        if order < 0.4:
            return f"{subject}{wearing}，在{place}", False
        return f"{'在' if order < 0.7 else ''}{place}，{subject}{wearing}", False
    if order < 0.4:
        return f"{place}的{subject}", True
    if order < 0.46:
        return f"在{place}的{subject}", True
    if order < 0.54:  # without 的: "雪林中红色的狐狸", "雪林中一只红狐狸"
        return f"{place}{subject}", True
    if order < 0.7:
        return f"{subject}在{place}", False
    if order < 0.77:
        return f"{place}，{subject}", False
    if order < 0.86:
        return f"{place}有{one}{name}", False
    doing = pick(VERBS[kind(scene.object)], rng)
    if order < 0.93 or doing == "坐落":
        return f"{subject}{doing}在{place}", False
    return f"{place}{doing}着{one}{name}", False
