"""Hand-written openings of conversations with the satisfaction they show.

The labelled public conversations are Chinese and mostly about deliveries and invoices. These few lines, written for this
project in both languages, tell the model what plain thanks and plain anger look like in English too. They are weak
supervision, count little in training, and are never part of a measurement.
"""

from __future__ import annotations

from risk.conversation.data import DISSATISFIED, NEUTRAL, SATISFIED

ANCHORS: tuple[tuple[int, str, str], ...] = (
    (SATISFIED, "Thanks, that's great", "谢谢,太好了"),
    (SATISFIED, "Perfect, thank you so much for your help", "太好了,非常感谢你的帮助"),
    (SATISFIED, "Great service, I love this shop", "服务真好,我很喜欢你们店"),
    (SATISFIED, "Awesome, that solved it", "可以了,问题解决了"),
    (SATISFIED, "Lovely, I'll order another one", "很不错,我再买一个"),
    (SATISFIED, "That was quick, much appreciated", "回复真快,谢谢"),
    (SATISFIED, "Received it today, works perfectly", "今天收到了,用着很好"),
    (SATISFIED, "Good, thanks, have a nice day", "好的,谢谢,再见"),
    (SATISFIED, "You have been very helpful", "你帮了大忙,辛苦了"),
    (SATISFIED, "Wonderful, exactly what I needed", "正是我想要的,满意"),
    (NEUTRAL, "Where is my order?", "我的订单到哪了"),
    (NEUTRAL, "Do you have this in blue?", "这个有蓝色的吗"),
    (NEUTRAL, "How do I change my address?", "怎么修改收货地址"),
    (NEUTRAL, "My order number is 20391", "订单号是20391"),
    (NEUTRAL, "What is the warranty on this kettle?", "这个水壶保修多久"),
    (NEUTRAL, "I would like to return a jacket", "我想退一件外套"),
    (NEUTRAL, "When will it be in stock again?", "什么时候有货"),
    (NEUTRAL, "Hello", "你好"),
    (NEUTRAL, "Can I pay by bank transfer?", "可以银行转账吗"),
    (NEUTRAL, "Can I get an invoice?", "可以开发票吗"),
    (DISSATISFIED, "Two kettles broken, this is terrible quality", "两个水壶都坏了,质量太差了"),
    (DISSATISFIED, "I have been waiting for three weeks and nobody answers", "等了三个星期都没人理我"),
    (DISSATISFIED, "This is useless, you did not answer my question", "没用,你根本没回答我的问题"),
    (DISSATISFIED, "I already told you that twice", "我都跟你说了两遍了"),
    (DISSATISFIED, "Still no refund, this is ridiculous", "退款还没到,太过分了"),
    (DISSATISFIED, "Worst service ever, I'm done, cancel my account", "服务太差了,受够了,把我账号注销"),
    (DISSATISFIED, "You lied to me about the delivery date", "你们说的送货时间是骗人的"),
    (DISSATISFIED, "I want to make a complaint", "我要投诉"),
    (DISSATISFIED, "Nobody is helping me, I want to speak to a manager", "没人帮我解决,叫你们经理来"),
    (DISSATISFIED, "I'm never buying here again", "再也不在你们家买了"),
    (DISSATISFIED, "It broke after two days and you refuse to replace it", "用了两天就坏了,你们还不给换"),
    (DISSATISFIED, "The price dropped the day after I bought it, I feel cheated", "刚买就降价,感觉被骗了"),
)  # fmt: skip
