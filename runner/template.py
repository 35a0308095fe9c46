"""What worker processes are forked from: all that training loads is loaded once.

PyTorch's optimisers load its compiler as the first of them is made, which takes as long as PyTorch itself.
"""

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
    import torch

    import runner.workers  # noqa: F401

    torch.optim.Adam([torch.zeros(1, requires_grad=True)])
finally:
    _loaded.set()
    _watch.join()  # threads do not outlive a fork
