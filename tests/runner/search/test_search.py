"""A search: its space, its first cells, what it finds on planted effects, and that an interruption loses nothing."""

import json
import math
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from commands import begin, ended, nfloss
from planted_search import search_planted, true_best, true_of

from nfloss import Configuration
from runner.experiment import RECOMMENDATION, ExperimentError, Search, parse_experiment
from runner.records.tables import KINDS, checksums
from runner.search.objectives import objective_values
from runner.search.space import RandomSuggester, Space
from runner.search.storage import JOURNAL, open_storage

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

TINY = """
design: {optuna: {trials: 6, at_once: 3, numbers: {near_weight: [1, 10]}, learning_rate: [0.002, 0.008]}}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 12, batch: 2, evaluate_every: 4}
device: cpu
workers: 1
"""


def run(folder: Path, *more, text=TINY):
    return ended(begin(folder, text, *more))


def optuna_trials(study: Path) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="tiny", storage=open_storage(study, None)).trials


def records(study: Path) -> pd.DataFrame:
    return pd.concat([pd.read_parquet(path) for path in sorted((study / "records").glob("trials-*.parquet"))])


def check_complete(study: Path, cells: int) -> None:
    """Every trial told once and finite, every (cell, seed) trained once, and the plan says so."""
    trials, trained, plan = optuna_trials(study), records(study), pd.read_parquet(study / "plan.parquet")
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert all(np.isfinite(trial.values).all() for trial in trials)
    keys = {trial.user_attrs["key"] for trial in trials}
    assert len(keys) == cells and Counter(plan["status"])["trained"] == cells
    assert set(plan.loc[plan["status"] == "trained", "key"]) == keys
    counts = Counter(zip(trained["key"], trained["seed"], strict=True))
    assert counts == {(key, seed): 1 for key in keys for seed in (0, 1)}
    finished = Counter()
    for line in (study / JOURNAL).read_text().splitlines():
        entry = json.loads(line)
        if entry["op_code"] == 6 and entry["state"] == 1:
            finished[entry["trial_id"]] += 1
    assert set(finished.values()) == {1}


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    assert "the best of the search" in done.stdout
    assert done.stdout.splitlines()[-1] == "12 planned, 12 done, 0 diverged, 0 failed"
    return folder / "study"


@pytest.mark.parametrize(
    ("optuna_settings", "more", "said"),
    [
        ({"trails": 3}, {}, ["unknown key 'design.optuna.trails'", "did you mean 'trials'"]),
        ({"seeds": 3}, {}, ["unknown key 'design.optuna.seeds'"]),
        ({"numbers": {"seed": [0, 5]}}, {}, ["unknown number 'seed'"]),
        ({"numbers": {"near_wieght": [1, 2]}}, {}, ["did you mean 'near_weight'"]),
        ({"numbers": {"near_weight": [6, 10]}}, {}, ["leaves out the baseline's 5"]),
        ({"numbers": {"near_weight": [9, 1]}}, {}, ["[low, high]"]),
        ({"numbers": {"ssi_minimum": [1e-9, 2.0]}}, {}, ["ssi_minimum", "ssi_maximum"]),
        ({"fixes": 3}, {}, ["list of issues"]),
        ({"fixes": [11]}, {}, ["no issue 11"]),
        ({"fixes": ["5-9"]}, {}, ["unknown fix '5-9'"]),
        ({"objectives": ["sharpness"]}, {}, ["sharpness", "wobble"]),
        ({"objectives": ["near", "near"]}, {}, ["different objectives"]),
        ({"learning_rate": [0.1, 0.2]}, {}, ["leaves out training.learning_rate"]),
        ({"prune": True}, {}, ["prune needs 4 seeds", "there are 3"]),
        ({"objectives": ["wobble"]}, {"training": {"steps": 20}}, ["wobble needs 9 evaluations"]),
    ],
)
def test_bad_settings_are_one_clear_line(optuna_settings, more, said):
    with pytest.raises(ExperimentError) as error:
        parse_experiment({"name": "x", "design": {"optuna": optuna_settings}, "seeds": 3, **more}, "mine.yaml")
    assert "\n" not in str(error.value)
    for part in said:
        assert part in str(error.value)


def test_a_search_goes_with_no_other_part():
    with pytest.raises(ExperimentError, match=r"goes with no other part \(leave_one_out\)"):
        parse_experiment({"name": "x", "design": {"optuna": {}, "leave_one_out": True}}, "mine.yaml")


def test_a_number_is_suggested_only_where_the_fixes_use_it():
    space = Space.of(Search(numbers={"ramp_half_width": [0.1, 0.4], "near_weight": [1.0, 10.0]}), {}, 1e-3)
    rng, seen = np.random.default_rng(0), set()
    for _ in range(200):
        drawn = space.draw(rng, {}, 0)
        if drawn is not None:
            used = Configuration.of(*drawn[1].fixes).simplified().used_numbers
            assert ("ramp_half_width" in drawn[0]) == ("ramp_half_width" in used)
            seen.add("ramp_half_width" in used)
    assert seen == {True, False}


def test_keys_tell_learning_rates_apart_and_the_usual_one_from_none():
    space = Space.of(Search(learning_rate=[5e-4, 2e-3]), {}, 1e-3)
    assert space.rates == (0.0005, 0.000707, 0.001, 0.00141, 0.002)
    plain = Configuration.of("1-1").simplified().key
    assert space.point(("1-1",), {"learning_rate": 1e-3}).key == plain
    assert space.point(("1-1",), {"learning_rate": 2e-3}).key == f"{plain}@0.00200"


def test_parameters_lead_back_to_the_cell():
    space = Space.of(Search(numbers={"near_weight": [1.0, 10.0]}, learning_rate=[5e-4, 2e-3]), {}, 1e-3)
    rng = np.random.default_rng(1)
    for _ in range(50):
        drawn = space.draw(rng, {}, 0)
        if drawn is not None:
            parameters = space.parameters(drawn[1].fixes, drawn[1].numbers)
            assert parameters is not None and space.suggest(RandomSuggester(rng, parameters, {})).key == drawn[1].key
    assert space.parameters((), {"alpha": 0.5}) is None and space.parameters((), {"near_weight": 20.0}) is None


def test_near_the_best_of_planted_effects():
    """The document's fixes, 46,656 combinations: after 150 cells the best by main effects is within 5 % of the true best."""
    planted, searcher, _ = search_planted(seed=0, trials=150, at_once=12)
    assert len({proposal.point.key for proposal in planted.trained}) == len(planted.trained) == 150
    assert math.exp(true_of(planted, searcher.best_by_effects()) - true_best(planted)) < 1.05


@pytest.mark.slow
@pytest.mark.parametrize("together", [0.0, 0.02])
def test_the_best_of_planted_effects_is_found_nine_times_of_ten(together):
    """Within 2 % of the best of 46,656 combinations after 300 cells: of the three with the smallest values, the best on six
    fresh seeds, as a search is confirmed. A fix's effect has SD 0.05, the interaction of two fixes SD `together`."""
    beyond = []
    for seed in range(10):
        planted, searcher, _ = search_planted(seed, trials=300, at_once=12, together=together)
        three = [true_of(planted, trial) for trial in sorted(searcher.trials(), key=lambda trial: trial.values[0])[:3]]
        chosen = min(three, key=lambda true: true + planted.noise.normal(0, 0.03 / math.sqrt(6)))
        beyond.append(math.exp(chosen - true_best(planted)) - 1)
    assert sum(value < 0.02 for value in beyond) >= 9, beyond


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_a_small_space_is_exhausted_and_the_search_ends(sampler):
    """One issue with two fixes and one with one, 3 x 2 cells: fewer than the search has trials."""
    planted, searcher, _ = search_planted(seed=0, trials=30, at_once=4, only=["5-1", "5-2", "3-1"], sampler=sampler)
    assert len(planted.trained) == len(planted.known) == 6
    assert {trial.state.name for trial in searcher.trials()} == {"COMPLETE"}


def test_the_baseline_and_the_recommendation_come_first(study):
    trials = optuna_trials(study)
    assert [trial.user_attrs["fixes"] for trial in trials[:2]] == ["", " ".join(RECOMMENDATION)]
    assert [trial.user_attrs["cell"] for trial in trials[:2]] == ["baseline", "trial 1"]
    plan = pd.read_parquet(study / "plan.parquet")
    assert list(plan["design"][:2]) == ["baseline", "optuna"] and list(plan["numbers"][:2]) == ["{}", "{}"]


def test_a_value_is_the_geometric_mean_of_the_seeds(study):
    check_complete(study, 6)
    rows = records(study).set_index(["key", "seed"])["final_near_rmse_log"]
    for trial in optuna_trials(study):
        own = rows[trial.user_attrs["key"]]
        assert trial.value == pytest.approx(math.sqrt(own[0] * own[1]))
        assert trial.user_attrs["near RMSE of ln depth of each seed"] == [own[0], own[1]]


def test_a_finished_search_trains_nothing_more_and_takes_more_trials(study, tmp_path):
    again = run(study.parent, "--resume")
    assert again.returncode == 0 and len(optuna_trials(study)) == 6, again.stderr
    more = run(study.parent, "--resume", "--set", "design.optuna.trials=7")
    assert more.returncode == 0, more.stderr
    check_complete(study, 7)


def test_killed_anywhere_it_goes_on_and_tells_each_trial_once(tmp_path):
    rng = random.Random(3)
    for _ in range(3):
        process = begin(tmp_path, TINY, "--resume")
        until = time.monotonic() + 60
        while not (tmp_path / "study" / JOURNAL).exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, 3.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = run(tmp_path, "--resume")
    assert done.returncode == 0, done.stderr
    check_complete(tmp_path / "study", 6)


def test_killed_while_asking_or_after_training_nothing_is_lost(study, tmp_path):
    """A trial without a key was killed while it was sampled; a running trial with records was not told yet."""
    from shutil import copytree

    copy = tmp_path / "study"
    copytree(study, copy)
    lines = (copy / JOURNAL).read_text().splitlines(keepends=True)
    told_at = [i for i, line in enumerate(lines) if json.loads(line)["op_code"] == 6 and json.loads(line)["state"] == 1]
    (copy / JOURNAL).write_text("".join(lines[: told_at[2]]))
    trials = len(records(copy))
    done = run(tmp_path, "--resume", "--set", "design.optuna.trials=3")
    assert done.returncode == 0, done.stderr
    states = {trial.state.name for trial in optuna_trials(copy)}
    assert states == {"COMPLETE"} and len(records(copy)) == trials


def test_a_second_process_is_refused_while_the_first_lives(tmp_path):
    first = begin(tmp_path, TINY, "--resume")
    until = time.monotonic() + 60
    while not any((tmp_path / "study" / "records").glob("trials-*.parquet")) and time.monotonic() < until:
        time.sleep(0.01)
    second = run(tmp_path, "--resume")
    assert second.returncode == 2 and "another run is at work on it" in second.stderr, second.stderr
    _, said = first.communicate(timeout=300)
    assert first.returncode == 0, said
    check_complete(tmp_path / "study", 6)


def test_a_diverged_training_counts_with_the_error_that_is_recorded(study, tmp_path):
    """The trivial predictor's, whatever the others reach."""
    from shutil import copytree

    copytree(study, tmp_path / "study")
    part = sorted((tmp_path / "study" / "records").glob("trials-*.parquet"))[0]
    table = pd.read_parquet(part)
    table.loc[0, ["status", "diverged_step", "final_near_rmse_log"]] = ["diverged", 3, 0.9]
    table.to_parquet(part)
    found = objective_values(tmp_path / "study", [0, 1], ["near", "far"], "none")[table.loc[0, "key"]]
    seed = int(table.loc[0, "seed"])
    assert found.diverged == 1 and np.isfinite(found.values).all()
    assert found.seeds["near"][seed] == pytest.approx(0.9)


def test_warm_start_tells_what_another_study_found(study, tmp_path):
    text = TINY.replace("trials: 6", f"trials: 3, warm_start: {study}")
    done = run(tmp_path, text=text)
    assert done.returncode == 0, done.stderr
    trials = optuna_trials(tmp_path / "study")
    warm = [trial for trial in trials if "from" in trial.user_attrs]
    assert {t.user_attrs["key"]: t.value for t in warm}.items() <= {
        t.user_attrs["key"]: t.value for t in optuna_trials(study)
    }.items()
    assert len(warm) == len(pd.read_parquet(study / "plan.parquet")) and len(trials) == len(warm) + 3
    assert all(trial.state.name == "COMPLETE" for trial in trials)
    refused = run(tmp_path / "other", "--set", "training.steps=16", text=text)
    assert refused.returncode == 2 and "its training differ" in refused.stderr


@pytest.mark.slow
def test_several_objectives_give_a_front(tmp_path):
    text = TINY.replace("trials: 6", "trials: 4, objectives: [near, far, time_to_target]").replace("seeds: 2", "seeds: 1")
    done = run(tmp_path, text=text)
    assert done.returncode == 0, done.stderr
    assert "the Pareto front" in done.stdout and "steps to target" in done.stdout


@pytest.mark.slow
def test_pruned_cells_are_left_out_of_the_plan(tmp_path):
    text = TINY.replace("trials: 6", "trials: 8, prune: true").replace("seeds: 2", "seeds: 5")
    done = run(tmp_path, text=text)
    assert done.returncode == 0, done.stderr
    plan = pd.read_parquet(tmp_path / "study" / "plan.parquet")
    states = Counter(trial.state.name for trial in optuna_trials(tmp_path / "study"))
    assert states["PRUNED"] == (plan["status"] == "pruned").sum() and set(states) <= {"COMPLETE", "PRUNED"}


def test_a_storage_that_cannot_be_reached_is_one_line(tmp_path):
    text = TINY.replace("trials: 6", "trials: 6, storage: 'sqlite:////nowhere/at/all.db'")
    done = run(tmp_path, text=text)
    assert done.returncode == 2 and len(done.stderr.splitlines()) <= 2 and "cannot be used" in done.stderr, done.stderr
    assert not (tmp_path / "study").exists()


@pytest.mark.slow
def test_a_database_is_as_good_as_the_journal(tmp_path):
    text = TINY.replace("trials: 6", f"trials: 3, storage: 'sqlite:///{tmp_path}/search.db'")
    assert (done := run(tmp_path, text=text)).returncode == 0, done.stderr
    assert not (tmp_path / "study" / JOURNAL).exists()
    other = run(tmp_path / "elsewhere", text=text)
    assert other.returncode == 2 and "another folder" in other.stderr


def test_plan_says_how_large_the_space_is(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    done = nfloss("plan", tmp_path / "tiny.yaml")
    assert "221184 combinations" in done.stdout and "6 cells asked for x 2 seeds = 12 trials" in done.stdout, done.stderr
    assert "minutes" in done.stdout


def test_the_experiment_that_comes_along():
    path = Path(__file__).parents[3] / "experiments" / "optuna.yaml"
    experiment = parse_experiment({"name": "optuna", **yaml.safe_load(path.read_text())}, str(path))
    assert experiment.design.optuna.trials == 60


def test_a_search_does_not_go_on_with_other_code(study, tmp_path):
    """The records of one cell say that the shared code was another; neither resumed nor taken as a warm start."""
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    file = next((copy / "records").glob("trials-*.parquet"))
    trials = pd.read_parquet(file)
    trials.assign(fingerprint=trials["fingerprint"].str.replace("shared:", "shared:0")).to_parquet(file)
    group = file.stem.removeprefix("trials-")
    files = [copy / "records" / f"{kind}-{group}.parquet" for kind in KINDS]
    sums = checksums({path.name: path.read_bytes() for path in files if path.exists()})
    (copy / "records" / f"{group}.sha256").write_bytes(sums)
    again = run(tmp_path, "--resume")
    assert again.returncode == 2 and "another shared than now" in again.stderr and len(again.stderr.splitlines()) == 1
    warm = run(tmp_path / "warm", text=TINY.replace("trials: 6", f"trials: 3, warm_start: {copy}"))
    assert warm.returncode == 2 and "another shared than now" in warm.stderr
