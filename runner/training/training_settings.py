"""The schema of `training:`: how each network is trained."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from runner.schema import Section
from runner.training.precision import Precision

OF_NEUTRAL = ("start_steps", "start_batch", "start_rate")


MOST_STEPS, MOST_AT_ONCE = 10_000_000, 65_536  # beyond them a plan alone would take hours


class Training(Section):
    """How each network is trained."""

    steps: int = Field(300, ge=1, le=MOST_STEPS)
    epochs: int = Field(30, ge=1, le=MOST_STEPS, description="epochs that the steps represent: schedules are scaled to them")
    batch: int = Field(8, ge=1, le=MOST_AT_ONCE)
    learning_rate: float = Field(4e-3, gt=0, description="of Adam, at its peak")
    schedule: Literal["cosine", "constant", "step"] = Field(
        "cosine", description="after the warm-up: to zero by half a cosine, constant, or a tenth after 60 and 85 % of the steps"
    )
    warmup: float = Field(0.05, ge=0, le=0.5, description="share of the steps in which the rate rises, whatever the schedule")
    flip: bool = Field(True, description="mirror each training image left to right half of the time, as the seed says")
    clip_norm: float = Field(100.0, gt=0, description="largest gradient norm of one network")
    evaluate_every: int = Field(10, ge=1, le=MOST_STEPS, description="steps between evaluations on the probe")
    precision: Precision = Field("fp32", description="bf16: the network in training; tf32: convolutions on a GPU")
    cuda_graphs: bool = Field(False, description="on CUDA, a step as one graph; not measured on a GPU yet")
    machine_code: bool = Field(True, description="on a CPU, several times as fast where numba is installed")
    accumulate: int = Field(1, ge=1, le=MOST_AT_ONCE, description="equal parts of a batch; BatchNorm and loss see each alone")
    checkpoints: Literal["none", "last", "best_and_last"] = Field(
        "none", description="networks stored; best by the near RMSE of ln depth on the probe"
    )
    start: Literal["scratch", "neutral"] = Field(
        "scratch",
        description="random weights; neutral: all arms of a seed go on from one network, trained with plain L1 in ln depth",
    )
    start_steps: int = Field(1500, ge=1, le=MOST_STEPS, description="of neutral training; cosine schedule with a warm-up")
    start_batch: int = Field(32, ge=1, le=MOST_AT_ONCE, description="of neutral training, in one part")
    start_rate: float = Field(0.015, gt=0, description="of neutral training, the largest learning rate")

    @model_validator(mode="after")
    def _fit_each_other(self) -> Training:
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} is not a multiple of accumulate {self.accumulate}; equal parts are needed")
        given = [name for name in OF_NEUTRAL if getattr(self, name) != type(self).model_fields[name].default]
        if given and self.start == "scratch":
            raise ValueError(f"{', '.join(given)}: of neutral training, and start is scratch; start: neutral is needed")
        return self
