"""Whose depth is asked about on the command line: a folder's, an experiment's, the scenes'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from runner.data import DataError, Frames, scenes
from runner.data.settings import Data
from runner.data.splits import all_shots
from runner.data.statistics import Question
from runner.execution.frame_cache import seed_data
from runner.experiment.experiment import load_experiment, one_line
from runner.readers.frames import read_shots


def source(path: str, format: str, depth_scale: float | None, most: int, given: Mapping[str, Any]) -> tuple[Frames, Question]:
    """The frames, and what is asked of them: what is given on the command line, else what the experiment says."""
    if path.endswith((".yaml", ".yml")):
        frames, asked = of_experiment(Path(path))
        return frames, replace(asked, **given)
    return frames_of(data_of(path, format, depth_scale), most), Question(**given)


def frames_of(data: Data, most: int) -> Frames:
    """All frames of a folder, or so many of them, evenly spaced; or as many scenes as are trained on, of seed 0."""
    if data.folder is None:
        return scenes(0, min(data.train, most), data.height, data.width, lidar=data.lidar)
    shots = all_shots(data)
    places = torch.linspace(0, len(shots) - 1, min(most, len(shots))).round().long().tolist()
    return read_shots(data, [shots[place] for place in places])


def of_experiment(path: Path) -> tuple[Frames, Question]:
    """The training frames of an experiment's first seed, and the numbers of its loss and batch."""
    experiment = load_experiment(path)
    loss, usual = experiment.loss, Question()
    asked = Question(
        loss.get("near_weight", usual.near_weight),
        loss.get("near_threshold", usual.threshold),
        loss.get("expected_weight_mean", usual.expected),
        experiment.training.batch,
    )
    return seed_data(experiment.data, experiment.seeds[0], torch.device("cpu")).train, asked


def data_of(folder: str, format: str, depth_scale: float | None) -> Data:
    """A data section from the command line's words; its errors are those of the file's."""
    section = {"folder": folder, "format": format, **({"depth_scale": depth_scale} if depth_scale is not None else {})}
    if folder == "scenes":
        section = {}
    try:
        return Data.model_validate(section)
    except ValidationError as error:
        said = "; ".join(one_line(one).removeprefix("the experiment: ") for one in error.errors())
        raise DataError(f"{folder}: {said} (--format, --depth-scale)") from None
