"""Frames: procedural scenes, or RGB-D pictures from a folder."""

from runner.data.folder import read_folder, read_splits
from runner.data.frames import DataError, Frames
from runner.data.synthetic.scenes import render, scenes

__all__ = ["DataError", "Frames", "read_folder", "read_splits", "render", "scenes"]
