"""Start networks: which seeds are trained together, where they are kept, and which groups wait for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nfloss import Configuration
from runner.data import START_SERIES
from runner.execution import FrameCache, Group, GroupQueue, StartBlock, StartError, Starts, TrainedStarts, start_blocks
from runner.execution.starts import start_fingerprint
from runner.experiment import Experiment, parse_experiment
from runner.records import read_start, start_file
from runner.records.fingerprint import changed_parts, fingerprint
from runner.training import StartNetwork

CPU = torch.device("cpu")
NEUTRAL = {"start": "neutral", "start_steps": 3}
TINY = {"train": 6, "probe": 4, "validation": 4, "height": 16, "width": 16}


def experiment(seeds: list[int] | int = 2, training: dict | None = None, **more: object) -> Experiment:
    given = {"name": "x", "design": {"one_at_a_time": ["1-1"]}, "seeds": seeds, "data": TINY, "training": training or NEUTRAL}
    return parse_experiment({**given, **more}, "x")


def of_seed(seed: int) -> Group:
    return Group(f"seed{seed}", seed, (Configuration.of(),), 1)


def network(seed: int, value: float = 0.0, diverged_step: int | None = None) -> StartNetwork:
    return StartNetwork(seed, {"parameters": torch.tensor([seed + value])}, diverged_step)


def kept(starts: Starts, *networks: StartNetwork) -> None:
    starts.keep(TrainedStarts(StartBlock(tuple(one.seed for one in networks)), networks, 1.0))


@pytest.mark.parametrize(
    ("seeds", "device", "blocks"),
    [
        ([0, 1, 2, 3, 4], "cpu", [(0, 1), (2, 3), (4, 5)]),
        ([9, 3, 8], "cpu", [(8, 9), (2, 3)]),
        ([2**63 - 1], "cpu", [(2**63 - 2, 2**63 - 1)]),
        ([3, 20], "cuda", [tuple(range(16)), tuple(range(16, 32))]),
    ],
)
def test_a_block_is_the_same_whichever_seeds_a_study_has(seeds: list[int], device: str, blocks: list[tuple[int, ...]]) -> None:
    assert [block.seeds for block in start_blocks(experiment(), seeds, torch.device(device))] == blocks


@pytest.mark.parametrize(
    ("more", "blocks"),
    [
        ({"data": {"folder": "frames", "depth_scale": 1000}}, [(5,), (6,)]),
        ({"model": "custom_modules:Small"}, [(5,), (6,)]),
        ({"training": {"start": "scratch"}}, []),
    ],
)
def test_what_cannot_be_stacked_is_trained_alone(more: dict, blocks: list[tuple[int, ...]]) -> None:
    assert [block.seeds for block in start_blocks(experiment(**more), [5, 6], CPU)] == blocks


def test_scenes_of_neutral_training_are_those_of_no_seed_and_shared(tmp_path: Path) -> None:
    """Any two pictures differ; a worker maps the file that another has written."""
    data = experiment().data
    here, there = FrameCache(data), FrameCache(data, tmp_path)
    start = here.start_data(0)
    assert len(start.train) == 6 and torch.equal(start.train.rgb, there.start_data(1).train.rgb)
    assert [path.name for path in tmp_path.iterdir()] == [f"{START_SERIES}.pt"] and START_SERIES == 2**63 + 1
    seen = [frames.rgb for seed in (0, 1) for frames in vars(here.seed_data(seed)).values() if not isinstance(frames, int)]
    pictures = torch.cat([start.train.rgb, *seen]).flatten(1)
    assert len(torch.unique(pictures, dim=0)) == 6 + 6 + 2 * 8  # to start from, to train on, and each seed's own


def test_a_group_waits_for_its_start_network_and_another_goes_first(tmp_path: Path) -> None:
    starts = Starts(experiment([0, 4]), tmp_path, CPU)
    groups = [of_seed(0), of_seed(4), of_seed(0)]
    first, second = starts.missing(groups)
    assert (first.seeds, second.seeds) == ((0, 1), (4, 5))
    queue = GroupQueue([first, second, *groups], lambda kind: True, starts.given)
    assert [queue.take(), queue.take(), queue.take()] == [first, second, None]
    kept(starts, network(4))
    taken = queue.take()
    assert taken == groups[1] and taken.start.state["parameters"].item() == 4.0
    assert queue.take() is None and len(queue.groups) == 2
    kept(starts, network(0))
    assert [queue.take().start.state["parameters"].item() for _ in range(2)] == [0.0, 0.0] and not queue.groups


def test_no_time_left_ends_the_queue_of_its_kind_and_waiting_is_not_asked(tmp_path: Path) -> None:
    starts, asked = Starts(experiment([0]), tmp_path, CPU), []
    queue = GroupQueue([of_seed(0)], lambda kind: asked.append(kind) or False, starts.given)
    assert queue.take() is None and len(queue.groups) == 1 and asked == []
    kept(starts, network(0))
    assert queue.take() is None and not queue.groups and asked == [Group]


def test_from_scratch_nothing_waits_and_nothing_is_read(tmp_path: Path) -> None:
    starts = Starts(experiment(training={"steps": 3}), tmp_path, CPU)
    assert starts.missing([of_seed(0)]) == [] and starts.given(of_seed(0)).start is None


def test_what_is_kept_is_found_again_and_not_written_twice(tmp_path: Path) -> None:
    starts = Starts(experiment(), tmp_path, CPU)
    kept(starts, network(0), network(1, 0.5))
    kept(starts, network(1, 9.0), network(2))  # of a block that was trained again for seed 2
    again = Starts(experiment(), tmp_path, CPU)
    found = [again.find(seed) for seed in (0, 1, 2, 3)]
    assert [one and one.state["parameters"].item() for one in found] == [0.0, 1.5, 2.0, None]
    assert again.missing([of_seed(2)]) == [] and len(again.missing([of_seed(3)])) == 1
    sums = (tmp_path / "starts" / "seed1.sha256").read_text()
    assert sums.endswith("  seed1.pt\n") and len(sums.split()[0]) == 64


@pytest.mark.parametrize("harm", ["cut off", "changed", "no checksum", "a checksum alone"])
def test_a_damaged_one_is_trained_again(tmp_path: Path, harm: str) -> None:
    starts = Starts(experiment(), tmp_path, CPU)
    kept(starts, network(0))
    path = start_file(tmp_path / "starts", 0)
    whole = path.read_bytes()
    if harm == "cut off":
        path.write_bytes(whole[:-9])
    elif harm == "changed":
        path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    else:
        (path.with_suffix(".sha256") if harm == "no checksum" else path).unlink()
    again = Starts(experiment(), tmp_path, CPU)
    assert len(again.missing([of_seed(0)])) == 1
    kept(again, network(0))
    assert path.read_bytes() == whole and Starts(experiment(), tmp_path, CPU).missing([of_seed(0)]) == []


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"training": {**NEUTRAL, "start_steps": 4}}, "start"),
        ({"training": {**NEUTRAL, "start_batch": 4}}, "start"),
        ({"training": {**NEUTRAL, "start_rate": 1e-3}}, "start"),
        ({"training": {**NEUTRAL, "clip_norm": 1.0}}, "settings"),
        ({"data": {**TINY, "train": 7}}, "settings"),
        ({"model": {"initial_depth": 3.0}}, "settings"),
        ({"training": {**NEUTRAL, "steps": 9, "batch": 2, "learning_rate": 0.5}, "seeds": [7], "loss": {"alpha": 0.5}}, None),
    ],
)
def test_one_of_other_settings_is_not_used_and_one_of_the_same_is(tmp_path: Path, more: dict, part: str | None) -> None:
    kept(Starts(experiment(), tmp_path / "a", CPU), network(0))
    other = Starts(experiment(**more), tmp_path / "b", CPU, also=[tmp_path / "a"])
    assert changed_parts(start_fingerprint(experiment()), other.fingerprint) == ([part] if part else [])
    assert (other.find(0) is None) == bool(part)
    kept(other, network(0), network(1))  # what the other study has is not written again
    assert start_file(tmp_path / "b" / "starts", 0).exists() == bool(part)
    assert read_start(tmp_path / "b" / "starts", 1, other.fingerprint) is not None


def test_the_fingerprint_of_a_trial_has_the_neutral_training_and_no_other_has() -> None:
    scratch, neutral = experiment(training={"steps": 3}), experiment()
    marks = [fingerprint(Configuration.of("5-1"), e.data, None, e.training) for e in (scratch, neutral)]
    assert marks[0] == fingerprint(Configuration.of("5-1"), scratch.data) and changed_parts(*marks) == ["start"]
    longer = experiment(training={**NEUTRAL, "start_steps": 4})
    assert changed_parts(marks[1], fingerprint(Configuration.of("5-1"), longer.data, None, longer.training)) == ["start"]


def test_one_that_diverged_is_one_line_and_not_trained_again(tmp_path: Path) -> None:
    kept(Starts(experiment(), tmp_path, CPU), network(0, diverged_step=17))
    again = Starts(experiment(), tmp_path, CPU)
    assert again.missing([of_seed(0)]) == []
    with pytest.raises(StartError, match=r"neutral training of seed 0 diverged at step 17 with start_rate 0.015; [^\n]*$"):
        again.given(of_seed(0))
