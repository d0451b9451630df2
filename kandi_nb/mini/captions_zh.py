"""Chinese words of the bundled world: wording of captions, patterns for reading prompts."""

from __future__ import annotations

from random import Random
from typing import Any

from .captions_grammar import pick, spread, spread_all
from .vocabulary import ANIMALS

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
        "sunset": "日落时的山中*3 | 夕阳下的山里*2 | 山上的夕阳下 | 夕阳下 | 日落时分的山前 | "
        "落日余晖下的群山前 | 日落的山间 | 日落时",
        "city": "夜晚的城市中*3 | 夜晚的城市里*2 | 城市的夜晚里 | 城市夜景中 | 夜里的城市中 | "
        "都市的夜色中 | 夜晚的街道上 | 城市的灯光下 | 城市里",
        "beach": "海滩上*4 | 沙滩上*3 | 海边*2 | 海边的沙滩上 | 大海边",
        "meadow": "绿色的草地上*4 | 草地上*3 | 绿草地上 | 青草地上 | 绿色的草原上 | 草坪上 | 草丛中",
        "blossom": "樱花园中*3 | 樱花园里*2 | 樱花树下*2 | 盛开的樱花下 | 樱花盛开的花园里 | "
        "樱花丛中 | 开满樱花的花园里",
    }
)
SCENERY = spread_all(
    {
        "plain": "空白背景 | 纯色背景 | 简单背景",
        "snowy_forest": "雪林*4 | 下雪的森林 | 雪中的森林 | 白雪覆盖的森林 | 冬天的森林 | 空旷的雪林",
        "space": "太空*4 | 宇宙*2 | 外太空 | 星空 | 空旷的太空",
        "sunset": "山上的日落*2 | 夕阳下的山*2 | 日落时的群山 | 山间日落 | 群山日落",
        "city": "夜晚的城市*4 | 城市夜景*3 | 夜里的城市 | 都市夜景",
        "beach": "海滩*4 | 沙滩*3 | 海边 | 空旷的海滩",
        "meadow": "绿色的草地*4 | 草地*2 | 绿草地 | 绿色的草原 | 空旷的草地",
        "blossom": "樱花园*4 | 樱花盛开的花园*2 | 盛开的樱花 | 开满樱花的花园",
    }
)
WEARING = spread_all(  # before the noun; without 的 it also stands as a verb
    {
        "crown": "戴皇冠*3 | 戴着皇冠*3 | 头戴皇冠 | 戴王冠 | 戴着王冠 | 戴着一顶皇冠",
        "hat": "戴帽子*4 | 戴着帽子*4 | 头戴帽子 | 戴礼帽 | 戴着一顶帽子 | 戴着高帽",
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
        "sailboat": "停 | 漂",
        "mushroom": "长*2 | 立",
        "apple": "放 | 躺",
    }
)
OPENERS = spread_all(
    {
        "plain": "{}的照片*3 | 一张{}的照片*2 | {}的图片*2 | 一张{}的图片 | 一幅{}的图画",
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


def standard(scene: Any) -> str:
    """Word a scene in the one standard way."""
    style = "" if scene.style == "plain" else "，" + TAILS[scene.style][0]
    if scene.object == "nothing":
        return SCENERY[scene.place][0] + style
    noun, measure = NOUNS[scene.object][0].split()
    name = TONES[scene.colour][0] + noun if scene.colour != "natural" else noun
    if scene.headwear != "none" and scene.object in ANIMALS:
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
        text = _styled(pick(SCENERY[scene.place], rng), scene.style, rng)
    elif shape < 0.28:
        text = _keywords(scene, rng)
    else:
        text = _styled(_sentence(scene, rng), scene.style, rng)
    if chance() < 0.1:
        text = text.replace("，", ", ")
    return text + "。" if chance() < 0.12 else text


def _styled(text: str, style: str, rng: Random) -> str:
    chance = rng.random()
    if chance < (0.12 if style == "plain" else 0.5) and "，" not in text:
        return pick(OPENERS[style], rng).replace("{}", text)
    if style == "plain":
        return text
    tail = pick(TAILS[style], rng)
    return f"{tail}，{text}" if chance > 0.88 else f"{text}，{tail}"


def _name(scene: Any, rng: Random) -> tuple[str, str]:
    """A noun with its colour ("红色的狐狸") and its measure word ("只")."""
    chance = rng.random
    noun, measure = pick(NOUNS[scene.object], rng).split()
    adorning = pick(ADORNING, rng)
    if scene.colour == "natural":
        return adorning + noun, measure
    short, full = TONES[scene.colour]
    form = chance()
    if form < 0.35 and noun[0] != "小":
        tone = short
    else:
        tone = f"{full}的" if form < 0.8 else full
    return adorning + tone + noun, measure


def _keywords(scene: Any, rng: Random) -> str:
    chance = rng.random
    words = [_name(scene, rng)[0]]
    if scene.headwear != "none" and scene.object in ANIMALS:
        words.append(pick(WORN[scene.headwear], rng))
    if scene.place != "plain":
        words.append(pick(SCENERY[scene.place], rng))
    if scene.style != "plain":
        words.append(pick(TAILS[scene.style], rng))
    if chance() < 0.25:
        rng.shuffle(words)
    return ("，" if chance() < 0.8 else " ").join(words)


def _sentence(scene: Any, rng: Random) -> str:
    chance = rng.random
    name, measure = _name(scene, rng)
    one = f"一{measure}"
    counted = chance() < 0.5
    verb = ""
    if scene.headwear != "none" and scene.object in ANIMALS:
        wearing = pick(WEARING[scene.headwear], rng)
        if chance() < 0.75:
            name = f"{wearing}的{name}"
        else:
            verb = wearing
    subject = one + name if counted else name

    if scene.place == "plain":
        if chance() < 0.1:
            place = pick(AT["plain"], rng)
            return f"{place}的{subject}{verb}" if not verb else f"{subject}{verb}，{place}"
        return subject + verb

    place = pick(AT[scene.place], rng)
    order = chance()
    if verb:  # "一只红狐狸戴着皇冠，在雪林里"
        if order < 0.4:
            return f"{subject}{verb}，在{place}"
        if order < 0.7:
            return f"{place}，{subject}{verb}"
        return f"在{place}，{subject}{verb}"
    if order < 0.4:
        return f"{place}的{subject}"
    if order < 0.48:
        return f"在{place}的{subject}"
    if order < 0.68:
        return f"{subject}在{place}"
    if order < 0.76:
        return f"{place}，{subject}"
    if order < 0.86:
        return f"{place}有{one}{name}"
    doing = pick(VERBS[_kind(scene.object)], rng)
    if order < 0.93 or doing == "坐落":
        return f"{subject}{doing}在{place}"
    return f"{place}{doing}着{one}{name}"


def _kind(thing: str) -> str:
    from .captions_en import kind

    return kind(thing)


_TONE = "(?:[红蓝绿紫金白黑黄粉灰]色?的?)?"
PATTERNS = (
    ("object", "owl", "猫头鹰"),
    ("object", "rocket", "宇宙飞船|太空飞船|飞船|火箭"),
    ("", "", "小小的|白天"),
    ("style", "pencil", "铅笔素描|铅笔画|铅笔草图|铅笔|素描"),
    ("style", "oil", "油画"),
    ("place", "plain", "(?:空白|纯色|简单|单色|白色|纯白)的?背景"),
    ("place", "sunset", f"{_TONE}(?:日落|夕阳|落日)"),
    ("place", "snowy_forest", "雪林|雪中的?森林|森林|树林|林中|林里"),
    ("place", "city", "城市|都市|夜景|街道|街上"),
    ("place", "beach", "海滩|沙滩|海边|海岸|海滨"),
    ("place", "blossom", "樱花(?:树|园|丛)?"),
    ("place", "meadow", "(?:绿色的?|青青的|绿)?(?:草地|草原|草坪|草丛|青草地|青草|绿地)"),
    ("place", "space", "外太空|太空|宇宙|星空|群星|星星"),
    ("place", "snowy_forest", "(?:白|大|积|下)?雪(?:地|天)?|冬天|冬季"),
    ("place", "beach", "大海|海"),
    ("place", "sunset", "群山|山[上中里间前]|大山|山"),
    ("place", "blossom", "花园"),
    ("headwear", "none", "(?:不戴|没戴|没有)(?:皇冠|王冠|帽子|礼帽)"),
    ("headwear", "crown", f"{_TONE}(?:皇冠|王冠)"),
    ("headwear", "hat", f"{_TONE}(?:礼帽|高帽|帽子|帽)"),
    ("object", "fox", "狐狸|狐"),
    ("object", "cat", "猫咪|猫"),
    ("object", "dog", "狗狗|狗"),
    ("object", "frog", "青蛙|蛙"),
    ("object", "lion", "狮子|狮"),
    ("object", "bear", "熊"),
    ("object", "rabbit", "兔子|兔"),
    ("object", "castle", "城堡|古堡"),
    ("object", "house", "房子|房屋|小屋|屋子"),
    ("object", "car", "小汽车|汽车|轿车|车"),
    ("object", "sailboat", "帆船|小船|船"),
    ("object", "mushroom", "蘑菇"),
    ("object", "apple", "苹果"),
    ("object", "butterfly", "蝴蝶"),
    ("object", "nothing", "空无一物|什么都没有"),
    ("colour", "red", "红色?"),
    ("colour", "blue", "蓝色?"),
    ("colour", "green", "绿色?"),
    ("colour", "purple", "紫色?"),
    ("colour", "golden", "金色|金黄色?|金"),
    ("colour", "white", "白色?"),
)
# Words that hold a known word but mean something else; they are reported as unknown.
OTHER = (
    "小熊猫|大熊猫|熊猫|热狗|火车|自行车|摩托车|卡车|金鱼|海豹|海豚|海狮|狼狗|轮船|飞机|火山|"
    "粉红色?|橘红色?|水母|海鸥|雪人|山羊|斑马|企鹅"
)
HARMLESS = (
    "漂亮的|可爱的|美丽的|可爱|漂亮|美丽|照片|图片|图画|图像|作品|风格|布面|背景|夜晚|夜里|夜色|"
    "灯光|余晖|时分|覆盖|盛开|开满|空旷|坐落|一只|一个|一张|一幅|一顶|一座|一栋|一间|一辆|一枚|"
    "一支|一艘|一朵|一颗|一头|一条|高清|精致|详细|简单|正在|"
    "[的一只条头座栋间辆枚支艘朵个颗顶张幅在里中上下前边有着戴坐站飞停立开漂长放躺是和与了时小大"
    "夜头之间]"
)
