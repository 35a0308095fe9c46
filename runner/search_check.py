"""Whether a search goes with the rest of its experiment."""

from __future__ import annotations

from collections.abc import Mapping

from nfloss.configuration import make_numbers
from nfloss.numbers import ORDERED
from runner.search_settings import Search

LEAST_PROBES = 9  # eight after the first 5 %, or the wobble is not measured
#: Fewer seeds than this and no Wilcoxon test at 10 % can end a cell: 1/16 is the smallest p of four pairs, 1/8 of three.
LEAST_SEEDS_TO_PRUNE = 4


def check_search(search: Search, loss: Mapping[str, float], seeds: int, rate: float, probes: int) -> None:
    """Raises ValueError where the rest of the experiment does not go with the search."""
    usual = make_numbers(loss)
    for name, (low, high) in search.numbers.items():
        if not low <= getattr(usual, name) <= high:
            raise ValueError(
                f"design.optuna.numbers.{name}: [{low:g}, {high:g}] leaves out the baseline's {vars(usual)[name]:g}"
            )
        for end in (low, high):
            make_numbers({**loss, name: end})
    limits = {name: search.numbers.get(name, [value, value]) for name, value in vars(usual).items()}
    for small, large in ORDERED:
        if limits[small][1] >= limits[large][0]:
            raise ValueError(f"design.optuna.numbers: {small} and {large} may cross; {small} must stay below {large}")
    if search.learning_rate and not search.learning_rate[0] <= rate <= search.learning_rate[1]:
        raise ValueError(f"design.optuna.learning_rate: {search.learning_rate} leaves out training.learning_rate, {rate:g}")
    if search.prune and seeds < LEAST_SEEDS_TO_PRUNE:
        raise ValueError(f"design.optuna.prune needs {LEAST_SEEDS_TO_PRUNE} seeds or more; there are {seeds}")
    if "wobble" in search.objectives and probes < LEAST_PROBES:
        raise ValueError(f"design.optuna.objectives: wobble needs {LEAST_PROBES} evaluations or more; there are {probes}")
