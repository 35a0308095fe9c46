"""Factorial effects: planted main effects and interactions come back, from every design that claims to resolve them."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from synthetic import Planted, write_study

from analysis import load, write_report
from analysis.comparisons import MeasuredStudy
from analysis.factorial import DESIGNS, columns, distinct_pairs, factorial, product_cells
from analysis.plots import available, draw
from analysis.plots.front import front
from runner.experiment import Design, design_cells

FIXES = ("1-1", "2-1", "3-1", "5-1", "6-1", "9-3")
MAIN = {"1-1": 0.10, "2-1": -0.20, "3-1": 0.0, "5-1": 0.05, "6-1": -0.30, "9-3": 0.0}  # ln gain where all others are absent
TOGETHER = {frozenset({"1-1", "2-1"}): 0.16, frozenset({"5-1", "6-1"}): -0.12}


def truth(fixes: tuple[str, ...]) -> float:
    """The planted gain of a cell: singles and pairs."""
    return sum(MAIN.get(fix, 0.02) for fix in fixes) + sum(extra for pair, extra in TOGETHER.items() if pair <= set(fixes))


def averaged(fix: str) -> float:
    """A main effect averaged over the other five on and off: half of each of its interactions is added."""
    return MAIN[fix] + sum(extra / 2 for pair, extra in TOGETHER.items() if fix in pair)


def study(folder: Path, design: Design, noise: float = 0.004, seeds: int = 5) -> MeasuredStudy:
    """The design's own cells with the planted gains."""
    name = next(name for name in DESIGNS if getattr(design, name) is not None)
    chosen = {c.name: (" ".join(c.fixes), Planted(truth(c.fixes), noise=noise)) for c in design_cells(design) if c.fixes}
    write_study(folder, {}, explicit=chosen, seeds=seeds, probes=10)
    plan = pd.read_parquet(folder / "plan.parquet")
    plan.assign(design=[name if d == "explicit" else d for d in plan["design"]]).to_parquet(folder / "plan.parquet")
    return MeasuredStudy.of(load(folder))


CLEAR = Design.model_validate({"fractional": {"fixes": list(FIXES), "resolution": 5}})


def test_a_fraction_of_resolution_5_recovers_mains_and_pairs(tmp_path: Path) -> None:
    found = factorial(study(tmp_path / "s", CLEAR))
    assert found is not None and len(found.mains) == 6 and len(found.pairs) == 15
    for term in found.mains:
        assert term.gain.low < averaged(term.name) < term.gain.high or abs(term.gain.estimate - averaged(term.name)) < 0.01
        assert not term.carries
    for term in found.pairs:
        assert term.gain.estimate == pytest.approx(TOGETHER.get(frozenset(term.fixes), 0.0), abs=0.02)
    sure = {frozenset(term.fixes) for term in found.pairs if term.p_holm <= 0.05}
    assert sure == set(TOGETHER)


def test_all_pairs_recover_the_interactions(tmp_path: Path) -> None:
    found = factorial(study(tmp_path / "s", Design.model_validate({"pairs": list(FIXES)})))
    assert found is not None and len(found.pairs) == 15
    for term in found.pairs:
        assert term.gain.estimate == pytest.approx(TOGETHER.get(frozenset(term.fixes), 0.0), abs=0.03)


def test_resolution_4_says_what_it_cannot_tell_apart(tmp_path: Path) -> None:
    """Mains are clear of pairs; each pair's estimate is its alias set's sum, and the set is named."""
    found = factorial(study(tmp_path / "s", Design.model_validate({"fractional": {"fixes": list(FIXES), "resolution": 4}})))
    assert found is not None
    for term in found.mains:
        assert term.gain.estimate == pytest.approx(averaged(term.name), abs=0.03)
    if found.pairs:
        assert all(term.carries for term in found.pairs)


def test_resolution_3_says_what_a_main_effect_carries(tmp_path: Path) -> None:
    """Seven fixes in eight runs: every main effect is aliased with three pairs (Box, Hunter and Hunter 2005, table 6.7). The
    baseline, a ninth run, loosens that a little."""
    fixes = [*FIXES, "8-1"]
    measured = study_of_runs(tmp_path / "s", fixes, hadamard_8())
    found = factorial(measured)
    assert found is not None and not found.pairs
    assert all(len(term.carries) >= 3 for term in found.mains)


def hadamard_8() -> list[tuple[bool, ...]]:
    """The 2^(7-4) fraction: d = ab, e = ac, f = bc, g = abc."""
    signs = [(a, b, c, a * b, a * c, b * c, a * b * c) for a, b, c in itertools.product((-1, 1), repeat=3)]
    return [tuple(sign > 0 for sign in row) for row in signs]


def study_of_runs(folder: Path, fixes: list[str], runs: list[tuple[bool, ...]]) -> MeasuredStudy:
    """A study of these runs and the baseline."""
    chosen = {}
    for run in runs:
        own = tuple(fix for fix, on in zip(fixes, run, strict=True) if on)
        if own:
            chosen["+" + "+".join(own)] = (" ".join(own), Planted(0.1 * ("1-1" in own)))
    write_study(folder, {}, explicit=chosen, seeds=3, probes=10)
    plan = pd.read_parquet(folder / "plan.parquet")
    plan.assign(design=["fractional" if d == "explicit" else d for d in plan["design"]]).to_parquet(folder / "plan.parquet")
    return MeasuredStudy.of(load(folder))


def test_estimates_are_those_of_statsmodels(tmp_path: Path) -> None:
    """The mean over seeds of the per-seed fits is the OLS with sum contrasts and the seed as a block (balanced product)."""
    import statsmodels.formula.api as smf

    measured = study(
        tmp_path / "s", Design.model_validate({"cartesian": {"issues": [1, 2, 5]}, "one_at_a_time": None}), noise=0.05
    )
    found = factorial(measured)
    assert found is not None
    rows = []
    for fixes, key in zip(*(product_cells(measured.study)[name] for name in ("fixes", "key")), strict=True):
        by_issue = {fix.split("-")[0]: fix for fix in fixes.split()}
        for seed in measured.study.seeds:
            y = math.log(measured.table["final_near_rmse_log"][(key, seed)])
            rows.append({"y": y, "seed": seed, **{f"i{n}": by_issue.get(n, "none") for n in ("1", "2", "5")}})
    table = pd.DataFrame(rows)
    fit = smf.ols("y ~ C(seed) + C(i1, Sum) + C(i2, Sum) + C(i5, Sum)", table).fit()
    for term in found.mains:
        issue = term.name.split("-")[0]
        at = {f"i{n}": "none" for n in ("1", "2", "5")} | {"seed": 0}
        pair = fit.predict(pd.DataFrame([at, at | {f"i{issue}": term.name}]))
        if not found.pairs:
            assert term.gain.estimate == pytest.approx(float(pair[0] - pair[1]), abs=1e-9)
        else:
            assert term.gain.estimate == pytest.approx(float(pair[0] - pair[1]), abs=0.02)
    assert sum(found.shares.values()) <= 1 + 1e-9


def test_columns_are_centred_so_that_levels_count_alike(tmp_path: Path) -> None:
    """A product of an issue with three fixes and one with one: the means over its eight cells are zero."""
    found = columns(study(tmp_path / "s", Design.model_validate({"cartesian": {"issues": [2, 3]}})).study)
    assert found.fixes == ("2-1", "2-2a", "2-2b", "3-1") and len(found.keys) == 8
    assert np.allclose(found.mains.mean(axis=0), 0.0) and np.allclose(found.pair_columns.mean(axis=0), 0.0)


def test_pairs_that_are_the_same_are_told_once() -> None:
    """By hand, on the four runs of two fixes: up to sign and constant; what repeats a main effect, or is constant, is none."""
    a, b = np.array([-1.0, -1, 1, 1]), np.array([-1.0, 1, -1, 1])
    products = np.stack([a * b, 3 - 2 * a * b, 2 * a + 1, np.ones(4), a + b, a * b + 0.5], axis=1)
    assert distinct_pairs(products, np.stack([a, b], axis=1)) == ([0, 4], {0: [1, 5], 4: []})


def test_what_is_equal_by_algebra_has_no_effect_at_all(tmp_path: Path) -> None:
    """Without noise a fix that does nothing leaves the rounding of a fit, which must not look sure."""
    measured = study(tmp_path / "s", CLEAR)
    gains = {row["key"]: truth(tuple(row["fixes"].split())) for row in measured.study.plan.to_dict("records")}
    luck = 0.1 * np.random.default_rng(0).standard_normal(len(measured.study.seeds))
    errors = [math.exp(luck[seed] - (1 + luck[seed]) * gains[key]) for key, seed in measured.table.index]
    measured.table["final_near_rmse_log"] = errors
    found = factorial(measured)
    assert found is not None
    nothing = [term for term in found.mains if averaged(term.name) == 0.0]
    assert [term.gain.estimate for term in nothing] == [0.0] * len(nothing) and nothing
    assert all(term.gain.p == 1.0 for term in nothing)
    small = next(term for term in found.mains if term.name == "5-1")  # 0.05 - 0.12 / 2
    assert small.gain.estimate == pytest.approx(-0.01 * (1 + luck.mean()), abs=1e-9)


def test_the_front_is_what_nothing_beats() -> None:
    """By the definition, a slow loop; ties in one coordinate are beaten by the better other."""
    points = np.random.default_rng(0).integers(0, 12, (60, 2)).astype(float)
    slow = [
        not any((q <= p).all() and (q < p).any() for q in points) and not any((q == p).all() for q in points[:i])
        for i, p in enumerate(points)
    ]
    assert front(points).tolist() == slow


def test_the_answer_says_what_moves_the_error_among_others(tmp_path: Path) -> None:
    """As planted, with half of what two do together (see `averaged`): 3-1 and 9-3 move nothing."""
    from analysis.report.sentences import main_effects_sentence

    said = main_effects_sentence(study(tmp_path / "s", CLEAR).study)
    lower, higher = said.split(";")
    for fix in FIXES:
        gain = averaged(fix)
        assert (fix in lower, fix in higher) == (gain > 0, gain < 0), fix
    found = re.search(r"2-1 \(×(.*?)\)", higher)
    assert found and float(found[1]) == pytest.approx(math.exp(-averaged("2-1")), abs=0.01)
    pairs = study(tmp_path / "pairs", Design.model_validate({"pairs": list(FIXES)}))
    assert main_effects_sentence(pairs.study) == "", "in pairs no fix is averaged over others"


@pytest.mark.slow
def test_the_report_of_a_product_has_its_answers_and_nothing_that_a_library_muttered(tmp_path: Path) -> None:
    measured = study(tmp_path / "s", CLEAR)
    text = write_report(measured.study.folder).read_text()
    assert text.index("Near error, averaged over the other fixes") < text.index('id="recommendation"')
    notebook = nbformat.read(measured.study.folder / "report" / "report.ipynb", as_version=4)
    kinds = {output.output_type for cell in notebook.cells for output in cell.get("outputs", ())}
    assert kinds <= {"execute_result", "display_data"}, "a stream is a warning on the page"


def test_figures_of_a_product(tmp_path: Path) -> None:
    from analysis import verdicts
    from analysis.report import sections

    measured = study(tmp_path / "s", CLEAR)
    judged = verdicts(measured.study)
    assert {"effects", "interactions", "pareto", "coordinates"} <= set(available(measured.study))
    for name in ("effects", "interactions", "pareto", "coordinates"):
        assert draw(name, measured.study, judged).png.startswith(b"\x89PNG")
    assert "2 of 15 pairs interact" in sections.effects(measured.study, judged).text
