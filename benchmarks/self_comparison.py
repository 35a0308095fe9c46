"""How often the verdicts cry wolf: every configuration of a study compared with itself on other seeds.

    nfloss run experiments/self_comparison.yaml --no-report --no-tracking
    python benchmarks/self_comparison.py runs/self_comparison

Prints the count of each verdict and the rate that the levels allow, as Markdown; `benchmarks/results` has the committed ones.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import code_paths  # noqa: F401
import numpy as np
from scipy.stats import binom

from analysis.comparisons import MeasuredStudy
from analysis.deciding import Evidence, word
from analysis.effects import effect
from analysis.promises import LEVEL, NEAR_BAND, NEARER, STEADIER, STEADIER_BAND
from analysis.rulers import FAR, NEAR
from analysis.rules import ADOPT, ALPHA, CONFIRMED, HARMFUL, TRADE, WORSE, promise_verdict
from analysis.study import StudyError, load

GROUP = 6  # seeds in an arm
PROMISED = {
    NEAR: (NEARER, NEAR_BAND),
    "wobble": (float(np.log(STEADIER)), float(np.log(STEADIER_BAND))),
}


@dataclass(frozen=True)
class Comparison:
    """One arm of seeds against another of the same configuration."""

    cell: str
    first: tuple[int, ...]
    second: tuple[int, ...]
    verdict: str
    promises: dict[str, str]  # measure -> verdict


def self_comparisons(measured: MeasuredStudy, group: int = GROUP) -> list[Comparison]:
    """Each trained configuration on seeds 0..g-1 against g..2g-1, and so on: disjoint, so that comparisons are independent
    within a configuration. The arms are unpaired and judged as if they were pairs, in the order of the seeds."""
    study, found = measured.study, []
    cells = study.plan[study.plan["status"] == "trained"]
    for cell, key in zip(cells["cell"], cells["key"], strict=True):
        arms = [study.seeds[at : at + group] for at in range(0, len(study.seeds) - group + 1, group)]
        for first, second in zip(arms[::2], arms[1::2], strict=False):
            found.append(_compare(measured, str(cell), str(key), first, second))
    return found


def _compare(measured: MeasuredStudy, cell: str, key: str, first: Sequence[int], second: Sequence[int]) -> Comparison:
    def gains(measure: str) -> np.ndarray:
        column = measured.table[measure]
        one, other = (np.array([float(column[(key, seed)]) for seed in arm]) for arm in (first, second))
        return np.asarray(np.log(one) - np.log(other))

    near, far = (effect(gains(column)) for column in (NEAR, FAR))
    said, _ = word(Evidence(near, far))  # as the only fix, at one look, without near weights
    promises = {name: promise_verdict(effect(gains(name), LEVEL), *limits) for name, limits in PROMISED.items()}
    return Comparison(cell, tuple(first), tuple(second), said, promises)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        study = load(arguments[0])
        found = self_comparisons(MeasuredStudy.of(study))
    except StudyError as error:
        print(error, file=sys.stderr)
        return 2
    verdicts = Counter(one.verdict for one in found)
    false = sum(verdicts[name] for name in (ADOPT, HARMFUL, TRADE))
    promised = [said for one in found for said in one.promises.values()]
    wrong = sum(said in (CONFIRMED, WORSE) for said in promised)
    print(f"{len(found)} comparisons of a configuration with itself, {GROUP} seeds against {GROUP} others\n")
    print(f"* verdicts: {', '.join(f'{count} {name}' for name, count in verdicts.most_common())}")
    print(f"* adopt, harmful or trade: {false} of {len(found)}; {allowed(len(found), 2 * ALPHA)}")
    print(f"* promises confirmed or refuted as worse: {wrong} of {len(promised)}; {allowed(len(promised), ALPHA / 3)}")
    for one in found:
        arms = " / ".join(f"{arm[0]}-{arm[-1]}" for arm in (one.first, one.second))
        promises = ", ".join(f"{name}: {said}" for name, said in one.promises.items())
        print(f"    {one.cell:10} seeds {arms}: {one.verdict}; {promises}")
    return 0


def allowed(n: int, rate: float) -> str:
    """What a rate allows: its mean, and what it exceeds in one series of twenty only."""
    most = int(binom.ppf(0.95, n, rate))
    return f"at a rate of {rate:.3g} there are {n * rate:.2g} on average, up to {most} in 95 % of such series"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
