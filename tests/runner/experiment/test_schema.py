"""The JSON schema of the experiment file: it accepts what the parser accepts, and its committed copy is current."""

import json
from pathlib import Path

import jsonschema
import pytest

from nfloss.yaml_block import load_yaml
from runner.experiment import experiment_schema, parse_experiment

ROOT = Path(__file__).parents[3]
DESIGN = {"one_at_a_time": "all"}


def is_valid(experiment: object) -> bool:
    return jsonschema.Draft202012Validator(experiment_schema()).is_valid(experiment)


def test_the_schema_is_a_schema_and_its_copy_is_current():
    """Renew the copy with: python -m runner schema > docs/experiment.schema.json."""
    jsonschema.Draft202012Validator.check_schema(experiment_schema())
    assert json.loads((ROOT / "docs" / "experiment.schema.json").read_text()) == experiment_schema()


@pytest.mark.parametrize("path", sorted((ROOT / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_experiments_are_valid(path):
    jsonschema.validate(load_yaml(path), experiment_schema())


@pytest.mark.parametrize(
    "part",
    [
        {"design": {"cartesian": "all"}},
        {"design": {"cartesian": [1, 5]}},
        {"design": {"cartesian": {"issues": [1, 5], "exclude": [["1-1", "5-1"]]}}},
        {"design": {"explicit": {"a": ["1-1"], "b": {"fixes": ["2-1"], "numbers": {"near_weight": 2}}}}},
        {"design": {"optuna": {"fixes": "document"}}},
        {"design": {"optuna": {"fixes": [1, 5]}}},
        {"design": {"optuna": {"fixes": ["1-1", "5-1"]}}},
        {"model": "own_modules.py:Own"},
        {"model": {"network": "package.module:Own", "output": "disparity"}},
        {"execution": "local"},
        {"execution": "ray"},
        {"execution": {"ray": None}},
        {"execution": {"ray": {"retries": 1}}},
        {"seeds": 3},
        {"seeds": [7, 9]},
        {"loss": {"near_weight": 2}, "tracking": {"mlflow": False}},
    ],
    ids=str,
)
def test_every_short_form_is_valid_for_schema_and_parser(part):
    experiment = {"name": "x", "design": DESIGN, **part}
    assert is_valid(experiment)
    parse_experiment(experiment, "x")


@pytest.mark.parametrize(
    "mistake",
    [
        {"traning": {"steps": 3}},
        {"design": {"one_at_a_tme": "all"}},
        {"design": {"one_at_a_time": "every"}},
        {"design": {"cartesian": "document"}},
        {"design": {"explicit": {"a": "1-1"}}},
        {"design": {"optuna": {"fixes": "some"}}},
        {"design": {"optuna": {"objectives": ["sharpness"]}}},
        {"loss": {"near_wieght": 2}},
        {"training": {"steps": "many"}},
        {"training": {"steps": 0}},
        {"seeds": 0},
        {"seeds": "all"},
        {"model": 3},
        {"execution": "cluster"},
        {"device": "gpu"},
        {"design": None},
    ],
    ids=str,
)
def test_typical_mistakes_are_not_valid(mistake):
    assert not is_valid({"design": DESIGN, **mistake})


def test_a_design_is_required_and_a_name_is_not():
    assert is_valid({"design": DESIGN}) and not is_valid({"seeds": 3})
