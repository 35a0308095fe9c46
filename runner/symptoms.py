"""The symptom of each issue, before and after each of its fixes, on the study's own frames: no training needed."""

from __future__ import annotations

import pandas as pd
import torch

from nfloss import ISSUES, Configuration, Losses
from nfloss.numbers import DOCUMENT_EPOCHS
from nfloss.symptoms import make_bench
from runner.data.dataset import SeedData
from runner.experiment.plan import Plan

BATCH, BATCHES = 8, 24


def symptom_table(plan: Plan, data: SeedData) -> pd.DataFrame:
    """A row per issue and configuration (the baseline, then each fix alone): issue, fix, key, name, unit, cured, value.
    An issue of the user's may have none.

    The value is null where the symptom needs training; the analysis takes it from the records.
    """
    truth = data.train.inverse_depth()
    batches = max(2, min(BATCHES, len(truth) // BATCH))
    order = torch.randperm(len(truth), generator=torch.Generator().manual_seed(data.seed))
    picked = order[torch.arange(batches * BATCH) % len(truth)]
    bench = make_bench(truth[picked].unflatten(0, (batches, BATCH)), seed=data.seed)
    rows = []
    for number in sorted(ISSUES):
        issue, shown = ISSUES[number], ISSUES[number].symptom
        if shown is None:
            continue
        fixes = ["", *(fix.id for fix in issue.fixes)]
        configurations = [Configuration.of(*([fix] if fix else []), **plan.experiment.loss) for fix in fixes]
        measure = shown.measure
        losses = Losses(configurations)
        losses.set_epoch(DOCUMENT_EPOCHS / 2)  # scheduled thresholds as in the middle of the run
        values = measure(losses, bench).tolist() if measure else [None] * len(fixes)
        for fix, configuration, value in zip(fixes, configurations, values, strict=True):
            symptom = {"name": shown.name, "unit": shown.unit, "cured": shown.cured}
            rows.append({"issue": number, "fix": fix, "key": configuration.simplified().key, **symptom, "value": value})
    return pd.DataFrame(rows)
