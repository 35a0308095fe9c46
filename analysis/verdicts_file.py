"""verdicts.json: written as strict JSON, read back as it was."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

EFFECT = ("estimate", "low", "high", "low90", "high90", "p", "p_sign_flip", "p_holm")  # numbers that may be unknown


def write_verdicts(judged: dict[str, Any], folder: Path) -> Path:
    """Write verdicts.json beside the records; unknown numbers become null, infinite ones "inf" or "-inf"."""
    path = folder / "verdicts.json"
    path.write_text(json.dumps(_plain(judged), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    return path


def read_verdicts(folder: Path) -> dict[str, Any]:
    """verdicts.json as `verdicts` gave it."""
    return _numbers(json.loads((folder / "verdicts.json").read_text(encoding="utf-8")))


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        unknown = EFFECT if "estimate" in value else ()
        return {key: math.nan if item is None and key in unknown else _numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return float(value) if value in ("inf", "-inf") else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
