"""The user's own fixes: loads modules that call `register` or `add_fix`, by file path or by module name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import ModuleType

from nfloss.registry import ExtensionError, Fix, as_extension_error, registered
from nfloss.slots import Choice, functions_of
from nfloss.user_code import TEXTS, module_at, module_of_text

PREFIX = "nfloss_extension_"
_LOADED: dict[str, tuple[Fix, ...]] = {}  # by absolute path or module name


def load_extension(reference: str) -> tuple[Fix, ...]:
    """Register the fixes of "path/to/file.py" (relative to the working directory) or "package.module", and return them.

    It is loaded once per process; later edits of the file have no effect.

    Raises:
        ExtensionError: it cannot be imported, registers nothing, or a name is in use; then nothing of it is registered.
    """
    place = os.path.abspath(reference) if reference.endswith(".py") else reference
    if place not in _LOADED:
        with as_extension_error(f"extension {reference}", place):
            _LOADED[place] = fixes_of(reference)
    return _LOADED[place]


def fixes_of(reference: str) -> tuple[Fix, ...]:
    """The fixes that importing the module registers, or registered when it was imported before."""
    before, modules = {fix.id for fix in registered()}, set(sys.modules)
    module = module_at(PREFIX, reference)
    found = tuple(fix for fix in registered() if fix.id not in before or in_module(fix, module))
    if not found and module.__name__ not in modules:
        raise ExtensionError(
            f"extension {reference}: registers no fix; it must call register(Issue(...)) or add_fix(5, Fix(...))"
        )
    return found


def in_module(fix: Fix, module: ModuleType) -> bool:
    return any(f.__module__ == module.__name__ for choice in fix.fills.values() for f in functions_of(choice).values())


@dataclass(frozen=True)
class Source:
    """An extension file's path and text. Unpickling it runs the text, so another process does not need the file."""

    path: str
    text: str

    def __reduce__(self) -> tuple[Callable[[str, str], Source], tuple[str, str]]:
        return loaded_source, (self.path, self.text)


def loaded_source(path: str, text: str) -> Source:
    module_of_text(PREFIX, path, text)
    return Source(path, text)


def sources_of(choices: Iterable[Choice]) -> tuple[Source, ...]:
    """The extension files that define these choices; modules that can be imported by name need none."""
    modules = {function.__module__ for choice in choices for function in functions_of(choice).values()}
    return tuple(Source(str(sys.modules[m].__file__), TEXTS[m]) for m in sorted(modules) if m.startswith(PREFIX))
