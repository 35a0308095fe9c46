"""The experiment file: its schema, and how it is read. All errors are reported at once, a line each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BeforeValidator, Field, ValidationError, field_serializer, field_validator, model_validator

from nfloss.extensions import load_extension
from nfloss.registry import load_installed
from nfloss.yaml_block import NOT_YAML, Loader, load_yaml, nearest
from runner.data import Data
from runner.experiment.design import Design, LossNumbers
from runner.experiment.execution import Execution, expand_execution
from runner.experiment.search import check_search
from runner.experiment.seeds import MOST_SEEDS, UntilDecided, check_looks, looks_of
from runner.networks import Model, resolve_network_file
from runner.schema import Section
from runner.training import Training

#: Of an experiment: it becomes the name of a folder, of an MLflow experiment and of an Optuna study.
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
#: Parts of a design whose effects are computed from all cells together, on the same seeds.
ALL_SEEDS = ("pairs", "fractional", "covering", "cartesian", "optuna")


class ExperimentError(ValueError):
    """What is wrong with an experiment, one line for each error."""


class Tracking(Section):
    """The MLflow view of the records."""

    mlflow: bool = True
    uri: str | None = Field(None, description="default: MLFLOW_TRACKING_URI, else sqlite in the runs folder")
    most_trials: int = Field(500, ge=0, description="with more, MLflow has one run per configuration, its seeds as tables")


class Experiment(Section):
    """An experiment: the configurations that a study compares, and how they are trained."""

    # First, because the design may name the fixes that these register.
    extensions: list[str] = Field(default_factory=list, description="your fixes: path/to/file.py, or package.module")
    name: str = Field(pattern=NAME)
    design: Design
    seeds: list[int] = Field(
        default_factory=lambda: list(range(6)), description="how many (0, 1, ...), a list, or {first, looks, until: decided}"
    )
    looks: list[int] = Field(default_factory=list, description="numbers of seeds after which decided fixes stop; default: none")
    data: Data = Data()  # type: ignore[call-arg]
    training: Training = Training()  # type: ignore[call-arg]
    # The validator changes nothing: it adds the short form, which Model accepts, to the JSON schema.
    model: Annotated[Model, BeforeValidator(lambda value: value, Model | str)] = Model()  # type: ignore[call-arg]
    loss: LossNumbers = Field(default_factory=dict, description="numbers of the loss, for every configuration")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$")
    workers: int | None = Field(None, ge=1, le=4096, description="processes on the CPU; default: one per core")
    group_size: int | None = Field(None, ge=1, le=65_536, description="networks trained together; default: by device")
    execution: Annotated[Execution, BeforeValidator(expand_execution, Literal["local", "ray"] | Execution)] = Execution()
    confirm: int = Field(
        0, ge=0, le=MOST_SEEDS, description="fresh seeds on which the recommended fixes are trained again; 0: none"
    )
    tracking: Tracking = Tracking()  # type: ignore[call-arg]

    @field_validator("extensions")
    @classmethod
    def _registered(cls, value: list[str]) -> list[str]:
        for extension in value:
            load_extension(extension)
        return value

    @model_validator(mode="before")
    @classmethod
    def _looks_of_seeds(cls, value: Any) -> Any:
        """The looks are the resolved form of `seeds: {looks: ...}`; what is wrong with it is said of the seeds."""
        if isinstance(value, Mapping) and isinstance(value.get("seeds"), Mapping):
            if "looks" in value:
                raise ValueError("looks stand in seeds already: give one of them")
            try:
                return {**value, "looks": looks_of(value["seeds"])}
            except ValueError:
                pass
        return value

    @field_validator("seeds", mode="before", json_schema_input_type=Annotated[int, Field(ge=1)] | list[int] | UntilDecided)
    @classmethod
    def _count_or_list(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return list(range(looks_of(value)[-1]))
        if isinstance(value, int) and not isinstance(value, bool):
            if not 1 <= value <= MOST_SEEDS:
                raise ValueError(f"{value}: from 1 to {MOST_SEEDS:,} seeds are needed")
            return list(range(value))
        return value

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, value: list[int]) -> list[int]:
        if len(value) > MOST_SEEDS:
            raise ValueError(f"{len(value):,} seeds: at most {MOST_SEEDS:,} are allowed")
        if not value or len(set(value)) < len(value) or min(value) < 0 or max(value) >= 2**63:
            raise ValueError(f"{value}: at least one seed is needed, all different, from 0 to below 2**63")
        return value

    @model_validator(mode="after")
    def _looks_fit(self) -> Experiment:
        if not self.looks:
            return self
        check_looks(self.looks)
        if self.looks[-1] != len(self.seeds):
            raise ValueError(f"looks {self.looks} end at {self.looks[-1]} seeds, and {len(self.seeds)} are given")
        whole = [name for name in ALL_SEEDS if getattr(self.design, name)]
        if whole:
            raise ValueError(
                f"seeds until decided are for fixes alone; design.{whole[0]} needs every seed: give a number of seeds"
            )
        return self

    @field_serializer("execution")
    def _short_form(self, value: Execution) -> str | dict[str, Any]:
        return {"ray": value.ray.model_dump(mode="json")} if value.ray else "local"

    @model_validator(mode="after")
    def _fit_each_other(self) -> Experiment:
        ray = self.execution.ray
        if ray and ray.gpus_per_task and ray.gpus_per_task < 1 and not self.group_size:
            raise ValueError("execution.ray.gpus_per_task below 1 needs group_size, because tasks share a GPU")
        if self.training.cuda_graphs and self.model.network is not None:
            raise ValueError("training.cuda_graphs works with the built-in network only; with model.network it must be false")
        if self.design.optuna is not None:
            evaluations = -(-self.training.steps // self.training.evaluate_every)
            check_search(self.design.optuna, self.loss, len(self.seeds), self.training.learning_rate, evaluations)
        return self


def load_experiment(
    path: Path, overrides: Sequence[str] = (), told: Callable[[list[str]], None] = lambda _: None
) -> Experiment:
    """The experiment of a YAML file, with `key.key=value` overrides.

    Args:
        told: called before code that the file names is imported, with what it names (`named_code`).

    Raises:
        ExperimentError: a line for each error: where it is, what was given, and what is allowed.
    """
    content = read_content(path, overrides)
    if code := named_code(content):
        told(code)
    return parse_experiment(content, str(path))


def named_code(experiment: Mapping[str, Any]) -> list[str]:
    """The fixes, losses and network of an experiment that are code of its own: modules by name, files by absolute path.

    >>> named_code({"extensions": ["my_package.fixes"], "model": {"network": "/home/me/net.py:Net"}})
    ['my_package.fixes', '/home/me/net.py:Net']
    """
    extensions, model = experiment.get("extensions"), experiment.get("model")
    network = model.get("network") if isinstance(model, Mapping) else model
    losses = dict.fromkeys(one.rpartition(":")[0] for one in named_losses(experiment) if isinstance(one, str))
    named = [*(extensions if isinstance(extensions, list) else []), *losses, network]
    places = [name for name in named if isinstance(name, str) and name]
    return [os.path.abspath(place) if place.endswith(".py") or ".py:" in place else place for place in places]


def named_losses(experiment: Mapping[str, Any]) -> list[Any]:
    design = experiment.get("design")
    losses = design.get("losses") if isinstance(design, Mapping) else None
    return losses if isinstance(losses, list) else []


def read_content(path: Path, overrides: Sequence[str]) -> dict[str, Any]:
    """The content of an experiment file with its overrides; nothing that it names is imported."""
    try:
        content = load_yaml(path)
    except ValueError as error:
        raise ExperimentError(str(error)) from None
    if not isinstance(content, Mapping):
        raise ExperimentError(f"{path}: a mapping is needed, got {type(content).__name__}")
    content, folder = dict(content), path.parent
    content.setdefault("name", path.stem)
    if "model" in content:
        content["model"] = resolve_network_file(content["model"], folder)
    if isinstance(files := content.get("extensions"), list):  # paths are relative to the experiment file
        content["extensions"] = [os.path.normpath(folder / e) if isinstance(e, str) and e.endswith(".py") else e for e in files]
    if losses := named_losses(content):
        beside = [os.path.normpath(folder / one) if isinstance(one, str) and ".py:" in one else one for one in losses]
        content["design"] = {**content["design"], "losses": beside}
    for override in overrides:
        apply_override(content, override)
    return content


def parse_experiment(content: Mapping[str, Any], where: str) -> Experiment:
    """The experiment of a mapping. Raises ExperimentError: a line for each error, each beginning with `where`."""
    try:
        load_installed()
        return Experiment.model_validate(content)
    except ValidationError as error:
        raise ExperimentError("\n".join(f"{where}: {line}" for line in map(validation_line, error.errors()))) from None


def apply_override(content: dict[str, Any], override: str) -> None:
    """Set a key of `content` by `a.b=value`; the value is YAML. Raises ExperimentError for any other text."""
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
    except NOT_YAML:
        raise ExperimentError(f"--set {override[:80]}: {value[:80]!r} is not a YAML value") from None


def validation_line(error: Any) -> str:
    """A pydantic error as one line: where it is, what is allowed, what was given."""
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
    model: Any = Experiment
    for section in sections:
        annotation = model.model_fields[section].annotation
        model = next(kind for kind in (annotation, *get_args(annotation)) if hasattr(kind, "model_fields"))
    return tuple(model.model_fields)


def experiment_schema() -> dict[str, Any]:
    """The JSON schema of an experiment file, for editors. Short forms are included; `name` is optional, as when loaded."""
    schema = Experiment.model_json_schema()
    schema["required"].remove("name")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "nfloss experiment"}
