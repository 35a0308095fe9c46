"""Sorts configurations into rows, so that rows with the same choice are neighbours, a run: the choice is called once per run.
Runs are separated by `split` and put together by `cat`: no indexing, and no copy where there is one run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.numbers import Number
from nfloss.slots import Guard, Partition, call

ROW_SLOTS = ("guard", "residual", "moments", "squash", "gain")
PIXEL_SLOTS = ("guard", "residual", "moments")  # their choices are called together, on rows of pixels
#: Pixels in a piece of rows on a CPU: small enough that results stay in a core's own cache between operations.
PIECE = 1 << 18


@lru_cache(maxsize=4096)
def constant(values: tuple[Any, ...], device: torch.device, dtype: torch.dtype) -> Tensor:
    """These numbers as a cached tensor on that device; never an inference tensor, which a later backward would refuse."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device, dtype=dtype)


def number_or_tensor(values: Sequence[float], like: Tensor) -> Number:
    """One float if all values are equal, else a tensor [len(values)] of the device and type of `like`."""
    return values[0] if len(set(values)) == 1 else constant(tuple(values), like.device, like.dtype)


def code_path(configuration: Configuration) -> list[str]:
    """The sort key of rows; configurations sorted by it need no rearranging."""
    return [configuration.choices[slot].name for slot in ROW_SLOTS]


@dataclass(frozen=True)
class Row:
    """One row: its configuration, the configuration's index among the K, and the index of the part."""

    configuration: Configuration
    place: int
    part: int


class NumbersOf:
    """The numbers of several configurations by name: a float if all are equal, else a tensor that broadcasts with `like`,
    which is [.., R] or (`pixels`) [.., R, P]."""

    def __init__(self, configurations: Sequence[Configuration], like: Tensor, pixels: bool = False) -> None:
        self.configurations, self.like, self.pixels = configurations, like, pixels

    def __getattr__(self, name: str) -> Number:
        number = number_or_tensor([getattr(c.numbers, name) for c in self.configurations], self.like)
        return number.unsqueeze(-1) if self.pixels and isinstance(number, Tensor) else number


class Rows:
    """The R rows of K configurations, sorted so that rows with equal choices are neighbours."""

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        self.configurations = tuple(configurations)
        rows = [Row(c, place, part) for place, c in enumerate(configurations) for part in range(partition_of(c).parts)]
        self.rows = sorted(rows, key=lambda row: code_path(row.configuration))
        self.places = tuple(row.place for row in self.rows)
        self.one_to_one = self.places == tuple(range(len(self.configurations)))
        of_rows = [row.configuration for row in self.rows]
        self.runs = {slots: runs_of(of_rows, slots) for slots in (PIXEL_SLOTS, ("guard",), ("squash",))}
        self.joins = self._joins()
        self._pieces: dict[int, list[Run]] = {}

    def _joins(self) -> list[Join]:
        row_of = {(row.place, row.part): index for index, row in enumerate(self.rows)}
        kinds: dict[object, list[int]] = {}
        for place, configuration in enumerate(self.configurations):
            kinds.setdefault(configuration.choices["partition"], []).append(place)
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
        """[.., R] -> [.., K], the first row of each configuration."""
        if self.one_to_one:
            return per_row
        rows = tuple(self.places.index(place) for place in range(len(self.configurations)))
        return per_row.index_select(-1, constant(rows, per_row.device, torch.long))

    def numbers(self, like: Tensor) -> NumbersOf:
        """The numbers of the rows; they broadcast with [.., R]."""
        return NumbersOf([row.configuration for row in self.rows], like)

    def pieces(self, pixels: int, small: bool) -> list[Run]:
        """Runs of rows with the same choices on pixels; if `small`, cut so that a piece has at most `PIECE` pixels."""
        limit = max(1, PIECE // max(1, pixels)) if small else len(self.rows)
        if limit not in self._pieces:
            runs = self.runs[PIXEL_SLOTS]
            self._pieces[limit] = [run[start : start + limit] for run in runs for start in range(0, len(run), limit)]
        return self._pieces[limit]

    def squash(self, ssi: Tensor) -> Tensor:
        """Apply each row's `squash` to SSI [.., R]."""
        return on_runs(self.runs["squash",], lambda run, piece: run[0].choices["squash"](NumbersOf(run, piece), piece), ssi)

    def watch_terms(self, term: Tensor) -> Tensor:
        """Apply each row's guard to a term [.., R]."""
        runs = self.runs["guard",]
        if not any(guard_of(run[0]).terms for run in runs):
            return term
        return on_runs(runs, watched_by_guard, term)

    def gain(self, like: Tensor) -> Number:
        """SILog's gain for each row: float, or [R]."""
        return number_or_tensor([row.configuration.choices["gain"](row.configuration.numbers) for row in self.rows], like)

    def join(self, values: Tensor, counts: Tensor) -> Tensor:
        """Combine the parts of each configuration, [.., R] -> [.., K]; `counts` [.., R] are the parts' valid pixels."""
        if self.one_to_one:
            return values
        results = [self._join(values, counts, join) for join in self.joins]
        places = [place for join in self.joins for place in join.places]
        back = tuple(places.index(place) for place in range(len(places)))
        return torch.cat(results, -1).index_select(-1, constant(back, values.device, torch.long))

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
    """Configurations with the same partition: their indices, and for each part the rows that compute it."""

    places: tuple[int, ...]
    rows: tuple[tuple[int, ...], ...]


Run = Sequence[Configuration]


def partition_of(configuration: Configuration) -> Partition:
    choice = configuration.choices["partition"].function
    assert isinstance(choice, Partition)
    return choice


def watched_by_guard(run: Run, term: Tensor) -> Tensor:
    """Apply the run's guard to a term [.., k]."""
    watch = guard_of(run[0]).terms
    return watch(term) if watch else term


def guard_of(configuration: Configuration) -> Guard:
    choice = configuration.choices["guard"].function
    assert isinstance(choice, Guard)
    return choice


def runs_of(configurations: Run, slots: Sequence[str]) -> list[Run]:
    """Group neighbours that have the same choices in these slots."""
    return [list(run) for _, run in groupby(configurations, lambda c: [c.choices[slot] for slot in slots])]


def on_runs(runs: Sequence[Run], function: Callable[[Run, Tensor], Tensor], rows: Tensor) -> Tensor:
    """Call `function(run, its rows)` for each run and concatenate. Rows are the last dimension, [.., R]."""
    if len(runs) == 1:
        return function(runs[0], rows)
    pieces = rows.split([len(run) for run in runs], -1)
    return torch.cat([function(run, piece) for run, piece in zip(runs, pieces, strict=True)], -1)
