from __future__ import annotations

import pytest

from assistant.policy.requests import asks_for_human

REQUESTS = [
    # Chinese
    "转人工",
    "轉人工",
    "人工",
    "人工客服",
    "人工服务",
    "请转人工客服",
    "帮我转人工",
    "给我转人工！",
    "我要人工",
    "我要找人工客服",
    "转接人工客服谢谢",
    "能不能转人工",
    "能转人工吗？",
    "可以转人工吗",
    "怎么转人工",
    "怎么转到人工客服",
    "有人工吗",
    "有没有人工客服",
    "没有人工客服吗",
    "为什么不给我转人工",
    "怎么还不转人工？",
    "我想和真人说话",
    "我要跟真人聊",
    "找个真人来",
    "叫你们经理来",
    "我要找你们主管",
    "让你们领导联系我，我要找你们领导",
    "不要机器人",
    "我不想跟机器人聊",
    "不想和机器人说了，转人工",
    "别再用机器人回复我了",
    "别废话了，转人工",
    "你们这破机器人没用，给我人工",
    "人工客服在吗",
    "快点人工",
    "我需要人工服务",
    "不用了，转人工吧",
    "麻烦帮我找一下人工客服",
    "联系人工客服",
    "接人工",
    "上人工",
    "人工呢",
    "我要投诉，给我转人工",
    "不要机器人，我要人工",
    "轉接真人客服",
    "我要找客服经理",
    "ＡＩ我不要，转人工",
    # English
    "human",
    "Human please",
    "agent",
    "AGENT NOW",
    "representative",
    "operator please",
    "I want to talk to a human",
    "can I speak to a real person?",
    "Can I talk to someone please",
    "could you connect me to an agent",
    "please transfer me to a representative",
    "let me speak with your manager",
    "I'd like to speak to a supervisor",
    "I want a human",
    "I need a real person",
    "I need an agent",
    "get me a human",
    "give me a real person",
    "is there a human I can talk to?",
    "I don't want a bot",
    "I don’t want to talk to a bot",
    "I do not want to chat with a robot",
    "no more bots please",
    "stop this stupid bot",
    "I'm sick of talking to a machine",
    "why can't I talk to a human?",
    "can't I speak to a person",
    "why don't you connect me to a human",
    "put me through to customer service",
    "hand me over to a person",
    "escalate this please",
    "Are you a bot? I want to talk to a human.",
    "I want a human, not a bot",
    "this is useless, let me talk to somebody",
    "can a human help me please",
    "live agent",
]

NOT_REQUESTS = [
    # refusals
    "不用转人工了",
    "不用转人工",
    "不要转人工",
    "别转人工",
    "别给我转人工",
    "不需要人工客服",
    "我不想找人工",
    "先不用转人工，我再看看",
    "转人工就不用了",
    "人工就算了",
    "转人工！算了，不用转人工了",
    "暂时不用转人工",
    "I don't need a human",
    "I don't want to talk to an agent",
    "no need to transfer me to an agent",
    "please don't connect me to a human",
    "no human needed, thanks",
    "I'd rather not speak to a representative",
    "can I solve this without talking to a person?",
    "you do not have to put me through to an agent",
    # questions about who is speaking
    "你是人工吗",
    "你是真人吗？",
    "你是机器人吗",
    "你是不是机器人",
    "是人工还是机器人",
    "你是真人还是机器人？",
    "are you human?",
    "are you a real person?",
    "Are you a bot",
    "is this a bot?",
    "am I talking to a human?",
    "am I speaking with an agent or a bot?",
    # other uses of the words
    "这个支持人工智能吗",
    "人工费多少",
    "人工皮革的包",
    "昨天的人工客服态度很好",
    "有人吗",
    "你好",
    "扫地机器人多少钱",
    "我想买个机器人",
    "机器人吸尘器怎么退货",
    "客服电话是多少",
    "the agent told me it would arrive on Monday",
    "I spoke to a representative yesterday",
    "I need a human hair wig",
    "do you sell robots?",
    "I want to return the robot vacuum",
    "the delivery person was rude",
    "what is your agent fee",
    "",
    "   ",
    "?!。",
    "I don't want a refund, I want a replacement",
    "who do I contact about a return",
]


@pytest.mark.parametrize("text", REQUESTS)
def test_a_request_for_a_person_is_heard(text: str) -> None:
    assert asks_for_human(text) is True


@pytest.mark.parametrize("text", NOT_REQUESTS)
def test_refusals_questions_and_other_uses_are_no_request(text: str) -> None:
    assert asks_for_human(text) is False


def test_the_last_word_counts() -> None:
    assert asks_for_human("I don't need a human. Actually, get me a human.")
    assert not asks_for_human("get me a human. no, I don't need a human")


def test_long_hostile_text_is_read_in_bounded_time() -> None:
    for piece in ("不要", "i want a ", "talk to ", "转", "don't want to talk to "):
        assert asks_for_human(piece * (4000 // len(piece))) in (True, False)
