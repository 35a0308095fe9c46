"""The registry: issues and their fixes by id and name, duplicates refused, an unknown name answered with the known ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from nfloss.slots import SLOTS, Choice

if TYPE_CHECKING:
    from nfloss.claims import Claim
    from nfloss.symptoms import Symptom

Severity = Literal["critical", "major", "medium"]
Origin = Literal["document", "beyond the document", "document to the letter"]


@dataclass(frozen=True)
class Fix:
    """One fix of one issue: the words it puts into the slots it fills."""

    id: str
    name: str
    summary: str
    fills: Mapping[str, Choice]
    origin: Origin = "document"
    source: str = ""

    def __post_init__(self) -> None:
        unknown = [slot for slot in self.fills if slot not in SLOTS]
        if unknown or not self.fills:
            raise ValueError(f"fix {self.id}: fills {unknown or 'no slot'}; the slots are {', '.join(SLOTS)}")


@dataclass(frozen=True)
class Issue:
    """One of the document's ten issues: what it says, its fixes, its symptom, its numbers."""

    number: int
    title: str
    severity: Severity
    says: str
    fixes: tuple[Fix, ...]
    symptom: Symptom
    claims: Callable[[], Iterable[Claim]] = field(repr=False)


ISSUES: dict[int, Issue] = {}
_FIXES: dict[str, Fix] = {}  # by id and by name


def register(issue: Issue) -> Issue:
    """Add an issue and its fixes; a number, id or name that is taken is refused."""
    if issue.number in ISSUES:
        raise ValueError(f"issue {issue.number} is registered already ({ISSUES[issue.number].title!r})")
    handles = [handle for fix in issue.fixes for handle in (fix.id, fix.name)]
    for handle in handles:
        if handle in _FIXES or handles.count(handle) > 1:
            raise ValueError(f"fix {handle!r} of issue {issue.number} is registered already")
    ISSUES[issue.number] = issue
    _FIXES.update({handle: fix for fix in issue.fixes for handle in (fix.id, fix.name)})
    return issue


def all_fixes() -> tuple[Fix, ...]:
    """Every registered fix, in the issues' order."""
    return tuple(fix for number in sorted(ISSUES) for fix in ISSUES[number].fixes)


def issue_of(fix: Fix) -> Issue:
    """The issue that a fix belongs to."""
    return next(issue for issue in ISSUES.values() if fix in issue.fixes)


def find_fix(handle: object) -> Fix:
    """The fix of that id or name.

    Raises:
        ValueError: unknown; the message lists the known ids and the nearest handle.
    """
    if isinstance(handle, str) and handle in _FIXES:
        return _FIXES[handle]
    siblings = [f.id for f in all_fixes() if isinstance(handle, str) and f.id.split("-")[0] == handle.split("-")[0]]
    near = siblings or difflib.get_close_matches(str(handle), list(_FIXES), n=1)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise ValueError(f"unknown fix {handle!r}{hint}; known fixes: {', '.join(fix.id for fix in all_fixes())}")
