"""Where, when and with what a benchmark was run, and where its results are kept: a file for each machine and date.

`DATE-MACHINE.md` has a section for each commit and command, `DATE-MACHINE.json` beside it the raw timings under the same
headings. The same command at the same commit, run again on that day, replaces its section; anything else is added.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import code_paths

from runner.execution import cores, processor
from runner.study import git_commit, installed

RESULTS = Path(__file__).resolve().parent / "results"
BUSY = 0.5  # load average of a machine that is not quiet
#: Environment variables that hold a processor back; where one is set it is part of the command.
HELD_BACK = ("NUMBA_CPU_NAME", "ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA")


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
        "command": command_line(sys.argv),
    }


def command_line(arguments: Sequence[str]) -> str:
    """What to type in the repository to run this again. `--out` is left out: it says where results go, and nothing of them."""
    told = [f"{name}={os.environ[name]}" for name in HELD_BACK if name in os.environ]
    line = shlex.join([*told, "python", f"benchmarks/{Path(arguments[0]).name}", *arguments[1:]])
    return re.sub(r" --out[ =]('[^']*'|\S+)", "", line)


def changed() -> bool:
    """Whether code differs from the commit."""
    command = ["git", "-C", str(code_paths.ROOT), "status", "--porcelain", "--", "nfloss", "runner"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return bool(said.stdout.strip())


def this_processor() -> str:
    """As `keep` takes it: model and number of cores."""
    return f"{processor()} {cores()}"


def keep(folder: Path, text: str, content: dict[str, Any], device: str, brief: bool) -> None:
    """Write a report (Markdown that begins with its own heading) and its raw content into the files of this device and date.

    `content["machine"]` is what `describe_machine` gave. Files of a brief run are `-brief`, and git ignores them.
    """
    machine = content["machine"]
    stem = f"{machine['date'][:10]}-{file_name(device)}{'-brief' if brief else ''}"
    report, raw = folder / f"{stem}.md", folder / f"{stem}.json"
    folder.mkdir(parents=True, exist_ok=True)
    written = report.read_text(encoding="utf-8") if report.exists() else ""
    kept = json.loads(raw.read_text(encoding="utf-8")) if raw.exists() else {}
    title = heading(machine)
    report.write_text(with_section(written, title, re.sub("^#", "##", text, flags=re.MULTILINE)), encoding="utf-8")
    raw.write_text(json.dumps({**kept, title: content}, indent=1) + "\n", encoding="utf-8")
    print(f"kept in {report} and .json, under {title!r}", file=sys.stderr)


def file_name(device: str) -> str:
    """Intel(R) Xeon(R) Processor @ 2.80GHz 2 -> intel-xeon-2.80ghz-2"""
    words = re.findall(r"[a-z0-9.]+", re.sub(r"\((r|tm)\)", "", device.lower()))
    return "-".join(word for word in words if word not in ("processor", "cpu"))


def heading(machine: dict[str, Any]) -> str:
    """The commit, shortened, and the command."""
    commit, *changes = machine["commit"].split(" ", 1)
    return f"{' '.join([commit[:7], *changes])}: {machine['command']}"


def with_section(text: str, title: str, body: str) -> str:
    """Markdown with `body` under the heading `# title`: in the place of what stood under it, or at the end."""
    before, *parts = re.split(r"^# (.+)\n", text, flags=re.MULTILINE)
    sections = dict(zip(parts[::2], parts[1::2], strict=True)) | {title: body}
    return before + "\n".join(f"# {name}\n\n{section.strip()}\n" for name, section in sections.items())
