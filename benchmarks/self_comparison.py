"""How often the verdicts cry wolf: every configuration of a study compared with itself on other seeds.

    nfloss run experiments/self_comparison.yaml --no-report --no-tracking
    python benchmarks/self_comparison.py runs/self_comparison

Prints the count of each word and the rate that the levels allow, as Markdown; `benchmarks/results` has the committed ones.
"""

from __future__ import annotations

import sys
from collections import Counter

import code_paths  # noqa: F401
from scipy.stats import binom

from analysis.comparisons import Rulers
from analysis.load import StudyError, load
from analysis.rules import ADOPT, ALPHA, CONFIRMED, HARMFUL, TRADE, WORSE
from analysis.self_comparison import GROUP, self_comparisons


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        study = load(arguments[0])
        found = self_comparisons(Rulers.of(study))
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    words = Counter(one.word for one in found)
    false = sum(words[word] for word in (ADOPT, HARMFUL, TRADE))
    promised = [word for one in found for word in one.promises.values()]
    wrong = sum(word in (CONFIRMED, WORSE) for word in promised)
    print(f"{len(found)} comparisons of a configuration with itself, {GROUP} seeds against {GROUP} others\n")
    print(f"* verdicts: {', '.join(f'{count} {word}' for word, count in words.most_common())}")
    print(f"* adopt, harmful or trade: {false} of {len(found)}; {allowed(len(found), 2 * ALPHA)}")
    print(f"* promises confirmed or refuted as worse: {wrong} of {len(promised)}; {allowed(len(promised), ALPHA / 3)}")
    for one in found:
        arms = " / ".join(f"{arm[0]}-{arm[-1]}" for arm in (one.first, one.second))
        print(
            f"    {one.cell:10} seeds {arms}: {one.word}; {', '.join(f'{name}: {word}' for name, word in one.promises.items())}"
        )
    return 0


def allowed(n: int, rate: float) -> str:
    """What a rate allows: its mean, and what it exceeds in one series of twenty only."""
    most = int(binom.ppf(0.95, n, rate))
    return f"at a rate of {rate:.3g} there are {n * rate:.2g} on average, up to {most} in 95 % of such series"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
