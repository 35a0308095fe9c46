"""The weights of the pixels: each distinct weighting of the configurations computed once a batch, without gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.rows import Row, constant, partition_of
from nfloss.slots import call
from nfloss.terms import Target

WEIGHTING_SLOTS = ("threshold", "weigh", "pyramid", "normalise", "temper", "partition")


@dataclass(frozen=True)
class Weights:
    """Mask, raw weights, and normalised weights of SSI and SILog, a row for each row of the loss. [R, P] each."""

    mask: Tensor
    raw: Tensor
    ssi: Tensor
    silog: Tensor

    def select(self, rows: Tensor) -> Weights:
        return Weights(*(values.index_select(0, rows) for values in (self.mask, self.raw, self.ssi, self.silog)))


def word_with_numbers(configuration: Configuration, slot: str) -> tuple[object, ...]:
    choice = configuration.words[slot]
    return (choice, *(getattr(configuration.numbers, name) for name in choice.numbers))


class Weightings:
    """The distinct weightings among the rows, and the threshold in force for each."""

    def __init__(self, rows: Sequence[Row]) -> None:
        keys = [tuple(word_with_numbers(row.configuration, slot) for slot in WEIGHTING_SLOTS) for row in rows]
        first = {key: row.configuration for key, row in zip(keys, rows, strict=True)}
        self.distinct = tuple(first.values())
        place = {key: index for index, key in enumerate(first)}
        starts = [sum(partition_of(c).parts for c in self.distinct[:index]) for index in range(len(first))]
        self.table_rows = tuple(starts[place[key]] + row.part for key, row in zip(keys, rows, strict=True))

    def compute(self, target: Target, finest: Tensor, thresholds: dict[Configuration, float]) -> Weights:
        """The weights of one scale; `finest` is the finest scale's depth [B, 1, H, W]."""
        with torch.no_grad():
            parts = [part for c in self.distinct for part in weigh(c, target, finest, thresholds[c])]
            table = Weights(*(torch.stack(values) for values in zip(*parts, strict=True)))
            if self.table_rows == tuple(range(len(self.table_rows))):
                return table
            return table.select(constant(self.table_rows, target.valid.device, torch.long))


def weigh(c: Configuration, target: Target, finest: Tensor, threshold: float) -> list[tuple[Tensor, ...]]:
    """For each part of a configuration: mask, raw weights, SSI's and SILog's weights, [P] each."""
    numbers, words = c.numbers, c.words
    depth = words["pyramid"](numbers, finest, target.image_depth).flatten()
    raw = words["weigh"](numbers, depth, threshold)
    split = call(partition_of(c).split, numbers, target.valid, raw, target.image_depth.flatten(), threshold)
    return [part_weights(c, mask, weights) for mask, weights in split]


def part_weights(c: Configuration, mask: Tensor, weights: Tensor) -> tuple[Tensor, ...]:
    """Mask, raw, SSI's and SILog's weights of one part, [P] each."""
    ssi, silog = c.words["temper"](c.numbers, weights, lambda power: c.words["normalise"](c.numbers, weights, mask, power))
    return mask, weights, ssi, silog
