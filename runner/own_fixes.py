"""`nfloss check`: a user's fixes against the contract of every fix, and whether each can be written as a file of its own."""

from __future__ import annotations

from typing import Any

from nfloss import Configuration, Fix, load_extension
from nfloss.standalone import standalone
from nfloss.testing.contract import CONTRACT, broken_promises


def check_table(extension: str) -> list[dict[str, Any]]:
    """An entry for each fix of "path/to/file.py" or "package.module": its promises that are broken, and what keeps it from
    being exported as one file, if anything does."""
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


def not_exported(fix: Fix) -> str | None:
    """Why `nfloss.standalone` refuses the fix; None where it does not."""
    try:
        standalone(Configuration.of_fixes([fix]))
    except ValueError as error:
        return str(error)
    return None


def check_lines(table: list[dict[str, Any]]) -> list[str]:
    """The table in words."""
    lines = []
    for entry in table:
        kept = f"keeps {len(CONTRACT) - len(entry['broken'])} of {len(CONTRACT)} promises"
        lines.append(f"{entry['fix']} {entry['name']} (fills {', '.join(entry['slots'])}): {kept}")
        lines += [f"  broken: {broken['promise']}\n    {broken['found']}" for broken in entry["broken"]]
        lines += [f"  note: as one file it cannot be written: {entry['not_exported']}"] * bool(entry["not_exported"])
    return lines
