"""What worker processes are forked from: all that training loads is loaded once.

PyTorch's optimisers load its compiler as the first of them is made, which takes as long as PyTorch itself.
"""

import torch

import runner.workers  # noqa: F401

torch.optim.Adam([torch.zeros(1, requires_grad=True)])
