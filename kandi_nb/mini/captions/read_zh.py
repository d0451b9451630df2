"""Patterns that read Chinese prompts; `reading` tells how they are used."""

from __future__ import annotations

_TONE = "(?:[红蓝绿紫金白黑黄粉灰]色?的?)?"
PATTERNS = (
    ("colour", "white", "雪白色?"),
    ("object", "owl", "猫头鹰"),
    ("object", "rocket", "宇宙飞船|太空飞船|飞船|火箭"),
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
    "灯光|余晖|时分|覆盖|盛开|开满|空旷的?|空无一人的?|夜晚|坐落|一只|一个|一张|一幅|一顶|一座|一栋|一间|一辆|一枚|"
    "一支|一艘|一朵|一颗|一头|一条|高清|精致|详细|简单|正在|"
    "画一只|请画|请|[画的一只条头座栋间辆枚支艘朵个颗顶张幅在里中上下前边有着戴坐站飞停立开漂长放躺是和与了时小大"
    "夜头之间]"
)
