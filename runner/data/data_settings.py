"""The schema of `data:`: procedural scenes, or a folder of frames."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from nfloss.yaml_block import nearest
from runner.data.formats import READERS
from runner.networks import LARGEST_STRIDE
from runner.schema import Section

MOST_FRAMES, LARGEST_SIDE = 10_000_000, 8192
BYTES_A_PIXEL, MOST_BYTES = 16, 1_000_000_000_000  # of scenes, which are kept in memory: colour and depth in float32


class Data(Section):
    """Procedural scenes, or a folder of RGB-D frames."""

    folder: str | None = None
    format: str = Field("folder", description="how the folder is laid out: `nfloss data formats`")
    depth_scale: float | None = Field(None, gt=0, description="16-bit value of one metre; 1000 for millimetres")
    frames: str | None = Field(None, min_length=1, description="glob of the depth paths to take, relative to the folder")
    train_list: str | None = Field(None, min_length=1, description="text or JSON list of frames; path relative to the folder")
    validation_list: str | None = Field(None, min_length=1)
    split_by: Literal["frame", "scene"] | None = Field(
        None, description="what a seed splits at random; default: scenes (format folder: frames)"
    )
    train: int = Field(
        6000, ge=1, le=MOST_FRAMES, description="scenes to train on, the same for all seeds (a folder gives all it has)"
    )
    probe: int = Field(32, ge=1, le=MOST_FRAMES, description="frames of the probe, evaluated during training")
    validation: int = Field(320, ge=1, le=MOST_FRAMES, description="frames of the validation set")
    lidar: bool = Field(False, description="scenes with LiDAR-like sparse validity")
    height: int = Field(32, ge=LARGEST_STRIDE, le=LARGEST_SIDE, multiple_of=LARGEST_STRIDE)
    width: int = Field(48, ge=LARGEST_STRIDE, le=LARGEST_SIDE, multiple_of=LARGEST_STRIDE)

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in READERS:
            hint = nearest(value, tuple(READERS))
            raise ValueError(f"there is no format {value!r}{hint}; the formats are {', '.join(READERS)}")
        return value

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Data:
        frames = self.train + self.probe + self.validation
        if self.folder is None and (size := frames * self.height * self.width * BYTES_A_PIXEL) > MOST_BYTES:
            raise ValueError(
                f"{frames:,} scenes of {self.height} x {self.width} pixels need {size / 1e9:,.0f} GB; "
                f"at most {MOST_BYTES / 1e9:,.0f} GB are allowed"
            )
        return self

    @model_validator(mode="after")
    def _of_folder_or_scenes(self) -> Data:
        scale = READERS[self.format].scale
        if self.folder is not None and scale is None and self.depth_scale is None:
            raise ValueError("a folder needs depth_scale, the 16-bit value of one metre (1000: millimetres); never guessed")
        if scale is not None and self.depth_scale not in (None, scale):
            raise ValueError(f"format {self.format} has a scale of its own, {scale:g}; depth_scale is {self.depth_scale:g}")
        if self.folder is None and self.depth_scale is not None:
            raise ValueError("depth_scale belongs to a folder, and none is given")
        if self.folder is not None and self.lidar:
            raise ValueError("lidar is for scenes; a folder has depth of its own")
        of_a_folder = (self.frames, self.train_list, self.validation_list, self.split_by)
        if self.folder is None and (self.format != "folder" or any(of_a_folder)):
            raise ValueError("format, frames, lists and split_by belong to a folder, and none is given")
        if (self.train_list is None) != (self.validation_list is None):
            raise ValueError("train_list and validation_list go together; one alone is given")
        if self.lists and self.split_by:
            raise ValueError("the lists split the frames; split_by cannot be given with them")
        return self

    @property
    def lists(self) -> tuple[str, ...]:
        """The lists of training and of validation; empty where none are given."""
        return (self.train_list, self.validation_list) if self.train_list and self.validation_list else ()

    @property
    def split_unit(self) -> Literal["frame", "scene"]:
        """What a seed splits at random where neither lists nor folders split the frames."""
        return self.split_by or ("frame" if self.format == "folder" else "scene")
