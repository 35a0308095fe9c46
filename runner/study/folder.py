"""Whether a folder is a study's, and this one's: what must not change when it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from runner.data.settings import Data
from runner.experiment.experiment import Experiment
from runner.networks.settings import Model
from runner.records.fingerprint import fingerprint, what_changed
from runner.records.tables import read_trials
from runner.search.space import Point
from runner.study.lock import NAME as LOCK
from runner.training.settings import Training

#: Of a search: more trials may be asked for, and how many go together is the machine's matter.
MAY_CHANGE = ("trials", "at_once")
DEFAULTS = {
    name: section.model_dump(mode="json")
    for name, section in {"data": Data(), "model": Model(), "training": Training()}.items()  # type: ignore[call-arg]
}


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
        if experiment.seeds[: len(recorded["seeds"])] != recorded["seeds"]:
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


def read_study(folder: Path) -> dict[str, Any]:
    """The study.yaml of a folder."""
    try:
        content = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
    except OSError:
        raise StudyError(f"{folder}: no study here (study.yaml is missing)") from None
    except yaml.YAMLError:
        raise StudyError(f"{folder}/study.yaml: not valid YAML; the study cannot be read") from None
    if not isinstance(content, dict) or "experiment" not in content:
        raise StudyError(f"{folder}/study.yaml: not a study's description")
    return content


def comparable(experiment: Experiment) -> dict[str, Any]:
    """What must not change when a study is resumed; more seeds may be added; workers, where they are, tracking,
    confirmation and where fixes come from do not matter (their code is in each record's fingerprint)."""
    free = {"seeds", "workers", "tracking", "device", "confirm", "execution", "extensions"}
    return fixed(experiment.model_dump(mode="json", exclude=free))


def fixed(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings without what a search may be resumed with another of, and without what is not used, of a design, or is at its
    default, of data, model and training: a study written before there was such a key is resumed all the same."""
    design = {name: part for name, part in settings["design"].items() if part}
    if "optuna" in design:
        design["optuna"] = {name: value for name, value in design["optuna"].items() if name not in MAY_CHANGE}
    told = {name: told_of(settings[name], defaults) for name, defaults in DEFAULTS.items()}
    return {**settings, "design": design, **told}


def told_of(section: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in section.items() if name not in defaults or value != defaults[name]}


def check_code(folder: Path, points: list[Point], experiment: Experiment, what: str) -> None:
    """Raises StudyError where the folder's trials of these cells were trained by other code, or on other frames, than now."""
    data, network = experiment.data, experiment.model.network
    rows = [(point.key, fingerprint(point.configuration, data, network)) for point in points]
    trials = read_trials(folder / "records")
    if len(trials) and (changed := what_changed(trials, pd.DataFrame(rows, columns=["key", "fingerprint"]))):
        raise StudyError(f"{folder}: trained with another {', '.join(changed)} than now, {what}")
