"""The registry: issues and their fixes by id and name, duplicates refused, an unknown name answered with the known ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from nfloss.slots import BASELINE, SLOTS, Choice
from nfloss.words import misfit

if TYPE_CHECKING:
    from nfloss.claims import Claim
    from nfloss.symptoms import Symptom

Severity = Literal["critical", "major", "medium"]
Origin = Literal["document", "beyond the document", "document to the letter", "own"]


@dataclass(frozen=True)
class Fix:
    """One fix of one issue: the words it puts into the slots it fills.

    Raises:
        ValueError: no slot, or one that there is not; a word that does not fit its slot.
    """

    id: str
    name: str
    summary: str
    fills: Mapping[str, Choice]
    origin: Origin = "own"
    source: str = ""

    def __post_init__(self) -> None:
        unknown = [slot for slot in self.fills if slot not in SLOTS]
        if unknown or not self.fills:
            raise ValueError(f"fix {self.id}: fills {unknown or 'no slot'}; the slots are {', '.join(SLOTS)}")
        for slot, choice in self.fills.items():
            if wrong := misfit(slot, choice):
                raise ValueError(f"fix {self.id}: {wrong}")


def nothing_claimed() -> Iterable[Claim]:
    """The document's numbers about an issue that is not the document's."""
    return ()


@dataclass(frozen=True)
class Issue:
    """An issue, one of the document's ten or the user's (11 and up): what it says and its fixes.

    symptom: the issue as one number without training, where there is such a number. claims: the document's, recomputed.
    """

    number: int
    title: str
    severity: Severity
    says: str
    fixes: tuple[Fix, ...]
    symptom: Symptom | None = None
    claims: Callable[[], Iterable[Claim]] = field(repr=False, default=nothing_claimed)


ISSUES: dict[int, Issue] = {}
_FIXES: dict[str, Fix] = {}  # by id and by name


def register(issue: Issue) -> Issue:
    """Add an issue and its fixes; a number, id, name or word that is taken is refused."""
    if issue.number in ISSUES:
        raise ValueError(f"issue {issue.number} is registered already ({ISSUES[issue.number].title!r})")
    enter(issue.number, issue.fixes)
    ISSUES[issue.number] = issue
    return issue


def add_fix(issue: int, fix: Fix) -> Fix:
    """Add one more fix to an issue that is registered; an id, name or word that is taken is refused."""
    if issue not in ISSUES:
        raise ValueError(f"fix {fix.id}: there is no issue {issue}; the issues are {', '.join(map(str, sorted(ISSUES)))}")
    enter(issue, (fix,))
    ISSUES[issue] = replace(ISSUES[issue], fixes=(*ISSUES[issue].fixes, fix))
    return fix


def enter(issue: int, fixes: tuple[Fix, ...]) -> None:
    """Fixes under their ids and names; all or none."""
    handles = [handle for fix in fixes for handle in (fix.id, fix.name)]
    for handle in handles:
        if handle in _FIXES or handles.count(handle) > 1:
            raise ValueError(f"fix {handle!r} of issue {issue} is registered already")
    for fix in fixes:
        if not fix.id.startswith(f"{issue}-"):
            raise ValueError(f"fix {fix.id!r}: an id of issue {issue} begins with {issue}-, such as {issue}-1")
        for slot, choice in fix.fills.items():
            if (other := namesake(slot, choice, fixes)) is not None:
                raise ValueError(f"fix {fix.id}: the word {choice.name!r} of slot {slot!r} is registered already ({other})")
    _FIXES.update({handle: fix for fix in fixes for handle in (fix.id, fix.name)})


def namesake(slot: str, choice: Choice, fixes: Iterable[Fix]) -> str | None:
    """Whose the other word of that name is, where there is one: the key of a configuration is made of the words' names."""
    if choice.name == BASELINE[slot].name and choice != BASELINE[slot]:
        return "the baseline's"
    others = (fix for fix in (*_FIXES.values(), *fixes) if slot in fix.fills)
    return next(
        (f"fix {fix.id}'s" for fix in others if fix.fills[slot].name == choice.name and fix.fills[slot] != choice), None
    )


def restore(issues: dict[int, Issue], fixes: dict[str, Fix]) -> None:
    """The registry as it was."""
    ISSUES.clear()
    ISSUES.update(issues)
    _FIXES.clear()
    _FIXES.update(fixes)


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """What was registered before an error came is taken back."""
    before = dict(ISSUES), dict(_FIXES)
    try:
        yield
    except BaseException:
        restore(*before)
        raise


def registered() -> tuple[Fix, ...]:
    """The fixes registered so far, in the issues' order."""
    return tuple(fix for number in sorted(ISSUES) for fix in ISSUES[number].fixes)


def all_fixes() -> tuple[Fix, ...]:
    """Every fix, those of installed packages included, in the issues' order."""
    with_installed()
    return registered()


def with_installed() -> None:
    """Once in a process, see to the fixes of installed packages; asked for where the ten issues' own do not do."""
    from nfloss.extensions import load_installed  # which needs the registry

    load_installed()


def issue_of(fix: Fix) -> Issue:
    """The issue that a fix belongs to."""
    return next(issue for issue in ISSUES.values() if fix in issue.fixes)


def find_fix(handle: object) -> Fix:
    """The fix of that id or name.

    Raises:
        ValueError: unknown; the message lists the known ids and the nearest handle.
    """
    if isinstance(handle, str):
        if handle not in _FIXES:
            with_installed()
        if handle in _FIXES:
            return _FIXES[handle]
    siblings = [f.id for f in all_fixes() if isinstance(handle, str) and f.id.split("-")[0] == handle.split("-")[0]]
    near = siblings or difflib.get_close_matches(str(handle), list(_FIXES), n=1)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise ValueError(f"unknown fix {handle!r}{hint}; known fixes: {', '.join(fix.id for fix in all_fixes())}")
