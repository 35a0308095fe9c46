"""The first screen of the page: the question, what to take home, how good the networks are, each fix with its errors drawn."""

from __future__ import annotations

import math
import re
from typing import Any

from analysis import statements
from analysis.deciding import MARGIN, settling
from analysis.formatting import share
from analysis.markup import Html, bold_id, joined, paragraphs, safe, verdict_chip
from analysis.plots.forest import axis_limit
from analysis.plots.style import GREY, VERDICT_COLOUR, ratio_ticks
from analysis.regime import is_early, said
from analysis.report import networks
from analysis.rulers import ERROR_EXPLAINED
from analysis.rules import ADOPT, HARMFUL, NO_EFFECT, OPEN, trained_alone
from analysis.study import Study, seeds_in_words

SIDES = {"near": "near error", "far": "far error"}
MOST_ROWS = 16  # with more, what is open is folded into one row, too
WIDTH, HEIGHT, DOT = 150, 16, 3.6  # of a drawn interval, in pixels
Fix = dict[str, Any]


def glance(study: Study, judged: dict[str, Any]) -> Html:
    """Everything that a reader takes home, on one screen."""
    strip = f'<div class="strip">{_take_home(study, judged)}{_levels(judged)}</div>'
    return joined(paragraphs([question(judged)], "question"), *networks.banner(judged), Html(strip), *_fixes(judged))


def question(judged: dict[str, Any]) -> str:
    """What the study asks."""
    alone = trained_alone(judged)
    asked = alone or judged["fixes"]
    fixes, issues = f"{len(asked)} fixes", f"{len({fix['issue'] for fix in asked})} issues"
    which = f"Of {fixes}" if alone else f"Of combinations of {fixes}"
    against = "which lower the trained network's error against the loss as it is, the baseline?"
    return f"{which} for {issues} of a near-field-weighted depth loss, {against}"


def _take_home(study: Study, judged: dict[str, Any]) -> str:
    ids = sorted((safe(fix["id"]) for fix in judged["fixes"]), key=len, reverse=True)
    known = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, ids))})(?![\w-])")  # no line ends within "8-1w"
    lines = statements.take_home(study, judged)
    said = [(safe(label), known.sub(r"<b>\1</b>", safe(text))) for label, text in lines]
    return f'<dl class="take-home">{"".join(f"<dt>{label}</dt><dd>{text}</dd>" for label, text in said)}</dl>'


def _levels(judged: dict[str, Any]) -> str:
    """The share of pixels within 25 % of the true depth: near, far, all."""
    trivial = judged["regime"]["trivial"]
    rows = []
    for name, values in networks.levels(judged):
        cells = [networks.cell(measure, values, trivial, share) for measure in ("near_delta1", "far_delta1", "delta1")]
        rows.append(f"<tr><td>{safe(name)}</td>{''.join(f'<td class=number>{safe(cell)}</td>' for cell in cells)}</tr>")
    heads = "".join(f"<th class=number>{where}</th>" for where in ("near", "far", "all"))
    head = f"<tr><th>How good the networks are: pixels within 25&nbsp;% of the true depth</th>{heads}</tr>"
    seeds = f"validation frames, means over {seeds_in_words(judged['regime']['seeds'])}"
    table = f'<table class="nf levels"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'
    return f'<div class="levels">{table}<small>{seeds}</small></div>'


def _fixes(judged: dict[str, Any]) -> list[Html]:
    """The table of fixes by word, and how to read it; none where no fix was trained alone."""
    groups = {word: own for word, own in statements.by_word(judged).items() if own}
    if not groups:
        return []
    many = sum(len(own) for word, own in groups.items() if word != NO_EFFECT) > MOST_ROWS
    folded = {NO_EFFECT} | ({OPEN} if many else set())
    drawn = [fix for word, own in groups.items() if word not in folded for fix in own]
    limits = {side: axis_limit([fix[side] for fix in drawn]) for side in SIDES}
    rows = "".join(
        _folded(judged, word, own) if word in folded else _group(judged, word, own, limits) for word, own in groups.items()
    )
    heads = "".join(f"<th>{title}</th><th class=plot>{_axis(limits[side])}</th>" for side, title in SIDES.items())
    head = f'<tr><th>word</th><th>fix alone</th>{heads}<th class="more"></th></tr>' if drawn else ""
    halves = ";".join(f"--{side}:{50 * MARGIN / limit:.2f}%" for side, limit in limits.items())
    counted = f"{sum(map(len, groups.values()))} fixes: {said(judged, statements.counts(judged))}."
    read = f"Error: {ERROR_EXPLAINED}, near (under 1 m) and far, as a ratio to the baseline's, with its interval: ×0.94 is "
    read += "6 % lower, left is better. Grey: within 5 %; hollow: may be ×1. Holds in: repeats of the verdict without one seed."
    table = f'<table class="nf words" style="{halves}"><thead>{head}</thead><tbody>{rows}</tbody></table>'
    return [Html(f'<div class="scroll">{table}</div>'), paragraphs([f"{counted} {read}"], "quiet glance-note")]


def _group(judged: dict[str, Any], word: str, own: list[Fix], limits: dict[str, float]) -> str:
    head = f'<td rowspan="{len(own)}" class="word">{verdict_chip(judged, word).text}</td>'
    rows = [
        f"<td class=name>{_name(judged, fix)}</td>"
        + "".join(_drawn(judged, fix, side, limits[side]) for side in SIDES)
        + f'<td class="more">{safe(remark(judged, fix))}</td>'
        for fix in own
    ]
    return "".join(
        f"<tr{' class=starts' if at == 0 else ''}>{head if at == 0 else ''}{row}</tr>" for at, row in enumerate(rows)
    )


def _folded(judged: dict[str, Any], word: str, own: list[Fix]) -> str:
    found = ", ".join(_name(judged, fix) for fix in own)
    chip = verdict_chip(judged, word).text
    return f'<tr class="starts"><td class="word">{chip}</td><td colspan="6" class="folded">{found}</td></tr>'


def _name(judged: dict[str, Any], fix: Fix) -> str:
    """Id and name, and the fixes that are the same training."""
    same = ", ".join(other["id"] for other in statements.repeats(judged, fix))
    return bold_id(fix).text + (f" <small>(and {safe(same)}, the same)</small>" if same else "")


def remark(judged: dict[str, Any], fix: Fix) -> str:
    """What stands behind the errors of a fix: its place beside the near weights, confirmation, how firm the word is. Nothing in
    an early study."""
    if is_early(judged):
        return ""
    if fix["verdict"] == OPEN:
        parts = [settling(fix)]
    elif fix["verdict"] == HARMFUL:
        parts = [fix["detail"] if fix["divergence"]["diverged"] else "", statements.support_text(fix)]
    else:
        fresh = statements.confirmation_text(judged, fix) if fix["verdict"] == ADOPT else ""
        parts = [statements.place(fix), fresh, statements.support_text(fix)]
    return "; ".join(filter(None, parts))


def _drawn(judged: dict[str, Any], fix: Fix, side: str, limit: float) -> str:
    """Two cells: the ratio with its interval, and both drawn."""
    estimate, interval = statements.error(fix, side).split(" ", 1)
    sure = "unsure" if fix[side]["low"] <= 0 <= fix[side]["high"] else "sure"
    numbers = f'<span class="{sure}">{safe(estimate)}</span> <small>{safe(interval)}</small>'
    mark = whisker(fix[side], GREY if is_early(judged) else VERDICT_COLOUR[fix["verdict"]], limit)
    return f'<td class="ratio">{numbers}</td><td class="plot {side}">{mark}</td>'


def whisker(entry: dict[str, Any], colour: str, limit: float) -> str:
    """Estimate and interval of a gain as SVG on an axis of ln ratio, +-limit; an arrow at the edge is for what is outside."""
    at, low, high = -entry["estimate"], -entry["high"], -entry["low"]
    if math.isnan(at):
        return ""
    left, middle, right = (_x(value, limit) for value in (low, at, high))
    y = HEIGHT / 2
    shapes = f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="1.6"/>' * (left < right)
    if abs(at) > limit:
        point, base = (WIDTH, WIDTH - 7) if at > 0 else (0, 7)
        shapes += f'<path d="M{point} {y}L{base} {y - 4}V{y + 4}Z" fill="{colour}"/>'
    else:
        fill = "#fff" if low <= 0 <= high else colour
        shapes += f'<circle cx="{middle:.1f}" cy="{y}" r="{DOT}" fill="{fill}" stroke="{colour}" stroke-width="1.4"/>'
    return f'<svg width="{WIDTH}" height="{HEIGHT}" aria-hidden="true">{shapes}</svg>'


def _x(value: float, limit: float) -> float:
    return WIDTH / 2 * (1 + max(-1.0, min(1.0, value / limit)))


def _axis(limit: float) -> str:
    ticks = "".join(
        f'<text x="{_x(place, limit):.1f}" y="10" text-anchor="middle">{label}</text>'
        for place, label in ratio_ticks(limit, 0.23)
    )
    return f'<svg width="{WIDTH}" height="12" class="axis" aria-hidden="true">{ticks}</svg>'
