"""The last sections of the report: errors of the document, readability of the log, divergence, settings."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from analysis.comparisons import MeasuredStudy
from analysis.effects import divergence
from analysis.formatting import share, times
from analysis.markup import NONE, Html, below, joined, paragraphs, safe, table, verdict_chip
from analysis.other_rulers import SIDES, ByRuler, agreement, by_ruler
from analysis.report.sentences import brief
from analysis.rulers import ERROR, RULERS
from analysis.study import Study

SHARES = {
    "loss": "training loss (as in the document)",
    "batch_near_error": "near error of the batch (7-1)",
    "normalised_loss": "loss / unweighted loss (7-2)",
}


def audit(study: Study, judged: dict[str, Any]) -> Html:
    """The number of the document's claims with each verdict; each issue's section lists its claims."""
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
    """Issue 7: how well each logged series follows the probe error."""
    entries = judged["readability"]
    if not entries:
        return paragraphs(["The curves of this study lack the normalised loss."])
    raw = entries[0]
    if math.isnan(raw["raw_agreement"]):
        return paragraphs(["There are too few evaluations to tell which logged series follows the probe error."])
    rows: list[list[Any]] = [[SHARES["loss"], share(raw["raw_agreement"]), NONE, rank(raw["raw_rank"]), NONE]]
    for entry in entries:
        points = [f"{100 * entry[name]:+.0f}".replace("-", "−") for name in ("estimate", "low", "high")]
        difference = Html(f"{points[0]} points{below(f'[{points[1]}, {points[2]}]')}")
        rows.append(
            [
                SHARES[entry["series"]],
                share(entry["agreement"]),
                difference,
                rank(entry["rank"]),
                verdict_chip(judged, entry["verdict"]),
            ]
        )
    headers = [
        "logged series (the baseline's training)",
        "how often it moves in the direction of the probe error (chance: 50 %)",
        "against the training loss",
        "Kendall tau, last half",
        "reads, against the training loss",
    ]
    return table(headers, rows, numeric=(1, 2, 3))


def rank(value: float) -> str:
    """A rank correlation as text."""
    return "?" if math.isnan(value) else f"{value:.2f}".replace("-", "−")


def other_rulers(study: Study, judged: dict[str, Any]) -> Html:
    """Near and far error of each fix as a multiple of the baseline's, by every ruler."""
    found = by_ruler(MeasuredStudy.of(study), judged)
    if not found:
        return paragraphs(["No fix was trained alone."])
    rows: list[list[Any]] = [[row.label, *(_ratios(row, ruler) for ruler in RULERS)] for row in found]
    counts = [[" of ".join(map(str, agreement(found, ruler, side))) for side in SIDES] for ruler in RULERS]
    rows.append([Html(f"<b>on the same side of 1 as by {safe(ERROR)}</b>"), *(" / ".join(count) for count in counts)])
    headers = ["", *(said.replace("<", "≥") for said in RULERS.values())]
    note = (
        "Ratio to the baseline's error, near / far, geometric means over the seeds; below 1 is better. Bold: on the other side "
        f"of 1 than by {ERROR}, both by over 2 %. The last row is of those that {ERROR} moves by over 2 %. SILog does not see "
        "a scale that is wrong everywhere."
    )
    return joined(table(headers, rows, numeric=range(1, len(headers))), paragraphs([note], "quiet"))


def _ratios(row: ByRuler, ruler: str) -> Html:
    """Near / far, such as "×0.94 / ×1.02"."""
    shown = []
    for side in SIDES:
        log = row.logs[ruler, side]
        text = NONE.text if math.isnan(log) else times(-log)
        shown.append(f"<b>{text}</b>" if row.contradicts(ruler, side) else text)
    return Html(" / ".join(shown))


def divergences(study: Study, judged: dict[str, Any]) -> Html:
    """Every configuration with a diverged seed, and the exact interval of its rate."""
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
    return table(["cells", "diverged", "95 % interval of the rate (exact)", "at steps"], rows, numeric=(1, 2))


def settings(study: Study, judged: dict[str, Any]) -> Html:
    """Settings of the study: experiment, device, versions, number of trials."""
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
            f"{len(study.trials)}: {trained} distinct configurations for {cells} planned cells; {seconds / 60:.1f} minutes",
        ]
    )
    return table(["setting", "value"], rows)
