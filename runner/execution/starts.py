"""Start networks (`training.start: neutral`): which are trained together, where they are kept, and which group waits for which.

On scenes all seeds have the same images in the same order, so that several networks are trained as one stack. The stack's last
bits depend on its size, so it is always a whole block of seeds: a seed's start is the same whichever others a study has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nfloss import Configuration
from runner.execution.frame_cache import FrameCache
from runner.execution.groups import Group
from runner.experiment import Experiment
from runner.records import read_start, write_start
from runner.records.fingerprint import fingerprint, short
from runner.training import StartNetwork, train_neutral

STARTS = "starts"  # in the study's
#: Seeds whose networks are trained together. On a CPU, pairs keep all cores busy from few seeds on, and few are trained in vain
#: (sixteen in the lanes of vector registers would take 0.6 of the time for each, on one core). A GPU's step takes as long for
#: sixteen as for one.
BLOCK = {"cpu": 2}
BLOCK_ELSEWHERE = 16


class StartError(ValueError):
    """A start network that no training can go on from, in one line."""


@dataclass(frozen=True)
class StartBlock:
    """Seeds whose start networks are trained together."""

    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"start-{self.seeds[0]}x{len(self.seeds)}"

    @property
    def seeds_in_words(self) -> str:
        first, last = self.seeds[0], self.seeds[-1]
        return f"seed {first}" if first == last else f"seeds {first} to {last}"


@dataclass(frozen=True)
class TrainedStarts:
    """The networks of a block, and the seconds that they took."""

    group: StartBlock
    networks: tuple[StartNetwork, ...]
    seconds: float


Progress = Callable[[str, int, int], None]  # (name, steps done, diverged so far)


def train_starts(
    block: StartBlock, experiment: Experiment, frames: FrameCache, device: torch.device, progress: Progress
) -> TrainedStarts:
    began, model = time.monotonic(), experiment.model
    networks = train_neutral(
        block.seeds,
        frames.start_data(block.seeds[0], device),
        experiment.training,
        model.depth_range,
        device,
        lambda steps, diverged: progress(block.name, steps, diverged),
        model.custom,
    )
    return TrainedStarts(block, tuple(networks), time.monotonic() - began)


def start_blocks(experiment: Experiment, seeds: Iterable[int], device: torch.device) -> list[StartBlock]:
    """The blocks that these seeds' start networks are in, in their order; none where trainings start from scratch.

    A seed of a folder has training frames of its own, and a network of yours is not stacked: each is a block.
    """
    if experiment.training.start == "scratch":
        return []
    alone = experiment.data.folder is not None or experiment.model.network is not None
    size = 1 if alone else BLOCK.get(device.type, BLOCK_ELSEWHERE)
    firsts = dict.fromkeys(seed - seed % size for seed in seeds)
    return [StartBlock(tuple(range(first, first + size))) for first in firsts]


def start_fingerprint(experiment: Experiment) -> str:
    """What a start network depends on: the parts of a trial's fingerprint that are not of its fixes, and its settings."""
    data, model, training = experiment.data, experiment.model, experiment.training
    used = training.model_dump(include={"clip_norm", "precision", "machine_code"})
    settings = json.dumps([data.model_dump(), model.model_dump(), used], sort_keys=True)
    return f"{fingerprint(Configuration.of(), data, model.network, training)} settings:{short(settings)}"


class Starts:
    """The start networks of a study, in its folder `starts`.

    Args:
        folder: the study's.
        also: other studies whose networks are used where they are the same.
    """

    def __init__(self, experiment: Experiment, folder: Path, device: torch.device, also: Sequence[Path] = ()) -> None:
        self.experiment, self.device = experiment, device
        self.folder, self.places = folder / STARTS, [study / STARTS for study in (folder, *also)]
        self.needed = experiment.training.start == "neutral"
        self.fingerprint = start_fingerprint(experiment) if self.needed else ""
        self._last: StartNetwork | None = None
        self._absent = set[int]()

    def find(self, seed: int) -> StartNetwork | None:
        """The start network of a seed; None where it is yet to be trained. The last one is kept in memory."""
        if seed in self._absent:
            return None
        if self._last is None or self._last.seed != seed:
            found = (read_start(place, seed, self.fingerprint) for place in self.places)
            content = next((content for content in found if content is not None), None)
            if content is None:
                self._absent.add(seed)
                return None
            self._last = StartNetwork(seed, content["state"], content["diverged_step"])
        return self._last

    def missing(self, groups: Iterable[Group]) -> list[StartBlock]:
        """The blocks that are yet to be trained before these groups can be."""
        seeds = dict.fromkeys(group.seed for group in groups)
        return start_blocks(self.experiment, [seed for seed in seeds if self.needed and self.find(seed) is None], self.device)

    def keep(self, trained: TrainedStarts) -> None:
        """Write the networks of a block; one that is there stays as it is."""
        for network in trained.networks:
            if self.find(network.seed) is None:
                content = {"fingerprint": self.fingerprint, "state": network.state, "diverged_step": network.diverged_step}
                write_start(self.folder, network.seed, content)
                self._absent.discard(network.seed)

    def given(self, group: Group) -> Group | None:
        """A group with the state that it goes on from; None where that is yet to be trained.

        Raises StartError: the network diverged."""
        if not self.needed:
            return group
        if (network := self.find(group.seed)) is None:
            return None
        if network.diverged_step is not None:
            rate = self.experiment.training.start_rate
            raise StartError(
                f"training.start: the neutral training of seed {group.seed} diverged at step {network.diverged_step} with "
                f"start_rate {rate:g}; give a smaller one, in a new study"
            )
        return replace(group, start=network)
