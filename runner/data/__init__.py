"""Frames: procedural scenes, or RGB-D pictures from a folder."""

from runner.data.frames import DataError, Frames
from runner.data.scenes import render, scenes

__all__ = ["DataError", "Frames", "render", "scenes"]
