"""The registry of issues and their fixes. It refuses duplicates, and lists the known fixes where one is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import Any, Literal

from torch import Tensor

from nfloss.slot_check import mismatch
from nfloss.slots import BASELINE, SLOTS, Choice
from nfloss.user_code import USER_ERRORS, in_a_line

Severity = Literal["critical", "major", "medium"]
Origin = Literal["document", "beyond the document", "document to the letter", "own"]


@dataclass(frozen=True)
class Fix:
    """One fix of one issue: the slots it fills, and the choice for each.

    Raises ValueError: it fills no slot or an unknown one, or a choice does not fit its slot."""

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
            if wrong := mismatch(slot, choice):
                raise ValueError(f"fix {self.id}: {wrong}")


@dataclass(frozen=True)
class Symptom:
    """What is measured, in which unit, and which value means that the issue is cured.

    measure: (`Losses`, `nfloss.symptoms.Bench`) -> one value per configuration, [K]; it must not change the losses. None: the
        symptom needs training and is read from the records.
    """

    name: str
    unit: str
    cured: str
    measure: Callable[[Any, Any], Tensor] | None = field(repr=False, default=None)


@dataclass(frozen=True)
class Issue:
    """An issue, one of the document's ten or one of the user's (11 and up): what it says and its fixes.

    symptom: the issue measured as one number, where that is possible.
    """

    number: int
    title: str
    severity: Severity
    says: str
    fixes: tuple[Fix, ...]
    symptom: Symptom | None = None


ISSUES: dict[int, Issue] = {}
_FIXES: dict[str, Fix] = {}  # by id and by name


def register(issue: Issue) -> Issue:
    """Add an issue and its fixes. Raises ValueError where its number, or an id, name or choice name, is in use."""
    if issue.number in ISSUES:
        raise ValueError(f"issue {issue.number} is registered already ({ISSUES[issue.number].title!r})")
    add_to_registry(issue.number, issue.fixes)
    ISSUES[issue.number] = issue
    return issue


def add_fix(issue: int, fix: Fix) -> Fix:
    """Add a fix to a registered issue. Raises ValueError where its id, name or choice name is in use, or no such issue."""
    if issue not in ISSUES:
        raise ValueError(f"fix {fix.id}: there is no issue {issue}; the issues are {', '.join(map(str, sorted(ISSUES)))}")
    add_to_registry(issue, (fix,))
    ISSUES[issue] = replace(ISSUES[issue], fixes=(*ISSUES[issue].fixes, fix))
    return fix


def add_to_registry(issue: int, fixes: tuple[Fix, ...]) -> None:
    """Check the fixes, then store each by id and by name; all or none."""
    handles = [handle for fix in fixes for handle in (fix.id, fix.name)]
    for handle in handles:
        if handle in _FIXES or handles.count(handle) > 1:
            raise ValueError(f"fix {handle!r} of issue {issue} is registered already")
    for fix in fixes:
        if not fix.id.startswith(f"{issue}-"):
            raise ValueError(f"fix {fix.id!r}: an id of issue {issue} begins with {issue}-, such as {issue}-1")
        for slot, choice in fix.fills.items():
            if (other := owner_of_name(slot, choice, fixes)) is not None:
                raise ValueError(f"fix {fix.id}: choice {choice.name!r} of slot {slot!r} is registered already ({other})")
    _FIXES.update({handle: fix for fix in fixes for handle in (fix.id, fix.name)})


def owner_of_name(slot: str, choice: Choice, fixes: Iterable[Fix]) -> str | None:
    """The owner of another choice with this name, or None. Names must be unique: configuration keys are hashes of them."""
    if choice.name == BASELINE[slot].name and choice != BASELINE[slot]:
        return "the baseline's"
    others = (fix for fix in (*_FIXES.values(), *fixes) if slot in fix.fills)
    return next(
        (f"fix {fix.id}'s" for fix in others if fix.fills[slot].name == choice.name and fix.fills[slot] != choice), None
    )


def restore(issues: dict[int, Issue], fixes: dict[str, Fix]) -> None:
    """Set the registry back to this content."""
    ISSUES.clear()
    ISSUES.update(issues)
    _FIXES.clear()
    _FIXES.update(fixes)


def registered() -> tuple[Fix, ...]:
    """The fixes registered so far, in the order of the issues."""
    return tuple(fix for number in sorted(ISSUES) for fix in ISSUES[number].fixes)


def all_fixes() -> tuple[Fix, ...]:
    """Every fix, including those of installed packages, in the order of the issues."""
    load_installed()
    return registered()


def issue_of(fix: Fix) -> Issue:
    return next(issue for issue in ISSUES.values() if fix in issue.fixes)


def find_fix(handle: object) -> Fix:
    """The fix with this id or name. Raises ValueError: unknown; the message lists the known ids and suggests the nearest."""
    if isinstance(handle, str):
        if handle not in _FIXES:
            load_installed()
        if handle in _FIXES:
            return _FIXES[handle]
    siblings = [f.id for f in all_fixes() if isinstance(handle, str) and f.id.split("-")[0] == handle.split("-")[0]]
    near = siblings or difflib.get_close_matches(str(handle), list(_FIXES), n=1)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise ValueError(f"unknown fix {handle!r}{hint}; known fixes: {', '.join(fix.id for fix in all_fixes())}")


# --- Fixes of installed packages, and the extension that a fix comes from -----------------------------------------------

GROUP = "nfloss.fixes"
_PLACES: dict[str, str] = {}  # the extension that a fix comes from, by fix id
_asked: set[str] = set()  # entry-point groups that have been loaded


class ExtensionError(ValueError):
    """An extension cannot be loaded; the message is one line."""


def load_installed() -> None:
    """Register the fixes of every installed package with an entry point in the group `nfloss.fixes`, once per process.

    The entry point is a module that registers fixes when imported, or a function that does when called.

    Raises ExtensionError: one of them cannot be loaded."""
    if GROUP in _asked:
        return
    _asked.add(GROUP)  # first, because an extension may call all_fixes()
    try:
        for point in entry_points(group=GROUP):
            what = f"the installed extension {point.name} = {point.value} (entry point of {GROUP})"
            with as_extension_error(what, point.module):
                found = point.load()
                if callable(found):
                    found()
    except ExtensionError:
        _asked.discard(GROUP)
        raise


@contextmanager
def as_extension_error(what: str, place: str) -> Iterator[None]:
    """Raise errors of the user's code as `ExtensionError`, one line that begins with `what`.

    On an error, everything registered inside is removed again; otherwise `place` is stored for the new fixes.
    """
    issues, fixes = dict(ISSUES), dict(_FIXES)
    try:
        yield
    except BaseException as error:
        restore(issues, fixes)
        if isinstance(error, USER_ERRORS) and not isinstance(error, ExtensionError):
            raise ExtensionError(f"{what} cannot be loaded: {in_a_line(error)}") from error
        raise
    _PLACES.update({fix.id: place for fix in registered() if fix.id not in fixes})


def place_of(fix: Fix) -> str | None:
    """The extension that a fix comes from, as an absolute path or a module name; None for a built-in fix."""
    return _PLACES.get(fix.id)
