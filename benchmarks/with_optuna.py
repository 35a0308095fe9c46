"""Optuna: the plain loop as an objective, each configuration enqueued once; one job, storage in memory (its fastest)."""

from __future__ import annotations

from pathlib import Path

import optuna
from plain import as_trials, compared, spec_data, train_plain
from trial_spec import Spec, Trials


def run(spec: Spec, folder: Path) -> Trials:
    """`study.optimize` over the enqueued configurations, with PyTorch's default number of threads."""
    data, trained = spec_data(spec), {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        place = trial.suggest_int("place", 0, len(spec.trials) - 1)
        trained[place] = compared(train_plain(spec.trials[place], data, spec.training))
        return trained[place]["near"]

    study = optuna.create_study()
    for place in range(len(spec.trials)):
        study.enqueue_trial({"place": place})
    study.optimize(objective, n_trials=len(spec.trials), n_jobs=1)
    return as_trials([trained[place] for place in range(len(spec.trials))], workers=1)
