"""One thread per test process: two in one process get in each other's way."""

import torch

torch.set_num_threads(1)
