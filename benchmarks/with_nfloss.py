"""nfloss as shipped: a study of the same configurations, records written, without tracking and report."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from trial_spec import SEED, Spec, Trial, Trials

from nfloss import Configuration
from runner.execution import Crash, Observer, cores
from runner.records import read_trials
from runner.study import run_study
from runner.training import DECIDING


def run(spec: Spec, folder: Path) -> Trials:
    """`run_study` in a new folder; a trial is one that the records say was trained."""
    study = folder / "study"
    run_study(spec.experiment, study, False, None, Strict())
    trials, curves = read_trials(study / "records"), read_curves(study / "records")
    keys = [Configuration.of(*fixes).simplified().key for fixes in spec.trials]
    if sorted(trials["key"]) != sorted(keys) or set(trials["seed"]) != {SEED}:
        raise RuntimeError(f"{len(keys)} trials were asked for, the records have {len(trials)}")
    seconds = dict(zip(trials["key"], trials["seconds"], strict=True))
    began, ended = training_span(trials, study / "records")
    results = tuple(as_trial(curves[curves["key"] == key], seconds[key]) for key in keys)
    return Trials(results, min(cores(), trials["group"].nunique()), began, ended)


class Strict(Observer):
    def crashed(self, crash: Crash) -> None:
        raise RuntimeError(f"group {crash.group.name}: {crash.reason}")


def read_curves(records: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted(records.glob("curves-*.parquet"))], ignore_index=True)


def training_span(trials: pd.DataFrame, records: Path) -> tuple[float, float]:
    """Clock of the first training step and of the last record: a group's file is written as it ends, and has its seconds."""
    ended = {path.stem.removeprefix("trials-"): path.stat().st_mtime for path in records.glob("trials-*.parquet")}
    seconds = trials.groupby("group")["seconds"].sum()
    return min(ended[group] - seconds[group] for group in ended), max(ended.values())


def as_trial(curve: pd.DataFrame, seconds: float) -> Trial:
    """From the trial's rows of the curves."""
    curve = curve.sort_values("step")
    return Trial(float(curve[f"probe_near_{DECIDING}"].iloc[-1]), tuple(map(float, curve["loss"])), float(seconds))
