"""When a training is evaluated: on the probe every so many steps and at the end, on the validation frames near its end."""

from __future__ import annotations

from runner.training.training_settings import Training

LAST = 0.20  #: share of the evaluations that count as final; analysis/measures.py has the same
MOST = 4  #: validations of a training: more would hardly steady their mean, and each costs as much as several steps


def evaluated(settings: Training) -> list[int]:
    """The steps after which the networks are evaluated on the probe; the last of all is one of them."""
    return [*range(settings.evaluate_every, settings.steps, settings.evaluate_every), settings.steps]


def validated(settings: Training) -> list[int]:
    """The steps after which they are evaluated on the validation frames too, for the final errors.

    The evaluations that count as final, one at least; of more than MOST, so many at equal distances, the last included.
    """
    every = evaluated(settings)
    final = every[-max(1, round(LAST * len(every))) :]
    count = min(MOST, len(final))
    return [final[-(-len(final) * place // count) - 1] for place in range(1, count + 1)]
