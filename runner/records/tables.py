"""Records, from which report, status and views are made: a few parquet files per group of trials, written atomically."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from runner.data import DEPTH_EDGES, SeedData
from runner.records.files import read_table, table_bytes, write_bytes
from runner.records.fingerprint import stale
from runner.records.samples import sample_rows
from runner.training import RANGES, RULERS, History, error_by_depth, rulers

#: A group's tables, in the order of writing. The trials come last: where their file exists, the others are complete.
KINDS = ("samples", "profiles", "curves", "trials")
SUMS = ".sha256"
#: A range and a ruler, "all_silog" -> its column after "final_", "trivial_" and "probe_": "silog".
COLUMNS = {f"{which}_{ruler}": ruler if which == "all" else f"{which}_{ruler}" for which in RANGES for ruler in RULERS}


def unused_name(folder: Path, group: str) -> str:
    """The first of "group", "group.2", "group.3", ... that no recorded group has."""
    names = (group if number == 1 else f"{group}.{number}" for number in count(1))
    return next(name for name in names if not (folder / f"trials-{name}.parquet").exists())


@dataclass(frozen=True)
class Records:
    """A group's tables. `profiles` has no rows for diverged trials; `samples` has rows for the study's first seed only."""

    trials: pd.DataFrame
    curves: pd.DataFrame
    profiles: pd.DataFrame
    samples: pd.DataFrame

    @classmethod
    def of(cls, keys: Sequence[str], data: SeedData, history: History, constant: Mapping[str, Any], first: bool) -> Records:
        """The records of a trained group. `constant`: columns of every trial; `first`: whether it is the study's first seed."""
        assert history.predicted is not None
        samples = sample_rows(keys, history.predicted, data.validation) if first else pd.DataFrame()
        curves, profiles = curve_rows(keys, data, history), profile_rows(keys, data, history)
        return cls(trial_rows(keys, data, history, constant), curves, profiles, samples)


def write_group(folder: Path, group: str, records: Records) -> None:
    """Write a group's tables and their checksums. A name that exists already gets a number: nothing is overwritten."""
    group = unused_name(folder, group)
    tables: dict[str, pd.DataFrame] = {kind: getattr(records, kind) for kind in KINDS}
    files = {f"{kind}-{group}.parquet": table_bytes(table) for kind, table in tables.items() if len(table)}
    for name, content in {f"{group}{SUMS}": checksums(files), **files}.items():
        write_bytes(folder / name, content)


def checksums(files: Mapping[str, bytes]) -> bytes:
    """The checksums of files (name -> content), in the form of `sha256sum`."""
    return "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in files.items()).encode()


def keys_and_seeds(trials: pd.DataFrame) -> set[tuple[str, int]]:
    """(key, seed) of every trial of `read_trials`."""
    return set(zip(trials["key"], trials["seed"].astype(int), strict=True))


def read_trials(folder: Path, plan: pd.DataFrame | None = None) -> pd.DataFrame:
    """All trials recorded so far, a row each; empty where there are none.

    With the plan's table, only the trials whose fingerprint is that of the plan, each once.
    """
    parts = [read_table(path) for path in sorted(folder.glob("trials-*.parquet"))]
    trials = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["key", "seed", "status"])
    return trials if plan is None else trials[~stale(trials, plan)].drop_duplicates(["key", "seed"], ignore_index=True)


def trial_rows(keys: Sequence[str], data: SeedData, history: History, constant: Mapping[str, Any]) -> pd.DataFrame:
    """One row per trial of a group. A diverged trial has the errors of the trivial predictor."""
    diverged = history.diverged_at.cpu().numpy()
    final = {name: np.mean([v[name] for v in history.validations], axis=0) for name in history.validations[0]}
    trivial = trivial_errors(data)
    rows = []
    for k, key in enumerate(keys):
        dead = diverged[k] >= 0
        row = {"key": key, "seed": data.seed, "status": "diverged" if dead else "finished"}
        row |= {"diverged_step": int(diverged[k]) if dead else None, "seconds": history.seconds / len(keys), **constant}
        for name, column in COLUMNS.items():
            row[f"final_{column}"] = trivial[name] if dead else float(final[name][k])
            row[f"trivial_{column}"] = trivial[name]
        row |= {f"val_{name}": np.nan if dead else float(values[k]) for name, values in final.items()}
        row |= steadiness(history, k)
        row["bn_gap"] = np.nan if dead or history.bn_gap is None else float(history.bn_gap[k])
        rows.append(row)
    return pd.DataFrame(rows).astype({"diverged_step": "Int64"})


def curve_rows(keys: Sequence[str], data: SeedData, history: History) -> pd.DataFrame:
    """One row per trial and evaluation on the probe. Series of each step are averaged since the evaluation before.

    A trial that goes on from a start network begins with that one's errors, as step 0.
    """
    steps = [int(probe["step"]) for probe in history.probes]
    series = {
        name: interval_means(history.series[name].cpu().numpy(), steps) for name in ("loss", "normalised_loss", "ssi", "silog")
    }
    series["grad_norm"] = np.exp(interval_means(np.log(history.series["grad_norm"].cpu().numpy() + 1e-30), steps))
    trivial = trivial_errors(data, data.probe.depth)
    diverged = history.diverged_at.cpu().numpy()
    frames = []
    for place, probe in enumerate(history.probes):
        dead = (diverged >= 0) & (diverged < steps[place])
        frame = {"key": list(keys), "seed": data.seed, "step": steps[place], "epoch": int(probe["epoch"])}
        frame["learning_rate"] = float(probe["learning_rate"])
        frame |= {f"probe_{column}": np.where(dead, trivial[name], probe[f"probe_{name}"]) for name, column in COLUMNS.items()}
        frame |= {name: values[place] for name, values in series.items()}
        frame |= {name: probe[name] for name in ("batch_near_error", "batch_far_error", "near_share", "threshold")}
        frames.append(pd.DataFrame(frame))
    return pd.concat(frames, ignore_index=True).sort_values(["key", "step"], ignore_index=True)


def profile_rows(keys: Sequence[str], data: SeedData, history: History) -> pd.DataFrame:
    """One row per finished trial and bin of true depth that has pixels: the final network's error on the validation frames,
    and that of the trivial predictor."""
    assert history.predicted is not None
    by_depth = {name: value.cpu().numpy() for name, value in error_by_depth(history.predicted, data.validation.depth).items()}
    filled = by_depth["pixels"] > 0
    bins = {"low": np.array(DEPTH_EDGES)[filled], "high": np.array([*DEPTH_EDGES[1:], np.inf])[filled]}
    bins["pixels"] = by_depth["pixels"][filled]
    trivial = error_by_depth(trivial_prediction(data, data.validation.depth), data.validation.depth)
    bins["trivial_abs_rel"] = trivial["abs_rel"][0].cpu().numpy()[filled]
    alive = [(k, key) for k, key in enumerate(keys) if int(history.diverged_at[k]) < 0]
    errors = [{name: by_depth[name][k][filled] for name in ("abs_rel", "bias")} for k, _ in alive]
    tables = [pd.DataFrame({"key": key, "seed": data.seed, **bins, **own}) for (_, key), own in zip(alive, errors, strict=True)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def trivial_errors(data: SeedData, depth: torch.Tensor | None = None) -> dict[str, float]:
    """Every ruler, for each range of depth, of the predictor that gives the training median everywhere.

    It is the same predictor for all rulers, not the best constant for each. SILog does not see its scale: by SILog a network
    that has learnt something can be worse.
    """
    true = data.validation.depth if depth is None else depth
    return {name: float(value[0]) for name, value in rulers(trivial_prediction(data, true), true).items()}


def trivial_prediction(data: SeedData, true: torch.Tensor) -> torch.Tensor:
    """The training median everywhere, metres: [1, ..] for true depth [..]."""
    return torch.full_like(true, float(data.train.median_depth())).unsqueeze(0)


def interval_means(values: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Means of a per-step series [steps, K] over the intervals that end at each evaluation: [evaluations, K].

    Summed in float64, so that a column's mean does not depend on the memory layout of the columns. NaN at step 0.
    """
    starts, before = [0, *steps[:-1]], np.full(values.shape[1], np.nan)
    means = [values[start:end].mean(0, dtype=np.float64) if end else before for start, end in zip(starts, steps, strict=True)]
    return np.stack(means).astype(values.dtype)


def steadiness(history: History, k: int) -> dict[str, float | int]:
    """SD of ln gradient norm between batches, and spikes of the loss (> 5 robust SD above its running median).

    Both after the first 5 % of steps. The SD is that of successive differences / sqrt(2), which removes the trend.
    """
    skip = len(history.series["loss"]) // 20
    norms = np.log(history.series["grad_norm"][skip:, k].cpu().numpy() + 1e-30)
    losses = pd.Series(history.series["loss"][skip:, k].cpu().numpy())
    median = losses.rolling(25, center=True, min_periods=1).median()
    residual = losses - median
    robust_sd = 1.4826 * residual.abs().median()
    differences = np.diff(norms[np.isfinite(norms)])
    spread = float(np.std(differences, ddof=1) / np.sqrt(2)) if len(differences) > 1 else np.nan
    return {"grad_norm_log_sd": spread, "loss_spikes": int((residual > 5 * robust_sd).sum())}
