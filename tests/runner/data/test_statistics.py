"""`nfloss data`: numbers worked by hand, the page generated from the readers' docstrings, and error messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from handwritten import colour, grey16
from PIL import Image

from runner.cli import main
from runner.cli.data_summary import format_page, lines, verdict
from runner.data import READERS, Frames, WeightSettings, depth_statistics, fixed_mean_fits, mean_weight, quantiles

DOCS = Path(__file__).parents[3] / "docs" / "data-formats.md"


def frames(*images: list[list[float]]) -> Frames:
    depth = torch.tensor(images)[:, None]
    return Frames(torch.zeros(len(depth), 3, *depth.shape[2:]), depth)


#: Near pixels (< 1 m) of the known: 2 of 3, and 1 of 4; pooled 3 of 7. Of 2 x 2, the next scale keeps the upper left pixel.
TWO = frames([[0.5, 0.9], [2.0, 0.0]], [[1.0, 0.2], [4.0, 40.0]])


def test_shares_by_hand() -> None:
    found = depth_statistics(TWO, WeightSettings(batch=2))
    assert found.frames == 2 and found.known == pytest.approx(7 / 8)
    assert found.share == pytest.approx(3 / 7)
    assert found.per_image == pytest.approx([2 / 3, 1 / 4])
    assert found.per_batch == pytest.approx([3 / 7])
    assert found.per_scale == {(2, 2): pytest.approx(3 / 7), (1, 1): pytest.approx(1 / 2)}
    assert [round(7 * share) for share in found.histogram] == [1, 0, 0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert sum(found.histogram) == pytest.approx(1)


def test_single_images_are_batches_of_one_and_a_part_of_a_batch_does_not_count() -> None:
    three = frames(*TWO.depth[:, 0].tolist(), [[0.5, 0.5], [0.5, 0.5]])
    assert sorted(depth_statistics(three, WeightSettings(batch=1)).per_batch) == pytest.approx([1 / 4, 2 / 3, 1])
    assert len(depth_statistics(three, WeightSettings(batch=2)).per_batch) == 1
    assert len(depth_statistics(three, WeightSettings(batch=8)).per_batch) == 1


def test_another_threshold() -> None:
    assert depth_statistics(TWO, WeightSettings(threshold=0.3)).share == pytest.approx(1 / 7)


def test_quantiles_are_values_of_the_list() -> None:
    assert quantiles(torch.arange(101.0).flip(0)) == [0, 5, 50, 95, 100]


@pytest.mark.parametrize(
    ("share", "expected", "says"),
    [
        (0.1875, 1.75, "expected_weight_mean 1.75 fits: within 0.0 % of 1.75"),
        (0.254, 1.75, "1.75 does not fit: 13 % below the data's 2.016; it is that of a near share of 18.8 %; loss.expected"),
        (0.0, 1.75, "does not fit: 75 % above the data's 1;"),
        (0.254, 6.0, "does not fit: 198 % above the data's 2.016; loss.expected_weight_mean: 2.016 would fit"),
    ],
)
def test_whether_a_fixed_mean_fits(share: float, expected: float, says: str) -> None:
    """1 + 4 * 0.1875 = 1.75; 1 + 4 * 0.254 = 2.016, and 1.75 / 2.016 = 0.868; 6 would need a near share above 1."""
    found, asked = depth_statistics(TWO, WeightSettings()), WeightSettings(expected=expected)
    found = type(found)(**{**vars(found), "share": share})
    assert says in verdict(found, asked) and fixed_mean_fits(found, asked) == ("does not" not in says)
    assert mean_weight(share, asked) == pytest.approx(1 + 4 * share)


def test_the_words_hold_the_numbers() -> None:
    said = "\n".join(lines("two", depth_statistics(TWO, WeightSettings(batch=2)), WeightSettings(batch=2)))
    for part in (
        "two: 2 frames at 2x2, depth known in 87.5 % of the pixels",
        "depth 0.2 to 40 m, median 1 m",
        "near share (< 1 m): 42.9 % of all known pixels, pooled",
        "per image (2): 25.0 % to 66.7 %",
        "per batch of 2 (1): 42.9 % to 42.9 %",
        "at each scale: 2x2 42.9 %, 1x1 50.0 %",
        "mean weight 1 + (5 - 1) * 0.4286 = 2.714",
    ):
        assert part in said


def test_the_page_is_written_from_the_readers() -> None:
    """`python docs/write_data_formats.py` after a reader's docstring has changed."""
    page = DOCS.read_text(encoding="utf-8")
    assert page.endswith(f"\n\n{format_page()}\n")
    for name in READERS:
        assert f"\n### {name}\n" in page


def nfloss(capsys: Any, *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = nfloss(capsys, "data", "formats")
    assert code == 0
    for name, reader in READERS.items():
        assert f"{name}: {reader.title}\n" in said
    assert "    scale: metres = value / 256 (16-bit PNG)\n    invalid: 0\n" in said


def test_a_folder_is_described_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half of the pixels at 0.5 m, half at 2 m: near share 50 %, mean weight 1 + 2 * 0.5 = 2 at near weight 3."""
    pytest.importorskip("matplotlib")
    for number in range(4):
        grey16(tmp_path / "d" / "seq-01" / f"frame-{number:06d}.depth.png", [[500, 65535], [0, 2000]])
        colour(tmp_path / "d" / "seq-01" / f"frame-{number:06d}.color.png")
    out = tmp_path / "figures" / "depth.png"
    words = ("--format", "7scenes", "--near-weight", 3, "--expected-weight-mean", 2, "--batch", 2, "--out", out)
    code, said, _ = nfloss(capsys, "data", "stats", tmp_path / "d", *words)
    assert code == 0 and "depth known in 50.0 %" in said and "mean weight 1 + (3 - 1) * 0.5000 = 2;" in said
    assert "expected_weight_mean 2 fits" in said and said.endswith(f"figure: {out}\n")
    with Image.open(out) as figure:
        assert figure.size[0] > 1000


def test_frames_are_taken_evenly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of five frames three: the first, the third, the last."""
    for number in range(5):
        grey16(tmp_path / "depth" / f"{number}.png", [[1000 + number]])
        colour(tmp_path / "rgb" / f"{number}.png")
    code, said, _ = nfloss(capsys, "data", "stats", tmp_path, "--depth-scale", 100, "--frames", 3)
    assert code == 0 and "3 frames at" in said and "depth 10 to 10 m, median 10 m" in said


def test_an_experiments_own_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("design: {leave_one_out: true}\nloss: {near_weight: 3}\ndata: {train: 8, probe: 4, validation: 4}\n")
    code, said, _ = nfloss(capsys, "data", "stats", path, "--batch", 4)
    assert code == 0 and "8 frames at 32x48" in said and "1 + (3 - 1) *" in said and "per batch of 4 (2)" in said


WRONG = {
    "data": "stats|formats",
    "data statz": "invalid choice: 'statz'",
    "data stats": "PATH is missing; a folder of frames, an EXPERIMENT.yaml or scenes",
    "data stats nowhere --format kitti": "nowhere: no such folder; one of format kitti is needed",
    "data stats nowhere --format kity": "there is no format 'kity' (did you mean 'kitti'?)",
    "data stats nowhere": "nowhere: a folder needs depth_scale",
    "data stats nowhere --format kitti --depth-scale 1000": "format kitti has a scale of its own, 256",
    "data stats nowhere.yaml": "nowhere.yaml: cannot be read",
    "data stats nowhere --depth-scale x": "'x'; a number of at least 0 is needed",
    "data stats nowhere --frmat kitti": "unknown option '--frmat' (did you mean '--format'?)",
    "data stats nowhere --depth-scale 0": "depth_scale",
}


@pytest.mark.parametrize("line", list(WRONG))
def test_wrong_lines(line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NFLOSS_TRACEBACK", raising=False)
    code, said, error = nfloss(capsys, *line.split())
    assert code == 2 and said == "" and WRONG[line] in error
    assert error.startswith("nfloss: ") and len(error.splitlines()) == 1
