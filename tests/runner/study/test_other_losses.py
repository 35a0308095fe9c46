"""Losses beside the fixes: trained in their groups, refused where they are wrong, judged by the same rule."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from plain_network import PlainNetwork
from plain_training import batches, in_float64, scheduler, take_steps
from watching import run_watched

import analysis
from analysis.judge import fix_words, planned_fixes
from analysis.recommendation import with_extensions
from analysis.report.loss_yaml import python_code, yaml_block
from nfloss import Configuration
from nfloss.other_losses import LossError, load_loss
from runner.cli import main
from runner.experiment import ExperimentError, confirmation_experiment, load_experiment
from runner.networks import StackedNetworks
from runner.records import read_trials
from runner.study import plan_experiment
from runner.study.folder import comparable
from runner.training import Training

BERHU = '''"""Losses of our own."""

from parts import share


def berhu(prediction, truth, mask):
    """berHu in depth."""
    error = (1.0 / prediction - 1.0 / truth).abs() * mask
    limit = share * error.detach().max()
    large = (error**2 + limit**2) / (2.0 * limit)
    return error.where(error <= limit, large).sum() / mask.sum()


def l1(prediction, truth, mask):
    """L1 in ln depth, of the pixels that the mask selects."""
    return (prediction[mask].log() - truth[mask].log()).abs().mean()
'''
TINY = """
design: {one_at_a_time: ["5-2"], losses: ["own/losses.py:berhu", "own/losses.py:l1"], near_weights: [2, 8]}
seeds: 2
data: {train: 16, probe: 6, validation: 6, height: 16, width: 32}
training: {steps: 6, batch: 4, evaluate_every: 3}
device: cpu
workers: 1
group_size: 4
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The experiment, in a folder from which the losses' file is own/losses.py."""
    monkeypatch.setattr("runner.study.description.audit", list)  # the document's numbers take longer than all else here
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "parts.py").write_text("share = 0.2\n")
    (tmp_path / "own" / "losses.py").write_text(BERHU)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path / "tiny.yaml"


def plain_berhu(prediction: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    """As Laina et al. (2016) write it: |x| up to c, (x^2 + c^2) / 2c beyond, c a fifth of the largest |x|; valid pixels."""
    valid = inverse > 0
    x = 1.0 / prediction[valid] - 1.0 / inverse[valid]
    c = 0.2 * x.abs().max().item()
    small, large = x[x.abs() <= c], x[x.abs() > c]
    return (small.abs().sum() + ((large.square() + c * c) / (2 * c)).sum()) / len(x)


def plain_l1(prediction: torch.Tensor, inverse: torch.Tensor) -> torch.Tensor:
    valid = inverse > 0
    return F.l1_loss(torch.log(prediction[valid]), torch.log(inverse[valid]))


def test_beside_fixes_they_train_as_alone_in_a_plain_loop(real_size, file, own_code):
    """Fifty steps in float64 between a fix and the baseline, against one model and one torch.optim.Adam at a time, the mean of
    the loss over the three scales."""
    losses = [load_loss(f"{file.parent}/own/losses.py:{name}") for name in ("berhu", "l1")]
    made = [Configuration.of("5-2"), *map(Configuration.of_loss, losses), Configuration.of()]
    data = in_float64(real_size)
    settings = Training(steps=50, epochs=50, batch=2, learning_rate=1e-3, clip_norm=1.0)
    stack = StackedNetworks(len(made), 5, [0.1] * len(made), dtype=torch.float64)
    start = stack.parameters.detach()[0].clone()
    step = take_steps(stack, made, data, settings)
    for k, loss_fn in ((1, plain_berhu), (2, plain_l1)):
        plain = PlainNetwork(0.1).double()
        plain.load_row(start)
        optimiser = torch.optim.Adam(plain.parameter_list(), lr=settings.learning_rate)
        rates = scheduler(optimiser, settings)
        for images, truth in batches(data, settings):
            optimiser.zero_grad()
            scales = plain(images)
            loss = sum(loss_fn(p, F.interpolate(truth, size=p.shape[-2:], mode="nearest")) for p in scales) / len(scales)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(plain.parameter_list(), settings.clip_norm)
            optimiser.step()
            rates.step()
        torch.testing.assert_close(stack.parameters.detach()[k], plain.row(), rtol=1e-9, atol=1e-9)
        assert step.history.series["loss"][-1, k].item() == pytest.approx(loss.item(), rel=1e-6)  # recorded in float32


def trained(file: Path, study: Path, resume: bool = True) -> list[str]:
    return sorted(c.name for c in run_watched(load_experiment(file), study, resume)[1])


def test_from_the_line_to_words_and_trained_anew_where_edited(file, tmp_path, own_code, capsys):
    study, own = tmp_path / "study", tmp_path / "own" / "losses.py"
    assert trained(file, study, resume=False) == sorted(2 * ["5-2", "baseline", "baseline", "baseline", "berhu", "l1"])
    trials = read_trials(study / "records")
    assert len(trials) == 12 and (trials["status"] == "finished").all()
    assert trials.pivot(index="seed", columns="key", values="final_near_rmse_log").nunique(axis=1).tolist() == [6, 6]

    group = json.loads((study / "issues.json").read_text())[-1]
    assert (group["title"], [loss["id"] for loss in group["fixes"]]) == ("Other losses", ["berhu", "l1"])
    assert group["fixes"][0]["loss"] == f"{own}:berhu" and group["fixes"][0]["summary"] == "berHu in depth."
    loaded = analysis.load(study)
    assert planned_fixes(loaded) == 3  # they share the 5 % with the fix
    words = {fix["id"]: fix for fix in fix_words(loaded) if fix["key"]}
    assert list(words) == ["5-2", "berhu", "l1"] and all(word["beyond_near_weight_curve"] for word in words.values())
    plan = pd.read_parquet(study / "plan.parquet").set_index("cell")
    assert " loss:" in plan["fingerprint"]["+berhu"] and " loss:" not in plan["fingerprint"]["baseline"]

    own.write_text(BERHU + "# a remark\n")
    own_code()
    assert trained(file, study) == []
    (tmp_path / "own" / "parts.py").write_text("share = 0.3\n")
    own.write_text(BERHU)
    own_code()
    assert trained(file, study) == sorted(2 * ["berhu", "l1"])
    elsewhere = load_experiment(file).model_copy(deep=True)
    elsewhere.design.losses[:] = [f"elsewhere/losses.py:{name}" for name in ("berhu", "l1")]
    assert comparable(elsewhere) == comparable(load_experiment(file))

    own.write_text("raise SystemExit('was run')\n")  # what only reads a study runs none of its losses
    own_code()
    assert command("status", str(study)) == 0
    capsys.readouterr()
    assert command("confirm", str(study)) == 2
    assert f"would run code that the study names: {own};" in capsys.readouterr().err

    found = with_extensions(loaded, {"fixes": ["berhu"], "numbers": {}})
    assert yaml_block(found) == f"loss:\n  type: {own}:berhu"
    assert python_code(found) == f"from losses import berhu as loss_fn  # in {own}"
    (study / "verdicts.json").write_text('{"recommendation": {"fixes": []}}')
    assert command("export", str(study), "--fixes", "berhu") == 2
    assert f"{own}:berhu is a loss of its own, in a file already" in capsys.readouterr().err


def test_a_supported_loss_is_confirmed_in_its_own_place(file):
    """`full` is the document's recommendation, always confirmed beside; a loss fills every slot, so it stands alone."""
    settings = load_experiment(file).model_dump(mode="json")
    wanted = {"supported together": {"fixes": ["berhu"], "numbers": {}}, "best supported": {"fixes": ["5-2"], "numbers": {}}}
    fresh = confirmation_experiment(settings, wanted, 3)
    assert fresh.design.losses == settings["design"]["losses"][:1] and list(fresh.design.explicit) == ["full", "best supported"]
    assert {a.cell.fixes for a in plan_experiment(fresh).trained if len(a.cell.fixes) == 1} == {("berhu",), ("5-2",)}


BODY = "    error = (prediction.log() - truth.log()).abs() * mask\n"
BAD = {
    "stops": (BODY + "    return error.nothing()\n", r"stops with AttributeError: .* \(losses.py, line 3\)"),
    "map": (
        BODY + "    return error\n",
        r"gives a tensor of shape \[2, 1, 16, 24\], torch.float32 on an ordinary batch; one real",
    ),
    "number": (BODY + "    return error.sum().item()\n", r"gives [\d.]+ on an ordinary batch; one real number"),
    "nan": (BODY + "    return (error.sum() - 1e9).sqrt()\n", r"gives nan on an ordinary batch \(losses.py, line 1\)"),
    "steep": (BODY + "    return (error * 0.0).sum().sqrt()\n", r"has a gradient that is not finite on an ordinary batch"),
    "cut": (
        BODY + "    return error.detach().mean()\n",
        r"has no gradient to the prediction on an ordinary batch \(losses.py, line 1\)",
    ),
    "device": (
        BODY + "    import torch\n    return (error + torch.zeros(error.shape)).mean()\n",
        r"mixes devices: .*\(losses.py, line 4\)",
    ),
    "masked": ("    return (prediction - truth).abs().mean()\n", r"depends on pixels at which the mask is False"),
    "random": (
        BODY + "    import torch\n    return error.mean() * torch.rand(()).item()\n",
        r"gives [\d.e-]+, then [\d.e-]+ on the same",
    ),
}


@pytest.mark.parametrize(("body", "says"), BAD.values(), ids=BAD)
def test_bad_ones_are_refused_before_anything_is_trained(file, body, says, capsys):
    own = file.parent / "own" / "losses.py"
    own.write_text(f"def berhu(prediction, truth, mask):\n{body}def l1(prediction, truth, mask):\n    ...\n")
    with pytest.raises(LossError, match=rf"^design.losses berhu: {says}"):
        plan_experiment(load_experiment(file))
    assert command("plan", str(file)) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert command("check", f"{own}:berhu") == 1
    assert "berhu: broken: " in capsys.readouterr().out


def test_what_cuda_graphs_cannot_hold_is_refused_with_them(file):
    """`l1` selects pixels by the mask, so that their number is read from the device."""
    plan_experiment(load_experiment(file))
    with pytest.raises(LossError, match=r"l1: reads a value: .*line 16\); training.cuda_graphs must be false for it"):
        plan_experiment(load_experiment(file, ["training.cuda_graphs=true"]))


@pytest.mark.parametrize(
    ("losses", "says"),
    [
        (
            "[own/losses.py]",
            r"design.losses: loss .*own/losses.py: path/to/file.py:function or package.module:function is needed",
        ),
        ("['own/none.py:berhu']", r"design.losses: loss own/none.py:berhu cannot be imported: FileNotFoundError"),
        ("['nowhere.at.all:berhu']", r"design.losses: loss nowhere.at.all:berhu cannot be imported: ModuleNotFoundError"),
        ("['{own}:none']", r"losses.py has no function 'none'"),
        ("['{own}:share']", r"is 0.2; a function made with def share is needed"),
        ("['{own}:berhu', '{own}:berhu']", r"berhu, berhu: functions of different names are needed"),
        ("['{own}:two']", r"takes \(a, b\); it is called with \(prediction, truth, mask\)"),
        ("['{own}:baseline']", r"'baseline' is the name of the baseline or of a fix"),
    ],
)
def test_what_is_no_loss_is_said_where_it_stands(file, losses, says):
    own = file.parent / "own" / "losses.py"
    own.write_text(BERHU + "def two(a, b): ...\ndef baseline(prediction, truth, mask): ...\n")
    with pytest.raises(ExperimentError, match=says):
        load_experiment(file, [f"design={{losses: {losses.replace('{own}', str(own))}}}"])


def test_check_says_that_it_keeps_every_promise(file, capsys):
    assert command("check", f"{file.parent}/own/losses.py:berhu") == 0
    assert capsys.readouterr().out == "berhu: keeps 7 of 7 promises\n"


def command(*line: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(line)
    return int(ended.value.code or 0)
