"""The folder of a study: what is read of it, and what must not change when it is resumed."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from nfloss import Configuration
from nfloss.other_losses import loss_name
from nfloss.yaml_block import load_yaml
from runner.experiment import NAME, Experiment
from runner.records import read_trials
from runner.records.fingerprint import fingerprint, what_changed
from runner.study.lock import NAME as LOCK

#: Settings of a search that a resumed one may change: more trials, and how many are proposed together.
MAY_CHANGE = ("trials", "at_once")
TEXTS, MOST_BYTES = (".yaml", ".json"), 50_000_000


class StudyError(ValueError):
    """What is wrong with a study directory, in one line."""


def check_folder(folder: Path, experiment: Experiment, resume: bool) -> None:
    """A new folder, or one whose study this is."""
    existing = folder / "study.yaml"
    if not folder.exists():
        return
    if not folder.is_dir():
        raise StudyError(f"{folder}: is a file; a folder for the study is needed (--out-dir)")
    if not resume and any(path.name != LOCK for path in folder.iterdir()):
        raise StudyError(f"{folder}: exists already; continue it with --resume, or take another with --out-dir or name")
    if existing.exists():
        recorded = read_study(folder)["experiment"]
        changed = [key for key, value in comparable(experiment).items() if fixed(recorded).get(key) != value]
        if experiment.looks or recorded.get("looks"):  # what is spent at each look hangs on all of them
            changed += ["seeds"] * (experiment.seeds != recorded["seeds"] and "looks" not in changed)
        elif experiment.seeds[: len(recorded["seeds"])] != recorded["seeds"]:
            changed.append("seeds (more may be added at the end)")
        if changed:
            raise StudyError(
                f"{folder}: was run with another {', '.join(changed)}; resume it unchanged, or take another --out-dir"
            )


def check_device(folder: Path, device: torch.device) -> None:
    """A study goes on where it began: another device shows in the last bits."""
    if (folder / "study.yaml").exists():
        before, now = read_study(folder)["device"], device_name(device)
        if before != now:
            raise StudyError(f"{folder}: began on {before}, this would be {now}; resume it there, or take another --out-dir")


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def recorded_group_size(folder: Path) -> int | None:
    """How many networks the study in the folder trains together; None where there is no study yet."""
    return int(read_study(folder)["group_size"]) if (folder / "study.yaml").exists() else None


def check_files(folder: Path) -> None:
    """Raises StudyError where reading a file of the folder might not end: a device, a pipe, a text beyond all bounds."""
    for top, _, names in os.walk(folder):
        for path in (Path(top, name) for name in names):
            try:
                found = path.stat()
            except OSError:
                continue  # a link to nowhere; who needs it says so
            if not stat.S_ISREG(found.st_mode):
                raise StudyError(f"{path}: not a regular file")
            if path.suffix in TEXTS and found.st_size > MOST_BYTES:
                raise StudyError(f"{path}: {found.st_size:,} bytes; at most {MOST_BYTES:,} are read")


def read_study(folder: Path) -> dict[str, Any]:
    if not (folder / "study.yaml").is_file():
        raise StudyError(f"{folder}: no study here (study.yaml is missing)")
    try:
        content = load_yaml(folder / "study.yaml")
    except ValueError as error:
        raise StudyError(str(error)) from None
    if not isinstance(content, dict) or not isinstance(content.get("experiment"), dict) or not content["experiment"]:
        raise StudyError(f"{folder}/study.yaml: not a study's description")
    if not isinstance(content.get("name"), str) or not re.fullmatch(NAME, content["name"]):
        raise StudyError(f"{folder}/study.yaml: name: letters, digits, '.', '_' and '-' are allowed, 100 at most")
    return content


def comparable(experiment: Experiment) -> dict[str, Any]:
    """What must not change when a study is resumed. More seeds may be added; workers, where they run, tracking, confirmation
    and where fixes come from do not matter (the fixes' code is in each record's fingerprint)."""
    free = {"seeds", "workers", "tracking", "device", "confirm", "execution", "extensions"}
    return fixed(experiment.model_dump(mode="json", exclude=free))


def fixed(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without what a resumed search may change, where losses come from, and the parts of the design that are not
    used."""
    design = {name: part for name, part in settings["design"].items() if part}
    if "losses" in design:
        design["losses"] = [loss_name(str(reference)) for reference in design["losses"]]
    if "optuna" in design:
        design["optuna"] = {name: value for name, value in design["optuna"].items() if name not in MAY_CHANGE}
    return {**settings, "design": design}


def check_code(folder: Path, cells: Mapping[str, Configuration], experiment: Experiment, what: str) -> None:
    """Raises StudyError where the folder's trials were trained by other code, or on other frames, than now.

    Args:
        cells: key of the records -> configuration.
    """
    data, network, training = experiment.data, experiment.model.network, experiment.training
    rows = [(key, fingerprint(configuration, data, network, training)) for key, configuration in cells.items()]
    plan = pd.DataFrame(rows, columns=["key", "fingerprint"])
    if changed := what_changed(read_trials(folder / "records"), plan):
        raise StudyError(f"{folder}: trained with another {', '.join(changed)} than now, {what}")
