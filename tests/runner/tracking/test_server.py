"""The MLflow pages in a real browser. Skipped where Chromium or selenium is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from tracking_study import write_study

from runner.tracking import write_view


def load_script() -> ModuleType:
    """docs/pictures.py, which opens the pages."""
    path = Path(__file__).parents[3] / "docs" / "pictures.py"
    spec = importlib.util.spec_from_file_location("pictures", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


script = load_script()
pytestmark = [
    pytest.mark.skipif(script.missing() is not None, reason=str(script.missing())),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pydantic"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:selenium"),
]


def test_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The saved view's columns, the charts of configurations alone, Compare with the fixes first; one server for all."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study = write_study(tmp_path / "small")
    write_view(study)
    with script.served(study) as link, script.browser(1000) as driver:
        runs = script.open_page(driver, link, ["baseline", "+5-2", "word", "near error"])
        assert "seed 0" not in runs, "seeds must be collapsed under their configuration"
        assert "share key" not in runs, "the saved view must be accepted"
        charts = script.open_page(
            driver, script.charts_link(link), ["baseline", "final/1_near_rmse_log", "final/3_rmse_log", "probe"]
        )
        assert "seed 0" not in charts
        compare = script.open_page(driver, script.compare_link(link, ["baseline", "+5-2"]), ["1 fixes", "Metrics", "Artifacts"])
        assert compare.index("1 fixes") < compare.index("2 number of fixes") < compare.index("final/1_near_rmse_log")
        assert "5-2 linear-ramp" in compare
        assert "Something went wrong" not in compare
