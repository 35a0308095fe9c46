"""HTML in small pieces: tables, chips, paragraphs. Everything that is not `Html` is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Html:
    """A piece of HTML that a notebook shows as such."""

    text: str

    def _repr_html_(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "Html(...)"


NONE = Html('<span class="quiet">–</span>')


def safe(value: Any) -> str:
    """The HTML of a value."""
    return value.text if isinstance(value, Html) else html.escape(str(value), quote=False)


def table(
    headers: Sequence[Any], rows: Iterable[Sequence[Any]], numeric: Iterable[int] = (), first_of: int | None = None
) -> Html:
    """A table; columns in `numeric` align right; equal neighbours in column `first_of` are merged."""
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


def chip(word: str, text: str = "") -> Html:
    """A verdict as a coloured word; the colour repeats the word and adds nothing."""
    tone = word.replace(",", "").replace(" ", "-")
    return Html(f'<span class="chip {tone}">{safe(text or word)}</span>')


def gain(estimate: str, interval: str, sure: bool) -> Html:
    """An estimate above its interval; bold where the interval excludes zero."""
    return Html(f'<span class="{"sure" if sure else "unsure"}">{unbroken(estimate)}</span>{below(interval)}')


def below(text: str) -> str:
    """A quieter line; a line of its own also in a notebook, which has no style sheet."""
    return f"<br><small>{unbroken(text)}</small>"


def unbroken(text: str) -> str:
    """Its HTML, in one line wherever it stands."""
    return safe(text).replace(" ", "&nbsp;")


def paragraphs(sentences: Iterable[str], kind: str = "") -> Html:
    """One paragraph per sentence group."""
    return Html("".join(f'<p class="{kind}">{safe(sentence)}</p>' for sentence in sentences))


def joined(*parts: Html) -> Html:
    """Pieces one after the other."""
    return Html("".join(part.text for part in parts))
