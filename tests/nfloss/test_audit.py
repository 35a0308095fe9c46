"""The audit: every finding present with its verdict, numbers worked here by hand, and no computed value merely written down."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch

from nfloss import ISSUES, Claim, audit, find_fix
from nfloss.claims import issue04, issue05, issue06, issue07, issue09
from nfloss.claims.claim import number, statement
from nfloss.slots import BASELINE


@pytest.fixture(scope="module")
def claims() -> list[Claim]:
    return audit()


def only(claims: list[Claim], issue: int, quantity: str) -> Claim:
    found = [c for c in claims if c.issue == issue and c.quantity == quantity]
    assert len(found) == 1, (quantity, [c.quantity for c in claims if c.issue == issue])
    return found[0]


# Worked by hand, each from the document's text alone.
BY_HAND = [
    (1, "mean weight at 25.4 % near", 5 * 0.254 + 0.746, "rounded"),
    (1, "mean weight at 40 % near", 2.6, "wrong"),
    (1, "mean weight at 10 % near", 1.4, "wrong"),
    (1, "mean weight at 15 % near", 1.6, "wrong"),
    (1, "mean weight at 25 % near", 2.0, "wrong"),
    (1, "near weight, normalised, at 25.4 % near", 5 / 2.016, "rounded"),
    (1, "far weight, normalised, at 25.4 % near", 1 / 2.016, "rounded"),
    (1, "near weight, normalised, at 40 % near", 5 / 2.6, "wrong"),
    (1, "near weight, normalised, at 10 % near", 5 / 1.4, "wrong"),
    (1, "near weight, normalised, at 15 % near", 5 / 1.6, "wrong"),
    (1, "far weight, normalised, at 15 % near", 1 / 1.6, "wrong"),
    (1, "near share whose mean weight is 1.75, %", 18.75, "wrong"),
    (1, "near weight divided by 1.75", 20 / 7, "right"),
    (1, "far weight divided by 1.75", 4 / 7, "right"),
    (1, "factor on a near pixel's gradient", (5 / 2.016) ** 2, "wrong"),
    (2, "mean of the residuals 0.01, 0.02, 0.015", 0.015, "right"),
    (2, "their variance", (0.005**2 + 0.005**2) / 3, "wrong"),
    (2, "their SSI", 0.00005 / 3 + 0.85 * 0.015**2, "wrong"),
    (2, "mean of the weighted residuals", (0.02477 + 0.0099 + 0.037155) / 3, "rounded"),
    (2, "variance of the weighted residuals", 1.2415e-4, "wrong"),
    (2, "SSI of the weighted residuals", 6.1137e-4, "wrong"),
    (2, "weighting multiplies SSI by", 2.940, "wrong"),
    (2, "weighted mean of the three residuals", 0.145 / 11, "wrong"),
    (2, "near against far gradient for the same error", 25.0, "wrong"),
    (2, "the same with weighted moments (2-1)", 5.0, "right"),
    (3, "largest log-depth residual", math.log(1e5), "wrong"),
    (4, "weighted residual, near, error 0.5", 1.2385, "right"),
    (4, "gradient, near, error 0.5", 2 * (5 / 2.016) ** 2 * 0.5, "wrong"),
    (4, "near against far gradient in the two cases", 25 * 500, "wrong"),
    (5, "hard weight at 0.99 m", 5.0, "right"),
    (5, "hard weight at 1.00 m", 1.0, "right"),
    (5, "smooth weight (5-1) at 0.7 m", 1 + 4 * (1 + math.tanh(1)) / 2, "wrong"),
    (5, "smooth weight (5-1) at 1.0 m", 3.0, "right"),
    (5, "smooth weight (5-1) at 1.3 m", 1 + 4 * (1 - math.tanh(1)) / 2, "wrong"),
    (5, "depth below which the smooth weight (5-1) exceeds 4.9, m", 1 - 0.3 * math.atanh(0.95), "wrong"),
    (5, "weight of 5-1's code at 0.5 m", 1 + 4 * (1 - math.tanh(5 / 3)) / 2, "harmful"),
    (5, "weight of 5-1's code at 2 m", 1 + 4 * (1 + math.tanh(10 / 3)) / 2, "harmful"),
    (5, "ramp weight (5-2) at 1 m", 3.0, "right"),
    (6, "BatchNorm's momentum by default", 0.1, "right"),
    (8, "inverse-depth error of 0.5 m seen as 0.4 m, 1/m", 2.5 - 2.0, "wrong"),
    (8, "log-depth error of 0.5 m seen as 0.4 m", math.log(0.8), "wrong"),
    (8, "an error of 0.02 m in centimetres", 2.0, "wrong"),
    (8, "log(0.98 / 1.0)", math.log(0.98), "right"),
    (8, "log(0.98) weighted by 2.477", math.log(0.98) * 2.477, "right"),
    (9, "50 km/h in m/s", 50 / 3.6, "right"),
    (9, "distance in 0.5 s at 50 km/h, m", 25 / 3.6, "right"),
    (9, "threshold from the reaction distance (9-1), m", 3.0, "wrong"),
    (9, "threshold of 9-3 at epoch 10, m", 1.0, "right"),
    (10, "near pixels at scale 1/4", 50_000 / 16, "right"),
    (10, "mean weight at scale 1/1", 1 + 4 * 50_000 / 245_760, "wrong"),
    (10, "mean weight at scale 1/2", 1 + 4 * 12_500 / 61_440, "wrong"),
    (10, "mean weight at scale 1/4", 1 + 4 * 3_125 / 15_360, "wrong"),
]


@pytest.mark.parametrize(("issue", "quantity", "expected", "verdict"), BY_HAND, ids=lambda value: str(value))
def test_worked_by_hand(claims: list[Claim], issue: int, quantity: str, expected: float, verdict: str) -> None:
    claim = only(claims, issue, quantity)
    assert float(claim.computed) == pytest.approx(expected, rel=3e-3)
    assert claim.verdict == verdict


FINDINGS = {
    1: {"rounded", "wrong"},
    2: {"wrong"},
    3: {"does nothing", "harmful"},
    4: {"does nothing"},
    5: {"wrong", "does nothing"},
    6: {"wrong"},
    7: {"harmful"},
    8: {"does nothing"},
    9: {"harmful"},
    10: {"wrong"},
    11: {"wrong"},
    12: {"wrong"},
    13: {"does nothing"},
    14: {"does nothing"},
    15: {"wrong"},
    16: {"does nothing"},
    17: {"does nothing", "harmful"},
    18: {"wrong", "harmful"},
    19: {"does nothing"},
}


@pytest.mark.parametrize("point", FINDINGS)
def test_every_finding_is_there_and_none_is_right(claims: list[Claim], point: int) -> None:
    assert {claim.verdict for claim in claims if claim.point == point} == FINDINGS[point]


def test_no_other_findings_and_every_issue_has_claims(claims: list[Claim]) -> None:
    assert {claim.point for claim in claims} == {None, *FINDINGS}
    assert {claim.issue for claim in claims} == set(ISSUES)
    assert len(claims) > 100


def test_quantities_are_unique_within_an_issue_and_short(claims: list[Claim]) -> None:
    assert [key for key, count in Counter((c.issue, c.quantity) for c in claims).items() if count > 1] == []
    assert all(c.claimed and c.computed and c.shown_by and len(c.quantity) < 75 and len(c.computed) < 60 for c in claims)


def test_the_audit_reads_the_registered_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 5-1's function in the place of 5-1w's the reversed sign is gone; with 9-2's schedule 9-1 starts at 0.5 m."""
    monkeypatch.setitem(find_fix("5-1w").fills, "weigh", find_fix("5-1").fills["weigh"])
    changed = [c for c in issue05.claims() if c.point == 7]
    assert [c.verdict for c in changed] == ["right", "right"]
    monkeypatch.setitem(find_fix("9-1").fills, "threshold", find_fix("9-2").fills["threshold"])
    assert only(list(issue09.claims()), 9, "threshold from the reaction distance (9-1), m").computed == "0.5"


def test_effects_that_are_nil_are_measured_not_assumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that does clip, put in 4-1's place, turns "does nothing" into "right"."""
    monkeypatch.setitem(find_fix("4-1").fills, "guard", find_fix("4-3").fills["guard"])
    (hook,) = [c for c in issue04.claims() if c.quantity.startswith("the hook")]
    assert hook.verdict == "right"
    monkeypatch.setitem(find_fix("6-1").fills, "bn_momentum", BASELINE["bn_momentum"])
    settled = only(list(issue06.claims()), 6, "running statistics are settled after 100 steps with 6-1")
    assert settled.verdict == "right"


def test_the_frozen_predictors_variation_ranks_as_known() -> None:
    spread = issue07.variation()
    assert spread["2-1"] == pytest.approx(0.030, rel=0.3)
    assert spread["baseline"] == pytest.approx(0.057, rel=0.3)
    assert spread["1-1"] == pytest.approx(0.302, rel=0.3)


def test_near_shares_are_beta_2_6() -> None:
    noise = torch.Generator().manual_seed(1)
    shares = torch.tensor([(issue07.frozen_batch(noise)[1] > 1.0).double().mean().item() for _ in range(2000)])
    assert shares.mean().item() == pytest.approx(2 / 8, abs=0.01)
    assert shares.std().item() == pytest.approx(math.sqrt(2 * 6 / (8**2 * 9)), abs=0.01)


def test_the_weighted_root_leaves_099_to_the_n(claims: list[Claim]) -> None:
    claim = only(claims, 6, "running statistics are settled after 100 steps with 6-1")
    assert claim.computed.startswith(f"{0.99**100:.1%}")


@pytest.mark.parametrize(("computed", "verdict"), [(2.0179, "right"), (2.0185, "right"), (2.016, "rounded"), (2.1, "wrong")])
def test_a_number_is_right_to_its_decimals_rounded_within_two_percent_or_wrong(computed: float, verdict: str) -> None:
    assert number(1, "q", 2.018, computed, 3).verdict == verdict


def test_a_statement_takes_the_verdict_given_where_it_does_not_hold() -> None:
    assert statement(1, "q", "yes", "no", False, "harmful", point=3) == Claim(1, "q", "yes", "no", "harmful", "arithmetic", 3)
    assert statement(1, "q", "yes", "yes", True, "harmful").verdict == "right"


def test_the_audit_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    audit()
    assert torch.equal(before, torch.get_rng_state())
