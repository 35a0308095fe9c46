"""The frames of scenes: one series to train on for all seeds, drawn by all cores, probe and validation each seed's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from runner.data import START_SERIES, TRAINING_SERIES, Data, Frames, make_seed_data, scenes
from runner.execution import FrameCache, frame_cache

DATA = Data(train=7, probe=2, validation=3, height=16, width=16)  # type: ignore[call-arg]


def drawn(series: int, count: int) -> Frames:
    return scenes(series, count, DATA.height, DATA.width)


def test_all_seeds_train_on_the_same_scenes_and_are_evaluated_on_their_own() -> None:
    frames = FrameCache(DATA)
    first, second = frames.seed_data(0), frames.seed_data(1)
    assert first.train is second.train
    assert torch.equal(first.train.depth, drawn(TRAINING_SERIES, 7).depth)
    for seed, data in ((0, first), (1, second)):
        own = drawn(seed, 5)
        assert torch.equal(torch.cat([data.probe.rgb, data.validation.rgb]), own.rgb)
        assert torch.equal(make_seed_data(DATA, seed).train.depth, data.train.depth)
        assert torch.equal(make_seed_data(DATA, seed).validation.depth, data.validation.depth)


def test_the_start_network_has_a_series_of_its_own() -> None:
    frames = FrameCache(DATA)
    start = frames.start_data(3)
    assert start.train is frames.start_data(4).train
    assert torch.equal(start.train.depth, drawn(START_SERIES, 7).depth)
    assert not torch.equal(start.train.depth, frames.seed_data(3).train.depth)


def test_pieces_drawn_by_processes_are_the_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_cache, "PIECE", 3 * DATA.height * DATA.width)
    (parallel,), alone = frame_cache.draw_series(DATA, TRAINING_SERIES, 2), drawn(TRAINING_SERIES, 7)
    assert torch.equal(parallel.rgb, alone.rgb)
    assert torch.equal(parallel.depth, alone.depth)


def test_workers_map_what_the_parent_has_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = FrameCache(DATA)
    parent.seed_data(0), parent.start_data(0)
    parent.share(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}.pt" for name in (0, TRAINING_SERIES, START_SERIES)
    )
    monkeypatch.setattr(frame_cache, "draw_series", pytest.fail)
    worker = FrameCache(DATA, tmp_path)
    assert torch.equal(worker.seed_data(0).train.rgb, parent.seed_data(0).train.rgb)
    assert torch.equal(worker.start_data(0).train.rgb, parent.start_data(0).train.rgb)
    assert torch.equal(worker.seed_data(1).validation.rgb, drawn(1, 5).select(slice(2, None)).rgb)
