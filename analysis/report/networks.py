"""How good the networks are: the report's first table, on the page, in the terminal and in the summary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.judge import read_verdicts
from analysis.markup import Html, joined, paragraphs, safe, table
from analysis.regime import MEASURES, STILL_FALLS, is_early, why_early
from analysis.study import Study, seeds_in_words

TRIVIAL = "one depth everywhere: the training median"
METRICS = {"delta1": "delta < 1.25", "abs_rel": "AbsRel", "rmse_log": "RMSE of ln depth"}
HIGHER_IS_BETTER = ("delta1",)


def networks(study: Study, judged: dict[str, Any]) -> Html:
    """The levels, and whether the curves still fall."""
    rows = [[Html(f"<b>{safe(name)}</b>"), *_cells(values, judged["regime"]["trivial"])] for name, values in levels(judged)]
    headers = ["how good the networks are", *(f"{METRICS[ruler]}, {where}" for ruler, where in map(_parts, MEASURES))]
    shown = table(headers, rows, numeric=range(1, len(headers)))
    return joined(shown, paragraphs([curve_sentence(judged), explanation(judged)], "quiet"))


def banner(judged: dict[str, Any]) -> list[Html]:
    """Of an early study that it is, and why."""
    if not is_early(judged):
        return []
    return [Html(f'<p class="early"><b>Early: nothing is to be concluded from this study.</b> {safe(_sentence(judged))}</p>')]


def _sentence(judged: dict[str, Any]) -> str:
    why = why_early(judged)
    return f"{why[0].upper()}{why[1:]}."


def _cells(values: dict[str, Any], trivial: dict[str, float]) -> list[Html]:
    """The values, those in colour that are no better than the trivial predictor's."""
    return [cell(name, values, trivial, "{:.2f}".format) for name in MEASURES]


def cell(name: str, values: dict[str, Any], trivial: dict[str, float], text: Callable[[float], str]) -> Html:
    """A value as text, in colour if it is no better than the trivial predictor's."""
    poor = values is not trivial and not _better(name, values[name], trivial[name])
    return Html(f'<span class="poor">{text(values[name])}</span>' if poor else text(values[name]))


def _better(name: str, value: float, trivial: float) -> bool:
    return value > trivial if _parts(name)[0] in HIGHER_IS_BETTER else value < trivial


def _parts(measure: str) -> tuple[str, str]:
    """Ruler and range of a measure.

    >>> _parts("near_abs_rel"), _parts("delta1")
    (('abs_rel', 'near'), ('delta1', 'all'))
    """
    where, _, ruler = measure.partition("_")
    return (ruler, where) if where in ("near", "far") else (measure, "all")


def levels(judged: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Name and values of each row; the last is the trivial predictor's."""
    regime = judged["regime"]
    return [*((one["name"], one) for one in regime["levels"]), (TRIVIAL, regime["trivial"])]


def curve_sentence(judged: dict[str, Any]) -> str:
    """Whether the curves still fall."""
    falls = judged["regime"]["falls"]
    if falls is None:
        return "Whether the curves still fall is unknown: there are too few evaluations at the end of training."
    moves = f"{'falls' if falls > 0 else 'rises'} by {abs(falls):.1%}"
    limit = f"{'more than' if falls > STILL_FALLS else 'within'} the {STILL_FALLS:.0%} that count as trained"
    return f"Over the last fifth of training the baseline's error on the probe {moves}, {limit}.".replace("%", " %")


def explanation(judged: dict[str, Any]) -> str:
    """What the table shows."""
    return (
        f"Validation frames, means over {seeds_in_words(judged['regime']['seeds'])}. delta < 1.25: share of the pixels whose "
        "predicted depth is off by less than that factor. Best: the lowest RMSE of ln depth over all pixels. In colour: no "
        "better than one depth everywhere."
    )


def network_lines(study_dir: Path) -> list[str]:
    """The table of a study with verdicts, as `terminal_lines`."""
    return terminal_lines(read_verdicts(study_dir))


def terminal_lines(judged: dict[str, Any]) -> list[str]:
    """The table in plain text, and whether the curves still fall."""
    import pandas as pd

    names, values = zip(*levels(judged), strict=True)
    columns = pd.MultiIndex.from_tuples([(METRICS[ruler], where) for ruler, where in map(_parts, MEASURES)])
    shown = pd.DataFrame([[row[name] for name in MEASURES] for row in values], index=list(names), columns=columns)
    lines = shown.to_string(float_format="{:.2f}".format).splitlines()
    early = [f"early: {why_early(judged)}"] if is_early(judged) else []
    return [*(line.rstrip() for line in lines), curve_sentence(judged), *early]


def markdown_lines(judged: dict[str, Any]) -> list[str]:
    """The same for a pull request."""
    header = ["", *(f"{METRICS[ruler]}, {where}" for ruler, where in map(_parts, MEASURES))]
    rows = [[name, *(f"{values[measure]:.2f}" for measure in MEASURES)] for name, values in levels(judged)]
    early = [f"**Early: nothing is to be concluded from this study.** {_sentence(judged)}", ""] if is_early(judged) else []
    table_lines = [f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows)]
    return [*early, *table_lines, "", f"{curve_sentence(judged)} {explanation(judged)}"]
