"""Synthetic study directories with planted truth, as the runner would write them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ISSUES = {
    1: ("Weight normalisation", "critical", "gradient scale between batches", "coefficient of variation", "0", {"1-1": "fixed-mean", "1-2": "no-normalisation", "1-3": "dataset-mean"}),
    2: ("Inflated variance", "critical", "SSI against unweighted SSI", "ratio", "1", {"2-1": "weighted-moments", "2-2a": "clamped-ssi", "2-2b": "log1p-ssi"}),
    3: ("One normalisation for two spaces", "critical", "amplification of SILog against that of SSI", "ratio", "below the baseline's", {"3-1": "per-space"}),
    4: ("Gradients unwatched", "major", "largest against median gradient of a pixel", "ratio", "small", {"4-1": "hook-clamp", "4-2": "nan-fallback", "4-3": "pixel-clamp"}),
    5: ("Discontinuous boundary", "major", "largest change of weight near the threshold", "per centimetre", "0", {"5-1": "smooth-tanh", "5-1w": "smooth-tanh-as-written", "5-2": "linear-ramp"}),
    6: ("Batch normalisation", "major", "error with running against batch statistics", "ratio", "1", {"6-1": "slow-batchnorm", "6-2": "split-loss"}),
    7: ("Curves that say nothing", "major", "steps of the series that agree with the validation error", "share", "1", {"7-1": "split-metrics", "7-2": "normalised-loss"}),
    8: ("Inverse depth against depth", "medium", "growth of the gradient as the error shrinks tenfold", "factor", "at most 1", {"8-1": "standardise", "8-1w": "standardise-as-written", "8-2": "detached-scale"}),
    9: ("Hard-coded 1 m", "medium", "share of pixels called near, middle of the run", "share", "a matter of purpose", {"9-1": "reaction-distance", "9-2": "linear-schedule", "9-3": "step-schedule"}),
    10: ("Scales disagree", "medium", "spread of the mean weight across scales", "relative", "0", {"10-1": "global-mean", "10-2": "shared-mask"}),
}  # fmt: skip
FULL = ["1-1", "2-1", "3-1", "4-2", "5-1", "6-1", "7-1", "8-1", "9-3", "10-1"]
SYMPTOM_VALUES = {
    1: {"": 0.21, "1-1": 0.09, "1-2": 0.08, "1-3": 0.09}, 2: {"": 2.94, "2-1": 1.21, "2-2a": 2.94, "2-2b": 2.939},
    3: {"": 1.0, "3-1": 0.62}, 4: {"": 2478.0, "4-1": 2478.0, "4-2": 2478.0, "4-3": 14.0},
    5: {"": 4.0, "5-1": 0.067, "5-1w": 0.067, "5-2": 0.1}, 6: {"": None, "6-1": None, "6-2": None}, 7: {"": None, "7-1": None, "7-2": None},
    8: {"": 0.1, "8-1": 10.0, "8-1w": 10.0, "8-2": 1.0}, 9: {"": 0.25, "9-1": 0.55, "9-2": 0.25, "9-3": 0.25}, 10: {"": 0.012, "10-1": 0.0, "10-2": 0.0},
}  # fmt: skip
AUDIT = [
    {"issue": 1, "quantity": "mean weight at 40 % near", "claimed": "2.2", "computed": "2.6", "verdict": "wrong", "shown_by": "arithmetic", "point": 1},
    {"issue": 1, "quantity": "mean weight at 25.4 % near", "claimed": "2.018", "computed": "2.016", "verdict": "rounded", "shown_by": "arithmetic", "point": 1},
    {"issue": 4, "quantity": "4-1 changes the gradient", "claimed": "yes", "computed": "never", "verdict": "does nothing", "shown_by": "a gradient", "point": 5},
    {"issue": 5, "quantity": "weight at 0.5 m, 5-1 as written", "claimed": "about 5", "computed": "1.14", "verdict": "harmful", "shown_by": "arithmetic", "point": 7},
    {"issue": 8, "quantity": "error of 0.4 m for 0.5 m", "claimed": "0.1", "computed": "0.5", "verdict": "wrong", "shown_by": "arithmetic", "point": 10},
    {"issue": 9, "quantity": "50 km/h for 0.5 s", "claimed": "7", "computed": "6.944", "verdict": "rounded", "shown_by": "arithmetic", "point": 11},
]  # fmt: skip


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


def key_of(cell: str) -> str:
    return hashlib.sha256(cell.encode()).hexdigest()[:12]


def registry() -> list[dict]:
    return [
        {
            "number": number, "title": title, "severity": severity, "says": f"{title}.",
            "fixes": [{"id": i, "name": n, "summary": n.replace("-", " "), "origin": "document", "source": f"Solution {i}"} for i, n in fixes.items()],
            "symptom": {"name": name, "unit": unit, "cured": cured},
        }
        for number, (title, severity, name, unit, cured, fixes) in ISSUES.items()
    ]  # fmt: skip


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
    curve = pd.DataFrame({
        "key": key_of(cell), "seed": seed, "step": at.astype(int), "epoch": at / steps * 30,
        "probe_near_abs_rel": near, "probe_far_abs_rel": far, "probe_abs_rel": (near + 3 * far) / 4, "loss": loss,
        "normalised_loss": 1.3 * np.exp(0.1 * own.standard_normal(len(t))), "ssi": loss * 0.6, "silog": loss * 1.2,
        "grad_norm": near * np.exp(0.2 * own.standard_normal(len(t))), "batch_near_error": near * np.exp(0.03 * own.standard_normal(len(t))),
        "batch_far_error": far * 3, "near_share": 0.25, "threshold": 1.0,
    })  # fmt: skip
    half = steps // 2
    if diverges:
        curve.loc[curve["step"] > half, ["probe_near_abs_rel", "probe_far_abs_rel", "probe_abs_rel"]] = 1.1
        curve.loc[curve["step"] > half, ["loss", "normalised_loss", "grad_norm"]] = np.nan
    final = (1.1, 1.1) if diverges else (float(np.exp(near_end)), float(np.exp(far_end)))
    row = {
        "key": key_of(cell), "seed": seed, "status": "diverged" if diverges else "finished", "diverged_step": half if diverges else None,
        "steps": steps, "seconds": 12.5, "group": 0, "device": "cpu", "final_near_abs_rel": final[0], "final_far_abs_rel": final[1],
        "final_abs_rel": sum(final) / 2, "trivial_near_abs_rel": 1.1, "trivial_far_abs_rel": 1.1, "trivial_abs_rel": 1.1,
        "grad_norm_log_sd": 0.4 * planted.wobble * np.exp(0.05 * own.standard_normal()), "loss_spikes": int(own.poisson(2)),
        "bn_gap": 1.05 * np.exp(0.01 * own.standard_normal()),
    }  # fmt: skip
    return row, curve


def write_study(
    folder: Path, fixes: dict[str, Planted], *, full: Planted | None = None, without: dict[str, Planted] | None = None,
    weights: dict[float, Planted] | None = None, seeds: int = 6, probes: int = 60, steps: int = 1200,
) -> Path:  # fmt: skip
    """A study of the baseline, each fix alone, and where given the whole, the whole less one, and near weights."""
    cells = [("baseline", "one at a time", "", "{}", Planted())]
    cells += [(f"+{fix}", "one at a time", fix, "{}", planted) for fix, planted in fixes.items()]
    if full:
        cells.append(("full", "leave one out", " ".join(FULL), "{}", full))
    for fix, planted in (without or {}).items():
        cells.append((f"full-{fix}", "leave one out", " ".join(f for f in FULL if f != fix), "{}", planted))
    for weight, planted in (weights or {}).items():
        cells.append((f"near weight {weight:g}", "near weights", "", json.dumps({"near_weight": weight}), planted))
    (folder / "records").mkdir(parents=True)
    plan, rows, curves = [], [], []
    for cell, design, ids, numbers, planted in cells:
        status = "clash" if planted.clash else "same as" if planted.same_as else "trained"
        key = None if planted.clash else key_of(planted.same_as or cell)
        plan.append((cell, design, ids, numbers, key, status, planted.same_as, "proved" if planted.same_as else ""))
        for seed in range(seeds) if status == "trained" else ():
            row, curve = trial(cell, planted, seed, seed < planted.diverge, probes, steps)
            rows.append(row)
            curves.append(curve)
    names = ["cell", "design", "fixes", "numbers", "key", "status", "same_as", "reason"]
    pd.DataFrame(plan, columns=names).to_parquet(folder / "plan.parquet")
    half = len(rows) // 2
    for part, (a, b) in enumerate([(0, half), (half, len(rows))]):
        if b > a:
            pd.DataFrame(rows[a:b]).to_parquet(folder / "records" / f"trials-{part:03d}.parquet")
            pd.concat(curves[a:b], ignore_index=True).to_parquet(folder / "records" / f"curves-{part:03d}.parquet")
    _write_rest(folder, {ids: planted for _, _, ids, _, planted in cells}, seeds, steps)
    return folder


def _write_rest(folder: Path, planted: dict[str, Planted], seeds: int, steps: int) -> None:
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
    training = {"steps": steps, "epochs": 30, "batch": 8, "height": 48, "width": 80, "evaluate_every": 20, "learning_rate": 1e-3}
    meta = {
        "name": folder.name, "experiment": {"data": {"kind": "scenes", "train": 256}, "training": training, "seeds": list(range(seeds)), "near_weight": 5.0},
        "versions": {"nfloss": "0.1.0", "torch": "2.13.0", "python": "3.11"}, "git_commit": "0123456789ab", "device": "cpu",
        "machine": {"cpu": "two cores", "cores": 2}, "workers": 2, "group_size": 8, "started": "2026-01-02T03:04:05",
    }  # fmt: skip
    (folder / "study.yaml").write_text(yaml.safe_dump(meta))


def rich_study(folder: Path, seeds: int = 6) -> Path:
    """Every fix, the whole, leave one out and the near weights: what a real study holds."""
    fixes = {
        "1-1": Planted(0.015, 0.004), "1-2": Planted(0.05, -0.05), "1-3": Planted(0.012, 0.003), "2-1": Planted(-0.08, 0.09, wobble=0.7),
        "2-2a": Planted(-0.3, -0.2, diverge=2), "2-2b": Planted(0.0, 0.0), "3-1": Planted(0.01, 0.05, noise=0.03), "4-1": Planted(same_as="baseline"),
        "4-2": Planted(same_as="baseline"), "4-3": Planted(0.07, 0.03, speed=1.4, wobble=0.6), "5-1": Planted(0.03, 0.01), "5-1w": Planted(-0.25, 0.12),
        "5-2": Planted(0.02, 0.0, noise=0.04), "6-1": Planted(-0.15, -0.15, speed=0.8), "6-2": Planted(0.02, -0.06), "7-1": Planted(same_as="baseline"),
        "7-2": Planted(same_as="baseline"), "8-1": Planted(-0.9, -0.6, wobble=4, speed=0.6, loss_level=300), "8-1w": Planted(-1.0, -0.7, wobble=4, diverge=5),
        "8-2": Planted(0.1, 0.08, wobble=0.8, speed=1.3), "9-1": Planted(-0.06, 0.07), "9-2": Planted(0.0, 0.01, noise=0.03), "9-3": Planted(-0.01, 0.01, noise=0.03),
        "10-1": Planted(same_as="+1-1"), "10-2": Planted(same_as="baseline"),
    }  # fmt: skip
    full = Planted(-0.5, -0.3, wobble=2.0, speed=0.7, loss_level=200)
    without = {fix: Planted(-0.5 + 0.02 * i, -0.3, wobble=2.0, speed=0.7) for i, fix in enumerate(FULL)}
    without["8-1"] = Planted(0.05, 0.03)
    without |= {fix: Planted(same_as="full") for fix in ("1-1", "4-2", "7-1", "10-1")}
    weights = {1.0: Planted(-0.20, 0.16), 2.0: Planted(-0.1, 0.09), 3.0: Planted(-0.05, 0.05), 5.0: Planted(same_as="baseline"), 8.0: Planted(0.035, -0.06)}
    return write_study(folder, fixes, full=full, without=without, weights=weights, seeds=seeds)
