"""HTML of tables, verdict chips and paragraphs. Every value that is not `Html` is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.regime import is_early, said


@dataclass(frozen=True)
class Html:
    """HTML that a notebook displays."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "Html(...)"


NONE = Html('<span class="quiet">–</span>')


def safe(value: Any) -> str:
    """The value as HTML, escaped unless it is `Html`."""
    return value.text if isinstance(value, Html) else html.escape(str(value), quote=False)


def bold_id(fix: dict[str, Any]) -> Html:
    """Id and name of a fix, the id bold."""
    return Html(f"<b>{safe(fix['id'])}</b>" + (f" {safe(fix['name'])}" if fix["name"] != fix["id"] else ""))


def table(
    headers: Sequence[Any], rows: Iterable[Sequence[Any]], numeric: Iterable[int] = (), first_of: int | None = None
) -> Html:
    """A table; columns in `numeric` are right-aligned; equal consecutive cells of column `first_of` are merged."""
    right = set(numeric)
    body_rows = [list(row) for row in rows]
    head = "".join(f"<th{_side(i in right)}>{safe(header)}</th>" for i, header in enumerate(headers))
    body = "".join(_row(body_rows, at, right, first_of) for at in range(len(body_rows)))
    return Html(f'<div class="scroll"><table class="nf"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>')


def _row(rows: list[list[Any]], at: int, right: set[int], first_of: int | None) -> str:
    cells, row = [], rows[at]
    starts = first_of is None or at == 0 or safe(rows[at - 1][first_of]) != safe(row[first_of])
    for i, cell in enumerate(row):
        if i != first_of:
            cells.append(f"<td{_side(i in right)}>{safe(cell)}</td>")
        elif starts:
            span = next((n for n in range(1, len(rows) - at) if safe(rows[at + n][i]) != safe(cell)), len(rows) - at)
            cells.append(f'<td rowspan="{span}" class="group">{safe(cell)}</td>')
    return f"<tr{' class=starts' if starts and first_of is not None else ''}>{''.join(cells)}</tr>"


def _side(right: bool) -> str:
    return ' class="number"' if right else ""


def chip(verdict: str, text: str = "") -> Html:
    """A verdict, or `text` in its place, on the colour of the verdict."""
    tone = verdict.replace(",", "").replace(" ", "-")
    return Html(f'<span class="chip {tone}">{safe(text or verdict)}</span>')


def verdict_chip(judged: dict[str, Any], verdict: str, text: str = "") -> Html:
    """As `chip`; of an early study with "early" before the text, and without the colour."""
    return chip("early" if is_early(judged) else verdict, said(judged, text or verdict))


def estimate_with_interval(estimate: str, interval: str, sure: bool) -> Html:
    """An estimate above its interval; bold where the interval excludes zero."""
    return Html(f'<span class="{"sure" if sure else "unsure"}">{unbroken(estimate)}</span>{below(interval)}')


def below(text: str) -> str:
    """A second, smaller line; works without a style sheet, as in a notebook."""
    return f"<br><small>{unbroken(text)}</small>"


def unbroken(text: str) -> str:
    """The text as HTML that is never wrapped."""
    return safe(text).replace(" ", "&nbsp;")


def paragraphs(sentences: Iterable[str], kind: str = "") -> Html:
    """One paragraph per sentence, of CSS class `kind`."""
    return Html("".join(f'<p class="{kind}">{safe(sentence)}</p>' for sentence in sentences))


def joined(*parts: Html) -> Html:
    return Html("".join(part.text for part in parts))
