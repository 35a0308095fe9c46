"""The plan of an experiment: what becomes of each cell (trained, same as another, clash), before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from nfloss import ClashError, Configuration
from nfloss.other_losses import loss_name
from runner.experiment.cells import RECOMMENDATION, Cell, design_cells
from runner.experiment.experiment import Experiment, parse_experiment
from runner.records.fingerprint import fingerprint

Status = Literal["trained", "same as", "clash"]
STATUS_TEXT: dict[Status, str] = {"trained": "to train", "same as": "the same as another", "clash": "clash"}


#: About the share of the fixes that has no word yet after so many seeds, for plans: rough. `make ablation` had 0.25 after 6
#: seeds, 0.2 after 10 and 0.05 after 16.
OPEN_AFTER = {6: 0.3, 10: 0.15, 16: 0.1, 24: 0.05}


def open_after(seeds: int) -> float:
    """About the share of the fixes that is open after so many seeds: `OPEN_AFTER`, linear in ln seeds; beyond it, its ends."""
    return float(np.interp(np.log(seeds), np.log(list(OPEN_AFTER)), list(OPEN_AFTER.values())))


@dataclass(frozen=True)
class PlannedCell:
    """A cell and what becomes of it: it is trained, it is the same as another cell, or its fixes clash."""

    cell: Cell
    status: Status
    configuration: Configuration | None
    same_as: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """Every cell of an experiment and what becomes of it."""

    experiment: Experiment
    cells: tuple[PlannedCell, ...]

    @property
    def trained(self) -> tuple[PlannedCell, ...]:
        """A cell for each distinct configuration, the baseline first."""
        return tuple(cell for cell in self.cells if cell.status == "trained")

    def count(self, status: Status) -> int:
        return sum(cell.status == status for cell in self.cells)

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of seeds at which results are looked at; of a fixed number of seeds, that."""
        return tuple(self.experiment.looks) or (len(self.experiment.seeds),)

    @cached_property
    def stays(self) -> frozenset[str]:
        """Keys of what is trained with every seed as long as anything is open: the baseline and the near weights."""
        return self._keys(lambda cell: not cell.fixes and set(cell.numbers) <= {"near_weight"})

    @cached_property
    def alone(self) -> frozenset[str]:
        """Keys of the fixes alone: each is trained until it has its word. What is not here nor in `stays` has the seeds of the
        first look."""
        return self._keys(lambda cell: len(cell.fixes) == 1 and not cell.numbers) - self.stays

    def _keys(self, which: Callable[[Cell], bool]) -> frozenset[str]:
        return frozenset(a.configuration.key for a in self.cells if a.configuration and which(a.cell))

    @property
    def trials(self) -> int:
        """Distinct configurations times seeds; where there are several looks, as many as there are if nothing is decided."""
        return self.count("trained") * self.looks[0] + len(self.stays | self.alone) * (self.looks[-1] - self.looks[0])

    @property
    def expected_trials(self) -> int:
        """Trials to expect, with about as many fixes open after each look as `open_after` says."""
        further = sum(
            (len(self.stays) + open_after(before) * len(self.alone)) * (at - before) for before, at in pairwise(self.looks)
        )
        return round(self.count("trained") * self.looks[0] + further)

    @property
    def networks(self) -> int:
        """Networks to train: configurations that differ only in BatchNorm's momentum evaluate the same network."""
        if self.experiment.model.network is not None:  # a custom network is trained for each configuration
            return self.trials

        def distinct(configurations: Iterable[Configuration]) -> int:
            return len({c.trained() for c in configurations})

        every, going = [a.configuration for a in self.trained if a.configuration], self.stays | self.alone
        first, further = self.looks[0], self.looks[-1] - self.looks[0]
        return distinct(every) * first + (distinct(c for c in every if c.key in going) * further if further else 0)

    @property
    def summary(self) -> str:
        """The numbers of cells by status, of seeds and of trials, in one line."""
        counts = ", ".join(f"{self.count(status)} {text}" for status, text in STATUS_TEXT.items())
        if len(self.looks) == 1:
            return f"{len(self.cells)} cells: {counts}; x {len(self.experiment.seeds)} seeds = {self.trials} trials"
        at = ", ".join(map(str, self.looks[:-1])) + f" and {self.looks[-1]}"
        return (
            f"{len(self.cells)} cells: {counts}; looked at after {at} seeds = {self.trials} trials at most, "
            f"about {self.expected_trials} expected"
        )

    def table(self) -> pd.DataFrame:
        """A row per cell: cell, design, fixes, numbers, key, status, same_as, reason, fingerprint of code and frames."""
        data, network, training = self.experiment.data, self.experiment.model.network, self.experiment.training
        rows = [
            {
                "cell": a.cell.name,
                "design": a.cell.design,
                "fixes": " ".join(a.cell.fixes),
                "numbers": json.dumps(dict(a.cell.numbers), sort_keys=True),
                "key": a.configuration.key if a.configuration else None,
                "status": a.status,
                "same_as": a.same_as,
                "reason": a.reason,
                "fingerprint": fingerprint(a.configuration, data, network, training) if a.configuration else None,
            }
            for a in self.cells
        ]
        return pd.DataFrame(rows)


def make_plan(experiment: Experiment, dataset_weight_mean: float | None = None) -> Plan:
    """The plan of an experiment; `dataset_weight_mean` is what fix 1-3 divides by, where the training set is known."""
    shared = dict(experiment.loss)
    if dataset_weight_mean is not None:
        shared.setdefault("dataset_weight_mean", dataset_weight_mean)
    return Plan(experiment, tuple(plan_cells(design_cells(experiment.design), shared)))


def plan_cells(cells: Iterable[Cell], shared: Mapping[str, float]) -> Iterator[PlannedCell]:
    """What becomes of each cell: the first of each distinct configuration is trained. `shared`: loss numbers of every cell."""
    first: dict[Configuration, tuple[Cell, Configuration]] = {}
    for cell in cells:
        try:
            configuration = cell.configuration(shared)
        except ClashError as clash:
            yield PlannedCell(cell, "clash", None, reason=str(clash))
            continue
        simplified = configuration.simplified()
        earlier, its_configuration = first.setdefault(simplified, (cell, configuration))
        if earlier is cell:
            yield PlannedCell(cell, "trained", simplified)
        else:
            rules = dict.fromkeys(configuration.simplifying_rules() + its_configuration.simplifying_rules())
            reason = "the same choices" if configuration == its_configuration else " ".join(rules)
            yield PlannedCell(cell, "same as", simplified, earlier.name, reason)


def confirmation_experiment(settings: Mapping[str, Any], candidates: Mapping[str, Mapping[str, Any]], seeds: int) -> Experiment:
    """The experiment that trains a study's candidates, the baseline, its near weights and the document's recommendation on
    fresh seeds.

    Args:
        settings: the study's `experiment`, from its study.yaml.
        candidates: name -> {fixes, numbers}.
        seeds: how many; they follow the study's last seed.
    """
    first, design = max(settings["seeds"]) + 1, settings.get("design", {})
    losses = {loss_name(reference): reference for reference in design.get("losses", [])}
    chosen = [name for candidate in candidates.values() for name in candidate["fixes"] if name in losses]
    fixes = {name: candidate for name, candidate in candidates.items() if not set(candidate["fixes"]) & set(chosen)}
    design = {
        "explicit": {"full": list(RECOMMENDATION), **fixes},
        "near_weights": design.get("near_weights", []),
        "losses": [losses[name] for name in dict.fromkeys(chosen)],
    }
    changed = {
        "name": f"{settings['name']}-confirmation",
        "design": design,
        "seeds": list(range(first, first + seeds)),
        "looks": [],
        "confirm": 0,
        "group_size": None,
    }
    return parse_experiment({**settings, **changed}, "the confirmation")
