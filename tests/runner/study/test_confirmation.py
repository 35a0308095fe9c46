"""A study's recommendation on fresh seeds: its experiment, and the way through the command line; of an early study, none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import small_frames

from runner.cli import main
from runner.experiment import RECOMMENDATION, ExperimentError, confirmation_experiment

TINY = {
    "design": {"one_at_a_time": ["1-1", "3-1"], "explicit": {"full": list(RECOMMENDATION)}},
    "seeds": 2,
    "confirm": 2,
    "data": {"train": 16, "probe": 8, "validation": 8},
    "training": {"steps": 10, "batch": 4, "evaluate_every": 1},
}
#: What the brightness of `small_frames` tells; so good from the first step that the study is not early.
KNOWING = """
import torch

class Knowing(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, images):
        brightness = images.mean(1, keepdim=True).clamp(0.02, 0.98)  # 1 / (1 + depth)
        return self.scale * brightness / (1 - brightness)
"""


def command(*words: str) -> int:
    """The command line's exit status."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def test_the_experiment_is_the_study_s_on_later_seeds() -> None:
    settings = {
        "name": "s",
        "design": {"one_at_a_time": "all"},
        "seeds": [0, 7],
        "training": {"steps": 20},
        "loss": {"near_weight": 3.0},
    }
    made = confirmation_experiment(
        settings, {"supported together": {"fixes": ["1-1", "5-2"], "numbers": {"near_weight": 2.0}}}, 3
    )
    assert made.name == "s-confirmation" and made.seeds == [8, 9, 10]
    assert made.training.steps == 20 and made.loss == {"near_weight": 3.0}
    assert {name: cell.fixes for name, cell in made.design.explicit.items()} == {
        "full": list(RECOMMENDATION),
        "supported together": ["1-1", "5-2"],
    }
    assert made.design.explicit["supported together"].numbers == {"near_weight": 2.0}
    assert made.design.one_at_a_time is None


def test_a_clash_is_refused() -> None:
    with pytest.raises(ExperimentError, match="1-1 and 1-2"):
        confirmation_experiment({"name": "s", "seeds": [0]}, {"x": {"fixes": ["1-1", "1-2"]}}, 3)


def write_known_frames(folder: Path) -> dict[str, object]:
    """Frames whose brightness tells depth, in millimetres; gives the settings that read them."""
    image = pytest.importorskip("PIL.Image")
    frames = small_frames(32, 1)
    for number, (rgb, depth) in enumerate(zip(frames.rgb, frames.depth, strict=True)):
        for kind, pixels in (("rgb", (rgb.permute(1, 2, 0) * 255).round()), ("depth", (depth[0] * 1000).round())):
            path = folder / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image.fromarray(pixels.numpy().astype(np.uint8 if kind == "rgb" else np.uint16)).save(path)
    return {"folder": str(folder), "depth_scale": 1000, "height": 16, "width": 16}


def test_a_run_confirms_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way; confirming again with more seeds trains only those. What is confirmed is planted."""
    found = {"best supported": {"fixes": ["1-1"], "numbers": {}}}
    monkeypatch.setattr("analysis.recommendation.candidates", lambda study, fixes: found)
    (tmp_path / "knowing.py").write_text(KNOWING)
    known = {"data": write_known_frames(tmp_path / "frames"), "model": "knowing.py:Knowing"}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(TINY | known))
    folder = tmp_path / "study"
    assert command("run", str(tmp_path / "tiny.yaml"), "--out-dir", str(folder), "--no-tracking") == 0
    fresh = folder / "confirmation"
    assert yaml.safe_load((fresh / "study.yaml").read_text())["seeds"] == [2, 3]
    assert "; to adopt: none, keep the loss as it is" in capsys.readouterr().out
    before = {path.name for path in (fresh / "records").glob("trials-*")}
    monkeypatch.setattr("runner.cli.run.draw_report", lambda study: None)  # drawn above, and takes long
    assert command("confirm", str(folder), "--seeds", "3", "--trust-code") == 0
    trials = pd.concat(map(pd.read_parquet, (fresh / "records").glob("trials-*")))
    assert sorted(trials["seed"].unique()) == [2, 3, 4] and not trials.duplicated(["key", "seed"]).any()
    assert before < {path.name for path in (fresh / "records").glob("trials-*")}
    assert command("export", str(folder)) == 0
    assert "ssi-silog-nearfield" in capsys.readouterr().out
    assert command("power", str(folder), "--gain", "10") == 0
    assert "for 10 % run" in capsys.readouterr().out


def test_an_early_study_confirms_and_recommends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten steps at a rate that teaches nothing; what the user chooses may still be exported."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "training": {**TINY["training"], "learning_rate": 1e-6}}))
    folder = tmp_path / "study"
    assert command("run", str(tmp_path / "tiny.yaml"), "--out-dir", str(folder), "--no-tracking") == 0
    said = capsys.readouterr()
    assert not (folder / "confirmation").exists()
    assert f"nfloss: {folder}: early, so there is nothing to confirm: the baseline" in said.err
    assert "--set training.steps=40" in said.err
    assert "\ntiny: early: " in said.out and "; to adopt: none, since the study is early" in said.out
    assert "one depth everywhere: the training median" in said.out
    for line in (["export", str(folder)], ["confirm", str(folder), "--seeds", "2"]):
        assert command(*line) == 2
        said = capsys.readouterr()
        assert said.out == "" and len(said.err.splitlines()) == 1 and said.err.startswith(f"nfloss: {folder}: early, so ")
        assert "train longer: --set training.steps=40" in said.err
    assert not (folder / "export").exists() and not (folder / "confirmation").exists()
    assert command("export", str(folder), "--fixes", "1-1") == 0
    said = capsys.readouterr().out
    assert "fixes:\n  - 1-1" in said and "# Early, so nothing is to be concluded from it: the baseline" in said
    assert command("status", str(folder)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        lines[0].startswith("tiny: ")
        and any("delta < 1.25" in line for line in lines)
        and lines[-1].startswith("early: the baseline")
    )
