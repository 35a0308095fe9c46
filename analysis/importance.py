"""How much each issue matters among many configurations, by PED-ANOVA: which choices tell the good ones from the rest.

Works on cells of any design, a search's included, where factorial effects would mistake the sampler's taste for an effect.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

from analysis.comparisons import Rulers

NONE = "none"


def choices(rulers: Rulers) -> tuple[dict[str, list[str]], list[dict[str, str]], list[float]]:
    """Per issue its levels; per trained configuration its level of each issue, and its ln near error (mean over seeds)."""
    plan = rulers.study.plan[(rulers.study.plan["status"] == "trained")]
    sets = [{fix.split("-")[0]: fix for fix in text.split()} for text in plan["fixes"]]
    issues = sorted({issue for own in sets for issue in own}, key=int)
    levels = {i: [NONE, *sorted({own[i] for own in sets if i in own})] for i in issues}
    rows = [{issue: own.get(issue, NONE) for issue in issues} for own in sets]
    return levels, rows, [float(rulers.log_errors(key)[1]) for key in plan["key"]]


def ped_anova(rulers: Rulers) -> dict[str, float]:
    """Issue -> importance, adding up to 1 (Watanabe, Bansal and Hutter 2023, as Optuna has it); empty without Optuna, with too
    few configurations, or where none differ."""
    if find_spec("optuna") is None:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its progress bar misses a notebook's widgets, and says so on the page
        import optuna
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    levels, rows, errors = choices(rulers)
    if len(rows) < 4 or not levels or max(errors) - min(errors) == 0:
        return {}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space: dict[str, Any] = {i: optuna.distributions.CategoricalDistribution(level) for i, level in levels.items()}
    found = optuna.create_study()
    found.add_trials(
        [
            optuna.trial.create_trial(params=row, distributions=space, value=error)
            for row, error in zip(rows, errors, strict=True)
        ]
    )
    importance = get_param_importances(found, evaluator=PedAnovaImportanceEvaluator())
    return {issue: float(importance.get(issue, 0.0)) for issue in levels}
