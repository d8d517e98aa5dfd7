"""Noisy copies of labelled conversations, for training only: what customers' keyboards and channels do to the same words.

A copy keeps the labels. Its turns lose or double characters, swap neighbours, become full width, take a synonym, and
now and then a reply is dropped. Nothing of it is ever measured.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from risk.conversation.data import Conversation
from risk.types import Message

TYPO = 0.03  # of a character
WIDE = 0.15  # of a turn: ASCII as full-width characters, as Chinese keyboards give it
SYNONYM = 0.3  # of a word that has some
DROPPED = 0.1  # of a reply, or of an unlabelled turn
_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("谢谢", "多谢", "感谢", "谢了"),
    ("怎么", "咋", "如何"),
    ("没有", "没"),
    ("什么时候", "啥时候", "何时"),
    ("为什么", "为啥", "怎么"),
    ("快递", "物流", "包裹"),
    ("客服", "小二", "工作人员"),
    ("可以", "能", "行"),
    ("退款", "退钱"),
    ("thanks", "thank you", "cheers"),
    ("order", "parcel", "package"),
    ("can't", "cannot", "can not"),
    ("terrible", "awful", "horrible"),
    ("ok", "okay", "fine"),
)


def noisy(text: str, draw: random.Random) -> str:
    """The text as somebody else might have typed it; never empty where the text was not."""
    changed = text
    for group in SYNONYMS:
        for word in group:
            if word in changed and draw.random() < SYNONYM:
                changed = changed.replace(word, draw.choice(group), 1)
                break
    letters: list[str] = []
    for letter in changed:
        if draw.random() >= TYPO:
            letters.append(letter)
            continue
        kind = draw.randrange(3)
        if kind == 1:
            letters += [letter, letter]
        elif kind == 2 and letters:
            letters.insert(-1, letter)
        # kind 0: the letter is lost
    changed = "".join(letters) or text
    return changed.translate(_WIDE) if draw.random() < WIDE else changed


def copies(conversation: Conversation, count: int, seed: int) -> list[Conversation]:
    """`count` noisy copies of one conversation, seeded by its id too, so that they do not depend on its place in a file."""
    made = []
    for number in range(count):
        draw = random.Random(f"{seed}:{conversation.id}:{number}")  # noqa: S311 (noise, not a secret)
        messages: list[Message] = []
        levels: list[int | None] = []
        for message, level in zip(conversation.messages, conversation.levels, strict=True):
            if level is None and draw.random() < DROPPED:
                continue
            text = noisy(message.text, draw) if message.role == "contact" else message.text
            messages.append(replace(message, text=text))
            levels.append(level)
        made.append(replace(conversation, messages=tuple(messages), levels=tuple(levels)))
    return made


def all_copies(conversations: Sequence[Conversation], count: int, seed: int) -> list[list[Conversation]]:
    """For each conversation the copies that help to train it: only labelled ones have some."""
    return [copies(c, count, seed) if any(level is not None for level in c.levels) else [] for c in conversations]
