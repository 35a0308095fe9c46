"""Computes the weights of the pixels: each distinct weighting once per batch, without gradient."""

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

RAW_SLOTS, NORMALISING_SLOTS, PARTITION_SLOTS = ("weigh", "pyramid"), ("normalise", "temper"), ("partition",)
SHARED_SLOTS = (RAW_SLOTS, PARTITION_SLOTS)  # slots whose results several weightings may share
WEIGHTING_SLOTS = ("threshold", *RAW_SLOTS, *NORMALISING_SLOTS, *PARTITION_SLOTS)


@dataclass(frozen=True)
class Part:
    """One distinct weighting: mask, raw weights, weights of SSI and of SILog, each [P]; number of pixels in the mask."""

    mask: Tensor
    raw: Tensor
    ssi: Tensor
    silog: Tensor
    count: Tensor


@dataclass(frozen=True)
class Weights:
    """The weighting of each row of the loss; the properties return them as [R, P]."""

    rows: tuple[Part, ...]

    def split(self, sizes: Sequence[int]) -> Iterator[Weights]:
        rows = iter(self.rows)
        return (Weights(tuple(islice(rows, size))) for size in sizes)

    @cached_property
    def mask(self) -> Tensor:
        return lay_out([row.mask for row in self.rows])

    @cached_property
    def counts(self) -> Tensor:
        """The number of pixels in each mask, [R]."""
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
        """The weights of SSI and of SILog, [2, R, P]."""
        if all(row.silog is row.ssi for row in self.rows):
            return self.ssi.expand(2, *self.ssi.shape)
        return lay_out([row.ssi for row in self.rows] + [row.silog for row in self.rows]).unflatten(0, (2, -1))


def lay_out(rows: Sequence[Tensor]) -> Tensor:
    """[P] of each row -> [R, P]; if all rows share one tensor, an expanded view."""
    if all(row is rows[0] for row in rows):
        return rows[0].expand(len(rows), -1)
    return torch.stack(list(rows))


class DistinctWeightings:
    """The distinct weightings of rows; those with the same `normalise` and `temper` are computed together, as a run."""

    def __init__(self, rows: Sequence[Row]) -> None:
        keys = [choices_with_numbers(row.configuration, WEIGHTING_SLOTS) for row in rows]
        first = {key: row.configuration for key, row in zip(keys, rows, strict=True)}
        ordered = sorted(first, key=lambda key: [first[key].choices[slot].name for slot in NORMALISING_SLOTS])  # long runs
        ids = dict[object, int]()  # equal ids: equal choices with equal numbers
        shared = {
            k: [ids.setdefault(choices_with_numbers(c, slots), len(ids)) for slots in SHARED_SLOTS] for k, c in first.items()
        }
        self.distinct = {first[key]: shared[key] for key in ordered}
        place = {key: index for index, key in enumerate(ordered)}
        starts = list(accumulate((partition_of(c).parts for c in self.distinct), initial=0))
        self.rows = tuple(starts[place[key]] + row.part for key, row in zip(keys, rows, strict=True))
        pieces = [c for c in self.distinct for _ in range(partition_of(c).parts)]
        self.runs = [list(run) for _, run in groupby(pieces, lambda c: choices_with_numbers(c, NORMALISING_SLOTS))]

    def compute(self, target: Target, finest: Tensor, thresholds: dict[Configuration, float]) -> Weights:
        """The weights of one scale at these thresholds; `finest` is the finest scale's depth [B, 1, H, W]."""
        with torch.no_grad():
            remaining = iter(self.pieces(target, lambda c: depth_for(c, target, finest), thresholds))
            parts = [part for run in self.runs for part in normalised_parts(run[0], list(islice(remaining, len(run))))]
        return Weights(tuple(parts[place] for place in self.rows))

    def pieces(
        self, target: Target, depth_of: Callable[[Configuration], Tensor], thresholds: dict[Configuration, float]
    ) -> list[tuple[Tensor, Tensor]]:
        """Mask and raw weights, both [P], of each part of the distinct weightings, in the order of `runs`; `depth_of` returns
        the depth [P] that a configuration's weights are computed from."""
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


def choices_with_numbers(c: Configuration, slots: Sequence[str]) -> tuple[object, ...]:
    """The choices of these slots and the values of their numbers: equal for equal weightings."""
    return tuple((c.choices[slot], *(getattr(c.numbers, name) for name in c.choices[slot].numbers)) for slot in slots)


def weigh(c: Configuration, target: Target, finest: Tensor, threshold: float) -> list[Part]:
    """The weighting of each part of a configuration."""
    raw = c.choices["weigh"](c.numbers, depth_for(c, target, finest), threshold)
    return normalised_parts(c, split_weights(c, target, raw, threshold))


def depth_for(c: Configuration, target: Target, finest: Tensor) -> Tensor:
    """The depth in metres [P] that the configuration's weights are computed from; `finest` [B, 1, H, W]."""
    depth: Tensor = c.choices["pyramid"](c.numbers, finest, target.image_depth)
    return depth.flatten()


def split_weights(c: Configuration, target: Target, raw: Tensor, threshold: float) -> list[tuple[Tensor, Tensor]]:
    """Mask and raw weights, both [P], of each part of the configuration's partition."""
    pieces: list[tuple[Tensor, Tensor]] = call(
        partition_of(c).split, c.numbers, target.valid, raw, target.image_depth.flatten(), threshold
    )
    return pieces


def normalised_parts(c: Configuration, pieces: Sequence[tuple[Tensor, Tensor]]) -> list[Part]:
    """Apply the configuration's `normalise` and `temper` to pieces of mask and raw weights, both [P]."""
    masks, raw = zip(*pieces, strict=True)
    mask, weights = lay_out(masks), lay_out(raw)
    ssi, silog = c.choices["temper"](c.numbers, weights, lambda power: c.choices["normalise"](c.numbers, weights, mask, power))
    of_ssi, counts = ssi.unbind(0), sums(mask).unbind(0)
    of_silog = of_ssi if silog is ssi else silog.unbind(0)
    return [Part(*part) for part in zip(masks, raw, of_ssi, of_silog, counts, strict=True)]
