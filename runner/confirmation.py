"""A study's recommendation trained again, beside the baseline and the document's own, on seeds that chose nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.designs import RECOMMENDATION
from runner.experiment import Experiment, parse_experiment


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
