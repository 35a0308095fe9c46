"""Code of the user's, read from a file or a text: as a module whose functions can be found again, errors as one line."""

from __future__ import annotations

import hashlib
import linecache
import sys
from pathlib import Path
from types import ModuleType

#: What code that is not ours may raise as it is imported, made or called.
USER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)

#: The texts that were run, by module.
TEXTS: dict[str, str] = {}


def in_a_line(error: BaseException) -> str:
    """An error's kind and its words, at most 300 characters of them."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def module_of_text(prefix: str, path: str, text: str) -> ModuleType:
    """A file's text as a module; files beside it can be imported from it, as from a script. Another text is another module.

    Its source stays what was run (`inspect.getsource`), whatever becomes of the file.
    """
    name = f"{prefix}{Path(path).stem}_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = path
    linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # None: never read again
    sys.modules[name], TEXTS[name] = module, text
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        exec(compile(text, path, "exec", dont_inherit=True), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.pop(0)
    return module
