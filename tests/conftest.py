"""One thread per test process: two in one process get in each other's way. And no test sees another's own code."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from nfloss import extensions, registry

#: What takes longest, longest first.
LONG = (
    "test_documented_commands.py", "test_faults.py", "test_ray.py", "test_lanes.py", "test_known_facts.py",
    "test_pretend_device.py", "test_kill.py", "test_search.py", "test_run.py", "test_postgresql.py", "test_report.py",
    "test_training.py", "test_minimal.py", "test_factorial.py", "test_confirmation.py", "test_verdicts.py",
    "test_recommendation.py", "test_storage.py", "test_bench.py", "test_fingerprint_covers.py",
)  # fmt: skip

torch.set_num_threads(1)
os.fsync = lambda file: None  # no test pulls the plug, and disks take their time


@pytest.fixture(autouse=True)
def own_code(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], None]]:
    """What a test registers and loads is gone after it, or when the fixture's value is called; it can be loaded again."""
    fixes = dict(registry.ISSUES), dict(registry._FIXES)
    memories = extensions._LOADED, registry._PLACES
    before, asked, there = [dict(memory) for memory in memories], set(registry._asked), set(sys.modules)
    temporary = tmp_path_factory.getbasetemp()

    def forget() -> None:
        registry.restore(*fixes)
        for memory, content in zip(memories, before, strict=True):
            memory.clear()
            memory.update(content)
        registry._asked.clear()
        registry._asked.update(asked)
        for name in sys.modules.keys() - there:  # to look at all of them would take longer than most tests
            if name.startswith(extensions.PREFIX) or lies_in(temporary, sys.modules[name]):
                del sys.modules[name]

    yield forget
    forget()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest begins first, then files of few tests, which are long ones: at the end nobody waits for another."""
    of_file, place = Counter(item.path for item in items), {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: (place.get(item.path.name, len(LONG)), of_file[item.path]))


def lies_in(folder: Path, module: object) -> bool:
    return str(getattr(module, "__file__", None)).startswith(f"{folder}/")
