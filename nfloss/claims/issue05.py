"""The document's numbers about issue 5, recomputed."""

from __future__ import annotations

import torch

from nfloss.claims.claim import Claim, number, statement
from nfloss.claims.evidence import choice_of, column
from nfloss.numbers import Numbers
from nfloss.slots import BASELINE, Choice

HARD = BASELINE["weigh"]


def claims() -> list[Claim]:
    """The hard boundary, the smooth weight as argued and as written, and the ramp."""
    return [*hard(), *smooth(), *as_written(), *ramp()]


def weight(choice: Choice, depth: float) -> float:
    """A weight function's value at a depth in metres, threshold 1 m."""
    return choice(Numbers(), column([depth]), Numbers().near_threshold).item()


def hard() -> list[Claim]:
    stated = ((0.99, 5.0), (1.00, 1.0), (1.01, 1.0))
    claims = [
        number(5, f"hard weight at {depth:.2f} m", claimed, weight(HARD, depth), 1, HARD.name) for depth, claimed in stated
    ]
    jump = weight(HARD, 0.99) / weight(HARD, 1.00)
    return [*claims, number(5, "ratio of weights one centimetre apart", 5.0, jump, 1, HARD.name)]


def smooth() -> list[Claim]:
    choice, numbers = choice_of("5-1", "weigh"), Numbers()
    depths = torch.linspace(0.1, 1.0, 901, dtype=torch.float64)  # metres, millimetre steps
    heavy = depths[choice(numbers, depths, numbers.near_threshold) > 4.9].max().item()
    step = {depth: 1.0 - (weight(choice, depth) - 1.0) / (numbers.near_weight - 1.0) for depth in (0.7, 1.3)}
    above, by = "depth below which the smooth weight (5-1) exceeds 4.9, m", "the weight function on a millimetre grid"
    return [
        number(5, "smooth weight (5-1) at 0.7 m", 5.0, weight(choice, 0.7), 1, choice.name, 6),
        number(5, "smooth weight (5-1) at 1.0 m", 3.0, weight(choice, 1.0), 1, choice.name),
        number(5, "smooth weight (5-1) at 1.3 m", 1.0, weight(choice, 1.3), 1, choice.name, 6),
        number(5, above, 0.7, heavy, 1, by, 6),
        number(5, "smooth step at 0.7 m", 0.0, step[0.7], 1, choice.name, 6),
        number(5, "smooth step at 1.3 m", 1.0, step[1.3], 1, choice.name, 6),
    ]


def as_written() -> list[Claim]:
    """The document's code to the letter, where its comment says 5 near and 1 far."""
    choice = choice_of("5-1w", "weigh")
    near, far = weight(choice, 0.5), weight(choice, 2.0)
    return [
        statement(5, "weight of 5-1's code at 0.5 m", "5", f"{near:.3g}", near > 4.5, "harmful", choice.name, 7),
        statement(5, "weight of 5-1's code at 2 m", "1", f"{far:.3g}", far < 1.5, "harmful", choice.name, 7),
    ]


def ramp() -> list[Claim]:
    choice = choice_of("5-2", "weigh")
    stated = ((0.79, 5.0), (0.8, 5.0), (1.0, 3.0), (1.2, 1.0), (1.21, 1.0))
    return [
        number(5, f"ramp weight (5-2) at {depth:g} m", claimed, weight(choice, depth), 2, choice.name)
        for depth, claimed in stated
    ]
