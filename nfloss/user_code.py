"""Loads the user's code from text as a module that pickle can find again, and prints its errors in one line."""

from __future__ import annotations

import hashlib
import importlib
import linecache
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

#: What the user's code may raise when it is imported, constructed or called: anything but an interruption. That it ends Python
#: (`sys.exit`) is an error too, else a command would end in silence.
USER_ERRORS = (Exception, SystemExit, GeneratorExit)

#: The source text that was run, by module name.
TEXTS: dict[str, str] = {}
#: The files whose text was run, also in vain.
FILES: set[str] = set()


def in_a_line(error: BaseException) -> str:
    """An error's type and message in one line, cut at 300 characters, and the place in the user's file where it was raised."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in FILES]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{place}"


def module_at(prefix: str, place: str) -> ModuleType:
    """The module of "path/to/file.py" (relative to the working directory), whose name begins with `prefix`, or of
    "package.module". Raises whatever importing it raises."""
    if place.endswith(".py"):
        return module_of_text(prefix, os.path.abspath(place), Path(place).read_text(encoding="utf-8"))
    return importlib.import_module(place)


def module_of_text(prefix: str, path: str, text: str) -> ModuleType:
    """Run a file's text as a module, once; it can import files in the same folder. Another text gives another module.

    `inspect.getsource` keeps returning the text that was run, even if the file changes.
    """
    name = f"{prefix}{Path(path).stem}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = path
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # None: never reread
    sys.modules[name], TEXTS[name] = module, text
    FILES.add(path)
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        exec(compile(text, path, "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.pop(0)
    return module
