"""Which configurations are trained: distinct trainings of the whole product, drawn with a fixed seed, the baseline first."""

from __future__ import annotations

import random

import code_paths  # noqa: F401
from trial_spec import SEED

from runner.experiment.design import Design
from runner.experiment.experiment import Experiment
from runner.study.plan import plan_experiment


def draw(count: int) -> tuple[tuple[str, ...], ...]:
    """`count` lists of fixes. Any two train to different networks, so that each contender has the same number to train.

    What nfloss gets for nothing is left out: cells that it recognises as the same training, and those that differ in
    BatchNorm's momentum alone. Of all the ways to write a training the plan's is taken, which has no idle fix in it.
    """
    plan = plan_experiment(Experiment(name="draw", design=Design(cartesian="all"), seeds=[SEED]))  # type: ignore[call-arg]
    first: dict[object, tuple[str, ...]] = {}
    for accounted in plan.trained:
        assert accounted.configuration is not None
        first.setdefault(accounted.configuration.trained(), accounted.configuration.fixes)
    baseline, *others = first.values()
    if count > len(first):
        raise ValueError(f"{count} trials: the product has {len(first)} distinct trainings")
    return (baseline, *random.Random(SEED).sample(others, count - 1))
