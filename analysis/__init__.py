"""Verdicts, figures and reports from a study's records, without torch.

The four public functions are imported on first use, so that `import analysis` loads no library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.judge import verdicts as verdicts
    from analysis.report import terminal_summary as terminal_summary
    from analysis.report import write_report as write_report
    from analysis.study import load as load

_MODULES = {"load": "study", "verdicts": "judge", "write_report": "report", "terminal_summary": "report"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}; it has {', '.join(_MODULES)}")
    return getattr(importlib.import_module(f"analysis.{_MODULES[name]}"), name)
