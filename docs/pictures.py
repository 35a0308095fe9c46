"""Make the pictures of README and of these pages: `python docs/pictures.py runs/ablation [--out docs]`.

`fixes-alone.png` and `trade-off.png` are figures of the study's report, copied. `mlflow-runs.png` (the configurations with
their words), `mlflow-compare.png` (their near against their far errors) and `dashboard.png` (the Optuna dashboard) are
screenshots at 1280 pixels. They need Chromium with its driver (Debian: `apt-get install chromium chromium-driver`) and
`pip install selenium`; without these it says so and leaves them as they are.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FIGURES = {"fixes-alone.png": "forest.png", "trade-off.png": "trade_off.png"}
SWITCHES = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage"
)
WIDTH, WAIT_SECONDS = 1280, 60


def missing() -> str | None:
    """What is lacking for a screenshot, or None."""
    if find_spec("selenium") is None:
        return "selenium is not installed"
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"{' and '.join(absent)} not found" if absent else None


@contextmanager
def served(study: Path, by: str = "mlflow") -> Iterator[str]:
    """The link that `nfloss mlflow` or `nfloss dashboard` prints, for as long as its server is wanted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "runner", by, str(study), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            link = re.search(r"http://\S+", line)
            if link is None:
                raise SystemExit(f"the server did not start: {line}")
            yield link[0]
        finally:
            process.send_signal(signal.SIGTERM)


@contextmanager
def browser(height: int) -> Iterator[Any]:
    """A fresh headless Chromium."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = Options()
        options.binary_location = shutil.which("chromium") or ""
        for switch in (*SWITCHES.split(), f"--window-size={WIDTH},{height}", f"--user-data-dir={profile}"):
            options.add_argument(switch)
        driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            yield driver
        finally:
            driver.quit()


def open_page(driver: Any, link: str, expected: list[str]) -> str:
    """Open a page, wait until it shows all of `expected`; returns its text."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(link.split("#")[0] + "health")  # MLflow opens an assistant over the page at the first visit: tell it not to
    driver.execute_script(
        "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"
        "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false')"
    )
    driver.get(link)
    text = "return document.body.innerText"
    WebDriverWait(driver, WAIT_SECONDS).until(lambda page: all(word in page.execute_script(text) for word in expected))
    return str(driver.execute_script(text))


def charts_link(link: str) -> str:
    """The same experiment's charts, without the saved view's banner."""
    return link.split("&viewStateShareKey")[0] + "&compareRunsMode=CHART"


def compare_link(link: str, cells: list[str]) -> str:
    """The Compare page of these cells."""
    server, experiment = link.split("/#/experiments/")[0], link.split("/#/experiments/")[1].split("/")[0]
    runs = [run_id(server, experiment, cell) for cell in cells]
    return f"{server}/#/compare-runs?runs={json.dumps(runs)}&experiments={json.dumps([experiment])}".replace(" ", "")


def run_id(server: str, experiment: str, cell: str) -> str:
    asked = {"experiment_ids": [experiment], "filter": f"attributes.run_name = '{cell}'"}
    request = urllib.request.Request(
        f"{server}/api/2.0/mlflow/runs/search", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["runs"][0]["info"]["run_id"])


def take(study: Path, out: Path) -> None:
    """The screenshots."""
    with served(study) as link:
        picture(link, ["baseline", "near error"], 1000, out / "mlflow-runs.png")
        picture(f"{link}&compareRunsMode=CHART", ["Near against far error"], 1000, out / "mlflow-compare.png")
    with served(study, "dashboard") as link:
        picture(f"{link}/studies/0", ["Hyperparameter", "History"], 1100, out / "dashboard.png")


def picture(link: str, expected: list[str], height: int, path: Path) -> None:
    with browser(height) as driver:
        open_page(driver, link, expected)
        time.sleep(4)  # the charts are drawn after their titles
        driver.save_screenshot(str(path))
    print(path)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    arguments = parser.parse_args()
    for name, figure in FIGURES.items():
        print(shutil.copy(arguments.study / "report" / "figures" / figure, arguments.out / name))
    lacking = missing()
    if lacking:
        print(f"no screenshots: {lacking}")
        return 0
    from runner.tracking import write_view

    print(write_view(arguments.study))
    take(arguments.study, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
