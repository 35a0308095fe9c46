"""What a study writes of itself before it trains: its plan, its settings, the registry, the audit, the symptoms."""

from __future__ import annotations

import json
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import yaml

from nfloss import ISSUES, audit
from nfloss.registry import place_of
from runner.definitions import definition_table
from runner.execution.devices import cores, processes
from runner.execution.frame_cache import seed_data
from runner.experiment.plan import Plan
from runner.records.files import write_atomically, write_table
from runner.records.samples import write_frames
from runner.study_folder import device_name
from runner.symptoms import symptom_table

PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "statsmodels", "mlflow", "optuna", "numba")


def prepare(folder: Path, plan: Plan, table: pd.DataFrame, device: torch.device, size: int) -> None:
    """Write what the study is: its plan, its settings, the registry, the audit, the symptoms,
    the weights' curves, the frames to look at."""
    (folder / "records").mkdir(parents=True, exist_ok=True)
    write_table(folder / "plan.parquet", table)
    write_json(folder / "issues.json", [describe(number) for number in sorted(ISSUES)])
    if not (folder / "audit.json").exists():
        write_json(folder / "audit.json", [asdict(claim) for claim in audit()])
    first = seed_data(plan.experiment.data, plan.experiment.seeds[0], torch.device("cpu"))
    if not (folder / "symptoms.parquet").exists():
        symptoms = symptom_table(plan, first)
        write_table(folder / "symptoms.parquet", symptoms)
    write_table(folder / "definitions.parquet", definition_table(plan.experiment.loss, plan.experiment.training.epochs))
    write_frames(folder / "samples.npz", first.validation)
    write_text(folder / "study.yaml", yaml.safe_dump(description(plan, device, size), sort_keys=False, allow_unicode=True))


def description(plan: Plan, device: torch.device, size: int) -> dict[str, Any]:
    """Resolved settings, versions, machine."""
    return {
        "name": plan.experiment.name,
        "experiment": plan.experiment.model_dump(mode="json"),
        "seeds": list(plan.experiment.seeds),
        "device": device_name(device),
        "workers": processes(plan.experiment, device),
        "group_size": size,
        "machine": {"processor": processor(), "cores": cores(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{name: installed(name) for name in PACKAGES}},
        "git_commit": git_commit(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe(number: int) -> dict[str, Any]:
    """An issue of the registry as plain data."""
    issue = ISSUES[number]
    fixes = [
        {"id": f.id, "name": f.name, "summary": f.summary, "origin": f.origin, "source": f.source, "slots": list(f.fills)}
        | {"extension": place_of(f)}
        for f in issue.fixes
    ]
    own = issue.symptom
    symptom = {"name": own.name, "unit": own.unit, "cured": own.cured} if own else None
    facts = {"number": number, "title": issue.title, "severity": issue.severity, "says": issue.says}
    return {**facts, "fixes": fixes, "symptom": symptom}


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False))


def processor() -> str:
    """The processor's model, as Linux names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def git_commit() -> str | None:
    """The commit of this code, where it is a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
