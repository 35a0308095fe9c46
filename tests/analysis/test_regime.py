"""How good the networks are; which studies are early; what an early study says. Levels against loops, falls against laws of
decay, scipy and simulation."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats.mstats import sen_seasonal_slopes
from synthetic import Planted, make_early, write_study

from analysis import load, terminal_summary, verdicts
from analysis.comparisons import MeasuredStudy
from analysis.judge import read_verdicts, write_verdicts
from analysis.regime import MEASURES, STILL_FALLS, early_sentence, fall, judge_regime, median_slope
from analysis.study import Study

FIXES = {"1-1": Planted(near=0.10, far=0.03), "2-1": Planted(near=-0.12), "5-1": Planted(near=0.08, far=-0.10)}
WHOLE = Planted(near=-0.2, far=-0.1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A study that is not early."""
    weights = {1.0: Planted(-0.2, 0.4), 3.0: Planted(-0.05, 0.05)}
    return load(write_study(tmp_path_factory.mktemp("regime") / "s", FIXES, full=WHOLE, weights=weights, seeds=4))


@pytest.fixture(scope="module")
def trained_judged(trained: Study) -> dict:
    return verdicts(trained)


def curves(*seeds: list[float], steps: list[int] | None = None) -> pd.DataFrame:
    """Curves of the baseline from ln error by seed, at the given steps or at 10, 20, ..."""
    at = steps or [10 * place for place in range(1, len(seeds[0]) + 1)]
    parts = [pd.DataFrame({"seed": s, "step": at, "probe_rmse_log": np.exp(y)}) for s, y in enumerate(seeds)]
    return pd.concat(parts, ignore_index=True)


def changed(study: Study, **columns: object) -> dict:
    """The regime of the study with other columns of its baseline's trials; a value or a list by seed."""
    trials = study.trials.copy()
    own = trials["key"] == study.baseline
    for name, values in columns.items():
        trials.loc[own, name] = values
    return judge_regime(MeasuredStudy.of(replace(study, trials=trials)))


# levels


def test_levels_are_means_over_seeds(trained: Study) -> None:
    """Against a loop over the records."""
    rows = [row for part in (trained.folder / "records").glob("trials-*") for row in pd.read_parquet(part).to_dict("records")]
    regime = judge_regime(MeasuredStudy.of(trained))
    for shown in regime["levels"]:
        own = [row for row in rows if row["key"] == shown["key"]]
        assert len(own) == 4
        for name in MEASURES:
            assert shown[name] == pytest.approx(sum(row[f"final_{name}"] for row in own) / 4, rel=1e-12)
    assert regime["trivial"] == {name: pytest.approx(rows[0][f"trivial_{name}"], rel=1e-12) for name in MEASURES}


def test_the_best_has_the_lowest_error_over_all_pixels(trained: Study) -> None:
    """Planted: near weight 1 loses 0.2 near and gains 0.4 far; no other cell gains as much over both."""
    names = [shown["name"] for shown in judge_regime(MeasuredStudy.of(trained))["levels"]]
    assert names == ["baseline", "best of 7: near weight 1", "the document's whole recommendation"]


def test_a_configuration_has_one_row(tmp_path: Path) -> None:
    worse = {"1-1": Planted(near=-0.1, far=-0.1)}
    found = judge_regime(MeasuredStudy.of(load(write_study(tmp_path / "b", worse, full=WHOLE, seeds=2, probes=20))))
    assert [shown["name"] for shown in found["levels"]] == [
        "baseline, the best of 3",
        "the document's whole recommendation",
    ]
    found = judge_regime(MeasuredStudy.of(load(write_study(tmp_path / "f", {}, full=Planted(0.3, 0.3), seeds=2, probes=20))))
    assert [shown["name"] for shown in found["levels"]] == [
        "baseline",
        "best of 2: full, the document's whole recommendation",
    ]
    alone = judge_regime(MeasuredStudy.of(load(write_study(tmp_path / "a", {}, seeds=2, probes=20))))
    assert [shown["name"] for shown in alone["levels"]] == ["baseline"]


# beating the trivial predictor


@pytest.mark.parametrize(
    ("ratios", "beats"),
    [
        ([0.9, 0.9, 0.9, 0.9], True),
        ([1.1, 1.1, 1.1, 1.1], False),
        ([1.0, 1.0, 1.0, 1.0], False),  # every seed diverged: the trivial predictor's own error
        ([0.5, 1.5, 1.5, 0.5], True),  # the product of the ratios is 0.56
        ([0.8, 1.25, 0.8, 1.3], False),  # their mean is above 1, their product is 1.04
        ([0.5, 1.9, 0.9, 0.9], True),  # their mean is 1.05, their product is 0.77
    ],
)
@pytest.mark.parametrize("side", ["near", "far"])
def test_the_mean_of_the_paired_log_ratios_decides(trained: Study, side: str, ratios: list[float], beats: bool) -> None:
    own = trained.trials[trained.trials["key"] == trained.baseline]
    trivial = own[f"final_{side}_rmse_log"].to_numpy() / np.array(ratios)
    found = changed(trained, **{f"trivial_{side}_rmse_log": trivial})
    assert found["beats_trivial"] == {"near": True, "far": True, side: beats}
    assert found["early"] is not beats
    if not beats:
        ratio = math.prod(ratios) ** 0.25
        assert found["reasons"] == [
            "the baseline is no better than one depth everywhere, the training median: "
            f"its {side} error is {ratio:.2f} times that depth's (RMSE of ln depth)"
        ]


def test_both_errors_are_named(trained: Study) -> None:
    found = changed(trained, trivial_near_rmse_log=0.01, trivial_far_rmse_log=0.02)
    (reason,) = found["reasons"]
    assert "its near error is" in reason and "and its far error is" in reason
    assert found["advice"] == "train longer: --set training.steps=4800"  # four times the synthetic study's 1,200


DEPTHS = st.lists(st.floats(0.1, 0.999), min_size=1, max_size=8), st.lists(st.floats(1.0, 50.0), min_size=1, max_size=8)


@given(*DEPTHS, st.floats(0, 1), st.floats(0.05, 80.0))
def test_no_single_depth_beats_another_near_and_far(near: list[float], far: list[float], between: float, other: float) -> None:
    """Why both are asked for: the RMSE of ln depth of a constant grows with its distance to the mean ln depth, and whatever is
    closer than the median to the middle of near or far is further from the other."""
    middles = [float(np.log(depths).mean()) for depths in (near, far)]
    median = middles[0] + between * (middles[1] - middles[0])

    def rmse(constant: float, depths: list[float]) -> float:
        return float(np.sqrt(np.mean((np.log(depths) - constant) ** 2)))

    gains = [rmse(median, depths) - rmse(math.log(other), depths) for depths in (near, far)]
    assert min(gains) <= 1e-9  # rounding of a root near zero: sqrt of 1e-18


# falling curves


@given(
    st.floats(-3, 3),
    st.lists(st.floats(-5, 2), min_size=1, max_size=5),
    st.integers(3, 40),
    st.integers(1, 30),
)
def test_a_steady_decay_falls_by_its_rate(rate: float, starts: list[float], evaluations: int, every: int) -> None:
    """error = exp(start - rate t / T): a fifth of the training takes rate / 5 of its logarithm, whatever the seeds' levels."""
    steps = [every * place for place in range(1, 5 * evaluations + 1)]
    seeds = [[start - rate * step / steps[-1] for step in steps] for start in starts]
    assert fall(curves(*seeds, steps=steps), steps[-1]) == pytest.approx(rate / 5, abs=1e-9)


def test_a_fall_by_hand() -> None:
    """Steps 10 to 100, the last fifth from 80: slopes of -0.02, -0.01 and -0.015 a step; the middle one, times 20 steps."""
    y = [0.0] * 7 + [1.0, 0.8, 0.7]
    assert fall(curves(y), 100) == pytest.approx(0.015 * 20)


def test_the_slope_is_scipys_by_seasons() -> None:
    """Seeds as seasons; evaluations at equal distances, which scipy's needs."""
    rng = np.random.default_rng(3)
    y = rng.standard_normal((6, 35))
    last = y[:, 27:]  # of 35 evaluations every 10 steps, those from step 280
    expected = -np.ma.median(np.ma.concatenate([_pairs(row) for row in last]))
    _, inter = sen_seasonal_slopes(last.T)
    found = fall(curves(*y.tolist()), 350)
    assert found == pytest.approx(-float(inter) * 7, rel=1e-9) == pytest.approx(float(expected) * 7, rel=1e-9)


def _pairs(row: np.ndarray) -> list[float]:
    return [(row[j] - row[i]) / (j - i) for i in range(len(row)) for j in range(i + 1, len(row))]


@pytest.mark.parametrize(
    ("steps", "total", "known"),
    [
        ([80, 90, 100], 100, True),  # where the last fifth begins counts
        ([79, 90, 100], 100, False),
        ([32, 36, 40], 40, True),
        ([240, 248, 250], 250, True),  # the last evaluation is nearer to the one before
        ([4], 4, False),
        ([1, 2, 3], 100, False),
    ],
)
def test_three_evaluations_tell_a_fall(steps: list[int], total: int, known: bool) -> None:
    found = fall(curves([0.0] * len(steps), [0.0] * len(steps), steps=steps), total)
    assert found == 0 if known else math.isnan(found)


def test_one_seed_with_too_few_is_enough_to_know_nothing() -> None:
    table = curves([0.0] * 10, [0.0] * 10)
    assert fall(table, 100) == 0
    assert math.isnan(fall(table[~((table["seed"] == 1) & (table["step"] == 90))], 100))


def noisy(rng: np.random.Generator, seeds: int, n: int, jumps: bool) -> np.ndarray:
    """ln error without a fall: SD 0.05 (probes of the default study at a constant rate have 0.03 to 0.06); with jumps every
    twentieth evaluation is worse by an exponential of mean 0.4."""
    y = 0.05 * rng.standard_normal((seeds, n))
    return y + (rng.random((seeds, n)) < 0.05) * rng.exponential(0.4, (seeds, n)) if jumps else y


def by_slopes(y: np.ndarray) -> float:
    """All three over the span of the evaluations."""
    x = np.linspace(0, 1, y.shape[1])
    return -median_slope([(x, own) for own in y])


def by_least_squares(y: np.ndarray) -> float:
    return -float(np.polyfit(np.linspace(0, 1, y.shape[1]), y.mean(axis=0), 1)[0])


def by_halves(y: np.ndarray) -> float:
    """The mean of the last tenth against that of the tenth before, whose middles are half the span apart."""
    half = y.shape[1] // 2
    return float(y[:, :half].mean() - y[:, -half:].mean()) * (y.shape[1] - 1) / (y.shape[1] - half)


@pytest.mark.parametrize(("jumps", "line", "halves"), [(False, (1.0, 1.2), (0.95, 1.15)), (True, (0.35, 0.6), (0.3, 0.55))])
def test_it_is_the_least_noisy_where_evaluations_jump(jumps: bool, line: tuple, halves: tuple) -> None:
    """SD of a fall of zero, six seeds and seven evaluations (the default study's last fifth), as a multiple of the other two
    estimates' SD. Theory without jumps: a least-squares line is the best linear one, Theil-Sen has 0.91 of its efficiency in
    the limit. 1,000 studies: an SD is known to 2 %."""
    rng = np.random.default_rng(1)
    studies = [noisy(rng, 6, 7, jumps) for _ in range(1000)]
    found = [(by_slopes(y), by_least_squares(y), by_halves(y)) for y in studies]
    own, least_squares, two_halves = np.std(found, axis=0)
    assert line[0] <= own / least_squares <= line[1]
    assert halves[0] <= own / two_halves <= halves[1]


@pytest.mark.parametrize("jumps", [False, True])
@pytest.mark.parametrize(("falls", "early"), [(0.0, (0.0, 0.06)), (0.12, (0.95, 1.0))])
def test_how_often_noise_decides(jumps: bool, falls: float, early: tuple[float, float]) -> None:
    """Share of 1,000 studies of six seeds and seven evaluations that are early for their falling error: nearly none that is
    flat, nearly all that fall by 12 %. SD of the fall is 0.026 without jumps and 0.029 with them, so a flat one passes 0.051 in
    2.5 and 4 % (binomial slack 3 SD: 1.5 and 2 %)."""
    rng, trend = np.random.default_rng(2), math.log(1 - falls) * np.linspace(0, 1, 7)
    found = [1 - math.exp(-by_slopes(noisy(rng, 6, 7, jumps) + trend)) > STILL_FALLS for _ in range(1000)]
    assert early[0] <= np.mean(found) <= early[1]


@pytest.mark.parametrize(("share", "early"), [(0.0, False), (0.049, False), (0.051, True), (0.3, True), (-0.2, False)])
def test_a_fall_above_five_percent_is_early(trained: Study, share: float, early: bool) -> None:
    own = trained.curves["key"] == trained.baseline
    falling = (1 - share) ** (5 * trained.curves["step"] / 1200)
    study = replace(trained, curves=trained.curves.assign(probe_rmse_log=trained.curves["probe_rmse_log"].where(~own, falling)))
    found = judge_regime(MeasuredStudy.of(study))
    assert found["falls"] == pytest.approx(share, abs=1e-9) and found["early"] is early
    if early:
        assert found["reasons"] == [f"the baseline's error still falls, by {100 * share:.0f} % in the last fifth of training"]


def test_what_is_unknown_is_early(trained: Study) -> None:
    study = replace(trained, curves=trained.curves[trained.curves["step"].isin([600, 1100, 1200])])
    found = judge_regime(MeasuredStudy.of(study))
    assert found["falls"] is None and found["early"]
    assert found["reasons"] == ["under 3 evaluations in the last fifth of training: whether the error still falls is unknown"]


# what an early study says


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that would adopt 1-1, confirmed on fresh seeds, and whose baseline is worse than one depth everywhere."""
    folder = write_study(
        tmp_path_factory.mktemp("early") / "s", FIXES, full=Planted(0.12, 0.02, wobble=0.2, speed=2.0), seeds=8
    )
    explicit = {"supported together": ("1-1", Planted(0.1, 0.03))}
    write_study(folder / "confirmation", {}, full=WHOLE, explicit=explicit, seeds=6, first_seed=8)
    assert verdicts(folder)["recommendation"]["confirmed"]
    make_early(folder)
    write_verdicts(verdicts(folder), folder)
    return folder


def test_nothing_is_recommended_and_every_promise_is_void(early: Path) -> None:
    judged = read_verdicts(early)
    assert judged["regime"]["early"] and judged["regime"]["beats_trivial"] == {"near": True, "far": False}
    found = judged["recommendation"]
    assert found["fixes"] == [] and found["candidates"] == {} and found["entries"] == [] and not found["confirmed"]
    assert found["words"] == "none, since the study is early"
    assert [entry["verdict"] for entry in judged["promises"]] == ["void"] * 3
    assert {fix["verdict"] for fix in judged["fixes"]} >= {"adopt", "trade", "harmful"}  # the word stays a word
    assert all(entry["words"].startswith("early: ") for name in ("fixes", "issues") for entry in judged[name])


def test_a_study_that_is_not_early_says_nothing_of_it(trained_judged: dict) -> None:
    judged = trained_judged
    assert not judged["regime"]["early"] and judged["regime"]["reasons"] == []
    assert not any(entry["words"].startswith("early") for entry in judged["fixes"])


def test_the_terminal_and_the_summary_say_so(early: Path, trained: Study, trained_judged: dict) -> None:
    from analysis.report.build import summary

    lines = terminal_summary(early).splitlines()
    assert len(lines) == 2 + 4 + 1 + 1 + 3  # two heads, four rows, the curves, why it is early; then the verdicts
    assert "delta < 1.25" in lines[0] and lines[2].startswith("baseline ") and lines[5].startswith("one depth everywhere")
    judged = read_verdicts(early)
    assert lines[2].split()[-2:] == [f"{judged['regime']['levels'][0][f'{side}_rmse_log']:.2f}" for side in ("near", "far")]
    assert lines[6].startswith("Over the last fifth of training the baseline's error on the probe")
    assert (
        lines[7].startswith("early: the baseline is no better than one depth everywhere")
        and "--set training.steps=" in lines[7]
    )
    assert lines[8].startswith("s: early: 1 adopt (1-1), 1 harmful (2-1), 1 trade (5-1)")
    assert "void; to adopt: none, since the study is early" in lines[9]
    text = summary(load(early), judged)
    assert "**early: adopt**" in text and "```yaml" not in text and "**Early: nothing is to be concluded" in text
    assert "| delta < 1.25, all |" in text and "\nEarly: of 3 fixes, each alone" in text
    assert "early" not in summary(trained, trained_judged).lower()


def test_every_verdict_of_the_page_is_marked(early: Path) -> None:
    from analysis.report import appendix, glance, issue_page, sections

    study, judged = load(early), read_verdicts(early)
    shown = [
        part(study, judged) for part in (glance.glance, sections.answer, sections.fixes, sections.promises, sections.controls)
    ]
    shown += [
        sections.recommendation(study, judged),
        sections.leave_one_out(study, judged),
        appendix.readability(study, judged),
    ]
    shown += [issue_page.overview(study, judged, number) for number in range(1, 11)]
    text = "".join(part.text for part in shown)
    assert text.count('class="chip') == text.count('class="chip early">early: ') > 20
    assert "<pre>" not in text and "adopt it" not in text and "do not use it" not in text
    first = '<p class="early"><b>Early: nothing is to be concluded from this study.</b> The baseline is no better'
    assert first in shown[0].text


def test_the_table_marks_what_is_no_better_than_one_depth(early: Path, trained: Study, trained_judged: dict) -> None:
    """Of the early study share, AbsRel and RMSE of ln depth in the far field, in the rows of networks."""
    from analysis.report import networks

    judged = read_verdicts(early)
    rows = networks.networks(load(early), judged).text.split("<tr>")[2:]
    assert [row.count('class="poor"') for row in rows] == [3, 3, 3, 0]
    assert "poor" not in networks.networks(trained, trained_judged).text


@pytest.mark.slow
def test_headlines_of_figures_say_so(early: Path) -> None:
    from analysis.plots import available, draw

    study, judged = load(early), read_verdicts(early)
    for name in available(study):
        picture = draw(name, study, judged)
        assert picture.sentence.startswith("Early: ")
        drawn = (early / "report" / "figures" / f"{name}.svg").read_text()
        assert drawn.split('id="headline"')[1].split("-->")[0].split("<!--")[1].strip().startswith("Early: "), name


def test_the_error_by_depth_is_drawn_beside_that_of_one_depth(trained: Study, trained_judged: dict) -> None:
    """Planted: the baseline is the better one but in the bin at 2 m, where that depth is."""
    from analysis.plots.depth import error_by_depth

    figure, sentence = error_by_depth(trained, trained_judged)
    own = figure.axes[0]
    assert [line.get_label() for line in own.get_lines()][:2] == ["the baseline", "one depth everywhere"]
    expected = [abs(2 / (low + 0.2) - 1) for low in (0.0, 0.35, 0.7, 1.0, 2.0, 4.0, 8.0)]
    assert own.get_lines()[1].get_ydata() == pytest.approx(expected, rel=1e-12)
    assert figure.texts[0].get_text() == "The baseline beats one depth everywhere in 6 of 7 bins of true depth"
    assert "one depth everywhere" in sentence


def test_two_studies_of_which_one_is_early(early: Path, trained: Study) -> None:
    from analysis.report import comparison

    found = comparison(early, [trained.folder])
    assert any("is early, so nothing is to be concluded from it: the baseline is no better" in line for line in found.after)
    assert [name.endswith("(early)") for name in found.fixes.header[1:3]] == [True, False]


def test_the_evidence_of_a_choice_by_hand_says_so(early: Path) -> None:
    from analysis.report import evidence

    lines = evidence(load(early), read_verdicts(early), ["1-1"])
    assert lines[1].startswith("Early, so nothing is to be concluded from it: the baseline is no better")
    assert lines[2] == "Its recommendation: none, since the study is early."
    assert lines[3].startswith("1-1 alone: early: adopt; near error ×")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("None helps", "Early: none helps"),
        ("2 of 3", "Early: 2 of 3"),
        ("AbsRel falls", "Early: AbsRel falls"),
        ("A fix", "Early: a fix"),
    ],
)
def test_a_sentence_goes_on_after_the_word(text: str, expected: str) -> None:
    assert early_sentence(text) == expected
