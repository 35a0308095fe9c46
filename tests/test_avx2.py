"""The tests of all arithmetic once more, with everything told to use AVX2 alone: bounds must come from the arithmetic, not from
one processor's rounding. On a processor without AVX-512 it is what `make test` does anyway."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
ARITHMETIC = ("tests/nfloss", "nfloss", "tests/runner/networks", "tests/runner/training", "tests/analysis")


def avx512_features() -> list[str]:
    """What numpy would use of AVX-512 on this processor: it refuses to be told not to use what is not there."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return [name for name in found if name.startswith(("AVX512", "X86_V4"))]


@pytest.mark.slow
def test_the_arithmetic_holds_with_avx2_alone(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "ATEN_CPU_CAPABILITY": "avx2",
        "DNNL_MAX_CPU_ISA": "AVX2",
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path / "kernels"),
    }
    if features := avx512_features():
        environment["NPY_DISABLE_CPU_FEATURES"] = " ".join(features)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ARITHMETIC]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout[-4000:]
