"""What to take home of a study: the recommended loss as YAML and as code, with the evidence in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from analysis.formatting import interval, signed
from analysis.report.sentences import ground
from analysis.rules import NOT_RUN
from analysis.study import Study

BLOCK_TYPE = "ssi-silog-nearfield"


def yaml_block(found: dict[str, Any]) -> str:
    """The loss as a block for a training file: fixes, and numbers by their names here; where the user's own fixes come from."""
    block = {"type": BLOCK_TYPE, **own_extensions(found), "fixes": found["fixes"], **found["numbers"]}
    return yaml.safe_dump({"loss": block}, sort_keys=False).rstrip()


def own_extensions(found: dict[str, Any]) -> dict[str, list[str]]:
    return {"extensions": found["extensions"]} if found.get("extensions") else {}


def code(found: dict[str, Any]) -> str:
    """The loss in Python."""
    arguments = [f"fixes={found['fixes']!r}", *(f"{name}={value!r}" for name, value in found["numbers"].items())]
    loaded = [f"load_extension({place!r})" for place in found.get("extensions", [])]
    imports = "from nfloss import SSISilogNearFieldLoss" + (", load_extension" if loaded else "")
    return "\n".join([imports, "", *loaded, f"loss_fn = SSISilogNearFieldLoss({', '.join(arguments)})"])


def evidence(study: Study, judged: dict[str, Any], fixes: Sequence[str]) -> list[str]:
    """What the study says of these fixes, a line each, and on what ground. A gain: by how many percent the error is lower."""
    known = {fix["id"]: fix for fix in judged["fixes"]}
    head = [f"Study {study.name}: {len(study.seeds)} paired seeds, 95 % intervals. {ground(study)}"]
    head.append(f"Its recommendation: {judged['recommendation']['words']}.")
    return head + [f"{fix} alone: {_said(known[fix])}" if fix in known else f"{fix}: {NOT_RUN}" for fix in fixes]


def _said(fix: dict[str, Any]) -> str:
    if not fix["key"]:
        return NOT_RUN
    near, far = (f"{signed(fix[side]['estimate'])} {interval(fix[side])}" for side in ("near", "far"))
    return f"{fix['verdict']}; near gain {near}, far gain {far}"


def take_home(study: Study, judged: dict[str, Any], found: dict[str, Any]) -> str:
    """YAML that can be pasted, with the evidence and the code as comments."""
    comments = [*evidence(study, judged, found["fixes"]), "", *code(found).splitlines()]
    return "\n".join([yaml_block(found), *(f"# {line}".rstrip() for line in comments)])
