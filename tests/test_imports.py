"""What each package brings along when it is imported, seen in a fresh interpreter."""

import subprocess
import sys

import pytest

HEAVY = {"yaml", "pandas", "pydantic", "mlflow", "matplotlib", "scipy", "statsmodels", "runner", "analysis", "nfloss", "torch"}


@pytest.mark.parametrize(
    ("package", "allowed"),
    [("nfloss", {"nfloss", "torch"}), ("analysis", {"analysis"}), ("runner.cli", {"runner"})],
)
def test_a_package_brings_no_more_than_it_may(package, allowed):
    code = f"import sys, {package}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert HEAVY & set(loaded) <= allowed
