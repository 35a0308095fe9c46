"""The experiment file: its schema, and the plan, which says of each cell what becomes of it before anything runs."""

from runner.experiment.budget import FEWEST_SEEDS, best_option, design_options
from runner.experiment.cells import RECOMMENDATION, Cell, compatible, design_aliases, design_cells
from runner.experiment.design import Design
from runner.experiment.execution import Execution, Ray
from runner.experiment.experiment import (
    NAME,
    Experiment,
    ExperimentError,
    experiment_schema,
    load_experiment,
    named_code,
    parse_experiment,
    validation_line,
)  # fmt: skip
from runner.experiment.factorial import DesignError
from runner.experiment.plan import Plan, PlannedCell, confirmation_experiment, make_plan, open_after
from runner.experiment.search import Search

__all__ = [
    "FEWEST_SEEDS", "NAME", "RECOMMENDATION", "Cell", "Design", "DesignError", "Execution", "Experiment", "ExperimentError",
    "Plan", "PlannedCell", "Ray", "Search", "best_option", "compatible", "confirmation_experiment", "design_aliases",
    "design_cells", "design_options", "experiment_schema", "load_experiment", "make_plan", "named_code", "open_after",
    "parse_experiment", "validation_line",
]  # fmt: skip
