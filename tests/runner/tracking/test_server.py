"""The MLflow server answers this machine alone; its pages in a real browser, skipped where Chromium or selenium is missing."""

from __future__ import annotations

import importlib.util
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml
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
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pydantic"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:selenium"),
]
HOSTILE = "<script>window.boo=1</script><img src=x onerror='window.boo=2'> [in](javascript:boo())"


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the view of a study is served whose names are hostile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        study = write_study(tmp_path_factory.mktemp("served") / "small")
        meta = yaml.safe_load((study / "study.yaml").read_text())
        (study / "study.yaml").write_text(yaml.safe_dump(meta | {"device": HOSTILE, "git_commit": HOSTILE}))
        issues = json.loads((study / "issues.json").read_text())
        issues[0] |= {"title": HOSTILE, "fixes": [{**fix, "name": f"{fix['name']} {HOSTILE}"} for fix in issues[0]["fixes"]]}
        (study / "issues.json").write_text(json.dumps(issues))
        write_view(study)
        with script.served(study) as link:
            yield link


def test_another_host_is_refused(link: str) -> None:
    """A page of another site can have its name point at this machine (DNS rebinding)."""
    server = link.split("/#/")[0]

    def status(host: str) -> int:
        address = f"{server}/api/2.0/mlflow/experiments/get-by-name?experiment_name=small"
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers={"Host": host}), timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    own = server.removeprefix("http://")
    assert status(own) == status(own.replace("127.0.0.1", "localhost")) == 200
    assert status("evil.example") == status("evil.example:5000") == status("127.0.0.1.evil.example") == 403


@pytest.mark.skipif(script.missing() is not None, reason=str(script.missing()))
def test_pages(link: str) -> None:
    """The saved view's columns, the charts of configurations alone, Compare with the fixes first; what a study says is text."""
    with script.browser(1000) as driver:
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
        assert HOSTILE in compare and "Something went wrong" not in compare
        assert driver.execute_script("return window.boo === undefined")
