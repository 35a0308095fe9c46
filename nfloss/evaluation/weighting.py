"""The weights of the pixels: each distinct weighting of the configurations computed once a batch, without gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby, islice

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.evaluation.rows import Row, partition_of
from nfloss.slots import call
from nfloss.terms import Target, sums

RAW_SLOTS, TEMPERING, SPLITTING = ("weigh", "pyramid"), ("normalise", "temper"), ("partition",)
SHARED = (RAW_SLOTS, SPLITTING)  # what several weightings may have in common
WEIGHTING_SLOTS = ("threshold", *RAW_SLOTS, *TEMPERING, *SPLITTING)


@dataclass(frozen=True)
class Part:
    """One distinct weighting: which pixels it counts, their raw weights, and those of SSI and SILog, [P] each; their number."""

    mask: Tensor
    raw: Tensor
    ssi: Tensor
    silog: Tensor
    count: Tensor


@dataclass(frozen=True)
class Weights:
    """The weighting of each row of the loss, laid out as [R, P] when asked for."""

    rows: tuple[Part, ...]

    def split(self, sizes: Sequence[int]) -> Iterator[Weights]:
        """So many rows in each."""
        rows = iter(self.rows)
        return (Weights(tuple(islice(rows, size))) for size in sizes)

    @cached_property
    def mask(self) -> Tensor:
        return lay_out([row.mask for row in self.rows])

    @cached_property
    def counts(self) -> Tensor:
        """Pixels that count, [R]."""
        return torch.stack([row.count for row in self.rows])

    @cached_property
    def raw(self) -> Tensor:
        return lay_out([row.raw for row in self.rows])

    @cached_property
    def ssi(self) -> Tensor:
        return lay_out([row.ssi for row in self.rows])

    @cached_property
    def silog(self) -> Tensor:
        return lay_out([row.silog for row in self.rows])

    @cached_property
    def both(self) -> Tensor:
        """Of SSI and of SILog, [2, R, P]."""
        if all(row.silog is row.ssi for row in self.rows):
            return self.ssi.expand(2, *self.ssi.shape)
        return lay_out([row.ssi for row in self.rows] + [row.silog for row in self.rows]).unflatten(0, (2, -1))


def lay_out(rows: Sequence[Tensor]) -> Tensor:
    """[P] of each row -> [R, P]; one tensor that all rows share is not copied."""
    if all(row is rows[0] for row in rows):
        return rows[0].expand(len(rows), -1)
    return torch.stack(list(rows))


class Weightings:
    """The distinct weightings among rows; those that normalise and temper alike do it together."""

    def __init__(self, rows: Sequence[Row]) -> None:
        keys = [words_with_numbers(row.configuration, WEIGHTING_SLOTS) for row in rows]
        first = {key: row.configuration for key, row in zip(keys, rows, strict=True)}
        ordered = sorted(first, key=lambda key: [first[key].choices[slot].name for slot in TEMPERING])  # long runs
        ids = dict[object, int]()
        number = {key: [ids.setdefault(words_with_numbers(c, slots), len(ids)) for slots in SHARED] for key, c in first.items()}
        self.distinct = {first[key]: number[key] for key in ordered}  # equal numbers: equal words, with equal numbers
        place = {key: index for index, key in enumerate(ordered)}
        starts = list(accumulate((partition_of(c).parts for c in self.distinct), initial=0))
        self.rows = tuple(starts[place[key]] + row.part for key, row in zip(keys, rows, strict=True))
        pieces = [c for c in self.distinct for _ in range(partition_of(c).parts)]
        self.runs = [list(run) for _, run in groupby(pieces, lambda c: words_with_numbers(c, TEMPERING))]

    def compute(self, target: Target, finest: Tensor, thresholds: dict[Configuration, float]) -> Weights:
        """The weights of one scale at the thresholds in force; `finest` is the finest scale's depth [B, 1, H, W]."""
        with torch.no_grad():
            waiting = iter(self.pieces(target, lambda c: depth_for(c, target, finest), thresholds))
            parts = [part for run in self.runs for part in tempered(run[0], list(islice(waiting, len(run))))]
        return Weights(tuple(parts[place] for place in self.rows))

    def pieces(
        self, target: Target, depth_of: Callable[[Configuration], Tensor], thresholds: dict[Configuration, float]
    ) -> list[tuple[Tensor, Tensor]]:
        """The pixels, and their raw weights, [P] both, of each part of the distinct weightings, in the order of `runs`;
        `depth_of` gives the depth [P] that a configuration weighs."""
        raw, split = dict[object, Tensor](), dict[object, list[tuple[Tensor, Tensor]]]()
        pieces: list[tuple[Tensor, Tensor]] = []
        for c, (weighing, splitting) in self.distinct.items():
            threshold = thresholds[c]
            own, both = (weighing, threshold), (weighing, splitting, threshold)
            if own not in raw:
                raw[own] = c.choices["weigh"](c.numbers, depth_of(c), threshold)
            if both not in split:
                split[both] = split_weights(c, target, raw[own], threshold)
            pieces += split[both]
        return pieces


def words_with_numbers(c: Configuration, slots: Sequence[str]) -> tuple[object, ...]:
    """What the words of these slots compute with: equal for equal weightings."""
    return tuple((c.choices[slot], *(getattr(c.numbers, name) for name in c.choices[slot].numbers)) for slot in slots)


def weigh(c: Configuration, target: Target, finest: Tensor, threshold: float) -> list[Part]:
    """A weighting for each part of a configuration."""
    pieces = split_weights(c, target, raw_weights(c, target, finest, threshold), threshold)
    return tempered(c, pieces)


def raw_weights(c: Configuration, target: Target, finest: Tensor, threshold: float) -> Tensor:
    """Each pixel's weight before anything is divided or split, [P]."""
    raw: Tensor = c.choices["weigh"](c.numbers, depth_for(c, target, finest), threshold)
    return raw


def depth_for(c: Configuration, target: Target, finest: Tensor) -> Tensor:
    """The depth in metres [P] that the configuration's weights are made of; `finest` [B, 1, H, W]."""
    depth: Tensor = c.choices["pyramid"](c.numbers, finest, target.image_depth)
    return depth.flatten()


def split_weights(c: Configuration, target: Target, raw: Tensor, threshold: float) -> list[tuple[Tensor, Tensor]]:
    """The pixels, and their weights, of each part that the configuration makes; [P] both."""
    pieces: list[tuple[Tensor, Tensor]] = call(
        partition_of(c).split, c.numbers, target.valid, raw, target.image_depth.flatten(), threshold
    )
    return pieces


def tempered(c: Configuration, pieces: Sequence[tuple[Tensor, Tensor]]) -> list[Part]:
    """Weightings by the configuration's `normalise` and `temper`, from the pixels and raw weights [P] of each."""
    masks, raw = zip(*pieces, strict=True)
    mask, weights = lay_out(masks), lay_out(raw)
    ssi, silog = c.choices["temper"](c.numbers, weights, lambda power: c.choices["normalise"](c.numbers, weights, mask, power))
    of_ssi, counts = ssi.unbind(0), sums(mask).unbind(0)
    of_silog = of_ssi if silog is ssi else silog.unbind(0)
    return [Part(*part) for part in zip(masks, raw, of_ssi, of_silog, counts, strict=True)]
