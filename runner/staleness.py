"""Records of other code or other frames than the plan's: by the fingerprints in both."""

from __future__ import annotations

import pandas as pd

from runner.fingerprint import changed_in


def wanted(trials: pd.DataFrame, plan: pd.DataFrame) -> pd.Series:
    """The fingerprint that the plan has for each trial's configuration; none where it has no such configuration."""
    now = plan.dropna(subset=["key"]).drop_duplicates("key").set_index("key")["fingerprint"]
    return trials["key"].map(now)


def stale(trials: pd.DataFrame, plan: pd.DataFrame) -> pd.Series:
    """Which trials have another fingerprint than the plan; a record or a plan without one is of before there were any."""
    if "fingerprint" not in trials or "fingerprint" not in plan:
        return pd.Series(False, index=trials.index)
    now = wanted(trials, plan)
    return trials["fingerprint"].notna() & now.notna() & (trials["fingerprint"] != now)


def what_changed(trials: pd.DataFrame, plan: pd.DataFrame) -> list[str]:
    """The parts of the fingerprint in which stale trials differ from the plan."""
    outdated = trials[stale(trials, plan)]
    if not len(outdated):
        return []
    return changed_in(zip(outdated["fingerprint"], wanted(outdated, plan), strict=True))
