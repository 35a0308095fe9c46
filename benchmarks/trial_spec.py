"""What every contender is given: the same configurations, data and training; and what it gives back."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import code_paths  # noqa: F401

from runner.data import Data
from runner.experiment import Design, Experiment
from runner.training import Training

SEED = 0


@dataclass(frozen=True)
class Spec:
    """Some trials, one seed. `trials` are lists of fixes, the baseline (no fix) first."""

    trials: tuple[tuple[str, ...], ...]
    height: int
    width: int
    steps: int
    evaluate_every: int
    train: int = 256
    held_out: int = 16

    @property
    def size(self) -> str:
        return f"{self.height}x{self.width}"

    @property
    def data(self) -> Data:
        """`held_out` images each for probe and validation."""
        sizes = {"train": self.train, "probe": self.held_out, "validation": self.held_out}
        return Data(**sizes, height=self.height, width=self.width)  # type: ignore[call-arg]

    @property
    def training(self) -> Training:
        return Training(steps=self.steps, evaluate_every=self.evaluate_every)  # type: ignore[call-arg]

    @property
    def experiment(self) -> Experiment:
        """The same trials as an experiment of nfloss, everything else as shipped. The design adds the baseline itself."""
        named = {f"trial {place}": list(fixes) for place, fixes in enumerate(self.trials) if fixes}
        return Experiment.model_validate(
            {
                "name": "bench",
                "design": Design(explicit=named) if named else Design(one_at_a_time=[]),
                "seeds": [SEED],
                "data": self.data,
                "training": self.training,
                "device": "cpu",
            }
        )

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Spec:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**content, "trials": tuple(tuple(fixes) for fixes in content["trials"])})


@dataclass(frozen=True)
class Trial:
    """A trial's result: final near RMSE of ln depth on the probe, the loss as means between probes, and its seconds."""

    near: float
    curve: tuple[float, ...]
    seconds: float


@dataclass(frozen=True)
class Trials:
    """What a contender made of a spec. `began` and `ended`: clock of the first training step and of the last trial's end."""

    trials: tuple[Trial, ...]
    workers: int
    began: float
    ended: float

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Trials:
        content = json.loads(path.read_text(encoding="utf-8"))
        trials = tuple(Trial(t["near"], tuple(t["curve"]), t["seconds"]) for t in content.pop("trials"))
        return cls(trials=trials, **content)


def draw(count: int) -> tuple[tuple[str, ...], ...]:
    """`count` lists of fixes, distinct trainings of the whole product, drawn with a fixed seed; the baseline first.

    Any two train to different networks, so that each contender has the same number to train. What nfloss gets for nothing is
    left out: cells that it recognises as the same training, and those that differ in BatchNorm's momentum alone. Of all the
    ways to write a training the plan's is taken, which has no idle fix in it.

    Raises:
        ValueError: the product has fewer.
    """
    from runner.study import plan_experiment

    plan = plan_experiment(Experiment(name="draw", design=Design(cartesian="all"), seeds=[SEED]))  # type: ignore[call-arg]
    first: dict[object, tuple[str, ...]] = {}
    for accounted in plan.trained:
        assert accounted.configuration is not None
        first.setdefault(accounted.configuration.trained(), accounted.configuration.fixes)
    baseline, *others = first.values()
    if count > len(first):
        raise ValueError(f"{count} trials: the product has {len(first)} distinct trainings")
    return (baseline, *random.Random(SEED).sample(others, count - 1))
