"""What worker processes are forked from: all that training loads is loaded once."""

import os
import threading

_parent, _loaded = os.getppid(), threading.Event()


def _leave_with_parent() -> None:
    """A parent that has come to its end while all this loads is not kept waiting, nor who reads what it says."""
    while not _loaded.wait(0.1):
        if os.getppid() != _parent:
            os._exit(1)


_watch = threading.Thread(target=_leave_with_parent)
_watch.start()
try:
    import runner.execution.workers  # noqa: F401
    from runner.training.machine_code import load

    load()
finally:
    _loaded.set()
    _watch.join()  # threads do not outlive a fork
