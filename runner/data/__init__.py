"""The frames of a seed: procedural scenes or RGB-D pictures of many formats, split into training, probe and validation."""

from runner.data.data_settings import Data
from runner.data.dataset import (
    START_SERIES,
    TRAINING_SERIES,
    SeedData,
    held_out_scenes,
    make_seed_data,
    make_series,
    read_frames,
    split_folder,
)
from runner.data.formats import READER_MODULES, READERS
from runner.data.formats.files import PICTURE_ENDINGS, READER_TITLES, FrameFiles, every_file
from runner.data.frames import DEPTH_EDGES, NEAR, DataError, Frames
from runner.data.splits import data_folder, list_frames
from runner.data.statistics import DepthStatistics, WeightSettings, depth_statistics, fixed_mean_fits, mean_weight, quantiles
from runner.data.synthetic.renderer import render, scenes

__all__ = [
    "DEPTH_EDGES", "NEAR", "PICTURE_ENDINGS", "READERS", "READER_MODULES", "READER_TITLES", "START_SERIES",
    "TRAINING_SERIES", "Data", "DataError", "DepthStatistics", "FrameFiles", "Frames", "SeedData", "WeightSettings",
    "data_folder", "depth_statistics", "every_file", "fixed_mean_fits", "held_out_scenes", "list_frames",
    "make_seed_data", "make_series", "mean_weight", "quantiles", "read_frames", "render", "scenes", "split_folder",
]  # fmt: skip
