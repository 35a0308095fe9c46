"""RGB-D from a folder: what is read, and what is refused in one clear line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from runner.data import Data, DataError, Frames, list_frames, read_frames
from runner.data.splits import split
from runner.experiment import ExperimentError, parse_experiment

REAL = Path(__file__).parents[3].parent / "shared" / "data" / "mosd"


def write_pair(folder: Path, name: str, depth: np.ndarray, colour: np.ndarray | None = None, ending: str = "png") -> None:
    """One pair; depth: [H, W] stored values."""
    for part in ("rgb", "depth"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    colour = np.full((*depth.shape, 3), 128, np.uint8) if colour is None else colour
    Image.fromarray(colour).save(folder / "rgb" / f"{name}.{ending}")
    Image.fromarray(depth.astype(np.uint16)).save(folder / "depth" / f"{name}.png")


def section(folder: Path, scale: float, height: int, width: int) -> Data:
    """The data section of a plain folder; sizes below the schema's least are for frames worked by hand."""
    return Data(folder=str(folder), depth_scale=scale).model_copy(update={"height": height, "width": width})


def read_folder(folder: Path, scale: float, height: int, width: int) -> Frames:
    data = section(folder, scale, height, width)
    return read_frames(data, list_frames(data))


def read_splits(folder: Path, scale: float, height: int, width: int, seed: int = 0) -> tuple[Frames, Frames]:
    data = section(folder, scale, height, width)
    train, held_out = split(data, list_frames(data), seed)
    return read_frames(data, train), read_frames(data, held_out)


def some_folder(folder: Path, count: int = 3) -> Path:
    for index in range(count):
        write_pair(folder, f"{index:02d}", np.full((4, 6), 500 + index))
    return folder


def test_metres_are_values_over_the_scale_and_zero_stays_invalid(tmp_path: Path) -> None:
    depth = np.array([[0, 500, 1000], [65535, 2560, 1]])
    colour = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14
    write_pair(tmp_path, "a", depth, colour)
    frames = read_folder(tmp_path, 256, 2, 3)
    assert torch.equal(frames.depth[0, 0], torch.tensor(depth / 256, dtype=torch.float32))
    assert torch.equal(frames.rgb[0], torch.tensor(colour / 255, dtype=torch.float32).permute(2, 0, 1))
    assert frames.inverse_depth()[0, 0, 0, 0] == 0


def test_colour_is_averaged_and_depth_is_not(tmp_path: Path) -> None:
    depth = np.kron(np.array([[1000, 0], [3000, 4000]]), np.ones((3, 3), int))
    colour = np.zeros((2, 4, 3), np.uint8)
    colour[:, 1::2] = 200
    write_pair(tmp_path, "a", depth, colour)
    frames = read_folder(tmp_path, 1000, 2, 2)
    assert frames.depth[0, 0].tolist() == [[1.0, 0.0], [3.0, 4.0]]
    assert torch.allclose(frames.rgb, torch.tensor(100 / 255))


def test_pictures_come_in_the_order_of_their_names_and_may_be_jpeg(tmp_path: Path) -> None:
    for name, value, ending in (("b", 2000, "jpg"), ("a", 1000, "png"), ("c", 3000, "JPG")):
        write_pair(tmp_path, name, np.full((8, 8), value), ending=ending)
    (tmp_path / "rgb" / "notes.txt").write_text("not a picture")
    assert read_folder(tmp_path, 1000, 2, 2).depth[:, 0, 0, 0].tolist() == [1.0, 2.0, 3.0]


def test_a_flat_folder_is_split_by_the_seed(tmp_path: Path) -> None:
    some_folder(tmp_path, 10)
    train, validation = read_splits(tmp_path, 1000, 2, 3, seed=4)
    again, _ = read_splits(tmp_path, 1000, 2, 3, seed=4)
    assert (len(train), len(validation)) == (7, 3)
    assert torch.equal(train.depth, again.depth)
    every = torch.cat([train.depth, validation.depth])[:, 0, 0, 0]
    assert torch.allclose(every.sort().values, torch.arange(500, 510) / 1000)
    seen = {tuple(read_splits(tmp_path, 1000, 2, 3, seed=s)[1].depth[:, 0, 0, 0].tolist()) for s in range(6)}
    assert len(seen) > 1


@pytest.mark.parametrize("held_out", ["val", "validation", "test"])
def test_a_split_on_disk_is_used(tmp_path: Path, held_out: str) -> None:
    some_folder(tmp_path / "train", 4)
    some_folder(tmp_path / held_out, 2)
    assert [len(part) for part in read_splits(tmp_path, 1000, 2, 3)] == [4, 2]


def no_folder(folder: Path) -> None:
    (folder / "rgb").rmdir()
    (folder / "depth").rmdir()
    folder.rmdir()


def no_depth(folder: Path) -> None:
    (folder / "depth").rmdir()


def no_rgb(folder: Path) -> None:
    some_folder(folder)
    shutil.rmtree(folder / "rgb")


def nothing(folder: Path) -> None:
    pass


def eight_bits(folder: Path) -> None:
    write_pair(folder, "a", np.ones((4, 4)))
    Image.fromarray(np.full((4, 4), 9, np.uint8)).save(folder / "depth" / "a.png")


def colour_depth(folder: Path) -> None:
    write_pair(folder, "a", np.ones((4, 4)))
    Image.fromarray(np.full((4, 4, 3), 9, np.uint8)).save(folder / "depth" / "a.png")


def deep_colour(folder: Path) -> None:
    write_pair(folder, "a", np.full((4, 4), 900))
    Image.fromarray(np.full((4, 4), 900, np.uint16)).save(folder / "rgb" / "a.png")


def unmatched(folder: Path) -> None:
    some_folder(folder, 6)
    for name in ("00", "02", "03", "04"):
        (folder / "depth" / f"{name}.png").unlink()
    (folder / "rgb" / "05.png").unlink()


def twice(folder: Path) -> None:
    write_pair(folder, "a", np.full((4, 4), 900))
    write_pair(folder, "a", np.full((4, 4), 900), ending="jpg")


def truncated(folder: Path) -> None:
    noise = np.random.default_rng(0).integers(500, 900, (40, 40))
    write_pair(folder, "a", noise)
    path = folder / "depth" / "a.png"
    path.write_bytes(path.read_bytes()[:-700])


def corrupt(folder: Path) -> None:
    write_pair(folder, "a", np.full((4, 4), 900))
    (folder / "rgb" / "a.png").write_bytes(b"no picture")


def all_invalid(folder: Path) -> None:
    write_pair(folder, "a", np.zeros((4, 4)))


def too_near(folder: Path) -> None:
    write_pair(folder, "a", np.array([[3, 0], [8, 9]]))


def too_far(folder: Path) -> None:
    write_pair(folder, "a", np.full((2, 2), 65000))


CASES: list[tuple[Callable[[Path], None], float, str]] = [
    (no_folder, 1000, r"no such folder; one of format folder is needed"),
    (no_depth, 1000, r"no frames of format folder in it; expected is rgb/NAME\.png"),
    (no_rgb, 1000, r"rgb/ is missing"),
    (nothing, 1000, r"no frames of format folder in it; expected is rgb/NAME\.png"),
    (eight_bits, 1000, r"a\.png: an 8-bit picture \(mode L\); depth in 16-bit grey is needed"),
    (colour_depth, 1000, r"a\.png: a colour picture \(mode RGB\); depth in 16-bit grey is needed"),
    (deep_colour, 1000, r"a\.png: more than 8 bits a channel"),
    (unmatched, 1000, r"5 pictures without one of the same name .*: rgb/00, rgb/02, rgb/03, \.\.\."),
    (twice, 1000, r"both a\.jpg and a\.png"),
    (truncated, 1000, r"depth.a\.png: cannot be read as a picture \(.+\)"),
    (corrupt, 1000, r"rgb.a\.png: cannot be read as a picture \(.+\)"),
    (all_invalid, 1000, r"no valid depth in 1 frames"),
    (too_near, 1000, r"values 3 to 9 / 1000 = 0\.003 to 0\.009 m; no scene is like that, is depth_scale right"),
    (too_far, 1, r"values 65000 to 65000 / 1 = 6\.5e\+04 to 6\.5e\+04 m; no scene is like that, is depth_scale right"),
]


@pytest.mark.parametrize(("spoil", "scale", "message"), CASES, ids=[case[0].__name__ for case in CASES])
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], scale: float, message: str
) -> None:
    folder = tmp_path / "data"
    for part in ("rgb", "depth"):
        (folder / part).mkdir(parents=True)
    spoil(folder)
    with pytest.raises(DataError, match=message) as caught:
        read_folder(folder, scale, 2, 2)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("scale", [None, 0, -1000, float("nan"), float("inf"), "1000", True])
def test_the_scale_is_demanded(tmp_path: Path, scale: float) -> None:
    data = {"folder": str(some_folder(tmp_path)), "depth_scale": scale}
    with pytest.raises(ExperimentError, match=r"data.*depth_scale") as caught:
        parse_experiment({"name": "x", "design": {"cumulative": True}, "data": data}, "x.yaml")
    assert "\n" not in str(caught.value)
    assert ("never guessed" if scale is None else repr(scale)) in str(caught.value)


def test_some_plausible_depth_is_enough(tmp_path: Path) -> None:
    write_pair(tmp_path, "a", np.array([[3, 11], [4, 5]]))
    assert len(read_folder(tmp_path, 1000, 2, 2)) == 1


def test_a_folder_that_cannot_be_split_is_refused(tmp_path: Path) -> None:
    some_folder(tmp_path / "flat", 1)
    some_folder(tmp_path / "half" / "train", 2)
    with pytest.raises(DataError, match="1 frames to train on and 0 held out; at least 1 and 2 are needed"):
        read_splits(tmp_path / "flat", 1000, 2, 2)
    with pytest.raises(DataError, match="train/ has no val/, validation/ or test/ beside it"):
        read_splits(tmp_path / "half", 1000, 2, 2)


@pytest.mark.skipif(not REAL.is_dir(), reason="the real frames are not here")
def test_real_frames() -> None:
    train, test = read_splits(REAL, 1000, 120, 160)
    assert (len(train), len(test)) == (45, 62)
    assert train.near_share() == pytest.approx(0.76, abs=0.01)
    assert test.near_share() == pytest.approx(0.79, abs=0.01)
    scaled = read_splits(REAL, 1000 / 1.495, 120, 160)
    valid = [part.valid.sum().item() for part in scaled]
    pooled = sum(part.near_share() * count for part, count in zip(scaled, valid, strict=True)) / sum(valid)
    assert pooled == pytest.approx(0.254, abs=0.005)
