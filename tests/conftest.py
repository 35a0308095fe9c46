"""One thread per test process: two in one process get in each other's way. And no test sees another's own code."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from nfloss import extensions, registry

MINUTES = ("test_documented_commands.py", "test_kill.py")

torch.set_num_threads(1)


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
    """What takes minutes begins first, then files of few tests, which are long ones: at the end nobody waits for another."""
    of_file = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path.name not in MINUTES, of_file[item.path]))


def lies_in(folder: Path, module: object) -> bool:
    return str(getattr(module, "__file__", None)).startswith(f"{folder}/")
