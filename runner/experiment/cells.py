"""The cells of a design: the named configurations that each of its parts asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product

from nfloss import ISSUES, Choice, ClashError, Configuration, all_fixes, find_fix
from nfloss.other_losses import load_loss
from nfloss.registry import issue_of
from runner.experiment.design import Cartesian, Design
from runner.experiment.factorial import covering_array, smallest_fraction

#: The fixes that the document recommends.
RECOMMENDATION = ("1-1", "2-1", "3-1", "4-2", "5-1", "6-1", "7-1", "8-1", "9-3", "10-1")
#: The document's order of work, in three stages.
CUMULATIVE_ORDER = (("1-1", "2-1", "3-1", "5-1"), ("4-2", "7-1"), ("6-1", "8-1", "9-3", "10-1"))

#: Origins of the fixes in a product; variants beyond the document, or of its literal wording, are left out.
PRODUCT_ORIGINS = ("document", "own")


@dataclass(frozen=True)
class Cell:
    """A named configuration of a design: fixes and numbers; or another loss, whose name then stands among the fixes."""

    design: str
    name: str
    fixes: tuple[str, ...]
    numbers: Mapping[str, float]
    loss: Choice | None = None

    def configuration(self, shared: Mapping[str, float]) -> Configuration:
        """It as a configuration; `shared`: numbers of every cell. Raises ClashError: two of its fixes fill the same slot."""
        numbers = {**shared, **self.numbers}
        return Configuration.of_loss(self.loss, **numbers) if self.loss else Configuration.of(*self.fixes, **numbers)


def design_cells(design: Design) -> Iterator[Cell]:
    """The cells of every part of the design, the baseline first; a cell with the same name and fixes appears once."""
    seen = set[tuple[str, tuple[str, ...]]]()
    for cell in cells_of_parts(design):
        if (cell.name, cell.fixes) not in seen:
            seen.add((cell.name, cell.fixes))
            yield cell


def cells_of_parts(design: Design) -> Iterator[Cell]:
    if design.cartesian is None:
        yield Cell("baseline", "baseline", (), {})
    if design.one_at_a_time is not None:
        for fix in chosen_fixes(design.one_at_a_time):
            yield product_cell("one at a time", (fix,))
    if design.leave_one_out:
        yield from leave_one_out(RECOMMENDATION)
    if design.cumulative:
        yield from cumulative(CUMULATIVE_ORDER)
    if design.pairs is not None:
        yield from pairs(chosen_fixes(design.pairs))
    if design.fractional is not None:
        for fixes in smallest_fraction(design.fractional.fixes, design.fractional.resolution).cells():
            yield product_cell("fractional", fixes)
    if design.covering is not None:
        yield from covering_cells(levels_of_issues(design.covering.issues), design.covering.strength)
    if design.cartesian is not None:
        yield from cartesian(design.cartesian)
    if design.optuna is not None:  # its first cells: the search itself adds the others
        yield Cell("optuna", "trial 1", design.optuna.allowed_fixes(RECOMMENDATION), {})
    for weight in design.near_weights:
        yield Cell("near weights", f"near weight {weight:g}", (), {"near_weight": weight})
    for loss in map(load_loss, design.losses):
        yield Cell("losses", f"+{loss.name}", (loss.name,), {}, loss)
    for name, cell in design.explicit.items():
        yield Cell("explicit", name, fix_ids(cell.fixes), cell.numbers)


def design_aliases(design: Design) -> tuple[tuple[str, str], ...]:
    """Pairs of terms that the design's fraction cannot separate; empty for a design without a fraction."""
    if design.fractional is None:
        return ()
    return smallest_fraction(design.fractional.fixes, design.fractional.resolution).aliases


def chosen_fixes(which: str | Sequence[str]) -> tuple[str, ...]:
    """Ids of "all" fixes, of the "document"'s, or of a list."""
    if isinstance(which, str):
        return tuple(fix.id for fix in all_fixes() if which == "all" or fix.origin == "document")
    return fix_ids(which)


def pairs(fixes: Sequence[str]) -> Iterator[Cell]:
    """A cell for each fix alone and for each two fixes of different issues: their interaction can be computed."""
    for fix in fixes:
        yield product_cell("pairs", (fix,))
    for first, second in combinations(fixes, 2):
        if issue_of(find_fix(first)) is not issue_of(find_fix(second)):
            yield product_cell("pairs", (first, second))


def product_cell(design: str, fixes: tuple[str, ...]) -> Cell:
    """A cell that is named after its fixes."""
    return Cell(design, "+" + "+".join(fixes) if fixes else "baseline", fixes, {})


def leave_one_out(full: Sequence[str]) -> Iterator[Cell]:
    """The whole recommendation, and the recommendation without each fix.

    1-1 and 10-1 make the same choice in one slot: leaving out either changes nothing, so a cell leaves out both. The
    document's summary repeats the reversed sign of 5-1, so a cell has 5-1w instead of 5-1.
    """
    design = "leave one out"
    yield Cell(design, "full", tuple(full), {})
    for fix in full:
        yield Cell(design, f"full-{fix}", tuple(f for f in full if f != fix), {})
    for twins in same_choices(full):
        yield Cell(design, "full" + "".join(f"-{fix}" for fix in twins), tuple(f for f in full if f not in twins), {})
    if "5-1" in full:
        yield Cell(design, "full with 5-1w", tuple("5-1w" if f == "5-1" else f for f in full), {})


def same_choices(fixes: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of fixes that fill the same slots with the same choices."""
    groups: dict[tuple[tuple[str, object], ...], list[str]] = {}
    for fix in fixes:
        groups.setdefault(tuple(sorted(find_fix(fix).fills.items(), key=lambda item: item[0])), []).append(fix)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def cumulative(order: Sequence[Sequence[str]]) -> Iterator[Cell]:
    """The document's order of work: each cell has one fix more than the cell before."""
    flat = [fix for stage in order for fix in stage]
    for count in range(1, len(flat) + 1):
        yield Cell("cumulative", f"first {count}: ..+{flat[count - 1]}", tuple(flat[:count]), {})


def covering_cells(levels: Sequence[Sequence[str | None]], strength: int) -> Iterator[Cell]:
    """The cells of a covering array that do not clash, then a cell for each combination that only clashing cells covered."""
    added = []
    for fixes in covering_array(levels, strength):
        if compatible(fixes):
            added.append(frozenset(fixes))
            yield product_cell("covering", fixes)
    for factors in combinations(levels, strength):
        others = set().union(*factors)
        for chosen in product(*factors):
            fixes = tuple(fix for fix in chosen if fix is not None)
            covered = any(cell & others == set(fixes) for cell in added)
            if not covered and compatible(fixes):
                added.append(frozenset(fixes))
                yield product_cell("covering", fixes)


@lru_cache(maxsize=65536)
def compatible(fixes: tuple[str, ...]) -> bool:
    try:
        Configuration.of(*fixes)
    except ClashError:
        return False
    return True


def cartesian(which: Cartesian) -> Iterator[Cell]:
    """Every combination of one fix or none for each issue or slot, without those that contain an excluded combination."""
    levels = levels_of_slots(which.slots) if which.slots else levels_of_issues(which.issues or "all")
    excluded = [set(together) for together in which.exclude]
    for chosen in product(*levels):
        fixes = tuple(fix for fix in chosen if fix is not None)
        if not any(together <= set(fixes) for together in excluded):
            yield product_cell("cartesian", fixes)


def levels_of_issues(which: str | Sequence[int]) -> list[list[str | None]]:
    """For each issue: None, and each fix of the document or of the user."""
    issues = sorted(ISSUES) if isinstance(which, str) else which
    return [[None, *(fix.id for fix in ISSUES[issue].fixes if fix.origin in PRODUCT_ORIGINS)] for issue in issues]


def levels_of_slots(slots: Sequence[str]) -> list[list[str | None]]:
    """For each slot: None, and each fix that fills it; a fix that fills several slots belongs to the first of them."""
    left, levels = [fix for fix in all_fixes() if fix.origin in PRODUCT_ORIGINS], list[list[str | None]]()
    for slot in slots:
        own = [fix for fix in left if slot in fix.fills]
        left = [fix for fix in left if fix not in own]
        levels.append([None, *(fix.id for fix in own)])
    return levels


def fix_ids(fixes: Sequence[str]) -> tuple[str, ...]:
    return tuple(find_fix(fix).id for fix in fixes)
