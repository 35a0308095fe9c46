"""What each cue of the procedural scenes is worth: a neutral network is trained on scenes that lack it, and evaluated on others
that lack it too.

    python benchmarks/scene_cues.py [--steps 1500] [--networks 2] [--json FILE]

Prints a Markdown table: share of pixels within 25 % of the truth (delta < 1.25; all, near, far), and RMSE of ln depth near and
far, means over the networks, which differ in their initial weights. Two cores: some minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from runner.data import START_SERIES, Data, SeedData, held_out_scenes, make_series
from runner.data.synthetic import layout, props, shading
from runner.networks import DepthRange, StackedNetworks
from runner.training import Training, all_metrics, train_neutral

FREE_PLANS = tuple((a, b) for a in (2.2, 3.0, 4.0, 6.0, 9.0) for b in (1.2, 1.8, 2.6, 4.0, 6.0, 8.0))
#: What is changed to take a cue away: module, constant, value.
CUES: dict[str, list[tuple[ModuleType, str, Any]]] = {
    "none": [],
    "a fixed camera (height by 12 %, pitch and roll by 2 degrees)": [
        (layout, "CAMERA_PLAY", (0.12, np.radians(2), np.radians(2)))
    ],
    "sizes that belong to kinds (they differ by half)": [(props, "SPREAD", 0.5)],
    "textures whose pitch belongs to a family (by a factor of 3)": [(shading, "PITCH_SPREAD", 3.0)],
    "colours that belong to families (albedo by half)": [(shading, "ALBEDO_SPREAD", 0.5)],
    "haze (visibility 200 m)": [(shading, "VISIBILITY", (200.0, 200.0))],
    "the lamp at the camera": [(shading, "LAMP_POWER", 0.0)],
    "obstacles no nearer than 25 cm (from 8 cm)": [(layout, "OBSTACLE_GAP", (0.08, 1.0))],
    "rooms of three plans (of thirty)": [(layout, "ROOM_PLANS", FREE_PLANS)],
}


def measure(cue: str, steps: int, networks: int) -> dict[str, float]:
    """Train on scenes without a cue, and evaluate on 512 others without it."""
    torch.set_num_threads(1)
    for module, name, value in CUES[cue]:
        getattr(module, name)  # a constant that is no longer there is an error
        setattr(module, name, value)
    data, depth_range = Data(validation=512), DepthRange()  # type: ignore[call-arg]
    train, cpu = make_series(data, START_SERIES), torch.device("cpu")
    _, validation = held_out_scenes(data, 0)
    seed_data = SeedData(START_SERIES, train, train.select([]), train.select([]))
    settings = Training(start="neutral", start_steps=steps)  # type: ignore[call-arg]
    rows = []
    for start in train_neutral(range(networks), seed_data, settings, depth_range, cpu):
        network = StackedNetworks(1, start.seed, depth_range=depth_range)
        network.load_state(start.state)
        with torch.no_grad():
            depth = torch.cat([1 / network(rgb, training=False)[0] for rgb in validation.rgb.split(64)], dim=1)
        rows.append({name: float(value) for name, value in all_metrics(depth, validation.depth).items()})
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    return means | {"near_share": validation.near_share()}


def table(found: dict[str, dict[str, float]]) -> str:
    """Markdown."""
    columns = ("all_delta1", "near_delta1", "far_delta1", "near_rmse_log", "far_rmse_log", "near_share")
    lines = [
        "| without | delta < 1.25 | near | far | RMSE of ln depth near | far | near share |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [f"| {cue} | " + " | ".join(f"{values[name]:.3f}" for name in columns) + " |" for cue, values in found.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, help="of training, 32 images each")
    parser.add_argument("--networks", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    given = parser.parse_args()
    with ProcessPoolExecutor(max_tasks_per_child=1) as pool:
        found = dict(zip(CUES, pool.map(partial(measure, steps=given.steps, networks=given.networks), CUES), strict=True))
    print(table(found))
    if given.json:
        given.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
