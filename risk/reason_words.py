"""Why customers leave, in words: narrow patterns and hand-written examples for each reason, in both languages.

No public conversation is labelled with reasons. The patterns label customers' real turns, the examples add turns whose
reason is certain; `risk.reasons` learns a head from both (weak supervision).
"""

from __future__ import annotations

import re

REASONS: tuple[str, ...] = ("price", "delivery", "quality", "fit", "service", "trust", "account", "competitor")


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(parts))


PATTERNS: dict[str, re.Pattern[str]] = {
    "price": _any(
        r"\b(?:too )?(?:expensive|pricey|overpriced|costly)\b", r"\b(?:price|prices|discount|coupon|voucher|cheaper|promo(?:tion)?)\b", r"\bpostage fee\b",
        "太贵", "价格", "价钱", "降价", "保价", "价保", "差价", "优惠", "便宜", "打折", "满减", "运费",
    ),
    "delivery": _any(
        r"\b(?:deliver\w*|shipping|shipped|courier|parcel|package|tracking|dispatch\w*)\b", r"\b(?:not|never|hasn't|haven't) (?:arrived?|received?|come)\b", r"\bwhere(?:'s| is) my (?:order|stuff)\b",
        "发货", "物流", "快递", "配送", "送货", "派送", "没收到", "还没到", "什么时候到", "到货", "包裹", "收到货",
    ),
    "quality": _any(
        r"\b(?:broken|broke|defect\w*|faulty|damaged|crack\w*|leak\w*|stopped working|doesn't work|not working|fell apart|poor quality|bad quality|fake|shoddy)\b",
        "质量", "坏了", "坏的", "破了", "破损", "有问题的", "不能用", "用不了", "故障", "瑕疵", "漏水", "假货", "碎了", "开不了机", "掉色",
    ),
    "fit": _any(
        r"\b(?:too (?:small|big|large|tight|loose|short|long)|doesn't fit|wrong (?:size|colou?r|item|model|product)|size|not as (?:described|pictured)|not suitable)\b",
        "尺码", "尺寸", "不合适", "太大", "太小", "大小不", "色差", "发错", "颜色不", "型号不", "不适合", "与描述不符", "和图片不",
    ),
    "service": _any(
        r"\b(?:rude|unhelpful|ignored?|no(?:body| one) (?:answers?|replies|helps?|responds?|is helping)|customer (?:service|support)|attitude|no (?:reply|response|answer))\b",
        r"\b(?:told|asked|explained|said)\b[^.?!]{0,20}\b(?:twice|already|times|again)\b",
        "态度", "没人理", "不理", "不回复", "敷衍", "客服.{0,4}(?:差|不|没)", "服务.{0,3}(?:差|不好|太)", "推来推去", "踢皮球", "没人回", "说了.{0,3}遍",
    ),
    "trust": _any(
        r"\b(?:scam\w*|fraud\w*|lied|lying|liar|cheat\w*|mislead\w*|dishonest|rip(?:ped)?[- ]?off|trust|broken promises?|false advertising)\b", r"\bi(?:'m| am) (?:so )?done\b", r"\bnever (?:again|coming back)\b",
        "骗", "欺诈", "虚假", "忽悠", "坑人", "坑爹", "不守信", "说话不算", "不讲信用", "失望", "受够", "再也不", "不信任", "套路",
    ),
    "account": _any(
        r"\b(?:account|password|log ?in|sign ?in|locked out|verification code|membership|subscription|profile)\b",
        "账号", "帐号", "账户", "帐户", "密码", "登录", "登陆", "验证码", "注销", "会员", "绑定",
    ),
    "competitor": _any(
        r"\b(?:competitors?|another (?:shop|store|company|brand|site)|other (?:shops?|stores?|sites?)|elsewhere|somewhere else|amazon|ebay|temu|aliexpress|shein)\b",
        "别家", "其他家", "其它家", "别的店", "别的平台", "别人家", "淘宝", "天猫", "拼多多", "苏宁", "竞争对手", "亚马逊",
    ),
}  # fmt: skip

EXAMPLES: dict[str, tuple[str, ...]] = {
    "price": (
        "Why did it get cheaper a day after I bought it?", "I can't afford this any more", "The same thing costs half of that", "Your fees keep going up", "Give me my money's worth", "Is there nothing you can take off?", "You charge far too much for shipping",
        "怎么我一买就降了", "这个也太不划算了", "要价太高了", "能不能再少一点", "涨得太离谱了", "能退差价吗", "邮费也太高了吧",
    ),
    "delivery": (
        "It still hasn't turned up", "I've waited three weeks for it", "It was supposed to come on Monday", "The driver left it outside in the rain", "No movement on the tracking page for days", "When will I finally get it?", "It was sent to the wrong house",
        "等了三个星期了还没到", "说好周一到的", "一直显示在路上", "到底哪天能到", "放门口被淋湿了", "送错地方了", "怎么还不发",
    ),
    "quality": (
        "Two kettles broken", "It died after two days", "The zip came off the first time I used it", "It makes a burning smell", "The second one is also dead", "The screen flickers", "It feels like cheap plastic",
        "两个水壶都坏了", "用了两天就不行了", "一用就断", "有股烧焦味", "第二个也是坏的", "屏幕一直闪", "做工太粗糙了",
    ),
    "fit": (
        "The sleeves end at my elbows", "I ordered red and got green", "It looks nothing like the photo", "I need one size up", "These shoes pinch", "It does not match my machine", "You sent me something else",
        "穿着太紧了", "我要的红色发来绿色", "跟图上完全不一样", "要换大一号", "鞋子挤脚", "跟我的机器不匹配", "你们寄来的是别的东西",
    ),
    "service": (
        "You keep sending me in circles", "This bot understands nothing", "I have explained this three times", "Nobody ever calls me back", "The last agent hung up on me", "Can anybody actually help?", "You are not listening",
        "你们来回推", "这机器人根本听不懂", "我都解释三遍了", "说好回电话从来没有", "上一个客服直接结束了对话", "到底有没有人能处理", "你根本没听我说",
    ),
    "trust": (
        "You promised me a refund and now you deny it", "I don't believe a word of it", "I'm done with you", "This is theft", "You took the money twice on purpose", "I feel cheated", "Enough is enough, I'm out",
        "答应退款现在又不认了", "你说的我一个字都不信", "我受够你们了", "这就是抢钱", "故意多扣我的钱", "感觉上当了", "算了,我走了,不会再来",
    ),
    "account": (
        "I can't get in any more", "Please remove all my data", "Cancel my account", "It says my e-mail is unknown", "I never get the code", "My points have vanished", "Somebody else is using my profile",
        "我进不去了", "把我的资料都删掉", "帮我把账号注销", "说我的手机号不存在", "一直收不到短信", "我的积分不见了", "有人用我的号下单",
    ),
    "competitor": (
        "I'll buy it from the others then", "The shop next door has it for less", "I'm moving to Amazon", "They deliver in one day over there", "I found a better place", "Your rivals treat me better", "I'm switching to another store",
        "那我去别人那买", "隔壁店更便宜", "我去拼多多买了", "人家当天就到", "我找到更好的店了", "同行都比你们好", "我要换到别家去",
    ),
}  # fmt: skip

NEUTRAL: tuple[str, ...] = (
    "Hello", "Hi there", "Thanks, that's great", "Thank you for your help", "Yes please", "OK", "No, that's all", "Goodbye", "My name is Anna", "Have a nice day", "Sure", "One moment", "I see", "Good morning", "Perfect",
    "你好", "您好", "在吗", "谢谢", "好的", "嗯", "是的", "没有了", "再见", "麻烦了", "知道了", "可以", "稍等", "早上好", "太好了,谢谢",
)  # fmt: skip
