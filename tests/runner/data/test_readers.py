"""Each format from files written by hand (struct and zlib) or by another library; expected metres are worked by hand."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import pytest
from handwritten import colour, grey16, put

from runner.data import READERS, DataError
from runner.data.formats.files import FrameFiles, check_complete


def read(folder: Path, format: str, scale: float | None = None) -> list[tuple[FrameFiles, np.ndarray]]:
    """Every frame with its metres."""
    reader = READERS[format]
    frames = reader.find_frames(folder)
    check_complete(folder, frames)
    return [(frame, reader.metres(frame, scale or reader.scale or math.nan)) for frame in frames]


def only(folder: Path, format: str, scale: float | None = None) -> tuple[FrameFiles, list[list[float]]]:
    ((frame, metres),) = read(folder, format, scale)
    assert metres.dtype == np.float32
    return frame, metres.tolist()


def test_every_reader_says_what_it_does() -> None:
    for reader in READERS.values():
        for title in ("Layout", "Scale", "Invalid", "Scene", "Source"):
            assert reader.says(title)
        assert not reader.title.startswith(("Layout", " "))
    assert READERS["kitti"].says("Invalid") == "0"
    assert READERS["tum"].says("Scale") == "metres = value / 5000 (16-bit PNG)"


def test_kitti_annotated(tmp_path: Path) -> None:
    """256 is one metre; 0 was not hit."""
    drive = "2011_09_26_drive_0001_sync"
    grey16(tmp_path / "train" / drive / "proj_depth/groundtruth/image_02/0000000005.png", [[0, 256], [384, 65535]])
    raw = colour(tmp_path / "2011_09_26" / drive / "image_02/data/0000000005.png")
    frame, metres = only(tmp_path, "kitti")
    assert metres == [[0, 1], [1.5, 65535 / 256]]
    assert (frame.colour, frame.scene) == (raw, drive)


def test_kitti_colour_beside_the_depth_and_the_selection(tmp_path: Path) -> None:
    drive = "2011_09_26_drive_0002_sync"
    grey16(tmp_path / "val" / drive / "proj_depth/groundtruth/image_03/0000000009.png", [[512]])
    beside = colour(tmp_path / "val" / drive / "image_03/data/0000000009.jpg")
    grey16(tmp_path / f"selection/groundtruth_depth/{drive}_groundtruth_depth_0000000008_image_02.png", [[1024]])
    selected = colour(tmp_path / f"selection/image/{drive}_image_0000000008_image_02.png")
    assert {(frame.colour, frame.scene, metres.item()) for frame, metres in read(tmp_path, "kitti")} == {
        (beside, drive, 2.0),
        (selected, drive, 4.0),
    }


def test_nyu(tmp_path: Path) -> None:
    """Millimetres; parts a and b of a scene are one scene."""
    for part in "ab":
        grey16(tmp_path / f"basement_0001{part}" / "sync_depth_00045.png", [[0, 1500]])
        colour(tmp_path / f"basement_0001{part}" / "rgb_00045.jpg")
    (one, metres), (other, _) = read(tmp_path, "nyu")
    assert metres.tolist() == [[0, 1.5]] and one.scene == other.scene == "basement_0001"


def test_scannet(tmp_path: Path) -> None:
    for scan in ("scene0000_00", "scene0000_01"):
        grey16(tmp_path / scan / "depth" / "10.png", [[0, 2250]])
        colour(tmp_path / scan / "color" / "10.jpg")
    (one, metres), (other, _) = read(tmp_path, "scannet")
    assert metres.tolist() == [[0, 2.25]] and one.scene == other.scene == "scene0000"


def tum(sequence: Path, rgb: str, depth: str) -> None:
    put(sequence / "rgb.txt", f"# color images\n{rgb}".encode())
    put(sequence / "depth.txt", f"# depth maps\n{depth}".encode())


def test_tum_pairs_by_nearest_time(tmp_path: Path) -> None:
    """Worked by hand: 1.03 goes to 1.032 (2 ms), so 1.00 takes 1.015 (15 ms); 2.00 has none within 20 ms."""
    tum(
        tmp_path / "desk",
        "1.000 rgb/a.png\n1.030 rgb/b.png\n2.000 rgb/c.png\n",
        "1.015 depth/x.png\n1.032 depth/y.png\n2.020 depth/z.png\n",
    )
    for name, value in (("x", 5000), ("y", 7500), ("z", 10000)):
        grey16(tmp_path / "desk" / "depth" / f"{name}.png", [[value, 0]])
    for name in "abc":
        colour(tmp_path / "desk" / "rgb" / f"{name}.png")
    found = read(tmp_path, "tum")
    assert [(frame.colour.stem, frame.depth.stem) for frame, _ in found] == [("a", "x"), ("b", "y")]
    assert [metres.tolist() for _, metres in found] == [[[1, 0]], [[1.5, 0]]]
    frame = found[0][0]
    assert frame.scene == "desk" and {path.name for path in frame.extra} == {"rgb.txt", "depth.txt"}


@pytest.mark.parametrize("order", ["0 depth/0.png 0 rgb/0.png", "0 rgb/0.png 0 depth/0.png", None])
def test_icl(tmp_path: Path, order: str | None) -> None:
    grey16(tmp_path / "traj0" / "depth" / "0.png", [[5000, 12500]])
    colour(tmp_path / "traj0" / "rgb" / "0.png")
    if order:
        put(tmp_path / "traj0" / "associations.txt", order.encode())
    frame, metres = only(tmp_path, "icl")
    assert metres == [[1, 2.5]] and frame.colour.parent.name == "rgb" and frame.scene == "traj0"


def test_7scenes(tmp_path: Path) -> None:
    """Millimetres; both 0 and 65535 are nothing; all sequences of a room are one scene."""
    for sequence in ("seq-01", "seq-02"):
        grey16(tmp_path / "chess" / sequence / "frame-000000.depth.png", [[0, 1250], [65535, 65534]])
        colour(tmp_path / "chess" / sequence / "frame-000000.color.png")
    (one, metres), (other, _) = read(tmp_path, "7scenes")
    assert metres.tolist() == [[0, 1.25], [0, np.float32(65.534)]] and one.scene == other.scene == "chess"


def test_sunrgbd_turns_the_bits_back(tmp_path: Path) -> None:
    """1000 mm is 0b0000001111101000, turned left by three 0b0001111101000000 = 8000. 8193 mm is 2^13 + 1, turned left
    2^16 + 2^3, whose 2^16 comes round to 2^0: 9."""
    frame = tmp_path / "SUNRGBD/kv1/b3dodata/img_0063"
    grey16(frame / "depth" / "img_0063_abs.png", [[0, 8000], [9, 16000]])
    colour(frame / "image" / "img_0063.jpg")
    frame, metres = only(tmp_path, "sunrgbd")
    assert metres == [[0, 1], [np.float32(8.193), 2]]
    assert frame.scene == "SUNRGBD/kv1/b3dodata/img_0063"


def test_sunrgbd_refuses_depth_that_was_never_rotated(tmp_path: Path) -> None:
    """Plain millimetres 1001, 1002, 1003, rotated back, are 8317, 16509 and 24701."""
    frame = tmp_path / "sun3ddata" / "room_1" / "0000-1"
    grey16(frame / "depth" / "a.png", [[1001, 1002, 1003, 0]])
    colour(frame / "image" / "a.jpg")
    assert [frame.scene for frame in READERS["sunrgbd"].find_frames(tmp_path)] == ["room_1"]
    with pytest.raises(DataError, match=r"a\.png: 3 of 3 pixels beyond 8\.192 m once rotated back: not bit-rotated"):
        read(tmp_path, "sunrgbd")


def diode(folder: Path, depth: np.ndarray, mask: np.ndarray) -> Path:
    scan = folder / "indoors" / "scene_00000" / "scan_00001"
    colour(scan / "00000_00001_indoors_000_000.png")
    np.save(scan / "00000_00001_indoors_000_000_depth.npy", depth)
    np.save(scan / "00000_00001_indoors_000_000_depth_mask.npy", mask)
    return scan


def test_diode(tmp_path: Path) -> None:
    """Written by numpy; the mask decides, and NaN never counts."""
    depth = np.array([[1.5, 2.5], [math.nan, 0.0]], np.float32)[..., None]
    diode(tmp_path, depth, np.array([[1.0, 0.0], [1.0, 1.0]]))
    frame, metres = only(tmp_path, "diode")
    assert metres == [[1.5, 0], [0, 0]] and frame.scene == "indoors/scene_00000"


CALIBRATION = "cam0=[1000 0 320; 0 1000 240; 0 0 1]\ncam1=[1000 0 330; 0 1000 240; 0 0 1]\ndoffs=10\nbaseline=200\nwidth=2\n"


@pytest.mark.parametrize("little", [True, False])
def test_middlebury_is_read_the_right_way_up(tmp_path: Path, little: bool) -> None:
    """Z = 200 mm * 1000 / (disparity + 10): 90 -> 2 m, 190 -> 1 m, 30 -> 5 m, inf -> nothing. The bytes are by hand, bottom row
    first; read top-down the rows would be exchanged, with the other endianness the numbers senseless."""
    scene = tmp_path / "Piano-perfect"
    kind = "<" if little else ">"
    bottom, top = struct.pack(f"{kind}2f", 30, math.inf), struct.pack(f"{kind}2f", 90, 190)
    put(scene / "disp0.pfm", b"Pf\n2 2\n" + (b"-1.0" if little else b"1.0") + b"\n" + bottom + top)
    put(scene / "calib.txt", CALIBRATION.encode())
    colour(scene / "im0.png")
    frame, metres = only(tmp_path, "middlebury")
    assert metres == [[2, 1], [5, 0]] and frame.scene == "Piano-perfect"


def test_packnet(tmp_path: Path) -> None:
    """Written by numpy."""
    for inner in ("lidar/CAMERA_01", "CAMERA_05"):
        path = tmp_path / "000150" / "depth" / inner / "15.npz"
        path.parent.mkdir(parents=True)
        np.savez_compressed(path, depth=np.array([[0, 3.5], [math.inf, -1]]))
        colour(tmp_path / "000150" / "rgb" / Path(inner).name / "15.png")
    found = read(tmp_path, "packnet")
    assert [metres.tolist() for _, metres in found] == [[[0, 3.5], [0, 0]]] * 2
    assert [frame.colour.parent.name for frame, _ in found] == ["CAMERA_05", "CAMERA_01"]
    assert {frame.scene for frame, _ in found} == {"000150"}


def test_vkitti2(tmp_path: Path) -> None:
    """Centimetres; 65535 is the sky. Clone and fog of a drive are one scene."""
    for variant in ("clone", "fog"):
        frames = tmp_path / "Scene01" / variant / "frames"
        grey16(frames / "depth/Camera_0/depth_00000.png", [[100, 65534], [65535, 0]])
        colour(frames / "rgb/Camera_0/rgb_00000.jpg")
    (one, metres), (other, _) = read(tmp_path, "vkitti2")
    assert metres.tolist() == [[1, np.float32(655.34)], [0, 0]] and one.scene == other.scene == "Scene01"


def test_hypersim_is_planar(tmp_path: Path) -> None:
    """Written by h5py. At a width of 4, f = 886.81 * 4 / 1024; each pixel's ray by an explicit loop. A flat wall 2 m ahead has
    planar depth 2 everywhere though its distances differ."""
    h5py = pytest.importorskip("h5py")
    focal = 886.81 * 4 / 1024
    distance = np.zeros((3, 4))
    for row in range(3):
        for column in range(4):
            ray = (column - 1.5, row - 1.0, focal)
            distance[row, column] = 2.0 * math.hypot(*ray) / focal
    distance[0, 0] = math.nan
    depth = tmp_path / "ai_001_001/images/scene_cam_00_geometry_hdf5/frame.0000.depth_meters.hdf5"
    depth.parent.mkdir(parents=True)
    with h5py.File(depth, "w") as file:
        file["dataset"] = distance
    preview = colour(tmp_path / "ai_001_001/images/scene_cam_00_final_preview/frame.0000.tonemap.jpg")
    frame, metres = only(tmp_path, "hypersim")
    assert metres[0][0] == 0 and np.array(metres).flatten()[1:] == pytest.approx(2.0, rel=1e-6)
    assert distance[2, 3] > 2.2 and (frame.colour, frame.scene) == (preview, "ai_001_001")


def test_ncdb_divides_by_256_though_all_is_near(tmp_path: Path) -> None:
    """A frame whose largest value is 255 is 1 m deep at most; dividing only above 255 would make it 255 m."""
    data = tmp_path / "2025-07-11_A" / "synced_data"
    grey16(data / "newest_depth_maps" / "0000000038.png", [[0, 128], [255, 64]])
    colour(data / "image_a6" / "0000000038.jpg")
    frame, metres = only(tmp_path, "ncdb")
    assert metres == [[0, 0.5], [255 / 256, 0.25]] and frame.scene == "2025-07-11_A"


def test_plain_folders_by_scene(tmp_path: Path) -> None:
    for room in ("hall", "kitchen"):
        grey16(tmp_path / room / "depth" / "a.png", [[0, 500]])
        colour(tmp_path / room / "rgb" / "a.png")
    found = read(tmp_path, "folder", 250)
    assert [(frame.scene, metres.tolist()) for frame, metres in found] == [("hall", [[0, 2]]), ("kitchen", [[0, 2]])]
