"""What a study's verdicts.json says of each configuration, for the views of MLflow and Optuna."""

from __future__ import annotations

import json
from pathlib import Path

#: What is said, in the order in which the views show it.
WORD_COLUMNS = ("word", "near error", "far error", "name")


def read_words(path: Path) -> dict[str, dict[str, str]]:
    """Key of a configuration -> what is said of the fix, or near weight, that it is: word, near and far error as multiples of
    the baseline's, name. An early study's words say so. Empty where there is no report yet."""
    if not path.exists():
        return {}
    judged, words = json.loads(path.read_text(encoding="utf-8")), dict[str, dict[str, str]]()
    early = "early: " if judged["regime"]["early"] else ""
    for entry in [*judged["fixes"], *judged.get("controls", ())]:
        if not entry.get("key") or not entry.get("verdict"):
            continue
        name, ratio = str(entry.get("name", "-")), entry.get("ratio") or {}
        if entry.get("same_as") == "baseline":  # proved: the names of the same training
            words.setdefault(entry["key"], dict.fromkeys(WORD_COLUMNS, "-") | {"word": "baseline", "name": "baseline"})
        if found := words.get(entry["key"]):
            found["name"] += f"; {name}"
        else:
            said = {"word": early + str(entry["verdict"]), "near error": ratio.get("near"), "far error": ratio.get("far")}
            words[entry["key"]] = {about: str(text or "-") for about, text in said.items()} | {"name": name}
    return words


def word_table(words: dict[str, dict[str, str]]) -> list[list[str]]:
    """What `read_words` gives as rows under a header, each beginning with the name."""
    columns = ["name", *(column for column in WORD_COLUMNS if column != "name")]
    return [columns, *([said[column] for column in columns] for said in words.values())]
