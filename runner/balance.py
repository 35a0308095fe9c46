"""An order in which every beginning is balanced: each word of the loss as often among the first n as among all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nfloss import Configuration


def balanced(configurations: Sequence[Configuration]) -> list[Configuration]:
    """The first configuration first; then always the one that brings the words' counts nearest to their shares of the whole.

    A greedy order: after n of N, a word that p N of them use has been used close to p n times, so that whatever has been
    trained when a run is stopped compares every fix with and without as evenly as the whole would.
    """
    words = sorted({word for c in configurations for word in words_of(c)}, key=str)
    place = {word: column for column, word in enumerate(words)}
    uses = np.zeros((len(configurations), len(words)))
    for row, c in enumerate(configurations):
        uses[row, [place[word] for word in words_of(c)]] = 1.0
    share = uses.mean(0)
    order, counts, left = [0], uses[0].copy(), np.ones(len(configurations), dtype=bool)
    left[0] = False
    while left.any():
        # Of sum((counts + use - n share)^2 / share), what depends on the choice: the rest is the same for all.
        distance = uses @ ((2.0 * (counts - (len(order) + 1) * share) + 1.0) / share)
        chosen = int(np.argmin(np.where(left, distance, np.inf)))
        order.append(chosen)
        counts += uses[chosen]
        left[chosen] = False
    return [configurations[row] for row in order]


def words_of(c: Configuration) -> list[tuple[str, str]]:
    """The configuration's word in each slot."""
    return [(slot, choice.name) for slot, choice in c.words.items()]
