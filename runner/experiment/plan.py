"""The plan of an experiment: each cell accounted for (trained, same as another, clash) before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from nfloss import ClashError, Configuration
from runner.experiment.cells import RECOMMENDATION, Cell, cells
from runner.experiment.experiment import Experiment, parse_experiment
from runner.records.fingerprint import fingerprint

Status = Literal["trained", "same as", "clash"]
COUNTED: dict[Status, str] = {"trained": "to train", "same as": "the same as another", "clash": "clash"}


@dataclass(frozen=True)
class Accounted:
    """A cell and what becomes of it: trained itself, the same as another cell, or a clash."""

    cell: Cell
    status: Status
    configuration: Configuration | None
    same_as: str | None = None
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """Every cell of an experiment accounted for; `trained` are the distinct configurations, the baseline first."""

    experiment: Experiment
    cells: tuple[Accounted, ...]

    @property
    def trained(self) -> tuple[Accounted, ...]:
        return tuple(cell for cell in self.cells if cell.status == "trained")

    def count(self, status: Status) -> int:
        return sum(cell.status == status for cell in self.cells)

    @property
    def trials(self) -> int:
        """Distinct configurations times seeds."""
        return self.count("trained") * len(self.experiment.seeds)

    @property
    def networks(self) -> int:
        """Networks to train for them: configurations that differ in BatchNorm's momentum alone read the same one."""
        if self.experiment.model.network is not None:  # a network of the user's is trained for each
            return self.trials
        return len({a.configuration.trained() for a in self.trained if a.configuration}) * len(self.experiment.seeds)

    @property
    def summary(self) -> str:
        """Cells by what becomes of them, seeds and trials, in a line."""
        counts = ", ".join(f"{self.count(status)} {text}" for status, text in COUNTED.items())
        return f"{len(self.cells)} cells: {counts}; x {len(self.experiment.seeds)} seeds = {self.trials} trials"

    def table(self) -> pd.DataFrame:
        """A row per cell: cell, design, fixes, numbers, key, status, same_as, reason, fingerprint (of code and frames)."""
        data, network = self.experiment.data, self.experiment.model.network
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
                "fingerprint": fingerprint(a.configuration, data, network) if a.configuration else None,
            }
            for a in self.cells
        ]
        return pd.DataFrame(rows)


def make_plan(experiment: Experiment, dataset_weight_mean: float | None = None) -> Plan:
    """Account for every cell. `dataset_weight_mean`: what fix 1-3 divides by, where the training set is known."""
    shared = dict(experiment.loss)
    if dataset_weight_mean is not None:
        shared.setdefault("dataset_weight_mean", dataset_weight_mean)
    return Plan(experiment, tuple(account(cells(experiment.design), shared)))


def account(cells: Iterable[Cell], shared: Mapping[str, float]) -> Iterator[Accounted]:
    """The first cell of each distinct training is trained, later ones are the same as it."""
    first: dict[Configuration, tuple[Cell, Configuration]] = {}
    for cell in cells:
        try:
            configuration = Configuration.of(*cell.fixes, **{**shared, **cell.numbers})
        except ClashError as clash:
            yield Accounted(cell, "clash", None, reason=str(clash))
            continue
        simplified = configuration.simplified()
        known, written = first.setdefault(simplified, (cell, configuration))
        if known is cell:
            yield Accounted(cell, "trained", simplified)
        else:
            rules = dict.fromkeys(configuration.simplifying_rules() + written.simplifying_rules())
            reason = "the same words" if configuration == written else " ".join(rules)
            yield Accounted(cell, "same as", simplified, known.name, reason)


def confirming(settings: Mapping[str, Any], candidates: Mapping[str, Mapping[str, Any]], seeds: int) -> Experiment:
    """The experiment that confirms a study: its settings, its candidates, and so many seeds after its last.

    Args:
        settings: the study's `experiment` as study.yaml has it.
        candidates: name -> {fixes, numbers}; the baseline and the document's recommendation ("full") are always there.
    """
    first = max(settings["seeds"]) + 1
    explicit = {"full": list(RECOMMENDATION), **candidates}
    changed = {
        "name": f"{settings['name']}-confirmation",
        "design": {"explicit": explicit},
        "seeds": list(range(first, first + seeds)),
        "confirm": 0,
        "group_size": None,
    }
    return parse_experiment({**settings, **changed}, "the confirmation")
