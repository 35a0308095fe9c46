"""Where, when and with what a benchmark was run, and where its results are kept."""

from __future__ import annotations

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import code_paths

from runner.execution.devices import cores
from runner.study.description import git_commit, installed, processor

RESULTS = Path(__file__).resolve().parent / "results"
BUSY = 0.5  # load average of a machine that is not quiet


def describe_machine(packages: Sequence[str]) -> dict[str, Any]:
    """A line for each fact."""
    versions, load = {name: installed(name) for name in packages}, os.getloadavg()[0]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": f"{processor()}, {cores()} cores",
        "system": f"{platform.system()}, Python {platform.python_version()}",
        "versions": ", ".join(f"{name} {found}" for name, found in versions.items() if found),
        "commit": f"{git_commit()}{' with changes' if changed() else ''}",
        "load when it began": f"{load:.1f}{' (others were at work: not to be published)' if load > BUSY else ''}",
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
    }


def changed() -> bool:
    """Whether code differs from the commit."""
    command = ["git", "-C", str(code_paths.ROOT), "status", "--porcelain", "--", "nfloss", "runner"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return bool(said.stdout.strip())


def keep(folder: Path, text: str, content: dict[str, Any], where: str, brief: bool) -> None:
    """Files named by date and `where` it was measured; those of a brief run are `-brief`, and git ignores them."""
    model = "-".join(where.lower().replace("(r)", "").replace("(tm)", "").split())
    name = f"{datetime.now(UTC):%Y-%m-%d}-{model}{'-brief' if brief else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"kept in {folder}/{name}.md and .json", file=sys.stderr)
