"""The document's numbers about issue 9, recomputed."""

from __future__ import annotations

from nfloss.claims.claim import Claim, number, statement
from nfloss.configuration import Configuration
from nfloss.loss import Losses
from nfloss.numbers import HIGHEST_THRESHOLD, LOWEST_THRESHOLD, Numbers

BRAKING = 7.0  # m/s^2, a dry road


def claims() -> list[Claim]:
    """Speed and distances, the clamp, and the two schedules."""
    return [*distances(), *clamp(), *schedules()]


def distances() -> list[Claim]:
    numbers = Numbers()
    speed = numbers.speed_kmh / 3.6
    reaction = speed * numbers.reaction_seconds
    stopping, by = reaction + speed**2 / (2.0 * BRAKING), f"7 m is reaction alone; braking at {BRAKING:g} m/s^2 comes on top"
    return [
        number(9, "50 km/h in m/s", 14.0, speed, 0),
        number(9, "distance in 0.5 s at 50 km/h, m", 7.0, reaction, 0),
        number(9, "stopping distance at 50 km/h, m", 7.0, stopping, 0, by, 11),
    ]


def threshold(metres: float) -> float:
    """The threshold after calling the setter with `metres`."""
    losses = Losses([Configuration.of()])
    losses.set_near_field_threshold(metres)
    return losses.thresholds[0]


def clamp() -> list[Claim]:
    numbers = Numbers()
    wanted = numbers.speed_kmh / 3.6 * numbers.reaction_seconds
    (in_force,) = Losses([Configuration.of("9-1")]).thresholds
    by, quantity = "set_near_field_threshold", "the setter admits the distance that its argument asks for"
    set_to = threshold(wanted)
    return [
        number(9, "lowest threshold, m", LOWEST_THRESHOLD, threshold(0.0), 1, by),
        number(9, "highest threshold, m", HIGHEST_THRESHOLD, threshold(100.0), 1, by),
        number(9, "threshold from the reaction distance (9-1), m", 7.0, in_force, 0, "9-1's threshold in force", 11),
        statement(9, quantity, f"{wanted:.1f} m", f"{set_to:g} m", set_to == wanted, shown_by=by, point=11),
    ]


def schedules() -> list[Claim]:
    stated = {"9-2": {0: 0.5, 50: 1.5}, "9-3": {0: 0.5, 9: 0.5, 10: 1.0, 29: 1.0, 30: 1.5, 50: 1.5}}
    claims = []
    for epoch in stated["9-3"]:
        for fix in stated:
            if epoch in stated[fix]:
                losses = Losses([Configuration.of(fix)])
                losses.set_epoch(epoch, of=50)
                quantity, (in_force,) = f"threshold of {fix} at epoch {epoch}, m", losses.thresholds
                claims.append(number(9, quantity, stated[fix][epoch], in_force, 2, "the threshold in force"))
    return claims
