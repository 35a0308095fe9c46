"""Commands about the loss itself: its issues and fixes, the contract of a fix of yours, the document's numbers recomputed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from runner.cli.terminal import CRASHED, print_table

if TYPE_CHECKING:
    from nfloss import Fix


def issues(extensions: list[str], as_json: bool) -> None:
    """List the ten issues and your own, their fixes, and the slots these fill."""
    from nfloss import ISSUES, load_extension
    from nfloss.registry import load_installed
    from runner.study import describe_issue

    load_installed()
    for extension in extensions:
        load_extension(extension)
    if as_json:
        print(json.dumps([describe_issue(number) for number in sorted(ISSUES)], indent=1, ensure_ascii=False))
        return
    for number, issue in sorted(ISSUES.items()):
        print(f"{number:2} {issue.title} ({issue.severity}): {issue.says}")
        for fix in issue.fixes:
            beyond = "" if fix.origin == "document" else f"  [{fix.origin}]"
            print(f"     {fix.id:5} {fix.name:24} {fix.summary}; fills {', '.join(fix.fills)}{beyond}")


def check(extension: str, as_json: bool) -> int:
    """Try fixes, or a loss, of your own against the contract that every one keeps to; says what breaks it."""
    of_a_loss = ":" in extension
    table = [loss_entry(extension)] if of_a_loss else check_table(extension)
    lines = loss_lines if of_a_loss else check_lines
    print(json.dumps(table, indent=1) if as_json else "\n".join(lines(table)))
    return CRASHED if any(entry["broken"] for entry in table) else 0


def check_table(extension: str) -> list[dict[str, Any]]:
    """An entry for each fix of "path/to/file.py" or "package.module": its promises that are broken, and what keeps it from
    being exported as one file, if anything does."""
    from nfloss import load_extension
    from nfloss.testing import broken_promises

    return [
        {
            "fix": fix.id,
            "name": fix.name,
            "slots": list(fix.fills),
            "broken": [{"promise": broken.promise, "found": broken.found} for broken in broken_promises(fix)],
            "not_exported": not_exported(fix),
        }
        for fix in load_extension(extension)
    ]


def loss_entry(reference: str) -> dict[str, Any]:
    """The first promise that the loss of "path/to/file.py:function" or "package.module:function" breaks, if it breaks one."""
    from nfloss.other_losses import load_loss
    from nfloss.testing import broken_loss_promise

    loss = load_loss(reference)
    broken = broken_loss_promise(loss)
    return {"loss": loss.name, "broken": [{"promise": broken[0], "found": broken[1]}] if broken else []}


def loss_lines(table: list[dict[str, Any]]) -> list[str]:
    """The table of a loss as text."""
    from nfloss.testing import LOSS_CONTRACT

    lines = []
    for entry in table:
        lines += [f"{entry['loss']}: keeps {len(LOSS_CONTRACT)} of {len(LOSS_CONTRACT)} promises"] * (not entry["broken"])
        lines += [f"{entry['loss']}: broken: {broken['promise']}\n  {broken['found']}" for broken in entry["broken"]]
    return lines


def not_exported(fix: Fix) -> str | None:
    """Why `nfloss.standalone` refuses the fix; None where it does not."""
    from nfloss import Configuration
    from nfloss.standalone import standalone

    try:
        standalone(Configuration.of_fixes([fix]))
    except ValueError as error:
        return str(error)
    return None


def check_lines(table: list[dict[str, Any]]) -> list[str]:
    """The table as text."""
    from nfloss.testing import CONTRACT

    lines = []
    for entry in table:
        kept = f"keeps {len(CONTRACT) - len(entry['broken'])} of {len(CONTRACT)} promises"
        lines.append(f"{entry['fix']} {entry['name']} (fills {', '.join(entry['slots'])}): {kept}")
        lines += [f"  broken: {broken['promise']}\n    {broken['found']}" for broken in entry["broken"]]
        lines += [f"  note: it cannot be exported as one file: {entry['not_exported']}"] * bool(entry["not_exported"])
    return lines


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
