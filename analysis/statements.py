"""What is said of a study, each statement by one function.

The page, its figures, the notebook, the terminal, the summary and the tables take their words from here, so that no two of them
disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from analysis.deciding import settling
from analysis.formatting import label_of, ratio, times
from analysis.regime import is_early
from analysis.rules import (
    ADOPT,
    HARMFUL,
    NO_EFFECT,
    NOT_RUN,
    OPEN,
    PROVED,
    TRADE,
    VERDICTS,
    counted_fixes,
    distinct_fixes,
    trained_alone,
)
from analysis.study import Study

VERBS = {  # of one fix, of several
    ADOPT: ("helps (adopt)", "help (adopt)"),
    HARMFUL: ("is harmful", "are harmful"),
    TRADE: ("trades one error for the other", "trade one error for the other"),
    OPEN: ("is open", "are open"),
    NO_EFFECT: ("has no effect", "have no effect"),
}
UNKNOWN = "–"
EQUAL = "×1 (proved)"
FEW = 0.7  # a word that holds in a smaller share of the repeats without one seed hangs on single seeds


def names(fixes: Iterable[dict[str, Any]]) -> str:
    return ", ".join(map(label_of, fixes))


def by_word(judged: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Word -> its fixes, in reading order; every word is there. Fixes that are the same training as another are left out."""
    counted = counted_fixes(judged)
    return {word: [fix for fix in counted if fix["verdict"] == word] for word in VERDICTS}


def repeats(judged: dict[str, Any], fix: dict[str, Any]) -> list[dict[str, Any]]:
    """The fixes that are the same training as this one."""
    return [other for other in trained_alone(judged) if other["same_as"] == fix["id"]]


def counts(judged: dict[str, Any], named: Sequence[str] = ()) -> str:
    """The number of fixes with each word, and their ids for the words in `named`."""
    groups = by_word(judged)
    if not any(groups.values()):
        return "no fix alone, combinations only"
    parts = [
        f"{len(own)} {word}" + (f" ({', '.join(fix['id'] for fix in own)})" if own and word in named else "")
        for word, own in groups.items()
    ]
    return ", ".join(parts)


def verdict_sentence(judged: dict[str, Any]) -> str:
    """The fixes of each word; those that repeat another fix are named, and not counted."""
    groups, parts = by_word(judged), list[str]()
    if not any(groups.values()):
        return "No fix was trained alone: this study compares combinations."
    for word, own in groups.items():
        if own:
            ids = ", ".join(f"{fix['id']}{_note(fix)}" for fix in own)
            proved = sum(fix["detail"].startswith(PROVED) for fix in own)
            extra = f"; {proved} of them proved: the same training as the baseline" if proved else ""
            parts.append(f"{len(own)} {VERBS[word][len(own) > 1]}: {ids}{extra}")
        elif word == ADOPT:
            parts.append("none is shown to help")
    counted = counted_fixes(judged)
    parts += [f"{fix['id']} is the same training as {fix['same_as']}" for fix in trained_alone(judged) if fix not in counted]
    return f"Of {len(counted)} fixes, each alone against the baseline, " + ". ".join(parts) + "."


def _note(fix: dict[str, Any]) -> str:
    """A remark on a fix in a list: how the series reads that it adds to the log, or its place beside the near weights."""
    if fix["reads"]:
        return f" (its series reads {fix['reads']})".replace("reads not", "is not")
    return f" ({place(fix)})" if fix["verdict"] == TRADE and place(fix) else ""


def shown_and_missing(judged: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """The fixes of the study, and a line that names the fixes it does not have; empty if it has all."""
    missing = [fix["id"] for fix in judged["fixes"] if fix["absent"] == NOT_RUN]
    shown = [fix for fix in judged["fixes"] if fix["id"] not in missing]
    return shown, f"{NOT_RUN.capitalize()}: {', '.join(missing)}." if missing else ""


def error(entry: dict[str, Any], measure: str) -> str:
    """A measure of a fix as a ratio to the baseline's: "near", "far", "stability"; "beyond_near_weight_curve": the curve's."""
    if entry.get("key", True) is None:
        return UNKNOWN
    if entry.get("same_as") in ("baseline", "full"):
        return EQUAL if measure in ("near", "far") else UNKNOWN
    return ratio(entry[measure]) if entry[measure] else UNKNOWN


def estimate(entry: dict[str, Any], measure: str) -> str:
    """As `error`, without the interval."""
    return error(entry, measure).partition(" ")[0]


def place(fix: dict[str, Any]) -> str:
    """The place of a fix beside the curve of near weights, where its word rests on it: "as near weight 1.9". Else empty: a fix
    without effect lies on the curve where the baseline does, and a harmful one is no better for lying near it."""
    curve = fix["beyond_near_weight_curve"]
    return str(curve["words"]).partition(" (")[0] if curve and fix["verdict"] in (ADOPT, TRADE, OPEN) else ""


def is_beyond(fix: dict[str, Any]) -> bool:
    """Whether a fix is better than any near weight, and its word rests on that."""
    return bool(place(fix)) and fix["beyond_near_weight_curve"]["beyond"]


def beyond_sentence(judged: dict[str, Any]) -> str:
    """Which fixes are better than any near weight; without a full stop."""
    known = [fix for fix in distinct_fixes(judged) if fix["beyond_near_weight_curve"]]
    if not known:
        return "Near error against far error, each fix alone"
    beyond = [fix["id"] for fix in known if is_beyond(fix)]
    trades = [fix for fix in known if fix["verdict"] == TRADE and fix["id"] not in beyond]
    first = f"{', '.join(beyond)} {'is' if len(beyond) == 1 else 'are'} better than any near weight"
    if not beyond:
        first = "No fix with an effect is better than any near weight"
    trade = VERBS[TRADE][len(trades) > 1]
    return f"{first}; {len(trades)} {'other ' if beyond else ''}{trade}" if trades else first


def support_text(fix: dict[str, Any]) -> str:
    """In how many repeats without one seed the word stays; empty where nothing was measured.

    >>> support_text({"support": {"holds": 5, "of": 6}})
    'holds in 5 of 6'
    """
    found = fix["support"]
    return f"holds in {found['holds']} of {found['of']}" if found else ""


def why(fix: dict[str, Any]) -> str:
    """The reason of a word, and of an open one what would settle it."""
    if fix["verdict"] != OPEN or not fix["key"]:
        return str(fix["detail"])
    return f"{fix['detail']}; {settling(fix)}"


def confirmation_text(judged: dict[str, Any], fix: dict[str, Any]) -> str:
    """What fresh seeds say of a fix that is to adopt, or would be if judged alone; empty for the others."""
    found, id = judged["recommendation"], fix["same_as"] or fix["id"]
    if not any(id in candidate["fixes"] for candidate in found["candidates"].values()):
        return "not part of the recommendation" if fix["verdict"] == ADOPT else ""
    fresh = f"{len(found['fresh_seeds'])} fresh seeds"
    if not found["fresh_seeds"]:
        return "not yet confirmed on fresh seeds"
    if id not in found["fixes"]:
        return f"not confirmed on {fresh}"
    others = [other for other in found["fixes"] if other != id]
    return f"confirmed on {fresh}" + (f", together with {', '.join(others)}" if others else "")


def take_home(study: Study, judged: dict[str, Any]) -> list[tuple[str, str]]:
    """What to adopt, what to avoid, what is no improvement, and how sure all that is: (label, text) each."""
    found = judged["recommendation"]
    chosen = names(fix for fix in judged["fixes"] if fix["id"] in found["fixes"])
    adopt = ("adopt", str(found["words"]) + (f" ({chosen})" if chosen else ""))
    if is_early(judged):
        return [adopt, ("avoid", "none, since the study is early"), ("how sure", "not at all, since the study is early")]
    groups = by_word(judged)
    avoid = names(groups[HARMFUL]) or ("no fix is shown to be harmful" if any(groups.values()) else "no fix was trained alone")
    lines = [adopt, ("avoid", avoid)]
    if groups[TRADE]:
        trades = ", ".join(f"{label_of(fix)}{_note(fix)}" for fix in groups[TRADE])
        lines.append(("a trade", f"{trades}: one error lower, the other higher"))
    return [*lines, ("how sure", sureness(study, judged))]


def sureness(study: Study, judged: dict[str, Any]) -> str:
    """Seeds, the risk of a wrong word, words that hang on single seeds, and what is open."""
    levels, groups = judged["levels"], by_word(judged)
    parts = [study.part] * bool(study.part) + [f"{study.seeds_in_words}, paired"]
    if any(groups.values()):
        fixes, looks = levels["fixes"], len(levels["looks"])
        shared = f", shared by {fixes} fixes" * (fixes > 1) + f" and {looks} looks" * (looks > 1)
        parts.append(f"5 % risk that any error is wrongly called lower or higher{shared}")
    weak = [fix for own in groups.values() for fix in own if (held := fix["support"]) and held["holds"] < FEW * held["of"]]
    few = ", ".join(fix["id"] for fix in weak)
    parts += [f"on single seeds hang: {few}"] if few else []
    still = ", ".join(fix["id"] for fix in groups[OPEN])
    parts += [f"open: {still}"] if still else []
    return "; ".join(parts)


def promised(entry: dict[str, Any]) -> str:
    """What the document promises, as the ratio to the baseline's at which its promise is kept."""
    return times(entry["margin"])


def promise_estimate(entry: dict[str, Any]) -> str:
    """What was measured of a promise: the measure, and its ratio to the baseline's."""
    if entry["promise"] == "near field":
        return f"near error {ratio(entry)}, by AbsRel {ratio(entry['abs_rel'])}"
    measure = "mean error over training" if entry["measure"] == "mean ln error over training" else entry["measure"]
    return f"{'wobble' if entry['promise'] == 'stability' else measure} {ratio(entry)}"


def promises_sentence(judged: dict[str, Any]) -> str:
    """The document's whole recommendation and its promises."""
    if not judged["promises"]:
        return "The document's whole recommendation was not run, so its three promises are not judged."
    near = next(entry for entry in judged["promises"] if entry["promise"] == "near field")
    found = "; ".join(f"{entry['asked']}: {entry['verdict']} ({promise_estimate(entry)})" for entry in judged["promises"])
    both = f"near error {ratio(near)}, far error {ratio(near['far'])}"
    return f"The document's whole recommendation against the baseline: {both}. Its promises: {found}."
