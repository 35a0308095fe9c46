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
from runner.cli.terminal import BAD_INPUT, INTERRUPTED, say


def main(given: Sequence[str] | None = None) -> NoReturn:
    """Entry point: one line for every error that the user can mend."""
    given = sys.argv[1:] if given is None else given
    if not given:
        make_parsers()[0].print_help()
        sys.exit(0)
    arguments = parse(given)
    try:
        code = arguments.pop("command")(**arguments)
    except KeyboardInterrupt:
        say("interrupted")
        code = INTERRUPTED
    except BrokenPipeError:  # as in `nfloss audit | head`: who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still to be flushed
        code = 0
    except (ValueError, OSError) as error:  # the errors that are the user's to mend
        if os.environ.get("NFLOSS_TRACEBACK"):
            raise
        say(str(error))
        code = BAD_INPUT
    sys.exit(code or 0)
