"""What readers refuse, each in one line that names the file: broken, half-written, hostile or of another format."""

from __future__ import annotations

import io
import json
import math
import os
import random
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from handwritten import colour, grey8, grey16, pfm, put

from runner.data import READERS, Data, DataError, list_frames, read_frames
from runner.data.formats.decode import MOST_BYTES, hdf5, npy, npz, png16
from runner.data.formats.decode import pfm as read_pfm

CALIBRATION = b"cam0=[1000 0 320; 0 1000 240; 0 0 1]\ndoffs=10\nbaseline=200\n"


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        action()
    line = str(caught.value)
    assert "\n" not in line and len(line) < 600
    return line


def half(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_pictures(tmp_path: Path) -> None:
    assert "an 8-bit picture (mode L); depth in 16-bit grey" in refusal(lambda: png16(grey8(tmp_path / "a.png", [[1, 2]])))
    assert "a colour picture (mode RGB)" in refusal(lambda: png16(colour(tmp_path / "b.png")))
    large = grey16(tmp_path / "c.png", np.random.default_rng(0).integers(0, 65536, (40, 40)).tolist())
    assert png16(large).shape == (40, 40)
    assert "c.png: cannot be read as a picture" in refusal(lambda: png16(half(large)))


PFMS = {
    b"": "not a PFM file",
    b"P5\n1 1\n-1\n....": "kind b'P5'",
    b"PF\n1 1\n-1\n" + bytes(12): "a grey one ('Pf') is needed",
    b"Pf\n2 x\n-1\n" + bytes(8): "not a PFM file",
    b"Pf\n2 2\n0\n" + bytes(16): "scale 0",
    b"Pf\n2 2\nnan\n" + bytes(16): "scale nan",
    b"Pf\n-2 -2\n-1\n" + bytes(16): "-2 x -2",
    b"Pf\n2 2\n-1\n" + bytes(15): "15 bytes of pixels; 16 (4 x 2 x 2) are needed",
    b"Pf\n2 2\n-1": "0 bytes of pixels",
    b"Pf\n99999999 99999999\n-1\n" + bytes(16): "16 bytes of pixels",
}


@pytest.mark.parametrize("content", list(PFMS))
def test_pfm(tmp_path: Path, content: bytes) -> None:
    line = refusal(lambda: read_pfm(put(tmp_path / "a.pfm", content)))
    assert PFMS[content] in line and "a.pfm" in line


def test_pfm_of_both_byte_orders_and_upright(tmp_path: Path) -> None:
    for little in (True, False):
        read = read_pfm(pfm(tmp_path / "a.pfm", [[1, 2, 3], [4, 5, math.inf]], little))
        assert read.tolist() == [[1, 2, 3], [4, 5, math.inf]]


def array_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def claimed(shape: str) -> bytes:
    """An npy of version 1.0 whose header claims a shape. https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html"""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(16)


NPYS = {
    "empty": (b"", "cannot be read as an npy array"),
    "text": (b"not an array at all, but long enough", "cannot be read as an npy array"),
    "half": (array_bytes(np.ones((40, 40)))[:3000], "cannot be read as an npy array"),
    "more than there is": (claimed("(1000000, 1000000)"), "cannot be read as an npy array"),
    "objects": (array_bytes(np.array([{}, 1])), "cannot be read as an npy array"),
    "words": (array_bytes(np.array(["a", "b"])), "<U1 (2,); an array of 1 to"),
    "nothing": (array_bytes(np.ones((2, 0))), "float64 (2, 0); an array of 1 to"),
}


@pytest.mark.parametrize("name", list(NPYS))
def test_npy(tmp_path: Path, name: str) -> None:
    content, says = NPYS[name]
    line = refusal(lambda: npy(put(tmp_path / "a.npy", content)))
    assert says in line and "a.npy" in line


def test_an_honest_header_is_read(tmp_path: Path) -> None:
    """`claimed` writes files that numpy reads, so what it refuses is refused for the claim."""
    assert npy(put(tmp_path / "a.npy", claimed("(2, 2)"))).tolist() == [[0, 0], [0, 0]]


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, depths=np.ones((2, 2)))
    assert "no array 'depth' in it; there is 'depths'" in refusal(lambda: npz(path, "depth"))
    np.savez(path, depth=np.array([{}, 1]))
    assert "cannot be read as an npz archive" in refusal(lambda: npz(path, "depth"))
    np.savez_compressed(path, depth=np.random.default_rng(0).random((40, 40)))
    assert npz(path, "depth").shape == (40, 40)
    assert "cannot be read as an npz archive" in refusal(lambda: npz(half(path), "depth"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("depth.npy", claimed("(1000000, 1000000)"))
    assert "cannot be read as an npz archive" in refusal(lambda: npz(path, "depth"))


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.data.formats.decode.MOST_BYTES", 10_000)
    np.savez_compressed(tmp_path / "a.npz", depth=np.zeros((100, 100)))
    assert MOST_BYTES > 10_000 and (tmp_path / "a.npz").stat().st_size < 1000
    assert "80,128 bytes when unpacked; at most 10,000" in refusal(lambda: npz(tmp_path / "a.npz", "depth"))


def test_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path, secret = tmp_path / "a.hdf5", tmp_path / "secret.hdf5"
    with h5py.File(secret, "w") as file:
        file["dataset"] = np.ones((3, 4))
    with h5py.File(path, "w") as file:
        file["depths"] = np.ones((3, 4))
        file["dataset"] = h5py.ExternalLink(str(secret), "dataset")
        file["words"] = "abc"
        file.create_dataset("huge", shape=(10**6, 10**6), dtype="f4", chunks=(10, 10))
        file.create_group("group")
    assert hdf5(path, "depths").tolist() == [[1] * 4] * 3
    assert "no data set 'dataset' in it; there is " in refusal(lambda: hdf5(path, "dataset"))
    assert "no data set 'group'" in refusal(lambda: hdf5(path, "group"))
    assert "shape (1000000, 1000000)" in refusal(lambda: hdf5(path, "huge"))
    assert "is needed" in refusal(lambda: hdf5(path, "words"))
    assert "cannot be read as an HDF5 file" in refusal(lambda: hdf5(half(path), "depths"))


def test_hypersim_of_another_shape(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    depth = tmp_path / "ai_001_001/images/scene_cam_00_geometry_hdf5/frame.0000.depth_meters.hdf5"
    depth.parent.mkdir(parents=True)
    with h5py.File(depth, "w") as file:
        file["dataset"] = np.ones((3, 5))
    (frame,) = READERS["hypersim"].find_frames(tmp_path)
    assert "5 x 3; the focal length is that of 1024 x 768, so 4:3" in refusal(lambda: READERS["hypersim"].metres(frame, 1.0))


@pytest.mark.parametrize("calibration", [b"", b"cam0=[1000 0 0]\nbaseline=200", CALIBRATION.replace(b"200", b"none"), b"\xff"])
def test_middlebury_calibration(tmp_path: Path, calibration: bytes) -> None:
    pfm(tmp_path / "a" / "disp0.pfm", [[1, 2]])
    put(tmp_path / "a" / "calib.txt", calibration)
    (frame,) = READERS["middlebury"].find_frames(tmp_path)
    assert "calib.txt: " in refusal(lambda: READERS["middlebury"].metres(frame, 1000.0))


def test_diode_mask_of_another_shape(tmp_path: Path) -> None:
    np.save(tmp_path / "a_depth.npy", np.ones((2, 2, 1)))
    np.save(tmp_path / "a_depth_mask.npy", np.ones((2, 3)))
    (frame,) = READERS["diode"].find_frames(tmp_path)
    assert "a_depth_mask.npy: (2, 3), but the depth is (2, 2)" in refusal(lambda: READERS["diode"].metres(frame, 1.0))
    np.save(tmp_path / "a_depth.npy", np.ones((2, 2, 2)))
    assert "shape (2, 2, 2); [H, W] is needed" in refusal(lambda: READERS["diode"].metres(frame, 1.0))


@pytest.mark.parametrize(
    "line",
    ["1.0", "one rgb/a.png", "1.0 ../a.png", "1.0 /etc/passwd", "1.0 ..\\a.png", "1.0 C:/a.png", "nan a.png", "inf a.png"],
)
def test_tum_lists(tmp_path: Path, line: str) -> None:
    put(tmp_path / "desk" / "rgb.txt", line.encode())
    assert "rgb.txt: depth.txt is missing beside it" in refusal(lambda: READERS["tum"].find_frames(tmp_path))
    put(tmp_path / "desk" / "depth.txt", b"1.0 depth/a.png")
    assert "rgb.txt: line 1: " in refusal(lambda: READERS["tum"].find_frames(tmp_path))


@pytest.mark.parametrize("line", ["0 depth/0.png", "0 depth/0.png 0 depth/1.png", "0 depth/0.png 0 ../rgb/0.png"])
def test_icl_lists(tmp_path: Path, line: str) -> None:
    put(tmp_path / "associations.txt", line.encode())
    assert "associations.txt: line 1: " in refusal(lambda: READERS["icl"].find_frames(tmp_path))


def test_sunrgbd_folders(tmp_path: Path) -> None:
    grey16(tmp_path / "f" / "depth" / "a.png", [[8]])
    assert "one picture in image/ and one in depth/ are needed" in refusal(lambda: READERS["sunrgbd"].find_frames(tmp_path))


def nyu(folder: Path, count: int = 2, value: int = 1500) -> Data:
    for index in range(count):
        grey16(folder / f"room_{index}" / "sync_depth_0.png", [[value + index, 0]])
        colour(folder / f"room_{index}" / "rgb_0.png")
    return Data(folder=str(folder), format="nyu")


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "no such folder; one of format nyu" in refusal(lambda: list_frames(Data(folder=str(tmp_path / "x"), format="nyu")))
    put(tmp_path / "file", b"")
    assert "is a file; a folder of format" in refusal(lambda: list_frames(Data(folder=str(tmp_path / "file"), format="nyu")))
    for name in READERS:
        scale = {"depth_scale": 1000.0} if name == "folder" else {}
        empty = Data(folder=str(tmp_path), format=name, split_by="scene", **scale)
        line = refusal(lambda empty=empty: list_frames(empty))
        assert f"no frames of format {name} in it; expected is" in line
    data = nyu(tmp_path / "nyu")
    (tmp_path / "nyu" / "room_1" / "rgb_0.png").unlink()
    assert "1 files of 2 frames are missing: room_1/rgb_0.png" in refusal(lambda: list_frames(data))


def test_what_no_camera_sees(tmp_path: Path) -> None:
    """The largest is 9 mm in truth 9 m: the arithmetic is said."""
    data = nyu(tmp_path, value=8)
    line = refusal(lambda: read_frames(data, list_frames(data)))
    assert "8 to 9 / 1000 = 0.008 to 0.009 m; no scene is like that, is format nyu with 1000 to a metre right?" in line
    data = nyu(tmp_path / "empty", count=1, value=0)
    assert "no valid depth in 1 frames of format nyu" in refusal(lambda: read_frames(data, list_frames(data)))


@pytest.mark.parametrize("what", ["colour", "depth", "scene"])
def test_links_out_of_the_folder_are_refused(tmp_path: Path, what: str) -> None:
    data = nyu(tmp_path / "nyu")
    room, outside = tmp_path / "nyu" / "room_1", tmp_path / "outside"
    if what == "scene":
        room.rename(outside)
        room.symlink_to(outside)
    else:
        path = room / ("rgb_0.png" if what == "colour" else "sync_depth_0.png")
        path.rename(outside)
        path.symlink_to(outside)
    assert "leads out of the data folder" in refusal(lambda: list_frames(data))


def test_a_name_that_would_break_a_line_is_refused(tmp_path: Path) -> None:
    grey16(tmp_path / "ro\nom" / "sync_depth_0.png", [[1500]])
    assert "cannot be printed; rename it" in refusal(lambda: list_frames(Data(folder=str(tmp_path), format="nyu")))


def test_a_disparity_of_next_to_nothing_is_not_infinitely_far(tmp_path: Path) -> None:
    """200 mm * 1000 / 1e-40 is no float32; the other pixel is 200 * 1000 / 100 = 2000 mm."""
    pfm(tmp_path / "a" / "disp0.pfm", [[1e-40, 100]])
    put(tmp_path / "a" / "calib.txt", CALIBRATION.replace(b"doffs=10", b"doffs=0"))
    (frame,) = READERS["middlebury"].find_frames(tmp_path)
    assert READERS["middlebury"].metres(frame, 1000.0).tolist() == [[0, 2]]


def test_a_link_within_the_folder_is_not_read_twice(tmp_path: Path) -> None:
    data = nyu(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "room_0")
    assert len(list_frames(data)) == 2


HOSTILE = ["../other/sync_depth_0.png", "/etc/passwd", "room_0/../../x", "a\\..\\..\\b", "room_0/\0"]


@pytest.mark.parametrize("name", HOSTILE)
def test_lists_do_not_lead_out(tmp_path: Path, name: str) -> None:
    data = nyu(tmp_path / "nyu", 3)
    put(tmp_path / "nyu" / "val.txt", b"room_0/rgb_0.png")
    put(tmp_path / "nyu" / "train.json", json.dumps([name]).encode())
    data = data.model_copy(update={"train_list": "train.json", "validation_list": "val.txt"})
    line = refusal(lambda: list_frames(data))
    assert "train.json: entry 1: " in line and "without '..' and not absolute" in line


BAD_LISTS = {
    "a.txt": (b"# nothing\n\n", "a.txt: an empty list"),
    "b.txt": (b"room_0/rgb_0.png\nroom_9/rgb_0.png", "b.txt: line 2: 'room_9/rgb_0.png' is none of the 3 frames"),
    "c.json": (b"{", "c.json: not valid JSON"),
    "d.json": (b'{"train": []}', "a JSON dict; a list of frames is needed"),
    "e.json": (b"[3]", "e.json: entry 1: a path, or an object with depth, image, rgb or dataset_root and new_filename"),
    "f.json": (b"[" * 100_000, "f.json: not valid JSON"),
    "g.txt": (b"\xff\xfe", "g.txt: cannot be read as a list of frames"),
    "h.json": (b'[{"dataset_root": "/elsewhere", "new_filename": "1"}]', "without '..' and not absolute"),
    "missing.txt": (None, "missing.txt: cannot be read as a list of frames (No such file"),
}


@pytest.mark.parametrize("name", list(BAD_LISTS))
def test_bad_lists(tmp_path: Path, name: str) -> None:
    data = nyu(tmp_path / "nyu", 3)
    content, says = BAD_LISTS[name]
    if content is not None:
        put(tmp_path / "nyu" / name, content)
    data = data.model_copy(update={"train_list": name, "validation_list": name})
    assert says in refusal(lambda: list_frames(data)).replace("[Errno 2] ", "")


@pytest.mark.parametrize("name", ["/dev/zero", "../val.txt", "linked.txt"])
def test_a_list_outside_the_data_folder_is_refused(tmp_path: Path, name: str) -> None:
    data = nyu(tmp_path / "nyu", 3)
    put(tmp_path / "val.txt", b"room_0/rgb_0.png")
    (tmp_path / "nyu" / "linked.txt").symlink_to(tmp_path / "val.txt")
    line = refusal(lambda: list_frames(data.model_copy(update={"train_list": name, "validation_list": name})))
    assert ("without '..' and not absolute" in line or "leads out of the data folder" in line) and name in line


def test_a_list_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe would be waited for; a file is read as far as is allowed (here of 1000 characters, one more)."""
    data = nyu(tmp_path / "nyu", 3)
    os.mkfifo(tmp_path / "nyu" / "pipe.txt")
    put(tmp_path / "nyu" / "long.txt", b"#" * 1001)
    monkeypatch.setattr("runner.data.formats.text.MOST_CHARACTERS", 1000)
    for name, says in (("pipe.txt", "not a regular file; a list"), ("long.txt", "(over 1,000 characters)")):
        listed = data.model_copy(update={"train_list": name, "validation_list": name})
        assert says in refusal(partial(list_frames, listed))


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    """Bytes changed, cut off or zeroed in files of every kind of number: an array or one line, nothing else."""
    h5py = pytest.importorskip("h5py")
    rng, picture = random.Random(0), np.random.default_rng(0).random((6, 8))
    np.save(tmp_path / "a.npy", picture)
    np.savez_compressed(tmp_path / "a.npz", depth=picture)
    pfm(tmp_path / "a.pfm", picture.tolist())
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_dataset("dataset", data=picture, compression="gzip")
    readers = {
        ".npy": npy,
        ".npz": lambda path: npz(path, "depth"),
        ".pfm": read_pfm,
        ".hdf5": lambda path: hdf5(path, "dataset"),
    }
    refused = 0
    for ending, read in readers.items():
        whole = (tmp_path / f"a{ending}").read_bytes()
        assert np.allclose(read(tmp_path / f"a{ending}"), picture)
        for _ in range(150):
            data = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            path = put(tmp_path / f"b{ending}", bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
            try:
                read(path)
            except DataError as error:
                refused += 1
                assert len(str(error).splitlines()) == 1
    assert refused > 200
