"""The report's later sections: the document's errors, readability, divergence, settings."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from analysis.effects import divergence
from analysis.html import NONE, Html, below, chip, joined, paragraphs, table
from analysis.report.sentences import brief
from analysis.study import Study

SHARES = {
    "loss": "own loss (as the document has it)",
    "batch_near_error": "near error of the batch (7-1)",
    "normalised_loss": "loss / unweighted loss (7-2)",
}


def audit(study: Study, judged: dict[str, Any]) -> Html:
    """What the document got wrong, counted; the claims themselves stand on the pages of their issues."""
    count = Counter(claim["verdict"] for claim in study.audit)
    said = ", ".join(f"{n} {verdict}" for verdict, n in count.most_common())
    found = paragraphs([f"{len(study.audit)} numbers and statements of the document recomputed: {said}."])
    numbers = sorted({claim["issue"] for claim in study.audit})
    names = list(count)
    rows = [
        [
            f"issue {number}" if number else "the whole",
            *(sum(c["verdict"] == name and c["issue"] == number for c in study.audit) or NONE for name in names),
        ]
        for number in numbers
    ]
    return joined(found, table(["", *names], rows, numeric=range(1, len(names) + 1)))


def readability(study: Study, judged: dict[str, Any]) -> Html:
    """Issue 7: which logged series tells the truth about the probe error."""
    entries = judged["readability"]
    if not entries:
        return paragraphs(["The curves of this study lack the normalised loss."])
    raw = entries[0]
    if math.isnan(raw["raw_agreement"]):
        return paragraphs(["Evaluations are too few to tell which logged series moves as the probe error does."])
    rows: list[list[Any]] = [[SHARES["loss"], f"{raw['raw_agreement']:.0%}", NONE, rank(raw["raw_rank"]), NONE]]
    for entry in entries:
        points = [f"{100 * entry[name]:+.0f}".replace("-", "−") for name in ("estimate", "low", "high")]
        difference = Html(f"{points[0]} points{below(f'[{points[1]}, {points[2]}]')}")
        rows.append(
            [SHARES[entry["series"]], f"{entry['agreement']:.0%}", difference, rank(entry["rank"]), chip(entry["verdict"])]
        )
    headers = [
        "logged series (the baseline's training)",
        "steps that move as the probe error does",
        "against the own loss",
        "Kendall tau, last half",
        "reads better",
    ]
    return table(headers, rows, numeric=(1, 2, 3))


def rank(value: float) -> str:
    """A rank correlation with a typographic minus."""
    return "?" if math.isnan(value) else f"{value:.2f}".replace("-", "−")


def divergences(study: Study, judged: dict[str, Any]) -> Html:
    """Every training in which a seed diverged, with the exact interval of its rate."""
    diverged = study.trials[study.trials["status"] == "diverged"]
    if diverged.empty:
        return paragraphs([f"None of {len(study.trials)} trials diverged."])
    cells = study.plan.dropna(subset=["key"]).groupby("key", sort=False)["cell"].agg(", ".join)
    rows = []
    for key, own in diverged.groupby("key", sort=False):
        lost = study.trials[study.trials["key"] == key]["status"] == "diverged"
        rate = divergence([False] * len(lost), list(lost))
        steps = ", ".join(f"{step:.0f}" for step in sorted(own["diverged_step"]))
        rows.append(
            [cells.get(key, key), f"{rate['diverged']} of {rate['n']}", f"{rate['low']:.0%} to {rate['high']:.0%}", steps]
        )
    return table(["training", "diverged", "95 % interval of the rate (exact)", "at steps"], rows, numeric=(1, 2))


def settings(study: Study, judged: dict[str, Any]) -> Html:
    """What was run, with what, where."""
    meta, experiment = study.meta, study.meta["experiment"]
    rows: list[list[Any]] = [[name, brief(value)] for name, value in experiment.items() if value not in (None, {}, [])]
    for name in ("device", "machine", "workers", "group_size", "versions", "git_commit", "started"):
        if name in meta:
            rows.append([name.replace("_", " "), brief(meta[name])])
    seconds = float(study.trials["seconds"].sum()) if "seconds" in study.trials else math.nan
    trained, cells = study.plan["key"].nunique(), len(study.plan)
    rows.append(
        [
            "trials",
            f"{len(study.trials)}: {trained} distinct trainings for {cells} planned cells; {seconds / 60:.1f} minutes",
        ]
    )
    return table(["setting", "value"], rows)
