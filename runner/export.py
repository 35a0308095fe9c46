"""What a user takes home from a study: the adopted fixes as a YAML block and as a line of code."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from nfloss import ClashError, Configuration
from runner.study import StudyError, read_study


def take_home(folder: Path) -> str:
    """YAML and code of the fixes that the study's verdicts adopt, and what was left out because it clashes.

    Raises:
        StudyError: no study, or no verdicts yet.
    """
    settings = read_study(folder)
    path = folder / "verdicts.json"
    if not path.exists():
        raise StudyError(f"{folder}: no verdicts yet; draw the conclusions first: nfloss report {folder}")
    adopted = [fix["id"] for fix in json.loads(path.read_text(encoding="utf-8"))["fixes"] if fix["verdict"] == "adopt"]
    numbers = dict(settings["experiment"]["loss"])
    fixes, left_out = without_clashes(adopted, numbers)
    block = yaml.safe_dump({"loss": {"type": "ssi-silog-nearfield", "fixes": fixes, **numbers}}, sort_keys=False)
    arguments = ", ".join([f"fixes={fixes!r}", *(f"{name}={value!r}" for name, value in numbers.items())])
    lines = [
        f"# Adopted by the study {settings['name']}, each fix by itself: {', '.join(fixes) or 'none; the baseline stands'}.",
        "# Whether they add up was not measured unless the study has that combination as a cell.",
        *(f"# Left out: {reason}." for reason in left_out),
        block.rstrip(),
        "#",
        "# from nfloss import SSISilogNearFieldLoss",
        f"# loss_fn = SSISilogNearFieldLoss({arguments})",
    ]
    return "\n".join(lines)


def without_clashes(adopted: list[str], numbers: dict[str, float]) -> tuple[list[str], list[str]]:
    """The adopted fixes in the document's order; a later one that clashes, or repeats an earlier one's words, is left out."""
    fixes, reasons = list[str](), list[str]()
    for fix in adopted:
        try:
            together = Configuration.of(*fixes, fix, **numbers)
        except ClashError as clash:
            reasons.append(str(clash))
            continue
        if together == Configuration.of(*fixes, **numbers):
            reasons.append(f"{fix} says what is there already")
        else:
            fixes.append(fix)
    return fixes, reasons
