"""Groups: configurations of one seed that are trained together, and the order in which they go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from nfloss import Configuration
from nfloss.evaluation.rows import code_path
from runner.execution.group_size import even_size
from runner.training import StartNetwork


@dataclass(frozen=True)
class Group:
    """Configurations of one seed that are trained together, padded to `size` networks (`runner.training.loop`).

    rate: their learning rate, where that is not the experiment's
    checkpoints: the folder where its networks are kept, if they are
    start: the network that they go on from; None: random initial weights
    """

    name: str
    seed: int
    configurations: tuple[Configuration, ...]
    size: int
    rate: float | None = None
    checkpoints: Path | None = None
    start: StartNetwork | None = field(default=None, compare=False, repr=False)

    def halves(self) -> tuple[Group, Group]:
        """The same trainings in two groups."""
        trainings = list(by_training(self.configurations).values())
        middle = -(-len(trainings) // 2)
        first, second = (tuple(c for alike in part for c in alike) for part in (trainings[:middle], trainings[middle:]))
        halves = (("a", first), ("b", second))
        a, b = (replace(self, name=self.name + half, configurations=part, size=middle) for half, part in halves)
        return a, b

    def without(self, done: Collection[tuple[str, int]]) -> Group | None:
        """What of it is not done, where `done` has (key, seed); None if that is nothing."""
        left = tuple(c for c in self.configurations if (record_key(c, self.rate), self.seed) not in done)
        if len(left) in (0, len(self.configurations)):
            return self if left else None
        return replace(self, name=f"{self.name}-rest", configurations=left, size=len(by_training(left)))


def by_training(configurations: Iterable[Configuration]) -> dict[Configuration, list[Configuration]]:
    """Each distinct training, and the configurations that share it: those that differ in BatchNorm's momentum alone."""
    shared: dict[Configuration, list[Configuration]] = {}
    for c in configurations:
        shared.setdefault(c.trained(), []).append(c)
    return shared


def make_groups(configurations: Sequence[Configuration], seeds: Sequence[int], largest: int, in_blocks: bool) -> list[Group]:
    """Groups of equal size, of at most `largest` trainings, in an order in which an interrupted run can be judged best.

    Few configurations are all trained with one seed, then with the next. A whole product goes `in_blocks`: some of its
    trainings, among which every choice is as frequent as in the whole, with all seeds; then the next block.
    """
    shared = by_training(configurations)
    trainings = balanced(list(shared)) if in_blocks else sorted(shared, key=code_path)
    size = even_size(len(trainings), largest)
    chunks = [sorted(trainings[start : start + size], key=code_path) for start in range(0, len(trainings), size)]
    places = range(len(chunks))
    order = [(seed, i) for i in places for seed in seeds] if in_blocks else [(seed, i) for seed in seeds for i in places]
    return [Group(f"seed{seed}-{i}", seed, tuple(c for t in chunks[i] for c in shared[t]), size) for seed, i in order]


def record_key(configuration: Configuration, rate: float | None) -> str:
    """The configuration's key, with the learning rate where that is another than the experiment's.

    >>> record_key(Configuration.of(), 0.001).split("@")[1]
    '0.00100'
    """
    return configuration.key if rate is None else f"{configuration.key}@{rate:#.3g}"


def balanced(configurations: Sequence[Configuration]) -> list[Configuration]:
    """The first configuration first; then always the one that brings the choices' counts nearest to their shares of the whole.

    A greedy order: after n of N, a choice that p N of them have has been used close to p n times, so that whatever has been
    trained when a run is stopped compares every fix with and without as evenly as the whole would.
    """
    choices = sorted({choice for c in configurations for choice in choices_of(c)}, key=str)
    column = {choice: number for number, choice in enumerate(choices)}
    uses = np.zeros((len(configurations), len(choices)))
    for row, c in enumerate(configurations):
        uses[row, [column[choice] for choice in choices_of(c)]] = 1.0
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


def choices_of(c: Configuration) -> list[tuple[str, str]]:
    """(slot, choice's name) of each slot."""
    return [(slot, choice.name) for slot, choice in c.choices.items()]
