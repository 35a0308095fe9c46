"""From records to verdicts: gains, verdicts, plots, report. Never imports torch.

`load`, `verdicts`, `report` and `terminal_summary` are imported on first use, so that `import analysis` is instant.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.load import load as load
    from analysis.report import report as report
    from analysis.report import terminal_summary as terminal_summary
    from analysis.verdicts import verdicts as verdicts

_HOME = {"load": "load", "verdicts": "verdicts", "report": "report", "terminal_summary": "report"}


class _Package(ModuleType):
    """Keeps `analysis.load` the function, although importing the module `analysis.load` would put the module there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)
