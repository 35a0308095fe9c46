"""The JSON schema of the experiment file, for editors."""

from __future__ import annotations

from typing import Any

from runner.experiment.experiment import Experiment


def experiment_schema() -> dict[str, Any]:
    """The JSON schema of an experiment file, its short forms included; `name` may be left out, as it defaults to the file's."""
    schema = Experiment.model_json_schema()
    schema["required"].remove("name")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "nfloss experiment"}
