"""How much the peak learning rate matters: the loss without fixes, as reviewed and at near weight 1, at several rates.

    python benchmarks/learning_rates.py [--rates 0.001 0.002 0.004] [--seeds 3] [--folder ../frames --depth-scale 1000]

Trains experiments/lasting.yaml's regime on the scenes (or experiments/real_data.yaml's on the frames of --folder) and prints a
Markdown table: RMSE of ln depth on validation frames near and far, and the share of pixels within 25 % of the truth, means over
seeds. All fixes of a study train at one rate, which is judged here, where no fix takes part.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))
from runner.experiment import parse_experiment
from runner.records import read_trials
from runner.study import run_study

ROOT = Path(__file__).parents[1]
COLUMNS = ("final_near_rmse_log", "final_far_rmse_log", "final_delta1", "final_near_delta1")


def measure(settings: dict[str, Any], rate: float, study: Path, starts_of: Path) -> dict[str, pd.DataFrame]:
    """The trials of the baseline and of near weight 1 at this rate, which go on from the start networks of another study."""
    settings = settings | {"design": {"near_weights": [1]}, "training": settings["training"] | {"learning_rate": rate}}
    run_study(parse_experiment(settings, "rates"), study, False, None, starts_of=starts_of)
    trials = read_trials(study / "records").merge(pd.read_parquet(study / "plan.parquet")[["key", "cell"]], on="key")
    return dict(list(trials.groupby("cell")))


def row(name: str, rate: float, trials: pd.DataFrame) -> str:
    diverged = int((trials["status"] != "finished").sum())
    values = " | ".join("-" if math.isnan(mean) else f"{mean:.3f}" for mean in trials[list(COLUMNS)].mean())
    return f"| {name} | {rate:g} | {values} | {diverged} of {len(trials)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.0005, 0.001, 0.002, 0.004, 0.008])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", help="of real frames, in place of the scenes")
    parser.add_argument("--depth-scale", type=float, default=1000.0, help="16-bit value of one metre in --folder")
    given = parser.parse_args()
    name = "real_data.yaml" if given.folder else "lasting.yaml"
    content = yaml.safe_load((ROOT / "experiments" / name).read_text(encoding="utf-8"))
    settings = content | {"name": "rates", "seeds": given.seeds, "confirm": 0}
    if given.folder:
        settings["data"] = {"folder": given.folder, "depth_scale": given.depth_scale}
    print("| loss | rate | RMSE of ln depth near | far | delta < 1.25 | near | diverged |\n|---|---|---|---|---|---|---|")
    with TemporaryDirectory() as folder:
        studies = [Path(folder) / f"{rate:g}" for rate in given.rates]
        for rate, study in zip(given.rates, studies, strict=True):
            for loss, trials in measure(settings, rate, study, studies[0]).items():
                print(row(loss, rate, trials), flush=True)


if __name__ == "__main__":
    main()
