"""The experiment file: its schema, every error at once, unknown keys with the nearest known one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, field_serializer, field_validator, model_validator

from nfloss.configuration import ClashError, Configuration, make_numbers
from nfloss.extensions import load_extension, load_installed
from nfloss.registry import ISSUES, find_fix
from nfloss.slots import NUMBER_NAMES, SLOTS
from nfloss.yaml_block import Loader, load_yaml, nearest
from runner.execution_settings import Execution, execution_in_full
from runner.model_settings import Model
from runner.models import LARGEST_STRIDE
from runner.network_class import beside
from runner.readers import READERS
from runner.search_check import check_search
from runner.search_settings import Search
from runner.section import Section


class ExperimentError(ValueError):
    """What is wrong with an experiment, a line for each error."""


class Data(Section):
    """Procedural scenes, or a folder of RGB-D frames."""

    folder: str | None = None
    format: str = Field("folder", description="how the folder is laid out: `nfloss data formats`")
    depth_scale: float | None = Field(None, gt=0, description="16-bit value of one metre; 1000 for millimetres")
    frames: str | None = Field(None, min_length=1, description="glob of the depth paths to take, from the folder on")
    train_list: str | None = Field(None, min_length=1, description="text or JSON list of frames; path from the folder on")
    validation_list: str | None = Field(None, min_length=1)
    split_by: Literal["frame", "scene"] | None = Field(None, description="what a seed deals out; default: scenes")
    train: int = Field(768, ge=1, description="scenes to train on (a folder gives all it has)")
    probe: int = Field(32, ge=1, description="frames of the probe, evaluated during training")
    validation: int = Field(160, ge=1, description="frames of the validation set")
    lidar: bool = Field(False, description="scenes with LiDAR-like sparse validity")
    height: int = Field(32, ge=LARGEST_STRIDE, multiple_of=LARGEST_STRIDE)
    width: int = Field(48, ge=LARGEST_STRIDE, multiple_of=LARGEST_STRIDE)

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in READERS:
            hint = nearest(value, tuple(READERS))
            raise ValueError(f"there is no format {value!r}{hint}; the formats are {', '.join(READERS)}")
        return value

    @model_validator(mode="after")
    def _folder_needs_scale(self) -> Data:
        own = READERS[self.format].scale
        if self.folder is not None and own is None and self.depth_scale is None:
            raise ValueError("a folder needs depth_scale, the 16-bit value of one metre (1000: millimetres); never guessed")
        if own is not None and self.depth_scale not in (None, own):
            raise ValueError(f"format {self.format} has a scale of its own, {own:g}; depth_scale is {self.depth_scale:g}")
        if self.folder is None and self.depth_scale is not None:
            raise ValueError("depth_scale belongs to a folder, and none is given")
        if self.folder is not None and self.lidar:
            raise ValueError("lidar thins out the depth of scenes; a folder keeps its own")
        return self

    @model_validator(mode="after")
    def _splits_go_together(self) -> Data:
        if self.folder is None and not self.plain:
            raise ValueError("format, frames, lists and split_by belong to a folder, and none is given")
        if (self.train_list is None) != (self.validation_list is None):
            raise ValueError("train_list and validation_list go together; one alone is given")
        if self.lists and self.split_by:
            raise ValueError("the lists say how the frames are split; split_by goes with none")
        return self

    @property
    def lists(self) -> tuple[str, ...]:
        """The two lists, of training and of validation; none."""
        return (self.train_list, self.validation_list) if self.train_list and self.validation_list else ()

    @property
    def plain(self) -> bool:
        """Scenes, or a folder read whole as it always was; anything else goes through a reader."""
        return self.format == "folder" and not (self.frames or self.train_list or self.validation_list or self.split_by)

    @property
    def dealt_by(self) -> Literal["frame", "scene"]:
        """What a seed deals out where neither lists nor folders split the frames."""
        return self.split_by or ("frame" if self.format == "folder" else "scene")


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
    accumulate: int = Field(1, ge=1, description="equal parts of a batch, a batch each to BatchNorm and to the loss")
    checkpoints: Literal["none", "last", "best_and_last"] = Field("none", description="networks kept, by probe near AbsRel")

    @model_validator(mode="after")
    def _equal_parts(self) -> Training:
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} is not a multiple of accumulate {self.accumulate}; equal parts are needed")
        return self


Which = Literal["all", "document"]


class Fractional(Section):
    """A fraction of the product of fixes that are on or off."""

    fixes: list[str] = Field(min_length=3)
    resolution: Literal[3, 4, 5] = Field(4, description="4: fixes apart from pairs of fixes; 5: pairs apart from pairs")

    @field_validator("fixes")
    @classmethod
    def _go_together(cls, value: list[str]) -> list[str]:
        ids = [find_fix(fix).id for fix in value]
        if len(set(ids)) < len(ids):
            raise ValueError(f"{value}: a list of different fixes is needed")
        try:
            Configuration.of(*ids)
        except ClashError as clash:
            raise ValueError(f"{clash}; a fraction needs fixes that go together") from None
        return ids


class Covering(Section):
    """Cells in which all combinations of so many issues' fixes appear."""

    issues: Literal["all"] | list[int] = "all"
    strength: Literal[2, 3] = 2

    @field_validator("issues")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return known_issues(value)


class Product(Section):
    """A cartesian product with something left out, or over slots."""

    issues: Literal["all"] | list[int] | None = None
    slots: list[str] | None = Field(None, description="a factor per slot: the document's fixes that fill it, or none")
    exclude: list[list[str]] = Field(default_factory=list, description="combinations of fixes to leave out")

    @field_validator("issues")
    @classmethod
    def _known(cls, value: Any) -> Any:
        return known_issues(value)

    @field_validator("slots")
    @classmethod
    def _known_slots(cls, value: list[str] | None) -> list[str] | None:
        for slot in value or []:
            if slot not in SLOTS:
                raise ValueError(f"there is no slot {slot!r}{nearest(slot, tuple(SLOTS))}; the slots are {', '.join(SLOTS)}")
        return value

    @field_validator("exclude")
    @classmethod
    def _known_fixes(cls, value: list[list[str]]) -> list[list[str]]:
        return [[find_fix(fix).id for fix in together] for together in value]

    @model_validator(mode="after")
    def _one_of_two(self) -> Product:
        if (self.issues is None) == (self.slots is None):
            raise ValueError("give either issues or slots")
        return self


class Explicit(Section):
    """One cell: its fixes, and numbers of the loss that it alone has."""

    fixes: list[str] = Field(default_factory=list)
    numbers: dict[str, float] = Field(default_factory=dict)

    @field_validator("numbers")
    @classmethod
    def _known_numbers(cls, value: dict[str, float]) -> dict[str, float]:
        return known_numbers(value)


def known_numbers(value: dict[str, float]) -> dict[str, float]:
    """Numbers of the loss, each within its limits."""
    for name in value:
        if name not in NUMBER_NAMES:
            raise ValueError(f"unknown number {name!r}{nearest(name, NUMBER_NAMES)}; known: {', '.join(NUMBER_NAMES)}")
    make_numbers(value)
    return value


def known_issues(value: Any) -> Any:
    """A list of different issues, or "all"."""
    issues = value if isinstance(value, list) else []
    for issue in issues:
        if issue not in ISSUES:
            raise ValueError(f"there is no issue {issue}; the issues are {', '.join(map(str, sorted(ISSUES)))}")
    if isinstance(value, list) and (len(set(issues)) < len(issues) or not issues):
        raise ValueError(f"{value}: a list of different issues is needed")
    return value


class Design(Section):
    """Which configurations: any of these together; the baseline is always among them."""

    one_at_a_time: Which | list[str] | None = None
    leave_one_out: bool = False
    cumulative: bool = False
    pairs: Which | list[str] | None = Field(None, description="each fix alone, and each two of them together")
    fractional: Fractional | None = None
    covering: Covering | None = None
    cartesian: Product | None = Field(None, description="all, a list of issues, or {issues | slots, exclude}")
    near_weights: list[float] = Field(default_factory=list, description="the baseline at other near weights")
    explicit: dict[str, Explicit] = Field(default_factory=dict, description="name: [fixes], or {fixes, numbers}")
    optuna: Search | None = Field(None, description="a search; goes with no other part")

    @field_validator("one_at_a_time", "pairs")
    @classmethod
    def _known_fixes(cls, value: Any) -> Any:
        for fix in value if isinstance(value, list) else []:
            find_fix(fix)
        return value

    @field_validator("cartesian", mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"issues": value} if isinstance(value, str | list) else value

    @field_validator("explicit", mode="before")
    @classmethod
    def _lists(cls, value: Any) -> Any:
        """A list of fixes is a cell without numbers of its own."""
        if not isinstance(value, Mapping):
            return value
        return {name: {"fixes": cell} if isinstance(cell, list) else cell for name, cell in value.items()}

    @field_validator("explicit")
    @classmethod
    def _known_cells(cls, value: dict[str, Explicit]) -> dict[str, Explicit]:
        for name, cell in value.items():
            try:
                Configuration.of(*cell.fixes, **cell.numbers)
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

    # First: what these register, the design may name.
    extensions: list[str] = Field(default_factory=list, description="own fixes: path/to/file.py here, or package.module")
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
    execution: Execution = Field(Execution(), description="local, ray, or {ray: {...}}")
    confirm: int = Field(0, ge=0, description="fresh seeds for the recommendation, the baseline and the document's; 0: none")
    tracking: Tracking = Tracking()  # type: ignore[call-arg]

    @field_validator("extensions")
    @classmethod
    def _registered(cls, value: list[str]) -> list[str]:
        for extension in value:
            load_extension(extension)
        return value

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
        return known_numbers(value)

    @field_validator("execution", mode="before")
    @classmethod
    def _in_full(cls, value: Any) -> Any:
        return execution_in_full(value)

    @field_serializer("execution")
    def _as_given(self, value: Execution) -> str | dict[str, Any]:
        return {"ray": value.ray.model_dump(mode="json")} if value.ray else "local"

    @model_validator(mode="after")
    def _shared_gpu(self) -> Experiment:
        ray = self.execution.ray
        if ray and ray.gpus_per_task and ray.gpus_per_task < 1 and not self.group_size:
            raise ValueError("execution.ray.gpus_per_task below 1 needs group_size: a GPU is shared")
        return self

    @model_validator(mode="after")
    def _captured_is_the_house_s(self) -> Experiment:
        if self.training.cuda_graphs and self.model.network is not None:
            raise ValueError("training.cuda_graphs captures the house's network; with model.network it must be false")
        return self

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
    if "model" in content:
        content["model"] = beside(content["model"], path.parent)
    if "extensions" in content:
        content["extensions"] = files_beside(content["extensions"], path.parent)
    for override in overrides:
        set_key(content, override)
    return parse_experiment(content, str(path))


def files_beside(extensions: Any, folder: Path) -> Any:
    """An experiment's `extensions`, files as seen from the working directory, where they are given from `folder`."""
    if not isinstance(extensions, list):
        return extensions
    return [os.path.normpath(folder / e) if isinstance(e, str) and e.endswith(".py") else e for e in extensions]


def parse_experiment(content: Mapping[str, Any], where: str) -> Experiment:
    """The experiment of a mapping; errors begin with `where`. Fixes of installed packages are known from here on."""
    try:
        load_installed()
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
        model = next(kind for kind in (annotation, *get_args(annotation)) if hasattr(kind, "model_fields"))
    return tuple(model.model_fields)
