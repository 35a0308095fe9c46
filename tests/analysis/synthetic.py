"""Synthetic study directories with planted truth, as the runner would write them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from synthetic_registry import AUDIT, FULL, ISSUES, SYMPTOM_VALUES, registry


@dataclass(frozen=True)
class Planted:
    """What a cell does to the baseline: log gains of near and far error, speed, wobble factor, seeds that diverge."""

    near: float = 0.0
    far: float = 0.0
    speed: float = 1.0
    wobble: float = 1.0
    diverge: int = 0
    noise: float = 0.008
    loss_level: float = 1.0
    same_as: str | None = None
    clash: bool = False


#: What the other rulers say where the RMSE of ln depth is e: they agree.
RULERS = {
    "rmse_log": lambda e: e,
    "abs_rel": lambda e: 0.9 * e,
    "delta1": lambda e: np.exp(-e),
    "silog": lambda e: 80.0 * e,
    "median_rel": lambda e: 0.6 * e,
    "mean_log": lambda e: 0.75 * e,
}


def by_rulers(kind: str, near: Any, far: Any, everywhere: Any) -> dict[str, Any]:
    """The columns of errors: `final_near_rmse_log` and so on."""
    errors = {"near_": near, "far_": far, "": everywhere}
    return {f"{kind}_{side}{ruler}": of(e) for ruler, of in RULERS.items() for side, e in errors.items()}


def key_of(cell: str) -> str:
    return hashlib.sha256(cell.encode()).hexdigest()[:12]


def trial(cell: str, planted: Planted, seed: int, diverges: bool, probes: int, steps: int) -> tuple[dict, pd.DataFrame]:
    """One trial: an exponential fall of ln error with white wobble; the seed's luck is shared by all cells."""
    luck = np.random.default_rng(seed)
    own = np.random.default_rng(int(key_of(cell), 16) % 2**32 + seed)
    near_end = np.log(0.08) + 0.06 * luck.standard_normal() - planted.near + planted.noise * own.standard_normal()
    far_end = np.log(0.11) + 0.05 * luck.standard_normal() - planted.far + planted.noise * own.standard_normal()
    at = np.linspace(0, steps, probes + 1)
    t = at / steps
    fall = np.exp(-8 * planted.speed * t)
    shake = 0.03 * planted.wobble * own.standard_normal(len(t))
    near = np.exp(near_end + (np.log(0.9) - near_end) * fall + shake * (t > 0))
    far = np.exp(far_end + (np.log(0.7) - far_end) * fall + shake * (t > 0))
    loss = planted.loss_level * 0.004 * near**1.5 * np.exp(0.15 * own.standard_normal(len(t)))
    curve = pd.DataFrame(
        {
            "key": key_of(cell),
            "seed": seed,
            "step": at.astype(int),
            "epoch": np.maximum(at - 1, 0).astype(int) * 30 // steps,  # as the runner: that of the last step, a whole number
            **by_rulers("probe", near, far, (near + 3 * far) / 4),
            "loss": loss,
            "normalised_loss": 1.3 * np.exp(0.1 * own.standard_normal(len(t))),
            "ssi": loss * 0.6,
            "silog": loss * 1.2,
            "grad_norm": near * np.exp(0.2 * own.standard_normal(len(t))),
            "batch_near_error": near * np.exp(0.03 * own.standard_normal(len(t))),
            "batch_far_error": far * 3,
            "near_share": 0.25,
            "threshold": 1.0,
        }
    )
    half = steps // 2
    if diverges:
        for column, lost in by_rulers("probe", 1.1, 1.1, 1.1).items():
            curve.loc[curve["step"] > half, column] = lost
        curve.loc[curve["step"] > half, ["loss", "normalised_loss", "grad_norm"]] = np.nan
    final = (1.1, 1.1) if diverges else (float(np.exp(near_end)), float(np.exp(far_end)))
    row = {
        "key": key_of(cell),
        "seed": seed,
        "status": "diverged" if diverges else "finished",
        "diverged_step": half if diverges else None,
        "steps": steps,
        "seconds": 12.5,
        "group": 0,
        "device": "cpu",
        **by_rulers("final", *final, sum(final) / 2),
        **by_rulers("trivial", 1.1, 1.1, 1.1),
        "grad_norm_log_sd": 0.4 * planted.wobble * np.exp(0.05 * own.standard_normal()),
        "loss_spikes": int(own.poisson(2)),
        "bn_gap": 1.05 * np.exp(0.01 * own.standard_normal()),
    }
    return row, curve


def rulers(kind: str, near: float, far: float) -> dict[str, float]:
    """RMSE of ln depth, 1.3 times AbsRel, and the share of pixels within 25 %."""
    ranges = {"near_": near, "far_": far, "": (near + far) / 2}
    return {
        **{f"{kind}_{where}rmse_log": 1.3 * error for where, error in ranges.items()},
        **{f"{kind}_{where}delta1": float(np.exp(-2 * error)) for where, error in ranges.items()},
    }


def write_study(
    folder: Path,
    fixes: dict[str, Planted],
    *,
    full: Planted | None = None,
    without: dict[str, Planted] | None = None,
    weights: dict[float, Planted] | None = None,
    steps_of_work: dict[str, Planted] | None = None,
    explicit: dict[str, tuple[str, Planted]] | None = None,
    seeds: int = 6,
    first_seed: int = 0,
    probes: int = 60,
    steps: int = 1200,
) -> Path:
    """A study of the baseline, each fix alone, and where given the whole, the whole less one, near weights, and cells by name
    (fixes, plant)."""
    span = range(first_seed, first_seed + seeds)
    cells = [("baseline", "one at a time", "", "{}", Planted())]
    cells += [(f"+{fix}", "one at a time", fix, "{}", planted) for fix, planted in fixes.items()]
    if full:
        cells.append(("full", "leave one out", " ".join(FULL), "{}", full))
    for fix, planted in (without or {}).items():
        cells.append((f"full-{fix}", "leave one out", " ".join(f for f in FULL if f != fix), "{}", planted))
    for last, planted in (steps_of_work or {}).items():
        cells.append((f"cum:{last}", "cumulative", last.replace("+", " "), "{}", planted))
    for weight, planted in (weights or {}).items():
        cells.append((f"near weight {weight:g}", "near weights", "", json.dumps({"near_weight": weight}), planted))
    for name, (ids, planted) in (explicit or {}).items():
        cells.append((name, "explicit", ids, "{}", planted))
    (folder / "records").mkdir(parents=True)
    plan, rows, curves = [], [], []
    for cell, design, ids, numbers, planted in cells:
        status = "clash" if planted.clash else "same as" if planted.same_as else "trained"
        key = None if planted.clash else key_of(planted.same_as or cell)
        plan.append((cell, design, ids, numbers, key, status, planted.same_as, "proved" if planted.same_as else ""))
        for seed in span if status == "trained" else ():
            row, curve = trial(cell, planted, seed, seed - first_seed < planted.diverge, probes, steps)
            rows.append(row)
            curves.append(curve)
    names = ["cell", "design", "fixes", "numbers", "key", "status", "same_as", "reason"]
    pd.DataFrame(plan, columns=names).to_parquet(folder / "plan.parquet")
    half = len(rows) // 2
    for part, (a, b) in enumerate([(0, half), (half, len(rows))]):
        if b > a:
            pd.DataFrame(rows[a:b]).to_parquet(folder / "records" / f"trials-{part:03d}.parquet")
            pd.concat(curves[a:b], ignore_index=True).to_parquet(folder / "records" / f"curves-{part:03d}.parquet")
            profiles = pd.concat([profile(row) for row in rows[a:b]], ignore_index=True)
            profiles.to_parquet(folder / "records" / f"profiles-{part:03d}.parquet")
            pictures = pd.DataFrame([said for row in rows[a:b] if row["seed"] == first_seed for said in predictions(row)])
            if len(pictures):
                pictures.to_parquet(folder / "records" / f"samples-{part:03d}.parquet")
    _write_rest(folder, {ids: planted for _, _, ids, _, planted in cells}, list(span), steps)
    return folder


def make_early(folder: Path) -> None:
    """Change the records of a study, and of its confirmation, so that one depth everywhere is better in the far field."""
    for part in folder.rglob("trials-*.parquet"):
        trials = pd.read_parquet(part)
        worse = {"trivial_far_rmse_log": 0.02, "trivial_far_abs_rel": 0.015, "trivial_far_delta1": 0.99}
        trials.assign(**worse).to_parquet(part)


def profile(row: dict) -> pd.DataFrame:
    """Error by depth: the trial's near and far errors, with a dip at 1 m."""
    low = np.array([0.0, 0.35, 0.7, 1.0, 2.0, 4.0, 8.0])
    level = np.where(low < 1.0, row["final_near_rmse_log"], row["final_far_rmse_log"])
    bins = {"low": low, "high": [*low[1:], np.inf], "pixels": 100, "abs_rel": level * (1 + 0.1 * np.abs(np.log(low + 0.2)))}
    bins["trivial_abs_rel"] = np.abs(2.0 / (low + 0.2) - 1)  # always 2 m, of bins 0.2 m behind their lower end
    return pd.DataFrame({"key": row["key"], "seed": row["seed"], **bins, "bias": 0.0})


def predictions(row: dict) -> list[dict]:
    """Three frames of a slope, too far by the trial's near error."""
    said = (SLOPE * (1 + row["final_near_rmse_log"])).astype(np.float16)
    return [{"key": row["key"], "sample": at, "metres": said.tobytes()} for at in range(3)]


SLOPE = np.linspace(0.3, 10.0, 8 * 12).reshape(8, 12)  # metres


def definitions() -> pd.DataFrame:
    """Weight over depth and threshold over the run: 5-1 is smooth, 9-2 rises, all others are as the baseline."""
    depth, epoch = np.geomspace(0.1, 20, 30), np.linspace(0, 30, 11)
    fixes = ["", *(fix["id"] for issue in registry() for fix in issue["fixes"])]
    hard = np.where(depth < 1, 5.0, 1.0)
    weights = {fix: 1 + 4 / (1 + depth**8) if fix == "5-1" else hard for fix in fixes}
    thresholds = {fix: 0.5 + epoch / 30 if fix == "9-2" else np.ones(11) for fix in fixes}
    both = (("weight", depth, weights), ("threshold", epoch, thresholds))
    return pd.concat([pd.DataFrame({"fix": f, "what": w, "x": x, "y": y}) for w, x, ys in both for f, y in ys.items()])


def _write_rest(folder: Path, planted: dict[str, Planted], seeds: list[int], steps: int) -> None:
    definitions().to_parquet(folder / "definitions.parquet")
    images = np.full((3, 8, 12, 3), 128, dtype=np.uint8)
    np.savez_compressed(folder / "samples.npz", rgb=images, depth=np.stack([SLOPE] * 3).astype(np.float32))
    (folder / "issues.json").write_text(json.dumps(registry()))
    (folder / "audit.json").write_text(json.dumps(AUDIT))
    symptoms = []
    for number, values in SYMPTOM_VALUES.items():
        _, _, name, unit, cured, _ = ISSUES[number]
        for fix, value in values.items():
            same = planted[fix].same_as if fix in planted else None
            symptoms.append((number, fix, key_of(same or (f"+{fix}" if fix else "baseline")), name, unit, cured, value))
    columns = ["issue", "fix", "key", "name", "unit", "cured", "value"]
    pd.DataFrame(symptoms, columns=columns).astype({"value": "float64"}).to_parquet(folder / "symptoms.parquet")
    training = {
        "steps": steps,
        "epochs": 30,
        "batch": 8,
        "height": 48,
        "width": 80,
        "evaluate_every": 20,
        "learning_rate": 1e-3,
    }
    meta = {
        "name": folder.name,
        "experiment": {
            "data": {"kind": "scenes", "train": 256},
            "training": training,
            "seeds": seeds,
            "near_weight": 5.0,
        },
        "versions": {"nfloss": "0.1.0", "torch": "2.13.0", "python": "3.11"},
        "git_commit": "0123456789ab",
        "device": "cpu",
        "machine": {"cpu": "two cores", "cores": 2},
        "workers": 2,
        "group_size": 8,
        "started": "2026-01-02T03:04:05",
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(meta))
