"""The weights of the pixels: each distinct weighting of the configurations computed once a batch, without gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from nfloss.configuration import Configuration
from nfloss.rows import Row, constant, partition_of
from nfloss.slots import call
from nfloss.terms import Target

RAW_SLOTS = ("weigh", "pyramid")
WEIGHTING_SLOTS = ("threshold", *RAW_SLOTS, "normalise", "temper", "partition")


@dataclass(frozen=True)
class Part:
    """One distinct weighting: which pixels it counts, their raw weights, and those of SSI and SILog. [P] each."""

    mask: Tensor
    raw: Tensor
    ssi: Tensor
    silog: Tensor


@dataclass(frozen=True)
class Weights:
    """The distinct weightings of a batch, and which of them each row of the loss uses; laid out as [R, P] when asked for."""

    parts: tuple[Part, ...]
    rows: tuple[int, ...]

    @cached_property
    def mask(self) -> Tensor:
        return self._lay_out([part.mask for part in self.parts])

    @cached_property
    def raw(self) -> Tensor:
        return self._lay_out([part.raw for part in self.parts])

    @cached_property
    def ssi(self) -> Tensor:
        return self._lay_out([part.ssi for part in self.parts])

    @cached_property
    def silog(self) -> Tensor:
        return self.ssi if all(p.silog is p.ssi for p in self.parts) else self._lay_out([p.silog for p in self.parts])

    def _lay_out(self, values: list[Tensor]) -> Tensor:
        """[P] of each part -> [R, P]; one tensor that all parts share is not copied."""
        if all(value is values[0] for value in values):
            return values[0].expand(len(self.rows), -1)
        table = torch.stack(values)
        if self.rows == tuple(range(len(self.rows))):
            return table
        return table.index_select(0, constant(self.rows, table.device, torch.long))


class Weightings:
    """The distinct weightings among the rows."""

    def __init__(self, rows: Sequence[Row]) -> None:
        keys = [words_with_numbers(row.configuration, WEIGHTING_SLOTS) for row in rows]
        first = {key: row.configuration for key, row in zip(keys, rows, strict=True)}
        self.distinct = {c: words_with_numbers(c, RAW_SLOTS) for c in first.values()}
        place = {key: index for index, key in enumerate(first)}
        starts = list(accumulate((partition_of(c).parts for c in first.values()), initial=0))
        self.rows = tuple(starts[place[key]] + row.part for key, row in zip(keys, rows, strict=True))

    def compute(self, target: Target, finest: Tensor, thresholds: dict[Configuration, float]) -> Weights:
        """The weights of one scale at the thresholds in force; `finest` is the finest scale's depth [B, 1, H, W]."""
        raw: dict[object, Tensor] = {}
        parts: list[Part] = []
        with torch.no_grad():
            for c, words in self.distinct.items():
                key = (thresholds[c], words)
                if key not in raw:
                    raw[key] = raw_weights(c, target, finest, thresholds[c])
                parts += split_weights(c, target, raw[key], thresholds[c])
        return Weights(tuple(parts), self.rows)


def words_with_numbers(c: Configuration, slots: Sequence[str]) -> tuple[object, ...]:
    """What the words of these slots compute with: equal for equal weightings."""
    return tuple((c.words[slot], *(getattr(c.numbers, name) for name in c.words[slot].numbers)) for slot in slots)


def weigh(c: Configuration, target: Target, finest: Tensor, threshold: float) -> list[Part]:
    """A weighting for each part of a configuration."""
    return split_weights(c, target, raw_weights(c, target, finest, threshold), threshold)


def raw_weights(c: Configuration, target: Target, finest: Tensor, threshold: float) -> Tensor:
    """Each pixel's weight before anything is divided or split, [P]."""
    depth = c.words["pyramid"](c.numbers, finest, target.image_depth).flatten()
    raw: Tensor = c.words["weigh"](c.numbers, depth, threshold)
    return raw


def split_weights(c: Configuration, target: Target, raw: Tensor, threshold: float) -> list[Part]:
    """A weighting for each part that the configuration makes of the pixels."""
    split = call(partition_of(c).split, c.numbers, target.valid, raw, target.image_depth.flatten(), threshold)
    return [part(c, mask, weights) for mask, weights in split]


def part(c: Configuration, mask: Tensor, weights: Tensor) -> Part:
    """The weighting of the pixels in `mask` from their raw weights, [P] both."""
    ssi, silog = c.words["temper"](c.numbers, weights, lambda power: c.words["normalise"](c.numbers, weights, mask, power))
    return Part(mask, weights, ssi, silog)
