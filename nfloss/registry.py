"""The registry: issues and their fixes by id and name, duplicates refused, an unknown name answered with the known ones."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import Any, Literal

from torch import Tensor

from nfloss.slot_check import misfit
from nfloss.slots import BASELINE, SLOTS, Choice
from nfloss.user_code import USER_ERRORS, in_a_line

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


@dataclass(frozen=True)
class Symptom:
    """What is measured, in which unit, and which value would mean that the issue is gone.

    measure: (`Losses`, `nfloss.symptoms.Bench`) -> one value per configuration, [K]; leaves the losses as they are. None: the
        symptom needs training and is read from the records.
    also: further measurements of the same issue.
    """

    name: str
    unit: str
    cured: str
    measure: Callable[[Any, Any], Tensor] | None = field(repr=False, default=None)
    also: tuple[Symptom, ...] = ()


@dataclass(frozen=True)
class Issue:
    """An issue, one of the document's ten or the user's (11 and up): what it says and its fixes.

    symptom: the issue as one number without training, where there is such a number.
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
    load_installed()
    return registered()


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
            load_installed()
        if handle in _FIXES:
            return _FIXES[handle]
    siblings = [f.id for f in all_fixes() if isinstance(handle, str) and f.id.split("-")[0] == handle.split("-")[0]]
    near = siblings or difflib.get_close_matches(str(handle), list(_FIXES), n=1)
    hint = f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""
    raise ValueError(f"unknown fix {handle!r}{hint}; known fixes: {', '.join(fix.id for fix in all_fixes())}")


# --- Fixes of installed packages, and where a fix comes from ------------------------------------------------------------

GROUP = "nfloss.fixes"
_PLACES: dict[str, str] = {}  # where a fix comes from, by its id
_asked: set[str] = set()


class ExtensionError(ValueError):
    """What is wrong with an extension, in one line."""


def load_installed() -> None:
    """Register the fixes of every installed package with an entry point of the group `nfloss.fixes`: a module that registers
    as it is imported, or a function that does when it is called. Once in a process.

    Raises:
        ExtensionError: one of them cannot be loaded.
    """
    if GROUP in _asked:
        return
    _asked.add(GROUP)  # before, as an extension may ask for all fixes
    try:
        for point in entry_points(group=GROUP):
            with told(f"the installed extension {point.name} = {point.value} (entry point of {GROUP})", point.module):
                found = point.load()
                if callable(found):
                    found()
    except ExtensionError:
        _asked.discard(GROUP)
        raise


@contextmanager
def told(what: str, place: str) -> Iterator[None]:
    """Errors of the user's code as one line that begins with `what`, what it registered before taken back; else it is noted
    where its fixes come from."""
    before = {fix.id for fix in registered()}
    try:
        with all_or_nothing():
            yield
    except ExtensionError:
        raise
    except USER_ERRORS as error:
        raise ExtensionError(f"{what} cannot be loaded: {in_a_line(error)}") from error
    _PLACES.update({fix.id: place for fix in registered() if fix.id not in before})


def place_of(fix: Fix) -> str | None:
    """The extension that a fix comes from, an absolute path or a module; None for those of the house."""
    return _PLACES.get(fix.id)
