"""Importance of each issue among many configurations, by PED-ANOVA: which fixes the best configurations have in common.

Cells may be of any design, also of a search, where the sampler's preferences would bias factorial effects.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

from analysis.comparisons import MeasuredStudy

NONE = "none"


def fixes_by_issue(measured: MeasuredStudy) -> tuple[dict[str, list[str]], list[dict[str, str]], list[float]]:
    """Issue -> its levels ("none" and the fixes that occur); the level of each issue in each trained configuration; and the ln
    near error of each configuration (mean over seeds)."""
    plan = measured.study.plan[(measured.study.plan["status"] == "trained")]
    sets = [{fix.split("-")[0]: fix for fix in text.split()} for text in plan["fixes"]]
    issues = sorted({issue for own in sets for issue in own}, key=int)
    levels = {i: [NONE, *sorted({own[i] for own in sets if i in own})] for i in issues}
    rows = [{issue: own.get(issue, NONE) for issue in issues} for own in sets]
    return levels, rows, [float(measured.log_errors(key)[1]) for key in plan["key"]]


def ped_anova(measured: MeasuredStudy) -> dict[str, float]:
    """Issue -> importance; the sum is 1 (Watanabe, Bansal and Hutter 2023, by Optuna). Empty without Optuna, with fewer than
    four configurations, or if all have the same error."""
    if find_spec("optuna") is None:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its warning about missing notebook widgets would be printed in the report
        import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    levels, rows, errors = fixes_by_issue(measured)
    if len(rows) < 4 or not levels or max(errors) - min(errors) == 0:
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space: dict[str, Any] = {i: optuna.distributions.CategoricalDistribution(level) for i, level in levels.items()}
    pairs, found = zip(rows, errors, strict=True), optuna.create_study()
    found.add_trials([optuna.trial.create_trial(params=row, distributions=space, value=error) for row, error in pairs])
    importance = get_param_importances(found, evaluator=PedAnovaImportanceEvaluator())
    return {issue: float(importance.get(issue, 0.0)) for issue in levels}
