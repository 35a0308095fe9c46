"""A search whose code or frames have changed: what has been told to Optuna cannot be untold."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from runner.experiment.experiment import Experiment
from runner.records.fingerprint import fingerprint, what_changed
from runner.records.tables import read_trials
from runner.space import Point
from runner.study_folder import StudyError


def check_code(folder: Path, points: list[Point], experiment: Experiment, what: str) -> None:
    """Raises StudyError where the folder's trials of these cells were trained by other code, or on other frames, than now."""
    data, network = experiment.data, experiment.model.network
    rows = [(point.key, fingerprint(point.configuration, data, network)) for point in points]
    trials = read_trials(folder / "records")
    if len(trials) and (changed := what_changed(trials, pd.DataFrame(rows, columns=["key", "fingerprint"]))):
        raise StudyError(f"{folder}: trained with another {', '.join(changed)} than now, {what}")
