"""One contender, alone in its process: `python benchmarks/contender.py NAME SPEC.json RESULT.json`.

Files that it makes go into the folder of the spec. Nothing is imported before it is needed: workers import this file again.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

#: Name -> (file here with `run(spec, folder) -> Trials`, title, package to install).
CONTENDERS = {
    "plain": ("plain", "plain loop", "torch"),
    "ray": ("with_ray", "Ray Tune", "ray[tune]"),
    "optuna": ("with_optuna", "Optuna", "optuna"),
    "mushin": ("with_mushin", "mushin-py", "mushin-py"),
    "nfloss": ("with_nfloss", "nfloss", "nfloss"),
}


def main(name: str, spec_file: str, result_file: str) -> None:
    from trial_spec import Spec

    module = import_module(CONTENDERS[name][0])
    module.run(Spec.load(Path(spec_file)), Path(spec_file).parent).save(Path(result_file))


if __name__ == "__main__":
    main(*sys.argv[1:])
