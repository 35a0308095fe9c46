"""The figures of a study by name: which can be drawn, and drawing one."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from analysis.factorial import DESIGNS, has_pairs, product_cells
from analysis.files import own_folder, write_whole
from analysis.markup import Html, safe
from analysis.plots.style import mark_early, saved, style
from analysis.promises import full_key, whole_less_one
from analysis.regime import early_sentence, is_early
from analysis.study import Study

MODULES = {
    "forest": "forest", "leave_one_out": "forest", "convergence": "curves", "stability": "curves",
    "steadiness": "steadiness", "trade_off": "tradeoff", "symptoms": "symptoms",
    "error_by_depth": "depth", "samples": "samples", "issue": "issue", "effects": "factorial_effects",
    "interactions": "factorial_effects",
    "importance": "factorial_effects", "pareto": "front", "coordinates": "front",
}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A figure as PNG, with a sentence that explains it; a notebook displays it."""

    png: bytes
    sentence: str

    def _repr_png_(self) -> tuple[bytes, dict[str, str]]:
        return self.png, {"alt": self.sentence}

    def with_sentence(self) -> tuple[Html, Picture]:
        """The sentence and the figure, for a notebook to display."""
        return Html(f'<p class="reading">{safe(self.sentence)}</p>'), self

    def __repr__(self) -> str:
        return f"Picture({self.sentence})"


def available(study: Study) -> list[str]:
    """The figures, except those of single issues, that this study has data for; in the report's order."""
    many = bool(study.plan["design"].isin((*DESIGNS, "optuna")).any())
    single = any(study.key_of((fix["id"],)) for issue in study.issues for fix in issue["fixes"])
    lacking = {
        "forest": not single,
        "leave_one_out": not whole_less_one(study),
        "stability": full_key(study) is None or not study.from_scratch,
        "error_by_depth": study.profiles.empty,
        "samples": study.samples.empty or not (study.folder / "samples.npz").exists(),
        "effects": product_cells(study).empty,
        "interactions": not has_pairs(study),
        "importance": not (study.plan["design"] == "optuna").any() or find_spec("optuna") is None,
        "pareto": not many,
        "coordinates": not many,
        "issue": True,  # one per issue, in its section
    }
    return [name for name in MODULES if not lacking.get(name, False)]


def draw(name: str, study: Study, judged: dict[str, Any], *which: int) -> Picture:
    """Draw a figure, write it to report/figures/ as PNG and SVG, and return it. Of an early study its headline says so.

    `which` is the number of the issue, for the figure "issue".
    """
    module = importlib.import_module(f"analysis.plots.{MODULES[name]}")
    with style():
        figure, sentence = getattr(module, name)(study, judged, *which)
        if is_early(judged):
            mark_early(figure)
            sentence = early_sentence(sentence)
        files = saved(figure, "png", "svg")
    folder = own_folder(own_folder(study.folder / "report") / "figures")
    for ending, content in files.items():
        write_whole(folder / ("_".join([name, *map("{:02}".format, which)]) + f".{ending}"), content)
    return Picture(files["png"], sentence)
