"""Training K networks of one seed together: loop, metrics, optimiser and machine code. Importing it does not load numba."""

from runner.training.checkpoints import Checkpoint
from runner.training.kernels.width import BREAK_EVEN, LANES, lanes_are_faster
from runner.training.loop import History, train
from runner.training.machine_code import can_use_lanes, load_machine_code, uses_machine_code
from runner.training.metrics import abs_rel, all_metrics, error_by_depth, in_range
from runner.training.neutral import StartNetwork, train_neutral
from runner.training.training_settings import OF_NEUTRAL, Training

__all__ = [
    "BREAK_EVEN", "LANES", "OF_NEUTRAL", "Checkpoint", "History", "StartNetwork", "Training", "abs_rel", "all_metrics",
    "can_use_lanes", "error_by_depth", "in_range", "lanes_are_faster", "load_machine_code", "train", "train_neutral",
    "uses_machine_code"
]  # fmt: skip
