"""Training K networks of one seed together: loop, metrics, optimiser and machine code. Importing it does not load numba."""

from runner.training.checkpoints import Checkpoint
from runner.training.evaluations import evaluated, validated
from runner.training.kernels.width import BREAK_EVEN, LANES, lanes_are_faster
from runner.training.loop import History, train
from runner.training.machine_code import can_use_lanes, load_machine_code, uses_machine_code
from runner.training.metrics import DECIDING, METRICS, RANGES, RULERS, all_metrics, error_by_depth, in_range, rulers
from runner.training.neutral import StartNetwork, train_neutral
from runner.training.schedule import learning_rates
from runner.training.training_settings import OF_NEUTRAL, Training

__all__ = [
    "BREAK_EVEN", "DECIDING", "LANES", "METRICS", "OF_NEUTRAL", "RANGES", "RULERS", "Checkpoint", "History", "StartNetwork",
    "Training", "all_metrics", "can_use_lanes", "error_by_depth", "evaluated", "in_range", "lanes_are_faster",
    "learning_rates", "load_machine_code", "rulers", "train", "train_neutral", "uses_machine_code", "validated",
]  # fmt: skip
