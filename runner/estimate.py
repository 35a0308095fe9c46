"""How long a plan takes on this machine: a few steps of one real group, timed."""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from runner.designs import Plan
from runner.execution import one_thread, processes, seed_data
from runner.study import group_size, groups_of
from runner.training import train

PROBE_STEPS = 6
#: Two processes share caches and memory: each is slower than one alone.
SHARING = 1.25
#: What comes before the first step, in loads of the libraries: the run's own, its workers', and four times as long for the
#: audit, the symptoms, the frames and the parquet files.
LOADS = 6.0


def estimate_minutes(plan: Plan, device: torch.device) -> float:
    """Minutes that the plan's trials take, the report not counted: start-up, and steps as long as those tried here.

    A search goes in batches, each of which ends before the next begins.
    """
    if not plan.trained:
        return 0.0
    starting = LOADS * time.process_time()  # this process has loaded the same
    size, count = group_size(plan, device), len(plan.trained)
    search, workers = plan.experiment.design.optuna, processes(plan.experiment, device)
    at_once = search.batch(size, workers) if search else len(plan.cells)
    groups, batches = groups_of(replace(plan, cells=plan.cells[:at_once]), size), -(-count // at_once)
    small = plan.experiment.data.model_copy(update={"train": 16, "probe": 8, "validation": 8})
    data = seed_data(small, plan.experiment.seeds[0], device)
    settings, model = plan.experiment.training, plan.experiment.model
    brief = settings.model_copy(update={"steps": PROBE_STEPS, "evaluate_every": PROBE_STEPS, "batch": min(settings.batch, 16)})
    with one_thread(device):
        for _ in range(2):  # the first warms up
            started = time.monotonic()
            train(groups[0].configurations, data, brief, model.depth_range, device, size=groups[0].size, own=model.own)
            per_step = (time.monotonic() - started) / PROBE_STEPS
    workers = min(workers, len(groups))
    waves = batches * -(-len(groups) // workers)
    training = per_step * settings.steps * waves * (SHARING if workers > 1 else 1.0)
    return round((starting + training) / 60.0, 2)
