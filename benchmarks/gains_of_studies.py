"""The final gains of each fix of some studies, by seed, as the simulations of the rule draw their noise from them.

python benchmarks/gains_of_studies.py runs/ablation runs/real_data > tests/analysis/gains.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from analysis.judge import fix_words
from analysis.study import load

DIGITS = 5


def gains(folder: Path) -> dict[str, dict[str, list[float]]]:
    """Fix -> near and far gains, one per seed; the distinct fixes that were trained alone."""
    return {
        fix["id"]: {side: [round(gain, DIGITS) for gain in fix[side]["values"]] for side in ("near", "far")}
        for fix in fix_words(load(folder))
        if fix["key"] and not fix["same_as"]
    }


if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:]]
    lines = [f'"{folder.name}": {json.dumps(gains(folder))}' for folder in folders]
    print("{\n" + ",\n".join(lines) + "\n}")
