"""A custom network: its contract, that it trains as in a plain PyTorch loop, alone or with others, and its state."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import custom_modules
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from plain_training import batches, in_float64, scheduler, take_steps
from torch import nn

from nfloss import Configuration, Losses, SSISilogNearFieldLoss
from runner.experiment import ExperimentError, load_experiment
from runner.networks import CustomStack, DepthRange, NetworkClass, NetworkError, at_size, check_contract
from runner.training import Training
from runner.training import loop as training
from runner.training.loop import History, Step, predicted_depth, train
from runner.training.optimiser import RowAdam

CPU = torch.device("cpu")
NAMES = ["", "2-1", "6-1", "9-3"]


def custom(name, output="inverse_depth", **arguments):
    return NetworkClass(f"custom_modules:{name}", arguments, output)


def configurations(names):
    return [Configuration.of(*name.split()) for name in names]


def run(names, data, settings, network):
    return train(configurations(names), data, settings, DepthRange(), CPU, custom=network)


# --- The contract -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Small", "OneTensor", "AsTuple", "AsMapping", "FewerInEvaluation"])
@pytest.mark.parametrize("halvings", [0, 2])
def test_one_scale_or_several_in_any_of_the_forms(name, halvings):
    check_contract(custom(name, halvings=halvings), 2, 16, 32)


@pytest.mark.parametrize(
    ("reference", "arguments", "parts"),
    [
        ("nowhere.module:Class", {}, ["cannot be imported", "ModuleNotFoundError", "nowhere"]),
        ("nowhere.py:Class", {}, ["cannot be imported", "nowhere.py"]),
        ("custom_modules:Smal", {}, ["no class 'Smal'"]),
        ("custom_modules:NUMBER", {}, ["no class 'NUMBER'"]),
        ("custom_modules:no_module", {}, ["gives a int", "torch.nn.Module is needed"]),
        ("custom_modules:Small", {"widht": 4}, ["cannot be made with {'widht': 4}", "TypeError", "widht"]),
        ("custom_modules:Depth", {}, ["finite inverse depth > 0"]),
        ("custom_modules:NotFinite", {}, ["values from inf to inf", "finite inverse depth > 0"]),
        ("custom_modules:Detached", {}, ["without a gradient"]),
        ("custom_modules:TwoChannels", {}, ["[2, 2, 16, 32]", "[2, 1, h, w] is needed"]),
        ("custom_modules:CoarsestFirst", {}, ["[2, 1, 4, 8]", "exactly half of the one before"]),
        ("custom_modules:Cropped", {}, ["[2, 1, 16, 31]", "the finest 16x32"]),
        ("custom_modules:AString", {}, ["gives str"]),
        ("custom_modules:Complex", {}, ["numbers of type torch.complex64", "real ones are needed"]),
        ("custom_modules:Raises", {}, ["forward of images [2, 3, 16, 32]", "RuntimeError"]),
        ("custom_modules:Untrained", {}, ["no parameter that is trained"]),
    ],
)
def test_what_breaks_the_contract_is_one_line(reference, arguments, parts):
    with pytest.raises(NetworkError) as error:
        check_contract(NetworkClass(reference, arguments), 2, 16, 32)
    message = str(error.value)
    assert message.startswith(f"model.network {reference}") and "\n" not in message
    for part in parts:
        assert part in message


def test_a_file_that_cannot_be_imported_is_one_line(tmp_path):
    (tmp_path / "mine.py").write_text("import torch\nclass Net(torch.nn.Module:\n")
    with pytest.raises(NetworkError, match=r"mine.py:Net cannot be imported: SyntaxError: [^\n]*$"):
        NetworkClass(f"{tmp_path}/mine.py:Net", {}).make()


def test_disparity_is_a_share_of_the_range():
    """By hand: between 1/100 and 1/0.1."""
    images = torch.rand(2, 3, 16, 16)
    network = custom("Disparity", "disparity")
    networks = CustomStack(network, 3, [0.1])
    share = networks.modules[0].eval()(images)[0]
    expected = 0.01 + (10.0 - 0.01) * share
    assert torch.equal(networks(images, training=False)[0][0], expected)


def test_a_coarser_prediction_is_resized_bilinearly_for_the_metrics(small_data):
    networks = CustomStack(custom("Small", halvings=1), 3, [0.1])
    frames = small_data.probe
    half = networks.modules[0].eval()(frames.rgb)[0]
    expected = 1.0 / F.interpolate(half, size=(16, 16), mode="bilinear", align_corners=False)
    with torch.no_grad():
        torch.testing.assert_close(predicted_depth(networks, frames)[0], expected, rtol=0, atol=0)
    assert at_size(expected[None], frames.rgb) is not None and networks.scale_sizes(16, 16) == [(8, 8), (4, 4), (2, 2)]


# --- Training -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["cosine", "step", "constant"])
@pytest.mark.parametrize("name", ["2-1", "6-1", "6-2 9-3"])
def test_training_equals_the_plain_loop_in_float64(small_data, name, schedule):
    """Trained with others, against the module itself with one loss, one torch.optim.Adam, one of PyTorch's schedulers and
    clip_grad_norm_, on frames mirrored one by one."""
    data, made = in_float64(small_data), configurations(["", name, "1-1"])
    settings = Training(steps=20, epochs=20, batch=4, learning_rate=1e-2, clip_norm=0.5, schedule=schedule, warmup=0.25)
    networks = CustomStack(custom("Small"), 5, [c.choices["bn_momentum"](c.numbers) for c in made], dtype=torch.float64)
    take_steps(networks, made, data, settings)
    torch.manual_seed(5)
    plain, loss_fn = custom_modules.Small().double(), SSISilogNearFieldLoss(name.split())
    plain.norm.momentum = 0.01 if name == "6-1" else 0.1
    optimiser = torch.optim.Adam(plain.parameters(), lr=settings.learning_rate)
    rates = scheduler(optimiser, settings)
    for step, (images, truth) in enumerate(batches(data, settings)):
        loss_fn.set_epoch(step, of=settings.steps)
        optimiser.zero_grad()
        loss_fn(plain(images), truth).backward()
        nn.utils.clip_grad_norm_(plain.parameters(), settings.clip_norm)
        optimiser.step()
        rates.step()
    ours = networks.state(1)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(ours[key], value, rtol=1e-10, atol=1e-12, msg=key)


def test_together_is_each_alone_to_the_last_bit(small_data, brief):
    """In float32, dropout included: with others a module draws the same random numbers as alone."""
    network = custom("Small", dropout=0.3)
    together = run(NAMES, small_data, brief, network)
    assert not torch.equal(together.series["loss"][:, 0], together.series["loss"][:, 1])
    for k, name in enumerate(NAMES):
        alone = run([name], small_data, brief, network)
        for series, values in alone.series.items():
            assert torch.equal(values[:, 0], together.series[series][:, k]), (name, series)
        assert torch.equal(alone.predicted[0], together.predicted[k])
        for ours, theirs in zip(alone.probes + alone.validations, together.probes + together.validations, strict=True):
            assert all(np.array_equal(ours[key][0], theirs[key][k]) for key in ours if ours[key].ndim)


def test_slow_batch_norm_changes_evaluation_alone(small_data, brief):
    history = run(["", "6-1"], small_data, brief, custom("Small"))
    assert torch.equal(history.series["loss"][:, 0], history.series["loss"][:, 1])
    assert history.probes[-1]["probe_near_rmse_log"][0] != history.probes[-1]["probe_near_rmse_log"][1]


def test_measuring_leaves_the_module_alone(small_data):
    networks = CustomStack(custom("Small"), 0, [0.1])
    before = networks.state(0)
    images = small_data.probe.rgb
    by_batch = networks(images, training=True, update_statistics=False)[0]
    assert not torch.equal(by_batch, networks(images, training=False)[0])
    networks.scale_sizes(16, 16)
    assert all(torch.equal(value, before[name]) for name, value in networks.state(0).items())
    assert torch.equal(networks(images, training=True)[0], by_batch)


def test_the_caller_s_random_numbers_are_its_own(small_data):
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    CustomStack(custom("Small", dropout=0.5), 7, [0.1])(small_data.probe.rgb, training=True)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_poisoned_network_is_frozen_recorded_and_alone(small_data, brief, monkeypatch, poison):
    clean = run(["", "2-1", "5-1"], small_data, brief, custom("Small"))
    original = training.watch

    def poisoning(history, step, total, norm):
        alive = original(history, step, total, norm)
        if step == 6:
            owner.parameters.data[1, 20] = poison
        return alive

    owner = None

    class Remembered(CustomStack):
        def __init__(self, *args, **kwargs):
            nonlocal owner
            super().__init__(*args, **kwargs)
            owner = self

    monkeypatch.setattr(training, "CustomStack", Remembered)
    monkeypatch.setattr(training, "watch", poisoning)
    poisoned = run(["", "2-1", "5-1"], small_data, brief, custom("Small"))
    assert poisoned.diverged_at.tolist() == [-1, 7, -1]
    for k in (0, 2):
        assert torch.equal(clean.series["loss"][:, k], poisoned.series["loss"][:, k])
        assert torch.equal(clean.predicted[k], poisoned.predicted[k])


def test_half_precision_trains_close_to_single(small_data, brief):
    half = run([""], small_data, brief.model_copy(update={"precision": "bf16"}), custom("Small"))
    single = run([""], small_data, brief, custom("Small"))
    assert not torch.equal(half.series["loss"], single.series["loss"])
    torch.testing.assert_close(half.series["loss"][:5], single.series["loss"][:5], rtol=0.05, atol=0.0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_cuda_as_on_the_cpu(small_data, brief):
    cuda = torch.device("cuda")
    there = replace(small_data, **{part: getattr(small_data, part).to(cuda) for part in ("train", "probe", "validation")})
    ours = train(configurations(NAMES), there, brief, DepthRange(), cuda, custom=custom("Small"))
    expected = run(NAMES, small_data, brief, custom("Small"))
    torch.testing.assert_close(ours.series["loss"][:5].cpu(), expected.series["loss"][:5], rtol=1e-3, atol=1e-4)


# --- Gradient accumulation ----------------------------------------------------------------------------------------------


def stepped(data, settings, network, names, order):
    """The state after the steps whose batches are the rows of `order`."""
    made = configurations(names)
    networks = CustomStack(network, 0, [0.1] * len(made))
    losses = Losses(made)
    history = History.empty(len(order), len(made), CPU)
    step = Step(networks, losses, RowAdam(networks.parameters), data, settings, history)
    step.order = torch.tensor(order)
    for _ in order:
        step()
    return networks, history


#: Without 8-1, 8-1w and 8-2, whose deviation divides by n - 1 pixels: a difference of half a percent at sixteen by sixteen.
EVERY_KIND = ["", "1-1", "2-1", "4-1", "4-3", "5-2", "6-2", "9-3"]


def test_equal_micro_batches_are_the_full_batch(small_data, brief):
    """A batch that has every image twice has the moments, mean weight and BatchNorm statistics of each half: only then must
    the fixes have the full batch's gradient."""
    order = [[0, 1, 0, 1], [5, 3, 5, 3], [2, 9, 2, 9]]
    alike = brief.model_copy(update={"flip": False, "learning_rate": 1e-3})  # a mirrored image is another
    full, whole = stepped(small_data, alike, custom("Small"), EVERY_KIND, order)
    parts, halved = stepped(small_data, alike.model_copy(update={"accumulate": 2}), custom("Small"), EVERY_KIND, order)
    torch.testing.assert_close(parts.parameters, full.parameters, rtol=1e-4, atol=1e-5)
    for name in ("loss", "ssi", "silog", "normalised_loss", "grad_norm"):
        torch.testing.assert_close(halved.series[name], whole.series[name], rtol=1e-4, atol=1e-6)


def test_micro_batches_are_batches_of_their_own_to_loss_and_batch_norm(small_data):
    """Against the mean of the gradients of four batches of two in a plain loop, which is not the gradient of the eight. Each
    step of the schedule is one of the optimiser, and each part has its own mirrored images."""
    settings = Training(steps=8, batch=8, learning_rate=1e-2, accumulate=4, warmup=0.25)
    made, data = configurations(["2-1"]), in_float64(small_data)
    networks, whole = (CustomStack(custom("Small"), 0, [0.1], dtype=torch.float64) for _ in range(2))
    history = take_steps(networks, made, data, settings).history
    torch.manual_seed(0)
    plain, loss_fn = custom_modules.Small().double(), SSISilogNearFieldLoss(["2-1"])
    plain.norm.momentum = 0.1
    optimiser = torch.optim.Adam(plain.parameters(), lr=settings.learning_rate)
    rates = scheduler(optimiser, settings)
    for step, (images, truth) in enumerate(batches(data, settings)):
        optimiser.zero_grad()
        losses = [loss_fn(plain(images[i : i + 2]), truth[i : i + 2]) for i in range(0, 8, 2)]
        mean = torch.stack(losses).mean()
        torch.testing.assert_close(history.series["loss"][step, 0], mean.detach().float())
        mean.backward()
        nn.utils.clip_grad_norm_(plain.parameters(), settings.clip_norm)
        optimiser.step()
        rates.step()
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(networks.state(0)[key], value, rtol=1e-10, atol=1e-12, msg=key)
    take_steps(whole, made, data, settings.model_copy(update={"accumulate": 1}))
    assert not torch.allclose(whole.parameters, networks.parameters, rtol=1e-3, atol=1e-4)


def test_a_batch_divides_into_equal_parts(tmp_path):
    (tmp_path / "x.yaml").write_text("design: {one_at_a_time: all}\ntraining: {batch: 8, accumulate: 3}\n")
    with pytest.raises(ExperimentError, match="batch 8 is not a multiple of accumulate 3"):
        load_experiment(tmp_path / "x.yaml")


# --- The examples -------------------------------------------------------------------------------------------------------


EXAMPLES = Path(__file__).parents[3] / "examples"


def test_the_resnet_18_example():
    """11,176,512 parameters: torchvision's resnet18 (11,689,512) without its classifier (513,000)."""
    reference = f"{EXAMPLES / 'resnet18_depth.py'}:ResNet18Depth"
    network = NetworkClass(reference, {}, "disparity")
    assert sum(p.numel() for p in network.make().encoder.parameters()) == 11_176_512
    check_contract(NetworkClass(reference, {"width": 8}, "disparity"), 2, 32, 48)


@pytest.mark.slow
def test_the_published_example():
    pytest.importorskip("monai")
    network = NetworkClass(f"{EXAMPLES / 'monai_depth.py'}:EfficientNetDepth", {})
    check_contract(network, 2, 32, 32)
