"""What several studies were set up with, from their study.yaml, and in which of it they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.study import Study

#: A key of study.yaml -> what it is called here; a setting that is not listed is called by its key, as --set takes it.
CALLED = {
    "experiment.training.steps": "steps",
    "experiment.training.start": "start",
    "experiment.design.near_weights": "near weights",
    "device": "device",
    "machine.processor": "processor",
    "versions.torch": "torch",
}
SECTIONS = ("training.", "data.", "model.", "loss.")
SIZE = ("data.height", "data.width")
NOT_SAID = "not said"


def difference_sentence(studies: Sequence[Study], names: Sequence[str]) -> str:
    """A sentence that names every setting in which the studies differ, with the value of each study in their order."""
    every = [settings(study) for study in studies]
    values = {name: [own.get(name, NOT_SAID) for own in every] for name in dict.fromkeys(n for own in every for n in own)}
    different = {name: own for name, own in values.items() if len(set(own)) > 1}
    # Of other frames, or of another network, the details need no naming.
    covered = tuple(section for whole, section in (("data", "data."), ("network", "model.")) if whole in different)
    said = [f"{name} {' / '.join(own)}" for name, own in different.items() if not (covered and name.startswith(covered))]
    if not said:
        return "The studies do not differ in data, network, training, seeds or device."
    return f"What differs ({' / '.join(names)}): {'; '.join(said)}."


def settings(study: Study) -> dict[str, str]:
    """Name -> value as text, of what may change a verdict."""
    flat = _flat(study.meta)
    data, network = (flat.pop(f"experiment.{key}", None) for key in ("data.folder", "model.network"))
    size = [flat.pop(f"experiment.{side}", None) for side in SIZE]
    found = {
        "steps": _text(flat["experiment.training.steps"]),
        "image size": NOT_SAID if None in size else f"{size[0]}x{size[1]}",
        "data": str(data or "procedural scenes"),
        "network": str(network or "built-in"),
        "seeds": seeds_text(study.seeds),
    }
    for key, value in flat.items():
        name = CALLED.get(key) or key.removeprefix("experiment.")
        if key in CALLED or (key.startswith("experiment.") and name.startswith(SECTIONS)):
            found[name] = _text(value)
    return found


def seeds_text(seeds: Sequence[int]) -> str:
    """
    >>> seeds_text([3, 4, 5]), seeds_text([0, 2, 7])
    ('3 to 5', '0, 2, 7')
    """
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _flat(content: Mapping[Any, Any], before: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}"""
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) and value else {f"{before}{key}": value}
    return found


def _text(value: Any) -> str:
    """A setting as text: "0.001", "1, 2, 8", "none"."""
    if isinstance(value, list):
        return ", ".join(map(_text, value)) or "none"
    return "none" if value is None or value == {} else f"{value:g}" if isinstance(value, float) else str(value)
