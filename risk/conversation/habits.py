"""How annotators label: a hidden habit of each conversation, found from its labels, for training only.

Whoever rates a conversation has a habit. Some call nearly every turn neutral; to others a plain "好的" is satisfied and a plain
"没有了" dissatisfied. In the JDDC labels one and the same short answer has the same level in 97 % of pairs within a conversation
and in 64 % of pairs across them (`benchmarks/risk_habits.py`), and nothing in the text tells the habit. A reader that does not
know of it learns the conversations' noise. So each habit gets a reader of its own, by expectation-maximisation (Dempster, Laird
and Rubin, 1977) over whole conversations, and a turn is read under all of them, weighed by how common they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from risk.calibration import softmax
from risk.conversation.data import NEUTRAL
from risk.conversation.knobs import Knobs
from risk.conversation.lexical import NO_VECTOR, Space, Turn
from risk.conversation.mixing import TINY
from risk.text import WIDTH

HABITS = 2
ROUNDS = 3
TEMPER = 0.7  # a conversation's turns are not independent: their evidence counts a little less
DOUBT = 0.1  # of the first guess
MIN_CONVERSATIONS = 20  # fewer cannot show a habit

Floats = NDArray[np.float64]


def shares(turns: Sequence[Turn], knobs: Knobs) -> Floats:
    """How likely each habit made the labels of each turn's conversation, float64 [turns, HABITS]; rows add to 1.

    The first guess is by the share of turns that are not neutral. Then readers of the characters, and the posterior of each
    conversation under them, are fitted in turn.
    """
    names, member = np.unique([t.group for t in turns], return_inverse=True)
    if len(names) < MIN_CONVERSATIONS:
        return np.full((len(turns), HABITS), 1 / HABITS)
    nothing = np.zeros(WIDTH, np.float32)
    space = Space.of([replace(t, features=nothing, vector=NO_VECTOR) for t in turns], knobs)
    row = np.arange(len(turns))
    spoken = np.bincount(member, space.level != NEUTRAL) / np.bincount(member)
    posterior = np.full((len(names), HABITS), DOUBT / HABITS)
    edges = np.quantile(spoken, np.linspace(0, 1, HABITS + 1)[1:-1])
    posterior[np.arange(len(names)), np.searchsorted(edges, spoken, side="right")] += 1 - DOUBT
    for _ in range(ROUNDS):
        said = space.read(space.fit(posterior[member], knobs.strength))
        joint = np.zeros_like(posterior)
        np.add.at(joint, member, TEMPER * np.log(softmax(said) + TINY)[row, :, space.level])
        posterior = softmax(joint + np.log(posterior.mean(0)))
    return np.asarray(posterior[member])
