"""Which row computes what: configurations laid out as rows, so that neighbours share words and each word is called once
for each run of rows that use it. Runs are split and joined by `split` and `cat`: no indexing, no copy where all agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.slots import Guard, Number, Partition, call
from nfloss.terms import moments

ROW_SLOTS = ("guard", "residual", "moments", "squash", "gain")
RUNS = (("guard",), ("residual", "moments"), ("squash",))  # slots whose words are called together on the same rows


@lru_cache(maxsize=4096)
def constant(values: tuple[Any, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """These numbers as a tensor on that device, made once; never an inference tensor, which a later backward would refuse."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device, dtype=dtype)


def spread(values: Sequence[float], like: Tensor) -> Number:
    """One float where all agree, else a tensor [len(values)] beside `like`."""
    return values[0] if len(set(values)) == 1 else constant(tuple(values), like.device, like.dtype)


def code_path(configuration: Configuration) -> list[str]:
    """What rows are sorted by; configurations in this order need no rearranging."""
    return [configuration.words[slot].name for slot in ROW_SLOTS]


@dataclass(frozen=True)
class Row:
    """One row: its configuration, this one's place among the K, and which of its parts this is."""

    configuration: Configuration
    place: int
    part: int


class NumbersOf:
    """The numbers of several configurations by name: a float where all agree, else a tensor that goes with `like`, [.., R] or
    (`pixels`) [.., R, P]."""

    def __init__(self, configurations: Sequence[Configuration], like: Tensor, pixels: bool = False) -> None:
        self.configurations, self.like, self.pixels = configurations, like, pixels

    def __getattr__(self, name: str) -> Number:
        number = spread([getattr(c.numbers, name) for c in self.configurations], self.like)
        return number.unsqueeze(-1) if self.pixels and isinstance(number, Tensor) else number


class Rows:
    """The rows of K configurations, R of them, sorted so that equal words are neighbours."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.configurations = tuple(configurations)
        rows = [Row(c, place, part) for place, c in enumerate(configurations) for part in range(partition_of(c).parts)]
        self.rows = sorted(rows, key=lambda row: code_path(row.configuration))
        self.places = tuple(row.place for row in self.rows)
        self.one_to_one = self.places == tuple(range(len(self.configurations)))
        self.runs = {slots: runs_of([row.configuration for row in self.rows], slots) for slots in RUNS}
        self.joins = self._joins()

    def _joins(self) -> list[Join]:
        row_of = {(row.place, row.part): index for index, row in enumerate(self.rows)}
        kinds: dict[object, list[int]] = {}
        for place, configuration in enumerate(self.configurations):
            kinds.setdefault(configuration.words["partition"], []).append(place)
        parts = {kind: range(partition_of(self.configurations[places[0]]).parts) for kind, places in kinds.items()}
        return [
            Join(tuple(places), tuple(tuple(row_of[place, part] for place in places) for part in parts[kind]))
            for kind, places in kinds.items()
        ]

    def take(self, per_configuration: Tensor) -> Tensor:
        """[K, ..] -> [R, ..]"""
        if self.one_to_one:
            return per_configuration
        return per_configuration.index_select(0, constant(self.places, per_configuration.device, torch.long))

    def first(self, per_row: Tensor) -> Tensor:
        """[.., R] -> [.., K]: the first row of each configuration."""
        if self.one_to_one:
            return per_row
        rows = tuple(self.places.index(place) for place in range(len(self.configurations)))
        return per_row.index_select(-1, constant(rows, per_row.device, torch.long))

    def numbers(self, like: Tensor) -> NumbersOf:
        """The numbers of the rows, to go with [.., R]."""
        return NumbersOf([row.configuration for row in self.rows], like)

    def moments(self, residuals: Tensor, weights: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Means and variances [2, R] of residuals [2, R, P] in both spaces, as the rows' words for `residual` and `moments`
        have them; weights [2, R, P], mask [R, P]."""

        def of_run(run: Run, r: Tensor, u: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
            numbers, words = NumbersOf(run, r, pixels=True), run[0].words
            return moments(*words["moments"](numbers, words["residual"](numbers, r, m), u, m))

        mean, variance = on_runs(self.runs["residual", "moments"], of_run, residuals, weights, mask, dim=-2, into=-1)
        return mean, variance

    def squash(self, ssi: Tensor) -> Tensor:
        """SSI [.., R] as the rows' words have it."""
        squashed: Tensor = on_runs(
            self.runs["squash",], lambda run, piece: run[0].words["squash"](NumbersOf(run, piece), piece), ssi, dim=-1
        )
        return squashed

    def watch_pixels(self, prediction: Tensor, mask: Tensor) -> Tensor:
        """Predictions [R, P] as the rows' guards let their gradients through."""
        return self._guarded(lambda guard: guard.pixels, prediction, mask, dim=-2)

    def watch_terms(self, term: Tensor) -> Tensor:
        """A term [.., R] as the rows' guards let its gradient through."""
        return self._guarded(lambda guard: guard.terms, term, dim=-1)

    def _guarded(self, side: Callable[[Guard], Callable[..., Tensor] | None], *tensors: Tensor, dim: int) -> Tensor:
        runs = self.runs["guard",]
        if not any(side(guard_of(run[0])) for run in runs):
            return tensors[0]

        def guarded(run: Run, *pieces: Tensor) -> Tensor:
            function = side(guard_of(run[0]))
            return call(function, NumbersOf(run, pieces[0], pixels=dim == -2), *pieces) if function else pieces[0]

        result: Tensor = on_runs(runs, guarded, *tensors, dim=dim)
        return result

    def gain(self, like: Tensor) -> Number:
        """SILog's gain for each row: float, or [R]."""
        return spread([row.configuration.words["gain"](row.configuration.numbers) for row in self.rows], like)

    def join(self, values: Tensor, counts: Tensor) -> Tensor:
        """[.., R] -> [.., K]: the parts of each configuration made one; `counts` [.., R] are their valid pixels."""
        if self.one_to_one:
            return values
        joined = [self._join(values, counts, join) for join in self.joins]
        places = [place for join in self.joins for place in join.places]
        back = tuple(places.index(place) for place in range(len(places)))
        return torch.cat(joined, -1).index_select(-1, constant(back, values.device, torch.long))

    def _join(self, values: Tensor, counts: Tensor, join: Join) -> Tensor:
        members = [self.configurations[place] for place in join.places]
        parts = [
            torch.stack([tensor.index_select(-1, constant(rows, values.device, torch.long)) for rows in join.rows])
            for tensor in (values, counts.expand_as(values))
        ]
        result: Tensor = call(partition_of(members[0]).join, NumbersOf(members, values), *parts)
        return result


@dataclass(frozen=True)
class Join:
    """Configurations of one kind of partition: their places, and for each part the rows that compute it."""

    places: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]


Run = Sequence[Configuration]


def partition_of(configuration: Configuration) -> Partition:
    """The configuration's partition."""
    word = configuration.words["partition"].function
    assert isinstance(word, Partition)
    return word


def guard_of(configuration: Configuration) -> Guard:
    """The configuration's guard."""
    word = configuration.words["guard"].function
    assert isinstance(word, Guard)
    return word


def runs_of(configurations: Run, slots: Sequence[str]) -> list[Run]:
    """Neighbours that use the same words."""
    return [list(run) for _, run in groupby(configurations, lambda c: [c.words[slot] for slot in slots])]


def on_runs(runs: Sequence[Run], function: Callable[..., Any], *tensors: Tensor, dim: int, into: int | None = None) -> Any:
    """`function(run, *its rows)` for each run, the results one tensor (or a tuple of them) again. Rows lie along `dim`, in
    results along `into` where that is another."""
    if len(runs) == 1:
        return function(runs[0], *tensors)
    pieces = zip(*(tensor.split([len(run) for run in runs], dim) for tensor in tensors), strict=True)
    results = [function(run, *piece) for run, piece in zip(runs, pieces, strict=True)]
    along = dim if into is None else into
    if isinstance(results[0], tuple):
        return tuple(together(values, along) for values in zip(*results, strict=True))
    return together(results, along)


def together(pieces: Sequence[Tensor], dim: int) -> Tensor:
    """One tensor of pieces of which some may have fewer leading dimensions."""
    largest = max(pieces, key=lambda piece: piece.ndim)
    leading = largest.shape[: largest.ndim + dim]
    return torch.cat([p if p.ndim == largest.ndim else p.expand(*leading, *p.shape[dim:]) for p in pieces], dim)
