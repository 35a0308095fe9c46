"""Fixes of the user's own: modules that call `register` or `add_fix`, found by an entry point, by name or by path."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from nfloss.registry import Fix, all_or_nothing, registered
from nfloss.slots import Choice, functions_of
from nfloss.user_code import TEXTS, USER_ERRORS, in_a_line, module_of_text

GROUP = "nfloss.fixes"
PREFIX = "nfloss_extension_"


class ExtensionError(ValueError):
    """What is wrong with an extension, in one line."""


_LOADED: dict[str, tuple[Fix, ...]] = {}  # by absolute path, or by name
_PLACES: dict[str, str] = {}  # where a fix comes from, by its id


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


_asked: set[str] = set()


def load_installed() -> None:
    """Register the fixes of every installed package with an entry point of the group `nfloss.fixes`: a module that registers
    as it is imported, or a function that does when it is called. Once in a process.

    Raises:
        ExtensionError: one of them cannot be loaded.
    """
    if GROUP in _asked:
        return
    _asked.add(GROUP)  # before, as an extension may ask for all fixes
    try:
        for point in entry_points(group=GROUP):
            with told(f"the installed extension {point.name} = {point.value} (entry point of {GROUP})", point.module):
                found = point.load()
                if callable(found):
                    found()
    except ExtensionError:
        _asked.discard(GROUP)
        raise


@contextmanager
def told(what: str, place: str) -> Iterator[None]:
    """Errors of the user's code as one line that begins with `what`, what it registered before taken back; else it is noted
    where its fixes come from."""
    before = {fix.id for fix in registered()}
    try:
        with all_or_nothing():
            yield
    except ExtensionError:
        raise
    except USER_ERRORS as error:
        raise ExtensionError(f"{what} cannot be loaded: {in_a_line(error)}") from error
    _PLACES.update({fix.id: place for fix in registered() if fix.id not in before})


def place_of(fix: Fix) -> str | None:
    """The extension that a fix comes from, an absolute path or a module; None for those of the house."""
    return _PLACES.get(fix.id)


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


def sources_of(words: Iterable[Choice]) -> tuple[Source, ...]:
    """The files whose functions these words are; words of modules that can be imported by name need none."""
    modules = {function.__module__ for word in words for function in functions_of(word).values()}
    return tuple(Source(str(sys.modules[m].__file__), TEXTS[m]) for m in sorted(modules) if m.startswith(PREFIX))
