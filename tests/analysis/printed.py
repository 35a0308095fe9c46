"""What a reader sees of a report: rows of tables, plain text, and what is said of each fix in them."""

from __future__ import annotations

import re
from collections import defaultdict
from html import unescape
from html.parser import HTMLParser
from typing import Any

from analysis.rules import VERDICTS, trained_alone

RATIO = r"×[\d.∞]+ \[[\d.∞]+, [\d.∞]+\]|×1 \(proved\)"


def table_rows(page: str) -> list[str]:
    """The text of every table row, with a space between cells."""
    return Rows(page).rows


def plain_text(page: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", page)).replace("\xa0", " ")


class Rows(HTMLParser):
    """The text of every table row, with a space between cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows, self.inside = list[str](), False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append("")
            self.inside = True
        elif self.rows:
            self.rows[-1] += " " if tag in ("td", "th", "br") else ""

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "tr"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1] += data.replace("\xa0", " ")


def said_of(judged: dict[str, Any], *texts: str) -> dict[str, dict[str, set[str]]]:
    """Fix -> {"errors": the pairs of near and far ratios, "words"}: of every line that begins with it or its issue, and has
    both ratios."""
    ids = [fix["id"] for fix in trained_alone(judged)]
    words = "|".join(VERDICTS)
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for line in texts:
        for id in ids:
            match = re.search(rf"(?<![\w-]){id}(?![\w-])", line)
            pair = re.findall(RATIO, line)
            if match and len(pair) >= 2 and not any(o in line[: match.start()] for o in ids if o != id and o not in id):
                found[id]["errors"].add(" ".join(pair[:2]))
                found[id]["lines"].add(line)
                after = re.search(rf"\b({words})\b", re.sub(r"would say .*", "", line[match.end() :]))
                if after:
                    found[id]["words"].add(after[1])
                break
    return found
