"""The frames of a seed: procedural scenes or RGB-D pictures of many formats, split into training, probe and validation."""

from runner.data.dataset import SeedData, make_seed_data, read_shots
from runner.data.frames import DataError, Frames
from runner.data.settings import Data
from runner.data.splits import all_shots
from runner.data.synthetic.scenes import render, scenes

__all__ = ["Data", "DataError", "Frames", "SeedData", "all_shots", "make_seed_data", "read_shots", "render", "scenes"]
