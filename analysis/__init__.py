"""From records to verdicts: gains, verdicts, plots, report. Never imports torch.

`load`, `verdicts`, `write_report` and `terminal_summary` are imported on first use, so that `import analysis` is instant.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.judge import verdicts as verdicts
    from analysis.report.build import terminal_summary as terminal_summary
    from analysis.report.build import write_report as write_report
    from analysis.study import load as load

_HOME = {"load": "study", "verdicts": "judge", "write_report": "report.build", "terminal_summary": "report.build"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}; it has {', '.join(_HOME)}")
    return getattr(importlib.import_module(f"analysis.{_HOME[name]}"), name)
