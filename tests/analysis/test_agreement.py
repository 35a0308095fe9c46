"""The fixes that studies share, and how their words, signs and ranks agree: counted by hand on entries written here."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.agreement import agreement, shared_fixes
from analysis.rules import ADOPT, HARMFUL, NO_EFFECT, OPEN, TRADE, VERDICTS


def gain(estimate: float, half: float = 0.01) -> dict[str, float]:
    return {"estimate": estimate, "low": estimate - half, "high": estimate + half}


def fix(id: str, verdict: str, near: float = 0.0, far: float = 0.0, same_as: str | None = None, **more: Any) -> dict[str, Any]:
    entry = {"id": id, "name": f"name of {id}", "key": id, "same_as": same_as, "verdict": verdict}
    return {**entry, "near": gain(near), "far": gain(far), **more}


def study(*fixes: dict[str, Any]) -> dict[str, Any]:
    return {"fixes": list(fixes)}


def test_words_signs_and_ranks_are_counted() -> None:
    """Six fixes. Decided in both: 1-1, 2-1, 3-1, 5-2; equal: 3-1, 5-2; opposite: 1-1 and 2-1; sure in both (half width 0.01):
    near of 1-1, 2-1, 3-1, 6-1, far of 3-1; of these the near gains of 1-1 and 2-1 turn their sign.

    Near gains (0.1, -0.2, 0.3, 0.005, 0.05, 0.0) and (-0.1, 0.2, 0.4, 0.0, 0.06, 0.004): ranks 5 1 6 3 4 2 and 1 5 6 2 4 3,
    differences 4 -4 0 1 0 -1, so rho = 1 - 6 * 34 / (6 * 35) = 1/35. Far gains are 0 but for 3-1 in both: all others tie,
    the ranks are equal, rho = 1.
    """
    one = study(
        fix("1-1", ADOPT, 0.1), fix("2-1", HARMFUL, -0.2), fix("3-1", TRADE, 0.3, -0.1), fix("5-2", NO_EFFECT, 0.005),
        fix("6-1", OPEN, 0.05), fix("8-1", HARMFUL, 0.0),
    )  # fmt: skip
    two = study(
        fix("1-1", HARMFUL, -0.1), fix("2-1", ADOPT, 0.2), fix("3-1", TRADE, 0.4, -0.3), fix("5-2", NO_EFFECT, 0.0),
        fix("6-1", ADOPT, 0.06), fix("8-1", OPEN, 0.004),
    )  # fmt: skip
    found = agreement(shared_fixes([one, two]), 1)
    assert (found.fixes, found.decided, found.equal, found.opposite) == (6, 4, 2, ("1-1", "2-1"))
    assert (found.sure, found.against) == (5, ("near error of 1-1", "near error of 2-1"))
    assert found.ranks["near"] == (pytest.approx(1 / 35), 6)
    assert found.ranks["far"] == (pytest.approx(1.0), 6)


def test_a_repeat_in_both_is_not_counted_and_a_repeat_in_one_is() -> None:
    one = study(fix("1-1", ADOPT, 0.1), fix("4-1", NO_EFFECT, same_as="baseline"), fix("10-1", ADOPT, 0.1, same_as="1-1"))
    two = study(fix("1-1", ADOPT, 0.1), fix("4-1", NO_EFFECT, same_as="baseline"), fix("10-1", TRADE, 0.2))
    found = shared_fixes([one, two])
    assert [own.id for own in found] == ["1-1", "10-1"]
    assert agreement(found, 1).fixes == 2 and agreement(found, 1).equal == 1


def test_studies_with_other_fixes_share_what_two_of_them_have() -> None:
    """Of one id and another name is another fix; a fix that was not trained alone is none."""
    one = study(fix("1-1", ADOPT), fix("2-1", TRADE), fix("5-3", ADOPT), fix("9-1", OPEN, key=None))
    two = study(fix("2-1", TRADE), fix("5-3", ADOPT, name="another"), fix("8-1", HARMFUL), fix("9-1", TRADE))
    three = study(fix("8-1", HARMFUL), fix("1-1", NO_EFFECT))
    found = shared_fixes([one, two, three])
    assert [(own.id, own.words) for own in found] == [
        ("1-1", [ADOPT, NO_EFFECT]),
        ("2-1", [TRADE, TRADE]),
        ("8-1", [HARMFUL, HARMFUL]),
    ]
    assert [agreement(found, other).fixes for other in (1, 2)] == [1, 1]


@pytest.mark.parametrize(
    ("words", "together"),
    [
        ((ADOPT, ADOPT, ADOPT), "same"),
        ((ADOPT, OPEN, ADOPT), "adopt: 2 of 3"),
        ((OPEN, OPEN), "open"),
        ((ADOPT, TRADE), "differ"),
        ((ADOPT, TRADE, HARMFUL), "opposite"),
        ((ADOPT, OPEN, HARMFUL), "opposite"),
    ],
)
def test_how_words_go_together(words: tuple[str, ...], together: str) -> None:
    (found,) = shared_fixes([study(fix("1-1", word)) for word in words])
    assert found.together == together


def test_ranks_that_are_not_defined() -> None:
    """Two fixes, equal gains, gains that are not known: no correlation; an infinite gain has a rank like any other."""
    two = [study(fix("1-1", ADOPT, 0.1), fix("2-1", ADOPT, 0.2))] * 2
    ranks = agreement(shared_fixes(two), 1).ranks
    assert math.isnan(ranks["near"][0]) and ranks["near"][1] == 2
    names = ("1-1", "2-1", "3-1", "5-1")
    one = study(*(fix(id, TRADE, near) for id, near in zip(names, (0.1, math.nan, -math.inf, 0.3), strict=True)))
    other = study(*(fix(id, TRADE, near) for id, near in zip(names, (0.1, 0.2, -0.3, 0.4), strict=True)))
    ranks = agreement(shared_fixes([one, other]), 1).ranks
    assert ranks["near"] == (pytest.approx(1.0), 3)
    assert math.isnan(ranks["far"][0]) and ranks["far"][1] == 4


@given(
    st.lists(
        st.tuples(st.sampled_from(VERDICTS), st.sampled_from(VERDICTS), st.floats(-1, 1), st.floats(-1, 1)),
        min_size=1,
        max_size=12,
    )
)
def test_whatever_the_studies_say_the_counts_fit(fixes: list[tuple[str, str, float, float]]) -> None:
    """Parts are no larger than their wholes, a study agrees with itself, and the order of two studies does not matter."""
    one = study(*(fix(str(at), word, near) for at, (word, _, near, _) in enumerate(fixes)))
    two = study(*(fix(str(at), word, near) for at, (_, word, _, near) in enumerate(fixes)))
    found, back = agreement(shared_fixes([one, two]), 1), agreement(shared_fixes([two, one]), 1)
    assert found.equal + len(found.opposite) <= found.decided <= found.fixes == len(fixes)
    assert len(found.against) <= found.sure <= 2 * found.fixes
    assert (found.decided, found.equal, found.opposite, found.against) == (
        back.decided, back.equal, back.opposite, back.against,
    )  # fmt: skip
    own = agreement(shared_fixes([one, one]), 1)
    assert own.equal == own.decided and own.opposite == own.against == ()
