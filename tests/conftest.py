"""One thread per test process: two in one process get in each other's way. And a registry that forgets a test's own fixes."""

import sys

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def own_registry():
    """What a test registers is gone after it, or when the fixture's value is called; what it loads can be loaded again."""
    from nfloss import extensions, registry

    before = dict(registry.ISSUES), dict(registry._FIXES)

    def forget():
        registry.restore(*before)
        for memory in (extensions._LOADED, extensions._PLACES, extensions._asked):
            memory.clear()
        for name in [name for name in sys.modules if name.startswith((extensions.PREFIX, "plugged_"))]:
            del sys.modules[name]

    yield forget
    forget()
