"""Groups: configurations of one seed that are trained together, and the order in which they go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nfloss import Configuration
from nfloss.evaluation.rows import code_path
from runner.balance import balanced
from runner.space import record_key

#: What a group's step costs before its first network, in networks (from benchmarks/group_size.py at 32x48).
WORTH_OF_A_STEP = 2


@dataclass(frozen=True)
class Group:
    """Configurations of one seed that are trained together, as so many networks (`runner/training/loop.py` pads): the bits of a
    result depend on how many are trained together, so that number is part of the study. `rate`: their learning rate, where
    that is not the experiment's."""

    name: str
    seed: int
    configurations: tuple[Configuration, ...]
    size: int
    rate: float | None = None
    checkpoints: Path | None = None  # where its networks are kept, if they are

    def halves(self) -> tuple[Group, Group]:
        """The same trainings in two groups."""
        trainings = list(by_training(self.configurations).values())
        middle = -(-len(trainings) // 2)
        first, second = (tuple(c for readings in part for c in readings) for part in (trainings[:middle], trainings[middle:]))
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
    """Each distinct training, and the configurations that read it: those that differ in BatchNorm's momentum alone."""
    readings: dict[Configuration, list[Configuration]] = {}
    for c in configurations:
        readings.setdefault(c.trained(), []).append(c)
    return readings


def even_size(count: int, largest: int) -> int:
    """The number of networks in each of as few groups as hold `count`, of at most `largest`."""
    return -(-count // -(-count // largest))


def cost_of_a_step(size: int) -> float:
    """Of a group of so many networks, in networks."""
    return size + WORTH_OF_A_STEP


def best_size(count: int, seeds: int, largest: int, workers: int, cost: Callable[[int], float] = cost_of_a_step) -> int:
    """Networks in a group, at most `largest`, with which so many workers have soonest trained `count` with each of the seeds;
    `cost` is what a step of a group costs, by its size.

    The last group is filled up to the size of the others, and at the end a worker may have nothing to do: both are work lost.
    """

    def takes(size: int) -> float:
        groups = -(-count // size) * seeds
        return -(-groups // workers) * cost(size)

    sizes = {even_size(count, at_most) for at_most in range(1, largest + 1)}
    return min(sorted(sizes, reverse=True), key=takes)


def make_groups(configurations: Sequence[Configuration], seeds: Sequence[int], largest: int, in_blocks: bool) -> list[Group]:
    """Groups of equal size, of at most `largest` trainings, in the order in which a run that is stopped leaves most.

    Few configurations are all trained with one seed, then with the next. A whole product goes `in_blocks`: some of its
    trainings, chosen so that every word is among them as often as in the whole, with all seeds; then the next block.
    """
    readings = by_training(configurations)
    trainings = balanced(list(readings)) if in_blocks else sorted(readings, key=code_path)
    size = even_size(len(trainings), largest)
    chunks = [sorted(trainings[start : start + size], key=code_path) for start in range(0, len(trainings), size)]
    places = range(len(chunks))
    order = [(seed, i) for i in places for seed in seeds] if in_blocks else [(seed, i) for seed in seeds for i in places]
    return [Group(f"seed{seed}-{i}", seed, tuple(c for t in chunks[i] for c in readings[t]), size) for seed, i in order]
