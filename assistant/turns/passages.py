"""A passage of the shop's help as something to say: quoted with its source, where the playbook knows no good answer. Pure.

The playbook comes first, because somebody approved its wording for a conversation. A help page is the shop's own word too, and
better than asking back; so it is said where no script is likely to be the answer and the passage clearly is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from assistant.turns.options import relevance
from retrieval.documents import Article, Candidate, Script
from retrieval.eligibility import language

ARTICLES: Final = 2
INTENT: Final = "help_article"
KNOWN: Final = 0.55  # relevance of the best script from which the playbook answers
# Of the demo's help, asked 48 questions that it answers, nine in ten find their page with a score of .25 or more; complaints and
# messages about other things stay below .28.
ANSWERS: Final = 0.30
SURE: Final = 0.55  # score of a passage that is as likely to be the answer as the best of scripts
SOURCE: Final = {"en": "From our help page “{title}”", "zh": "摘自帮助页面《{title}》"}


def with_passage(scripts: Sequence[Candidate], articles: Sequence[Candidate]) -> list[Candidate]:
    """The scripts, and the best passage among them as one more where none of them is likely and it is."""
    best = max((relevance(candidate) for candidate in scripts), default=0.0)
    if not articles or best >= KNOWN or articles[0].score < ANSWERS:
        return list(scripts)
    return [*scripts, as_script(articles[0])]


def as_script(candidate: Candidate) -> Candidate:
    """A passage as a reply: its text, and below where it stands. Raises ValueError for anything but an article."""
    article, passage = candidate.document, candidate.passage
    if not isinstance(article, Article) or passage is None:
        raise ValueError(f"{candidate.id} is no passage of an article")
    source = SOURCE["zh" if language(article.locale) == "zh" else "en"].format(title=article.title)
    if article.url.startswith(("https://", "http://")):
        source = f"{source}: {article.url}"
    script = Script(
        id=f"article/{article.id}@{article.locale}",
        family=f"article/{article.id}",
        locale=article.locale,
        title=article.title,
        # A page is no template: whatever would begin an expression is printed as it stands.
        text=f"{passage.text}\n\n{source}".replace("{", "{{ '{' }}"),
        intent=INTENT,
        stage="fix",
        approved_by="help",
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
