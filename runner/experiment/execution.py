"""The schema of `execution:`: where groups are trained. The records do not depend on it, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator

from runner.schema import Section


class Ray(Section):
    """A Ray cluster; each task trains one group."""

    address: str | None = Field(None, description="host:port, or auto; default: RAY_ADDRESS, else Ray is started here")
    cpus_per_task: float = Field(1.0, gt=0)
    gpus_per_task: float | None = Field(None, gt=0, le=1, description="below 1, tasks share a GPU; default: 1 on CUDA")
    retries: int = Field(3, ge=0, description="how often a group is started again after its worker or node was lost")

    @field_validator("address")
    @classmethod
    def _no_client(cls, value: str | None) -> str | None:
        if value is not None and "://" in value:
            raise ValueError("host:port or auto is needed: a run is started on a node of the cluster, not through Ray Client")
        return value

    @field_validator("gpus_per_task", "cpus_per_task")
    @classmethod
    def _four_decimals(cls, value: float | None) -> float | None:
        if value is not None and abs(value * 1e4 - round(value * 1e4)) > 1e-6:
            raise ValueError("Ray counts in ten-thousandths; give at most four decimals")
        return value


class Execution(Section):
    """This machine, or a cluster."""

    ray: Ray | None = None


def expand_execution(value: Any) -> Any:
    """Return the short forms `local`, `ray` and an empty `ray:` as mappings. Raises ValueError for anything else."""
    if isinstance(value, Mapping):
        return {name: {} if name == "ray" and part is None else part for name, part in value.items()}
    if value == "ray":
        return {"ray": {}}
    if value == "local":
        return {}
    raise ValueError("local, ray, or {ray: {address, cpus_per_task, gpus_per_task, retries}} is needed")
