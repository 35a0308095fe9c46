"""A loss as YAML and as Python code, with the evidence of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import yaml

from analysis.formatting import shared_level
from analysis.regime import is_early, said, why_early
from analysis.report.sentences import measured_on
from analysis.rules import NOT_RUN
from analysis.statements import error
from analysis.study import Study

BLOCK_TYPE = "ssi-silog-nearfield"


def yaml_block(found: dict[str, Any]) -> str:
    """The loss as a block for a training file: its fixes, its numbers, and the extensions that define custom fixes. Another
    loss has its place alone."""
    if found.get("loss"):
        return yaml.safe_dump({"loss": {"type": found["loss"]}}, sort_keys=False).rstrip()
    extensions = {"extensions": found["extensions"]} if found.get("extensions") else {}
    block = {"type": BLOCK_TYPE, **extensions, "fixes": found["fixes"], **found["numbers"]}
    return yaml.safe_dump({"loss": block}, sort_keys=False).rstrip()


def python_code(found: dict[str, Any]) -> str:
    """The loss in Python."""
    if found.get("loss"):
        place, _, name = str(found["loss"]).rpartition(":")
        return f"from {PurePath(place).stem if place.endswith('.py') else place} import {name} as loss_fn  # in {place}"
    arguments = [f"fixes={found['fixes']!r}", *(f"{name}={value!r}" for name, value in found["numbers"].items())]
    loaded = [f"load_extension({place!r})" for place in found.get("extensions", [])]
    imports = "from nfloss import SSISilogNearFieldLoss" + (", load_extension" if loaded else "")
    return "\n".join([imports, "", *loaded, f"loss_fn = SSISilogNearFieldLoss({', '.join(arguments)})"])


def evidence(study: Study, judged: dict[str, Any], fixes: Sequence[str]) -> list[str]:
    """The study, its data and recommendation, and a line for each of these fixes: its errors as ratios to the baseline's."""
    known = {fix["id"]: fix for fix in judged["fixes"]}
    seeds = f"{len(study.seeds)} paired seeds, intervals of {shared_level(judged['levels'])}"
    head = [f"Study {study.name}: {seeds}. {measured_on(study)}"]
    head += [f"Early, so nothing is to be concluded from it: {why_early(judged)}."] if is_early(judged) else []
    head.append(f"Its recommendation: {judged['recommendation']['words']}.")
    return head + [f"{fix} alone: {_said(judged, known[fix])}" if fix in known else f"{fix}: {NOT_RUN}" for fix in fixes]


def _said(judged: dict[str, Any], fix: dict[str, Any]) -> str:
    if not fix["key"]:
        return NOT_RUN
    return f"{said(judged, fix['verdict'])}; near error {error(fix, 'near')}, far error {error(fix, 'far')} of the baseline's"


def annotated_yaml(study: Study, judged: dict[str, Any], found: dict[str, Any]) -> str:
    """The YAML block, with evidence and Python code as comments."""
    comments = [*evidence(study, judged, found["fixes"]), "", *python_code(found).splitlines()]
    return "\n".join([yaml_block(found), *(f"# {' '.join(line.split())}".rstrip() for line in comments)])  # a line each
