"""From an experiment's data section to training, probe and validation frames, and to the fingerprint of a record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from handwritten import colour, grey16, put

import runner.records.fingerprint as fingerprints
from nfloss import Configuration
from runner.data import Data, DataError, FrameFiles, list_frames, make_seed_data, read_frames
from runner.data.dataset import resize_nearest
from runner.data.splits import Split, split
from runner.execution import FrameCache, frame_cache
from runner.experiment import ExperimentError, parse_experiment
from runner.records.fingerprint import changed_parts, fingerprint
from runner.study import run_study
from runner.study.folder import check_folder

CPU = torch.device("cpu")
QUIET = (lambda *_: lambda *_: None, lambda *_: None, lambda crash: None)


def nyu(folder: Path, rooms: int = 5, each: int = 4, least: int = 1000, near: int = 500) -> Path:
    """Frame f of room r is least + 100 r + f millimetres deep, one pixel `near`; its red is r."""
    for room in range(rooms):
        for frame in range(each):
            home = folder / f"room_{room:04d}"
            grey16(home / f"sync_depth_{frame:05d}.png", [[least + 100 * room + frame, 0], [near, least + 100 * room + frame]])
            colour(home / f"rgb_{frame:05d}.png", room)
    return folder


def data_of(folder: Path, **more: object) -> Data:
    return Data.model_validate({"folder": str(folder), "format": "nyu", "height": 16, "width": 16, **more})


def split_of(data: Data, seed: int = 0) -> Split:
    return split(data, list_frames(data), seed)


def rooms_of(frames: list[FrameFiles]) -> set[str]:
    return {frame.scene for frame in frames}


@pytest.mark.parametrize("seed", range(5))
def test_no_scene_is_on_both_sides(tmp_path: Path, seed: int) -> None:
    """Of five rooms with four frames each, 30 % is six frames: two whole rooms are held out."""
    train, held_out = split_of(data_of(nyu(tmp_path)), seed)
    assert (len(train), len(held_out)) == (12, 8)
    assert not rooms_of(train) & rooms_of(held_out)
    assert split_of(data_of(tmp_path), seed) == (train, held_out)


def test_seeds_hold_out_different_rooms(tmp_path: Path) -> None:
    nyu(tmp_path)
    assert len({frozenset(rooms_of(split_of(data_of(tmp_path), seed)[1])) for seed in range(6)}) > 1


def test_by_frame_where_asked_for(tmp_path: Path) -> None:
    train, held_out = split_of(data_of(nyu(tmp_path), split_by="frame"))
    assert (len(train), len(held_out)) == (14, 6) and rooms_of(train) & rooms_of(held_out)
    assert not {frame.depth for frame in train} & {frame.depth for frame in held_out}


def test_one_scene_cannot_be_split_by_scene(tmp_path: Path) -> None:
    data = data_of(nyu(tmp_path, rooms=1))
    with pytest.raises(DataError, match=r"4 frames of one scene \(room_0000\) cannot be split by scene; give train_list"):
        split_of(data)
    assert len(split_of(data_of(tmp_path, split_by="frame"))[1]) == 2
    with pytest.raises(DataError, match="1 frames to train on and 1 held out; at least 1 and 2 are needed"):
        split_of(data_of(tmp_path, split_by="frame", frames="*0000[01].png"))


def test_a_large_scene_never_takes_all(tmp_path: Path) -> None:
    """Whichever of two rooms is held out, the other is trained on."""
    for seed in range(4):
        train, held_out = split_of(data_of(nyu(tmp_path, rooms=2)), seed)
        assert (len(train), len(held_out)) == (4, 4)


def test_train_beside_val_is_used(tmp_path: Path) -> None:
    nyu(tmp_path / "train", rooms=2)
    with pytest.raises(DataError, match="train/ has no val/, validation/ or test/ beside it"):
        split_of(data_of(tmp_path))
    nyu(tmp_path / "test", rooms=1)
    train, held_out = split_of(data_of(tmp_path), 3)
    assert (len(train), len(held_out)) == (8, 4) and {frame.depth.parts[-3] for frame in held_out} == {"test"}


def test_globs(tmp_path: Path) -> None:
    nyu(tmp_path)
    assert len(list_frames(data_of(tmp_path, frames="room_000[12]/*"))) == 8
    with pytest.raises(DataError, match=r"frames='kitchen/\*' matches the depth path of none of its 20 frames"):
        list_frames(data_of(tmp_path, frames="kitchen/*"))


LISTS = {
    "colour": ("a.txt", "room_0000/rgb_00001.png\n"),
    "depth, no ending": ("a.txt", "# train\n\n  ./room_0000/sync_depth_00001\n"),
    "more words": ("a.txt", "room_0000/rgb_00001.png room_0000/sync_depth_00001.png 518.8579\n"),
    "JSON paths": ("a.json", json.dumps(["room_0000/rgb_00001.png"])),
    "JSON objects": ("a.json", json.dumps([{"image": "x", "depth": "room_0000/sync_depth_00001.png"}])),
}


@pytest.mark.parametrize("kind", list(LISTS))
def test_lists(tmp_path: Path, kind: str) -> None:
    name, text = LISTS[kind]
    put(nyu(tmp_path) / "lists" / name, text.encode())
    put(tmp_path / "val.txt", b"room_0003/rgb_00000.png\nroom_0003/rgb_00002.png\nroom_0003/rgb_00000.png\n")
    data = data_of(tmp_path, train_list=f"lists/{name}", validation_list="val.txt")
    train, held_out = split_of(data)
    assert [frame.depth.relative_to(tmp_path).as_posix() for frame in train] == ["room_0000/sync_depth_00001.png"]
    assert [frame.depth.stem[-1] for frame in held_out] == ["0", "2"]
    assert len(list_frames(data)) == 3


def test_a_frame_on_both_lists_is_refused(tmp_path: Path) -> None:
    put(nyu(tmp_path) / "a.txt", b"room_0000/rgb_00001.png\nroom_0000/rgb_00002.png")
    put(tmp_path / "b.txt", b"room_0000/sync_depth_00002.png\nroom_0000/rgb_00003.png")
    with pytest.raises(DataError, match=r"1 frames are in both .*, room_0000/sync_depth_00002\.png among them"):
        split_of(data_of(tmp_path, train_list="a.txt", validation_list="b.txt"))


@pytest.mark.parametrize("absolute", [True, False])
def test_the_reviewed_code_bases_lists(tmp_path: Path, absolute: bool) -> None:
    """Its entries have an absolute dataset_root; within the data folder that is as good as a relative one."""
    for number in range(4):
        grey16(tmp_path / "A/synced_data/newest_depth_maps" / f"{number:010d}.png", [[256]])
        colour(tmp_path / "A/synced_data/image_a6" / f"{number:010d}.jpg")
    root = str(tmp_path / "A/synced_data") if absolute else "A/synced_data"
    entries = [{"dataset_root": root, "new_filename": f"{number:010d}"} for number in range(4)]
    put(tmp_path / "splits/combined_train.json", json.dumps(entries[:2]).encode())
    put(tmp_path / "splits/combined_val.json", json.dumps(entries[2:]).encode())
    lists = {"train_list": "splits/combined_train.json", "validation_list": "splits/combined_val.json"}
    train, held_out = split_of(data_of(tmp_path, format="ncdb", **lists))
    assert [frame.depth.stem[-1] for frame in (*train, *held_out)] == ["0", "1", "2", "3"]


def test_frames_of_a_seed(tmp_path: Path) -> None:
    """Every depth says its room: probe and validation are of the held-out rooms, and no frame is in two parts."""
    data = data_of(nyu(tmp_path), probe=3, validation=4)
    made = make_seed_data(data, 1)
    _, held_out = split_of(data, 1)
    assert (len(made.train), len(made.probe), len(made.validation)) == (12, 3, 4)

    def depths(frames: list[FrameFiles]) -> set[float]:
        return set(read_frames(data, frames).depth.flatten(1).amax(1).tolist())

    probe, validation = (set(part.depth.flatten(1).amax(1).tolist()) for part in (made.probe, made.validation))
    assert probe | validation <= depths(held_out) and len(probe | validation) == 7
    assert made.train.rgb.shape == (12, 3, 16, 16) and made.train.rgb[0, 1, 0, 0] == pytest.approx(102 / 255)


def test_nearest_takes_middles() -> None:
    """Rows 0.75 and 2.25 of three, columns 1 and 3 of four."""
    values = torch.arange(12.0).reshape(3, 4).numpy()
    assert resize_nearest(values, 2, 2).tolist() == [[1, 3], [9, 11]]


SECTIONS = {
    "{folder: x, format: kity}": "there is no format 'kity' (did you mean 'kitti'?); the formats are folder, kitti, nyu",
    "{folder: x, format: kitti, depth_scale: 1000}": "format kitti has a scale of its own, 256; depth_scale is 1000",
    "{folder: x, format: folder}": "a folder needs depth_scale",
    "{format: kitti}": "format, frames, lists and split_by belong to a folder, and none is given",
    "{split_by: scene}": "belong to a folder",
    "{folder: x, format: nyu, split_by: room}": "data.split_by",
    "{folder: x, format: nyu, train_list: a}": "train_list and validation_list go together",
    "{folder: x, format: nyu, train_list: a, validation_list: b, split_by: scene}": "split_by cannot be given with them",
    "{folder: x, format: nyu, lidar: true}": "lidar is for scenes",
}


@pytest.mark.parametrize("section", list(SECTIONS))
def test_bad_sections_are_one_line(section: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        parse_experiment({"name": "x", "design": {"leave_one_out": True}, "data": yaml.safe_load(section)}, "x.yaml")
    assert SECTIONS[section] in str(caught.value) and "\n" not in str(caught.value)


def test_the_own_scale_may_be_said() -> None:
    assert Data(folder="x", format="kitti", depth_scale=256).depth_scale == 256


def marks(data: Data) -> str:
    fingerprints.frames_read.cache_clear()
    return fingerprint(Configuration.of(), data)


def test_the_fingerprint_covers_what_is_read_and_no_more(tmp_path: Path) -> None:
    put(nyu(tmp_path) / "a.txt", b"room_0000/rgb_00001.png")
    put(tmp_path / "b.txt", b"room_0001/rgb_00000.png\nroom_0001/rgb_00001.png")
    data = data_of(tmp_path, train_list="a.txt", validation_list="b.txt")
    before = marks(data)
    assert [part.split(":")[0] for part in before.split()] == ["shared", "frames", "reader"]
    colour(tmp_path / "room_0004" / "rgb_00000.png", 3, 9, 9)
    put(tmp_path / "notes.txt", b"nothing to do with it")
    assert marks(data) == before
    put(tmp_path / "b.txt", b"room_0001/rgb_00000.png\nroom_0001/rgb_00002.png")
    assert changed_parts(before, marks(data)) == ["frames"], "as many bytes, another frame"
    before = marks(data)
    colour(tmp_path / "room_0000" / "rgb_00001.png", 3, 9, 9)
    assert changed_parts(before, marks(data)) == ["frames"]


def test_a_calibration_counts_by_its_content(tmp_path: Path) -> None:
    for scene in "ab":
        put(tmp_path / scene / "disp0.pfm", b"Pf\n1 1\n-1\n0000")
        colour(tmp_path / scene / "im0.png")
        put(tmp_path / scene / "calib.txt", b"cam0=[1000 0 0]\ndoffs=0\nbaseline=100")
    data = data_of(tmp_path, format="middlebury")
    before = marks(data)
    put(tmp_path / "b" / "calib.txt", b"cam0=[2000 0 0]\ndoffs=0\nbaseline=100")
    assert changed_parts(before, marks(data)) == ["frames"]


def test_formats_have_code_of_their_own() -> None:
    names = ("kitti", "nyu", "tum")
    codes = {fingerprints.code_of_modules(*fingerprints.READERS, f"{fingerprints.FORMATS}/{name}") for name in names}
    assert len(codes) == 3


def test_a_study_of_a_format_is_trained_and_resumed(tmp_path: Path) -> None:
    nyu(tmp_path / "nyu")
    content = {
        "name": "tiny",
        "design": {"one_at_a_time": ["2-1"]},
        "seeds": 1,
        "data": {"folder": str(tmp_path / "nyu"), "format": "nyu", "height": 16, "width": 16, "probe": 2, "validation": 4},
        "training": {"steps": 4, "batch": 4, "evaluate_every": 2},
        "workers": 1,
    }
    experiment = parse_experiment(content, "t")
    outcome = run_study(experiment, tmp_path / "study", False, None)
    assert outcome.done == outcome.planned == 2
    assert run_study(experiment, tmp_path / "study", True, None).done == 2
    other = parse_experiment({**content, "data": {**content["data"], "split_by": "frame"}}, "t")
    with pytest.raises(ValueError, match="was run with another data"):
        check_folder(tmp_path / "study", other, True)


@pytest.mark.parametrize(
    ("least", "says"), [(1000, "probe frames is nearer than 1 m, so the near error"), (100, "probe frames is at 1 m or beyond")]
)
def test_frames_that_the_metrics_cannot_measure_are_refused(tmp_path: Path, least: int, says: str) -> None:
    """As KITTI's, where nothing is nearer than 1 m; the largest of the others is 503 mm."""
    nyu(tmp_path / "nyu", least=least, near=least)
    data = {"folder": str(tmp_path / "nyu"), "format": "nyu", "height": 16, "width": 16}
    experiment = parse_experiment({"name": "x", "design": {"one_at_a_time": ["2-1"]}, "data": data, "device": "cpu"}, "x")
    with pytest.raises(DataError, match=says) as caught:
        run_study(experiment, tmp_path / "study", False, None)
    assert "\n" not in str(caught.value) and not (tmp_path / "study").exists()


def test_workers_map_what_one_of_them_read(tmp_path: Path) -> None:
    data, shared = data_of(nyu(tmp_path / "nyu")), tmp_path / "shared"
    read = make_seed_data(data, 2)
    assert torch.equal(FrameCache(data).seed_data(2).train.depth, read.train.depth)
    assert torch.equal(FrameCache(data, shared).seed_data(2).validation.depth, read.validation.depth)
    assert [path.name for path in shared.iterdir()] == ["2.pt"]
    (tmp_path / "nyu").rename(tmp_path / "gone")
    assert torch.equal(FrameCache(data, shared).seed_data(2).validation.rgb, read.validation.rgb)


def test_a_cache_keeps_two_seeds_and_makes_each_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    data, split = data_of(nyu(tmp_path)), frame_cache.split_folder
    monkeypatch.setattr(frame_cache, "split_folder", lambda data, seed: made.append(seed) or split(data, seed))
    frames = FrameCache(data)
    for seed in (0, 1, 0, 1, 2, 1, 0):
        assert torch.equal(frames.seed_data(seed).probe.depth, make_seed_data(data, seed).probe.depth)
    assert made == [0, 1, 2, 0]
