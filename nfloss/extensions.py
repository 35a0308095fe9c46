"""Fixes of the user's own: modules that call `register` or `add_fix`, found by an entry point, by name or by path."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from nfloss.registry import ExtensionError, Fix, registered, told
from nfloss.slots import Choice, functions_of
from nfloss.user_code import TEXTS, module_of_text

PREFIX = "nfloss_extension_"


_LOADED: dict[str, tuple[Fix, ...]] = {}  # by absolute path, or by name


def load_extension(reference: str) -> tuple[Fix, ...]:
    """Register the fixes of "path/to/file.py" (from the working directory) or "package.module", and give them.

    Once in a process: a file that is edited afterwards stays what it was.

    Raises:
        ExtensionError: cannot be imported, registers nothing or what is taken; nothing of it is then registered.
    """
    place = os.path.abspath(reference) if reference.endswith(".py") else reference
    if place not in _LOADED:
        with told(f"extension {reference}", place):
            _LOADED[place] = fixes_of(reference)
    return _LOADED[place]


def fixes_of(reference: str) -> tuple[Fix, ...]:
    """What a module registers, or has registered where it was imported before."""
    before, modules = {fix.id for fix in registered()}, set(sys.modules)
    module = file_module(reference) if reference.endswith(".py") else importlib.import_module(reference)
    found = tuple(fix for fix in registered() if fix.id not in before or in_module(fix, module))
    if not found and module.__name__ not in modules:
        raise ExtensionError(
            f"extension {reference}: registers no fix; it is to call register(Issue(...)) or add_fix(5, Fix(...))"
        )
    return found


def file_module(path: str) -> ModuleType:
    return module_of_text(PREFIX, os.path.abspath(path), Path(path).read_text(encoding="utf-8"))


def in_module(fix: Fix, module: ModuleType) -> bool:
    return any(f.__module__ == module.__name__ for choice in fix.fills.values() for f in functions_of(choice).values())


@dataclass(frozen=True)
class Source:
    """A file's text on its way to another process, which has read no experiment and may be on a machine without the file; it
    is run as it arrives."""

    path: str
    text: str

    def __reduce__(self) -> tuple[Callable[[str, str], Source], tuple[str, str]]:
        return arrived, (self.path, self.text)


def arrived(path: str, text: str) -> Source:
    module_of_text(PREFIX, path, text)
    return Source(path, text)


def sources_of(choices: Iterable[Choice]) -> tuple[Source, ...]:
    """The files whose functions these words are; words of modules that can be imported by name need none."""
    modules = {function.__module__ for word in choices for function in functions_of(word).values()}
    return tuple(Source(str(sys.modules[m].__file__), TEXTS[m]) for m in sorted(modules) if m.startswith(PREFIX))
