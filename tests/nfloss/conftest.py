"""One thread for PyTorch: these tensors are tiny, and threads of parallel test processes only get into each other's way."""

import torch

torch.set_num_threads(1)
