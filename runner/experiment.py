"""The experiment file: its schema, every error at once, unknown keys with the nearest known one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from nfloss.configuration import ClashError, Configuration, make_numbers
from nfloss.registry import ISSUES, find_fix
from nfloss.slots import NUMBER_NAMES
from nfloss.yaml_block import Loader, load_yaml, nearest
from runner.models import LARGEST_STRIDE, DepthRange
from runner.search_settings import Search
from runner.section import Section
from runner.space import check_search


class ExperimentError(ValueError):
    """What is wrong with an experiment, a line for each error."""


class Data(Section):
    """Procedural scenes, or a folder of RGB-D frames."""

    folder: str | None = None
    depth_scale: float | None = Field(None, gt=0, description="16-bit value of one metre; 1000 for millimetres")
    train: int = Field(768, ge=1, description="scenes to train on (a folder gives all it has)")
    probe: int = Field(32, ge=1, description="frames of the probe, evaluated during training")
    validation: int = Field(160, ge=1, description="frames of the validation set")
    lidar: bool = Field(False, description="scenes with LiDAR-like sparse validity")
    height: int = Field(32, ge=LARGEST_STRIDE, multiple_of=LARGEST_STRIDE)
    width: int = Field(48, ge=LARGEST_STRIDE, multiple_of=LARGEST_STRIDE)

    @model_validator(mode="after")
    def _folder_needs_scale(self) -> Data:
        if self.folder is not None and self.depth_scale is None:
            raise ValueError("a folder needs depth_scale, the 16-bit value of one metre (1000: millimetres); never guessed")
        if self.folder is None and self.depth_scale is not None:
            raise ValueError("depth_scale belongs to a folder, and none is given")
        if self.folder is not None and self.lidar:
            raise ValueError("lidar thins out the depth of scenes; a folder keeps its own")
        return self


class Training(Section):
    """How each network is trained."""

    steps: int = Field(300, ge=1)
    epochs: int = Field(30, ge=1, description="epochs that the run stands for; schedules stretch to them")
    batch: int = Field(8, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    clip_norm: float = Field(100.0, gt=0, description="largest gradient norm of one network")
    evaluate_every: int = Field(10, ge=1, description="steps between evaluations on the probe")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="of the network in training; loss and evaluation in fp32")
    cuda_graphs: bool = Field(False, description="on CUDA, a step as one graph; not yet measured on a GPU, so off")


class Model(Section):
    """What the network can say, in metres."""

    min_depth: float = Field(0.1, gt=0)
    max_depth: float = Field(100.0, gt=0)
    initial_depth: float = Field(2.0, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Model:
        if not self.min_depth < self.initial_depth < self.max_depth:
            raise ValueError("min_depth < initial_depth < max_depth is needed")
        return self

    @property
    def depth_range(self) -> DepthRange:
        return DepthRange(self.min_depth, self.max_depth, self.initial_depth)


Which = Literal["all", "document"]


class Design(Section):
    """Which configurations: any of these together; the baseline is always among them."""

    one_at_a_time: Which | list[str] | None = None
    leave_one_out: bool = False
    cumulative: bool = False
    cartesian: Literal["all"] | list[int] | None = None
    near_weights: list[float] = Field(default_factory=list, description="the baseline at other near weights")
    explicit: dict[str, list[str]] = Field(default_factory=dict, description="name: [fixes]")
    optuna: Search | None = Field(None, description="a search; goes with no other part")

    @field_validator("one_at_a_time")
    @classmethod
    def _known_fixes(cls, value: Any) -> Any:
        for fix in value if isinstance(value, list) else []:
            find_fix(fix)
        return value

    @field_validator("cartesian")
    @classmethod
    def _known_issues(cls, value: Any) -> Any:
        issues = value if isinstance(value, list) else []
        for issue in issues:
            if issue not in ISSUES:
                raise ValueError(f"there is no issue {issue}; the issues are {', '.join(map(str, ISSUES))}")
        if isinstance(value, list) and (len(set(issues)) < len(issues) or not issues):
            raise ValueError(f"{value}: a list of different issues is needed")
        return value

    @field_validator("explicit")
    @classmethod
    def _known_lists(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, fixes in value.items():
            try:
                Configuration.of(*fixes)
            except ClashError as clash:
                raise ValueError(f"{name}: {clash}") from None
        return value

    @model_validator(mode="after")
    def _not_empty(self) -> Design:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError(f"an empty design; give at least one of {', '.join(type(self).model_fields)}")
        others = [name for name in type(self).model_fields if name != "optuna" and getattr(self, name)]
        if self.optuna is not None and others:
            raise ValueError(
                f"optuna goes with no other part ({', '.join(others)}); warm_start takes in what another study found"
            )
        return self


class Tracking(Section):
    """The MLflow view of the records."""

    mlflow: bool = True
    uri: str | None = Field(None, description="default: MLFLOW_TRACKING_URI, else sqlite in the runs folder")
    most_trials: int = Field(500, ge=0, description="above it MLflow has one run per configuration, seeds as tables in it")


class Experiment(Section):
    """One study."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    design: Design
    seeds: list[int] = Field(default_factory=lambda: list(range(6)))
    data: Data = Data()  # type: ignore[call-arg]
    training: Training = Training()  # type: ignore[call-arg]
    model: Model = Model()  # type: ignore[call-arg]
    loss: dict[str, float] = Field(default_factory=dict, description="numbers of the loss, for every configuration")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    workers: int | None = Field(None, ge=1, description="processes on the CPU; default: one per core")
    group_size: int | None = Field(None, ge=1, description="networks trained together; default by device")
    confirm: int = Field(0, ge=0, description="fresh seeds for the recommendation, the baseline and the document's; 0: none")
    tracking: Tracking = Tracking()  # type: ignore[call-arg]

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_or_list(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 1:
                raise ValueError(f"{value}: at least one seed is needed")
            return list(range(value))
        return value

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, value: list[int]) -> list[int]:
        if not value or len(set(value)) < len(value) or min(value) < 0 or max(value) >= 2**63:
            raise ValueError(f"{value}: different seeds, none negative, all below 2**63, at least one")
        return value

    @field_validator("loss")
    @classmethod
    def _known_numbers(cls, value: dict[str, float]) -> dict[str, float]:
        for name in value:
            if name not in NUMBER_NAMES:
                raise ValueError(f"unknown number {name!r}{nearest(name, NUMBER_NAMES)}; known: {', '.join(NUMBER_NAMES)}")
        make_numbers(value)
        return value

    @model_validator(mode="after")
    def _searchable(self) -> Experiment:
        if self.design.optuna is not None:
            check_search(self.design.optuna, self.loss, len(self.seeds), self.training.learning_rate, self.probes)
        return self

    @property
    def probes(self) -> int:
        """Evaluations on the probe during a training."""
        return -(-self.training.steps // self.training.evaluate_every)


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment of a YAML file, with `key.key=value` overrides.

    Raises:
        ExperimentError: one line for each thing that is wrong, saying where, what was given, and what is allowed.
    """
    try:
        content = load_yaml(path)
    except ValueError as error:
        raise ExperimentError(str(error)) from None
    if not isinstance(content, Mapping):
        raise ExperimentError(f"{path}: a mapping is needed, got {type(content).__name__}")
    content = dict(content)
    content.setdefault("name", path.stem)
    for override in overrides:
        set_key(content, override)
    return parse_experiment(content, str(path))


def parse_experiment(content: Mapping[str, Any], where: str) -> Experiment:
    """The experiment of a mapping; errors begin with `where`."""
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        raise ExperimentError("\n".join(f"{where}: {line}" for line in map(one_line, error.errors()))) from None


def set_key(content: dict[str, Any], override: str) -> None:
    """Apply `a.b=value`, the value read as YAML."""
    key, equals, value = override.partition("=")
    if not equals or not all(key.split(".")):
        raise ExperimentError(f"--set {override}: key=value is needed, such as training.steps=100")
    *sections, last = key.split(".")
    for section in sections:
        inner = content.get(section)
        if inner is not None and not isinstance(inner, Mapping):
            raise ExperimentError(f"--set {override}: {section!r} is {inner!r}, not a section with keys of its own")
        content[section] = dict(inner or {})
        content = content[section]
    try:
        content[last] = yaml.load(value, Loader=Loader)  # a SafeLoader
    except yaml.YAMLError:
        raise ExperimentError(f"--set {override}: {value!r} is not a YAML value") from None


def one_line(error: Any) -> str:
    """A pydantic error as one line: place, what was given, what is allowed."""
    places = [str(part) for part in error["loc"]]
    place = ".".join(places) or "the experiment"
    if error["type"] == "extra_forbidden":
        known = known_keys(places[:-1])
        return f"unknown key {place!r}{nearest(places[-1], known)}; known here: {', '.join(known)}"
    if error["type"] == "missing":
        return f"{place} is missing"
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = f" (given: {given!r})" if not isinstance(given, (dict, Mapping)) and len(repr(given)) < 80 else ""
    return f"{place}: {message}{shown}"


def known_keys(sections: Sequence[str]) -> tuple[str, ...]:
    """The keys of a section."""
    model: Any = Experiment
    for section in sections:
        annotation = model.model_fields[section].annotation
        model = next((part for part in get_args(annotation) if hasattr(part, "model_fields")), annotation)
    return tuple(model.model_fields)
