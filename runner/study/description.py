"""What a study writes of itself before it trains: its plan, its settings, the registry, the audit, the symptoms."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from inspect import getdoc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from nfloss import ISSUES, Configuration, Losses, all_fixes, audit
from nfloss.numbers import DOCUMENT_EPOCHS
from nfloss.registry import place_of
from nfloss.slots import SLOTS, Choice
from nfloss.symptoms import make_bench
from runner.data import Frames, SeedData
from runner.execution import cores, processes, processor
from runner.experiment import Plan
from runner.records import sample_indices, write_atomically, write_table
from runner.records.fingerprint import code_of_modules
from runner.study.folder import device_name, read_study

PACKAGES = ("torch", "numpy", "pandas", "pyarrow", "scipy", "statsmodels", "mlflow", "optuna", "numba")


def describe(folder: Path, plan: Plan, table: pd.DataFrame, first: SeedData, device: torch.device, size: int) -> None:
    """Write what the study is: plan, settings, registry, audit, symptoms, the weights' curves, frames to look at.

    What takes seconds to compute, the audit and the symptoms, is kept while its code is the same.

    Args:
        table: the plan's.
        first: the data of the first seed.
        size: networks that are trained together.
    """
    (folder / "records").mkdir(parents=True, exist_ok=True)
    write_table(folder / "plan.parquet", table)
    write_json(folder / "issues.json", [*(describe_issue(number) for number in sorted(ISSUES)), *other_losses(plan)])
    code = description_code()
    before = read_study(folder).get("code") or {} if (folder / "study.yaml").exists() else {}
    if code["audit"] != before.get("audit") or not (folder / "audit.json").exists():
        write_json(folder / "audit.json", [asdict(claim) for claim in audit()])
    if code["symptoms"] != before.get("symptoms") or not (folder / "symptoms.parquet").exists():
        write_table(folder / "symptoms.parquet", symptom_table(plan, first))
    write_table(folder / "definitions.parquet", definition_table(plan.experiment.loss, plan.experiment.training.epochs))
    write_frames(folder / "samples.npz", first.validation)
    text = yaml.safe_dump(
        {**description(plan, device, size), "train_frames": len(first.train), "code": code}, sort_keys=False, allow_unicode=True
    )
    write_text(folder / "study.yaml", text)


def description_code() -> dict[str, str]:
    """Hashes of the code that computes the audit and the symptoms."""
    loss, frames = "nfloss/**/*", "runner/data/**/*"
    return {"audit": code_of_modules(loss), "symptoms": code_of_modules(loss, frames, "runner/study/description")}


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


def describe_issue(number: int) -> dict[str, Any]:
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


def other_losses(plan: Plan) -> list[dict[str, Any]]:
    """The other losses of a plan, in the form of an issue without a number of its own; nothing where there are none.

    Each fills every slot: it goes with no fix."""
    losses = [
        {"id": loss.name, "name": loss.name, "summary": first_line(loss), "origin": "own", "source": "", "slots": list(SLOTS)}
        | {"loss": os.path.abspath(reference) if ".py:" in reference else reference}
        for loss, reference in zip((a.cell.loss for a in plan.cells if a.cell.loss), plan.experiment.design.losses, strict=True)
    ]
    says = "Losses that a study compares with the fixes: each is trained in place of the near-field loss."
    group = {"number": 0, "title": "Other losses", "severity": "beside the fixes", "says": says, "symptom": None}
    return [{**group, "fixes": losses}] if losses else []


def first_line(loss: Choice) -> str:
    return (getdoc(loss.function) or loss.name).splitlines()[0]


def write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False))


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


def write_frames(path: Path, frames: Frames) -> None:
    """The picked frames as an npz: rgb [3, H, W, 3] uint8, depth [3, H, W] float32 in metres, 0 where unknown."""
    chosen = frames.select(sample_indices(frames))
    rgb = (chosen.rgb.permute(0, 2, 3, 1) * 255).round().to(torch.uint8).numpy()

    def save(temporary: Path) -> None:
        with temporary.open("wb") as file:  # given a name, numpy would add its own ending to it
            np.savez_compressed(file, rgb=rgb, depth=chosen.depth[:, 0].numpy())

    write_atomically(path, save)


DEPTHS = np.geomspace(0.1, 20.0, 241)  # metres
PLACES = 60  # of the run


def definition_table(numbers: Mapping[str, float], epochs: int) -> pd.DataFrame:
    """A row per point of each curve, for the unfixed loss (fix "") and each fix alone: fix, what, x, y.

    `weight`: raw weight of a pixel at depth x in metres, in the middle of the run. `threshold`: metres at epoch x.
    """
    fixes = ["", *(fix.id for fix in all_fixes())]
    losses = Losses([Configuration.of(*([fix] if fix else []), **numbers) for fix in fixes])
    inverse = torch.from_numpy(1.0 / DEPTHS).reshape(1, 1, 1, -1)
    losses.set_epoch(epochs / 2, of=epochs)
    curves = [("weight", DEPTHS, losses.raw_weights(inverse).numpy())]
    places, thresholds = np.linspace(0, epochs, PLACES + 1), []
    for epoch in places:
        losses.set_epoch(epoch, of=epochs)
        thresholds.append(losses.thresholds)
    curves.append(("threshold", places, np.array(thresholds).T))
    parts = [pd.DataFrame({"fix": f, "what": what, "x": x, "y": y[k]}) for what, x, y in curves for k, f in enumerate(fixes)]
    return pd.concat(parts, ignore_index=True)


BATCH, BATCHES = 8, 24


def symptom_table(plan: Plan, data: SeedData) -> pd.DataFrame:
    """A row per issue and configuration (the baseline, then each fix alone): issue, fix, key, name, unit, cured, value.
    An issue of the user's may have none.

    The value is null where the symptom needs training; the analysis takes it from the records.
    """
    truth = data.train.inverse_depth()
    batches = max(2, min(BATCHES, len(truth) // BATCH))
    order = torch.randperm(len(truth), generator=torch.Generator().manual_seed(data.seed))
    picked = order[torch.arange(batches * BATCH) % len(truth)]
    bench = make_bench(truth[picked].unflatten(0, (batches, BATCH)), seed=data.seed)
    rows = []
    for number in sorted(ISSUES):
        issue, shown = ISSUES[number], ISSUES[number].symptom
        if shown is None:
            continue
        fixes = ["", *(fix.id for fix in issue.fixes)]
        configurations = [Configuration.of(*([fix] if fix else []), **plan.experiment.loss) for fix in fixes]
        measure = shown.measure
        losses = Losses(configurations)
        losses.set_epoch(DOCUMENT_EPOCHS / 2)  # scheduled thresholds as in the middle of the run
        values = measure(losses, bench).tolist() if measure else [None] * len(fixes)
        for fix, configuration, value in zip(fixes, configurations, values, strict=True):
            symptom = {"name": shown.name, "unit": shown.unit, "cured": shown.cured}
            rows.append({"issue": number, "fix": fix, "key": configuration.simplified().key, **symptom, "value": value})
    return pd.DataFrame(rows)
