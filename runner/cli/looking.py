"""Commands that look at what there is: the issues, a fix of one's own, the document's numbers, frames, a study."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from runner.cli.needs import need_report
from runner.cli.words import CRASHED, print_table


def issues(extensions: list[str], as_json: bool) -> None:
    """List the ten issues and your own, their fixes, and the slots these fill."""
    from nfloss import ISSUES, load_extension
    from nfloss.registry import load_installed
    from runner.study.description import describe

    load_installed()
    for extension in extensions:
        load_extension(extension)
    if as_json:
        print(json.dumps([describe(number) for number in sorted(ISSUES)], indent=1, ensure_ascii=False))
        return
    for number, issue in sorted(ISSUES.items()):
        print(f"{number:2} {issue.title} ({issue.severity}): {issue.says}")
        for fix in issue.fixes:
            beyond = "" if fix.origin == "document" else f"  [{fix.origin}]"
            print(f"     {fix.id:5} {fix.name:24} {fix.summary}; fills {', '.join(fix.fills)}{beyond}")


def check(extension: str, as_json: bool) -> int:
    """Try fixes of your own against the contract that every fix keeps to; says in plain words what breaks it."""
    from runner.own_fixes import check_lines, check_table

    table = check_table(extension)
    print(json.dumps(table, indent=1) if as_json else "\n".join(check_lines(table)))
    return CRASHED if any(entry["broken"] for entry in table) else 0


def audit(as_json: bool) -> None:
    """Recompute every number of the source document: claimed, computed, verdict."""
    from dataclasses import asdict

    from nfloss import audit as all_claims

    claims = all_claims()
    if as_json:
        print(json.dumps([asdict(claim) for claim in claims], indent=1, ensure_ascii=False))
        return
    print_table(
        ["issue", "quantity", "document", "computed", "verdict"],
        [[str(c.issue), c.quantity, c.claimed, c.computed, c.verdict] for c in claims],
    )
    verdicts = [claim.verdict for claim in claims]
    print("\n" + ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts)) + f"; {len(claims)} in all")


def data(
    what: str,
    path: str | None,
    format: str,
    depth_scale: float | None,
    near_weight: float | None,
    threshold: float | None,
    expected: float | None,
    batch: int | None,
    frames: int,
    out: Path | None,
) -> None:
    """List the formats of frames (formats), or say how the depth of a data set is spread and what weights suit it (stats)."""
    if what == "formats":
        from runner.data_words import format_lines

        print("\n".join(format_lines()))
        return
    if path is None:
        raise ValueError("data stats: PATH is missing; a folder of frames, an EXPERIMENT.yaml or the word scenes is needed")
    if out is not None and find_spec("matplotlib") is None:
        raise ValueError("--out needs matplotlib, not installed here: pip install matplotlib")
    from runner.data.statistics import spread
    from runner.data_source import source
    from runner.data_words import lines, plain

    given = {"near_weight": near_weight, "threshold": threshold, "expected": expected, "batch": batch}
    seen, asked = source(path, format, depth_scale, frames, {name: value for name, value in given.items() if value is not None})
    found = spread(seen, asked)
    *said, conclusion = lines(path, found, asked)
    print("\n".join([*said, conclusion]))
    if out is not None:
        from analysis.plots import draw_data

        draw_data(out, path, *plain(found, asked), conclusion.partition(";")[0])
        print(f"figure: {out}")


def status(study: Path) -> None:
    """Say what is done and what is missing."""
    from runner.records.files import read_table
    from runner.records.tables import keys_and_seeds, read_trials
    from runner.study.folder import read_study
    from runner.study.status import balanced_part

    settings = read_study(study)
    cells = read_table(study / "plan.parquet")
    trials = read_trials(study / "records", cells)
    if len(trials):
        trials = trials[trials["key"].isin(cells["key"])]  # a search may have given a cell up after its first seeds
    planned = int((cells["status"] == "trained").sum()) * len(settings["seeds"])
    diverged = int((trials["status"] == "diverged").sum()) if len(trials) else 0
    print(f"{settings['name']}: {planned} planned, {len(trials)} done, {diverged} diverged, {planned - len(trials)} missing")
    if len(trials) < planned:
        product = settings["experiment"]["design"]["cartesian"] is not None
        print(balanced_part(cells, settings["seeds"], keys_and_seeds(trials), product))
    for seed in settings["seeds"] if len(trials) < planned else []:
        print(f"  seed {seed}: {int((trials['seed'] == seed).sum()) if len(trials) else 0} trials")


def power(study: Path, gain: float) -> None:
    """Say what a study's seeds can tell apart, and how many would tell a gain of so many percent."""
    need_report(study)
    from analysis.power import power_lines

    print("\n".join(power_lines(study, gain)))
