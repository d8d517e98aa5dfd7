"""A passage of the shop's help as something to say: quoted with its source, where the playbook knows no good answer. Pure.

The playbook comes first, because somebody approved its wording for a conversation. A help page is the shop's own word too, and
better than asking back. So it is said where no script is likely to be the answer; and where somebody asks a question that a
passage clearly answers, in place of scripts that would say nothing of the matter itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from assistant.turns.options import HELP, on_record, relevance, shows
from retrieval.documents import Article, Candidate, Script
from retrieval.eligibility import language

ARTICLES: Final = 2
INTENT: Final = "help_article"
FAMILY: Final = "article/"
KNOWN: Final = 0.55  # relevance of the best script from which the playbook answers
# Of the demo's help, asked 48 questions that it answers, nine in ten find their page with a score of .25 or more; complaints and
# messages about other things stay below .28.
ANSWERS: Final = 0.30
CLEAR: Final = 0.36  # score from which a passage answers a question better than a script that only asks or refers
SURE: Final = 0.55  # score of a passage that is as likely to be the answer as the best of scripts
_ASKS: Final = re.compile(
    r"[?？]|[吗嗎]\W*$|\b(?:how|what|which|when|where|until|do you|do i|does|may i|can i|can you|will you|is it|is there)\b"
    r"|多少|多久|多大|几|怎么(?!还|这么|回事)|哪|能不能|可不可以|是不是|是否",
    re.IGNORECASE,
)
SOURCE: Final = {"en": "From our help page “{title}”", "zh": "摘自帮助页面《{title}》"}


def answers(text: str, scripts: Sequence[Candidate], articles: Sequence[Candidate], *, named: bool = False) -> bool:
    """Whether the text asks a question that the best passage clearly answers.

    Not where the customer's own records answer it, or where it asks for a product that can be shown (`named`).
    """
    if not articles or articles[0].score < CLEAR or _ASKS.search(text) is None:
        return False
    return not any(
        (on_record(one.document) or (named and shows(one.document))) and relevance(one, named=named) >= KNOWN
        for one in scripts
    )


def with_passage(scripts: Sequence[Candidate], articles: Sequence[Candidate], *, clear: bool) -> list[Candidate]:
    """The scripts, and the best passage among them as one more: where it is a clear answer, or likely and none of them is."""
    best = max((relevance(candidate) for candidate in scripts), default=0.0)
    if not articles or not (clear or (best < KNOWN and articles[0].score >= ANSWERS)):
        return list(scripts)
    return [*scripts, as_script(articles[0])]


def name(candidate: Candidate) -> str:
    """What a passage is known by: its page and its heading."""
    return f"{candidate.id}#{'' if candidate.passage is None else candidate.passage.heading}"


def as_script(candidate: Candidate) -> Candidate:
    """A passage as a reply: its text, and below where it stands. Raises ValueError for anything but an article."""
    article, passage = candidate.document, candidate.passage
    if not isinstance(article, Article) or passage is None:
        raise ValueError(f"{candidate.id} is no passage of an article")
    source = SOURCE["zh" if language(article.locale) == "zh" else "en"].format(title=article.title)
    if article.url.startswith(("https://", "http://")):
        source = f"{source}: {article.url}"
    script = Script(
        id=f"{FAMILY}{article.id}@{article.locale}",
        family=f"{FAMILY}{article.id}",
        locale=article.locale,
        title=article.title,
        # A page is no template: whatever would begin an expression is printed as it stands.
        text=f"{passage.text}\n\n{source}".replace("{", "{{ '{' }}"),
        intent=INTENT,
        stage="fix",
        approved_by=HELP,
    )
    chance = min(1.0, KNOWN + (candidate.score - ANSWERS) * (1.0 - KNOWN) / (SURE - ANSWERS))
    return replace(
        candidate,
        document=script,
        score=chance,
        sources={**candidate.sources, "intent": chance},
        why=(*candidate.why, f"article:{article.id}"),
        passage=None,
    )
