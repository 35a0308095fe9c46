"""Imported by the process that workers are forked from: loads, and hashes, once all that training needs."""

import os
import threading

#: Told by the parent, for it may have ended before this line.
_parent, _loaded = int(os.environ.get("NFLOSS_PARENT", os.getppid())), threading.Event()


def _exit_with_parent() -> None:
    """End if the parent ends meanwhile: whoever reads its output would wait for this process too."""
    while not _loaded.wait(0.1):
        if os.getppid() != _parent:
            os._exit(1)


_watch = threading.Thread(target=_exit_with_parent)
_watch.start()
try:
    import runner.execution.workers  # noqa: F401
    from runner.records.fingerprint import SCENES, code_of_modules, shared_code
    from runner.training import load_machine_code

    load_machine_code()
    shared_code()  # hashed once for the records of all workers, as are the scenes
    code_of_modules(*SCENES)
finally:
    _loaded.set()
    _watch.join()  # threads do not outlive a fork
