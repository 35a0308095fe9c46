"""The plan of an experiment: what becomes of each cell (trained, same as another, clash), before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from nfloss import ClashError, Configuration
from runner.experiment.cells import RECOMMENDATION, Cell, design_cells
from runner.experiment.experiment import Experiment, parse_experiment
from runner.records.fingerprint import fingerprint

Status = Literal["trained", "same as", "clash"]
STATUS_TEXT: dict[Status, str] = {"trained": "to train", "same as": "the same as another", "clash": "clash"}


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
    def trials(self) -> int:
        """Distinct configurations times seeds."""
        return self.count("trained") * len(self.experiment.seeds)

    @property
    def networks(self) -> int:
        """Networks to train: configurations that differ only in BatchNorm's momentum evaluate the same network."""
        if self.experiment.model.network is not None:  # a custom network is trained for each configuration
            return self.trials
        return len({a.configuration.trained() for a in self.trained if a.configuration}) * len(self.experiment.seeds)

    @property
    def summary(self) -> str:
        """The numbers of cells by status, of seeds and of trials, in one line."""
        counts = ", ".join(f"{self.count(status)} {text}" for status, text in STATUS_TEXT.items())
        return f"{len(self.cells)} cells: {counts}; x {len(self.experiment.seeds)} seeds = {self.trials} trials"

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
            configuration = Configuration.of(*cell.fixes, **{**shared, **cell.numbers})
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
    """The experiment that trains a study's candidates, the baseline and the document's recommendation on fresh seeds.

    Args:
        settings: the study's `experiment`, from its study.yaml.
        candidates: name -> {fixes, numbers}.
        seeds: how many; they follow the study's last seed.
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
