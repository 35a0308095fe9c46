"""A small artificial study directory: the records that tracking reads, without any training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from runner.training import RULERS

FIXES = {
    1: ["1-1 mask-normalisation", "1-2 per-image"],
    2: ["2-1 plain-silog"],
    3: ["3-1 one-space"],
    5: ["5-1 sigmoid", "5-2 linear-ramp"],
    8: ["8-1 same-space"],
}
CELLS = ("", "1-1", "5-2", "1-1 2-1 5-1")
NAMES = {"": "baseline", "1-1 2-1 5-1": "full"}
INF = float("inf")


def cell_name(fixes: str) -> str:
    return NAMES.get(fixes, "+" + "+".join(fixes.split()))


def key(fixes: str) -> str:
    return "k" + "".join(letter for letter in fixes if letter.isdigit())


def write_study(
    folder: Path,
    cells: Sequence[str] = CELLS,
    seeds: Sequence[int] = (0, 1),
    probes: int = 10,
    diverged: str | None = None,
    most_trials: int = 500,
) -> Path:
    """Write a study; in the cell `diverged` the last seed diverges to infinity."""
    (folder / "records").mkdir(parents=True, exist_ok=True)
    tracking = {"mlflow": True, "uri": None, "most_trials": most_trials}
    meta = {
        "name": folder.name,
        "experiment": {"name": folder.name, "seeds": list(seeds), "loss": {}, "tracking": tracking},
        "seeds": list(seeds),
        "device": "cpu",
        "git_commit": "0123abc",
        "started": "2026-01-02T03:04:05+00:00",
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(meta), encoding="utf-8")
    issues = [
        {"number": number, "title": f"Issue {number}", "fixes": [{"id": fix[:3], "name": fix[4:]} for fix in fixes]}
        for number, fixes in FIXES.items()
    ]
    (folder / "issues.json").write_text(json.dumps(issues), encoding="utf-8")
    write_plan(folder, cells)
    for seed in seeds:
        dead = diverged if seed == seeds[-1] else None
        tables = [trial(fixes, seed, probes, fixes == dead) for fixes in cells]
        pd.DataFrame([row for row, _ in tables]).to_parquet(folder / "records" / f"trials-seed{seed}-0.parquet")
        pd.concat([curves for _, curves in tables]).to_parquet(folder / "records" / f"curves-seed{seed}-0.parquet")
    return folder


def write_plan(folder: Path, cells: Sequence[str]) -> None:
    """Every cell trained, then one that is the same as the second, and a clash."""
    common = {"design": "one at a time", "numbers": "{}", "same_as": None, "reason": ""}
    rows = [{"cell": cell_name(f), "fixes": f, "key": key(f), "status": "trained", **common} for f in cells]
    twin = {**common, "design": "cumulative", "cell": "first 1", "fixes": cells[1], "key": key(cells[1])}
    rows.append({**twin, "status": "same as", "same_as": cell_name(cells[1]), "reason": "the same choices"})
    clash = {"cell": "+9-1+9-2", "fixes": "9-1 9-2", "key": None, "status": "clash", "reason": "one slot"}
    rows.append({**common, **clash})
    pd.DataFrame(rows).to_parquet(folder / "plan.parquet")


def trial(fixes: str, seed: int, probes: int, dead: bool) -> tuple[dict[str, object], pd.DataFrame]:
    """A trial's row and its curves: errors fall towards a limit, which is lower with more fixes."""
    noise = np.random.default_rng([seed, *map(ord, fixes)])
    floor = 0.30 - 0.03 * len(fixes.split()) + 0.01 * noise.standard_normal()
    steps = 20 * np.arange(1, probes + 1)
    near = floor + 0.5 * np.exp(-steps / 60) + 0.01 * noise.standard_normal(probes)
    curves = pd.DataFrame({"key": key(fixes), "seed": seed, "step": steps, "epoch": steps // 20})
    sides = {"near_": 1.0, "far_": 1.1, "": 1.05}
    errors = {f"{side}{ruler}": scale * more for side, scale in sides.items() for more, ruler in enumerate(RULERS, 1)}
    curves = curves.assign(**{f"probe_{name}": scale * near for name, scale in errors.items()})
    curves = curves.assign(loss=3 * near, normalised_loss=near)
    curves = curves.assign(ssi=near, silog=2 * near, grad_norm=10 * near, batch_near_error=near, batch_far_error=near)
    curves = curves.assign(near_share=0.15, threshold=1.0)
    if dead:
        curves.loc[curves["step"] > steps[probes // 2], "loss"] = INF
    row: dict[str, object] = {"key": key(fixes), "seed": seed, "status": "diverged" if dead else "finished"}
    row |= {"diverged_step": int(steps[probes // 2]) if dead else None, "steps": int(steps[-1]), "seconds": 4.0}
    row |= {"group": f"seed{seed}-0", "device": "cpu"}
    row |= {f"final_{name}": scale * near[-1] for name, scale in errors.items()}
    row |= {f"val_{where}_rmse_log": np.nan if dead else near[-1] for where in ("all", "near", "far")}
    return row | {"grad_norm_log_sd": INF if dead else 0.2, "loss_spikes": seed, "bn_gap": np.nan}, curves
