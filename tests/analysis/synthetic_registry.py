"""What a synthetic study says about issues, symptoms and the document; the fixes and symptoms are the registry's."""

from __future__ import annotations

from nfloss import find_fix

ISSUES = {
    1: (
        "Weight normalisation",
        "critical",
        "gradient scale between batches",
        "coefficient of variation",
        "0",
        {"1-1": "fixed-mean", "1-2": "no-normalisation", "1-3": "dataset-mean"},
    ),
    2: (
        "Inflated variance",
        "critical",
        "SSI against unweighted SSI",
        "ratio",
        "1",
        {"2-1": "weighted-moments", "2-2a": "clamped-ssi", "2-2b": "log1p-ssi"},
    ),
    3: (
        "One normalisation for two spaces",
        "critical",
        "amplification of SILog against that of SSI",
        "ratio",
        "below the baseline's",
        {"3-1": "per-space"},
    ),
    4: (
        "Gradients unwatched",
        "major",
        "largest against median gradient of a pixel",
        "ratio",
        "small",
        {"4-1": "hook-clamp", "4-2": "nan-fallback", "4-3": "pixel-clamp"},
    ),
    5: (
        "Discontinuous boundary",
        "major",
        "largest change of weight near the threshold",
        "per centimetre",
        "0",
        {"5-1": "smooth-tanh", "5-1w": "smooth-tanh-as-written", "5-2": "linear-ramp"},
    ),
    6: (
        "Batch normalisation",
        "major",
        "near AbsRel with running against batch statistics",
        "ratio",
        "1",
        {"6-1": "slow-batchnorm", "6-2": "split-loss"},
    ),
    7: (
        "Curves that say nothing",
        "major",
        "steps of the series that agree with the validation error",
        "share",
        "1",
        {"7-1": "split-metrics", "7-2": "normalised-loss"},
    ),
    8: (
        "Inverse depth against depth",
        "medium",
        "growth of the gradient as the error shrinks tenfold",
        "factor",
        "at most 1",
        {"8-1": "standardise", "8-1w": "standardise-as-written", "8-2": "detached-scale"},
    ),
    9: (
        "Hard-coded 1 m",
        "medium",
        "share of pixels called near, middle of the run",
        "share",
        "a matter of purpose",
        {"9-1": "reaction-distance", "9-2": "linear-schedule", "9-3": "step-schedule"},
    ),
    10: (
        "Scales disagree",
        "medium",
        "spread of the mean weight across scales",
        "relative",
        "0",
        {"10-1": "global-mean", "10-2": "shared-mask"},
    ),
}
FULL = ["1-1", "2-1", "3-1", "4-2", "5-1", "6-1", "7-1", "8-1", "9-3", "10-1"]
SYMPTOM_VALUES = {
    1: {"": 0.21, "1-1": 0.09, "1-2": 0.08, "1-3": 0.09},
    2: {"": 2.94, "2-1": 1.21, "2-2a": 2.94, "2-2b": 2.939},
    3: {"": 1.0, "3-1": 0.62},
    4: {"": 2478.0, "4-1": 2478.0, "4-2": 2478.0, "4-3": 14.0},
    5: {"": 4.0, "5-1": 0.067, "5-1w": 0.067, "5-2": 0.1},
    6: {"": None, "6-1": None, "6-2": None},
    7: {"": None, "7-1": None, "7-2": None},
    8: {"": 0.1, "8-1": 10.0, "8-1w": 10.0, "8-2": 1.0},
    9: {"": 0.25, "9-1": 0.55, "9-2": 0.25, "9-3": 0.25},
    10: {"": 0.012, "10-1": 0.0, "10-2": 0.0},
}
AUDIT = [
    {
        "issue": 1,
        "quantity": "mean weight at 40 % near",
        "claimed": "2.2",
        "computed": "2.6",
        "verdict": "wrong",
        "shown_by": "arithmetic",
        "point": 1,
    },
    {
        "issue": 1,
        "quantity": "mean weight at 25.4 % near",
        "claimed": "2.018",
        "computed": "2.016",
        "verdict": "rounded",
        "shown_by": "arithmetic",
        "point": 1,
    },
    {
        "issue": 4,
        "quantity": "4-1 changes the gradient",
        "claimed": "yes",
        "computed": "never",
        "verdict": "does nothing",
        "shown_by": "a gradient",
        "point": 5,
    },
    {
        "issue": 5,
        "quantity": "weight at 0.5 m, 5-1 as written",
        "claimed": "about 5",
        "computed": "1.14",
        "verdict": "harmful",
        "shown_by": "arithmetic",
        "point": 7,
    },
    {
        "issue": 8,
        "quantity": "error of 0.4 m for 0.5 m",
        "claimed": "0.1",
        "computed": "0.5",
        "verdict": "wrong",
        "shown_by": "arithmetic",
        "point": 10,
    },
    {
        "issue": 9,
        "quantity": "50 km/h for 0.5 s",
        "claimed": "7",
        "computed": "6.944",
        "verdict": "rounded",
        "shown_by": "arithmetic",
        "point": 11,
    },
]


def slots(fix: str) -> dict[str, list[str]]:
    """As the true registry has them."""
    return {"slots": list(find_fix(fix).fills)}


def registry() -> list[dict]:
    return [
        {
            "number": number,
            "title": title,
            "severity": severity,
            "says": f"{title}.",
            "fixes": [
                {
                    "id": i,
                    "name": n,
                    "summary": n.replace("-", " "),
                    "origin": "document",
                    "source": f"Solution {i}",
                    **slots(i),
                }
                for i, n in fixes.items()
            ],
            "symptom": {"name": name, "unit": unit, "cured": cured},
        }
        for number, (title, severity, name, unit, cured, fixes) in ISSUES.items()
    ]
