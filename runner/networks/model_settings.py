"""The schema of `model:`: the built-in network, or a class of yours."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator, model_validator

from runner.networks.custom import NetworkClass, Output
from runner.networks.stacked import DepthRange
from runner.schema import Section

REFERENCE = r"(.+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*"


class Model(Section):
    """Which network is trained, and the depth range of its predictions in metres."""

    network: str | None = Field(
        None,
        description="package.module:Class, or path/to/file.py:Class beside the experiment; default: the built-in network",
    )
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the class")
    output: Output = Field("inverse_depth", description="in 1/m; disparity: 0..1 between max_depth and min_depth")
    min_depth: float = Field(0.1, gt=0)
    max_depth: float = Field(100.0, gt=0)
    initial_depth: float = Field(2.0, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"network": value} if isinstance(value, str) else value

    @field_validator("network")
    @classmethod
    def _a_reference(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(REFERENCE, value):
            raise ValueError("package.module:Class or path/to/file.py:Class is needed")
        return value

    @model_validator(mode="after")
    def _fit_each_other(self) -> Model:
        if not self.min_depth < self.initial_depth < self.max_depth:
            raise ValueError("min_depth < initial_depth < max_depth is needed")
        if self.network is None and (self.arguments or self.output != "inverse_depth"):
            raise ValueError("arguments and output belong to a network, and none is given")
        return self

    @property
    def depth_range(self) -> DepthRange:
        return DepthRange(self.min_depth, self.max_depth, self.initial_depth)

    @property
    def custom(self) -> NetworkClass | None:
        """The custom network; None for the built-in one."""
        if self.network is None:
            return None
        return NetworkClass(self.network, self.arguments, self.output, self.depth_range)
