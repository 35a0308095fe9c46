"""Whether a study of planted fixes says of each what it does:

    nfloss run experiments/planted.yaml --no-report --no-tracking
    python benchmarks/planted.py runs/planted

Prints a Markdown table of what was planted, which words are right, and what the study says; the status is 1 if one is wrong.
"""

from __future__ import annotations

import sys

from code_paths import ROOT  # noqa: F401

from analysis.judge import fix_words
from analysis.rules import ADOPT, HARMFUL, NO_EFFECT, OPEN, TRADE
from analysis.study import StudyError, load

#: Of a fix: the words that are right. A near weight of 1/5 is a trade where the curve reaches so far, and harmful where a near
#: weight does better; one that diverges in one seed of six may be open, with the divergence named.
RIGHT = {
    "12-1": (NO_EFFECT,),
    "12-2": (HARMFUL,),
    "12-3": (TRADE, HARMFUL),
    "12-4": (ADOPT,),
    "12-5": (OPEN, HARMFUL),
}
DIVERGES = "12-5"


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        found = {fix["id"]: fix for fix in fix_words(load(arguments[0])) if fix["id"] in RIGHT}
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    wrong = [fix for fix, right in RIGHT.items() if fix not in found or found[fix]["verdict"] not in right]
    wrong += [DIVERGES] * (DIVERGES in found and "diverge" not in found[DIVERGES]["detail"])
    print("| fix | planted | right | word | near error | far error | seeds | reason |\n|---|---|---|---|---|---|---|---|")
    for name, fix in found.items():
        measured = [fix["verdict"], fix["ratio"]["near"], fix["ratio"]["far"], str(fix["n"]), fix["detail"]]
        print("|", " | ".join([name, fix["summary"], " or ".join(RIGHT[name]), *measured]), "|")
    print(f"\nwrong: {', '.join(wrong) or 'none'}")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
