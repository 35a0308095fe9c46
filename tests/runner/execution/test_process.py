"""What is freed stays with the process: pages that it touches anew are counted by the system."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from runner.execution import process

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="glibc's allocator alone is told")

#: Twenty times eight megabytes in eight pieces, all freed before the next time.
WORK = """
import resource
import runpy
import sys

import numpy as np

if sys.argv[1] == "keep":
    runpy.run_path(sys.argv[2])["keep_memory"]()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    pieces = [np.ones(2**17) for _ in range(8)]
    del pieces
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(how: str, **told: str) -> int:
    untold = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    command = [sys.executable, "-c", WORK, how, process.__file__]  # by itself: the package would load torch
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env=untold | told)
    return int(ran.stdout)


def test_memory_is_asked_for_once():
    assert 5 * pages("keep") < pages("as it is")


def test_what_the_environment_says_stays():
    assert pages("keep", MALLOC_TRIM_THRESHOLD_="100000") > 5 * pages("keep")
