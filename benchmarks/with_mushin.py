"""mushin: the plain loop as a sweep, its default launcher: in this process, one trial after another, default threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mushin
from plain import as_trials, compared, spec_data, train_plain
from trial_spec import Spec, Trials

from runner.data import SeedData

#: The running sweep's, for the task is called with numbers and strings alone; and what it has trained so far.
_given: dict[str, Any] = {}
_trained: dict[int, dict[str, Any]] = {}


@mushin.sweep
def near_error(place: int) -> dict[str, float]:
    """The task: train one configuration, return what mushin is to collect."""
    spec: Spec = _given["spec"]
    data: SeedData = _given["data"]
    _trained[place] = compared(train_plain(spec.trials[place], data, spec.training))
    return {"near": _trained[place]["near"]}


def run(spec: Spec, folder: Path) -> Trials:
    """A sweep over the configurations, collected in a dataset."""
    _given.update(spec=spec, data=spec_data(spec))
    places = list(range(len(spec.trials)))
    dataset = near_error.run(place=mushin.multirun(places), working_dir=str(folder / "sweep"))
    assert dataset["near"].size == len(places)
    return as_trials([_trained[place] for place in places], workers=1)
