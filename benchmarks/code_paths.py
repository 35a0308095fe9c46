"""Import this first: it puts the repository and the tests' helpers (the plain network, the document's formulas) on sys.path.

Benchmarks are run as scripts, from any folder, with the package installed or not.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

for folder in (ROOT / "tests" / "nfloss", ROOT / "tests" / "runner", ROOT):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
