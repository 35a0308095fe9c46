"""The command line: `nfloss COMMAND`; `runner/cli/arguments.py` lists the commands.

Exit status: 0 all trials accounted for, 1 some crashed (of `check`: a fix breaks a promise), 2 bad input (one clear line),
130 interrupted (resumable).
Modules here import the standard library alone, and all else inside their commands, so that --help and typing errors are
answered at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from runner.cli.arguments import make_parsers, parse
from runner.cli.terminal import BAD_INPUT, interrupted, say


def main(given: Sequence[str] | None = None) -> NoReturn:
    """Entry point: one line for every error that the user can mend."""
    given = sys.argv[1:] if given is None else given
    if not given:
        make_parsers()[0].print_help()
        sys.exit(0)
    arguments = parse(given)
    try:
        code = arguments.pop("command")(**arguments)
        sys.stdout.flush()  # a full disk, or a closed pipe, is found here and not at Python's end
    except KeyboardInterrupt:
        code = interrupted("interrupted")
    except BrokenPipeError:  # as in `nfloss audit | head`: who reads has seen enough
        code = 0
    except (ValueError, OSError) as error:  # the errors that are the user's to mend
        if os.environ.get("NFLOSS_TRACEBACK"):
            raise
        system = isinstance(error, OSError) and error.filename
        say(f"{error.filename}: {error.strerror}" if system else str(error))  # type: ignore[union-attr]
        code = BAD_INPUT
    drop_what_cannot_be_printed()
    sys.exit(code or 0)


def drop_what_cannot_be_printed() -> None:
    """Python would try once more at its end, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
