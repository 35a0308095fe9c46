"""Images that are mirrored left to right in training: which, how, and that nothing else is."""

from dataclasses import replace

import pytest
import torch
from conftest import small_frames
from mixtures import MIXED
from scipy.stats import binom

from nfloss import Configuration, Losses
from runner.data import SeedData
from runner.networks import CustomStack, DepthRange, NetworkClass, StackedNetworks
from runner.training import Training, train
from runner.training import loop as training
from runner.training.loop import History, Step
from runner.training.optimiser import RowAdam

CPU = torch.device("cpu")


def step_of(networks, data, settings):
    count = len(networks.parameters)
    losses, history = Losses([Configuration.of()] * count), History.empty(settings.steps, count, CPU)
    return Step(networks, losses, RowAdam(networks.parameters), data, settings, history)


def test_the_seed_alone_decides(small_data):
    first = small_data.mirrored(50, 8)
    assert first.shape == (50, 8) and first.dtype == bool
    assert (small_data.mirrored(50, 8) == first).all() and (small_data.mirrored(20, 8) == first[:20]).all()
    assert (replace(small_data, seed=4).mirrored(50, 8) != first).any()


@pytest.mark.parametrize("seed", range(3))
def test_half_of_the_images_are_mirrored(small_data, seed):
    """Exact binomial bounds, each of which a fair coin passes but once in a million: of all images; of each place in a batch;
    of neighbours that are treated alike, in a batch and from one batch to the next."""
    table = replace(small_data, seed=seed).mirrored(4000, 8)
    alike = [table[:, 1:] == table[:, :-1], table[1:] == table[:-1]]
    for sample in (table, *table.T, *alike):
        low, high = binom.interval(1 - 1e-6, sample.size, 0.5)
        assert low <= sample.sum() <= high


def reversed_columns(rows):
    return [row[::-1] for row in rows]


@pytest.mark.parametrize(("width", "halvings"), [(16, 0), (18, 0), (18, 1), (22, 0)])
def test_image_and_every_scale_of_its_truth_by_hand(width, halvings):
    """The rows of a frame are reversed, and only then of n pixels pixel floor(j n / m) is taken for pixel j of m. Half of 18
    columns are nine, half of those four."""
    frames = small_frames(6, 1, 16, width)
    data = SeedData(3, frames, small_frames(2, 2, 16, width), small_frames(2, 3, 16, width))
    networks = CustomStack(NetworkClass("custom_modules:Small", {"halvings": halvings}), 3, [0.1])
    step = step_of(networks, data, Training(steps=9, batch=4))
    seen = set()
    for batch, mirrored in zip(step.order, step.mirrored, strict=True):
        images, scales = step.frames(batch, mirrored)
        seen |= set(mirrored.tolist())
        assert [tuple(scale.shape[-2:]) for scale in scales] == networks.scale_sizes(16, width)
        for place, (index, turned) in enumerate(zip(batch.tolist(), mirrored.tolist(), strict=True)):
            colours, (truth,) = frames.rgb[index].tolist(), frames.inverse_depth()[index].tolist()
            if turned:
                colours, truth = [reversed_columns(channel) for channel in colours], reversed_columns(truth)
            assert images[place].tolist() == colours
            for scale in scales:
                high, wide = scale.shape[-2:]
                rows = [truth[i * 16 // high] for i in range(high)]
                assert scale[place, 0].tolist() == [[row[j * width // wide] for j in range(wide)] for row in rows]
    assert seen == {True, False}


def test_without_flip_nothing_is_mirrored(small_data, brief):
    step = step_of(StackedNetworks(1, 0), small_data, brief.model_copy(update={"flip": False}))
    assert not step.mirrored.any()
    images, scales = step.frames(step.order[0], step.mirrored[0])
    assert torch.equal(images, small_data.train.rgb[step.order[0]])
    assert torch.equal(scales[0], small_data.train.inverse_depth()[step.order[0]])


def test_probe_and_validation_are_never_mirrored(small_data, brief, monkeypatch):
    """Every image that is shown outside of a step, against the frames as they are; in steps both kinds are shown."""
    shown = {True: [], False: []}

    class Watched(StackedNetworks):
        def __call__(self, images, training, update_statistics=True):
            shown[training and update_statistics].append(images)
            return super().__call__(images, training, update_statistics)

    monkeypatch.setattr(training, "stack_for", lambda *asked: Watched)
    train([Configuration.of()], small_data, brief, DepthRange(), CPU)
    held_out = torch.cat([small_data.probe.rgb, small_data.validation.rgb])
    known = {image.numpy().tobytes() for image in held_out}
    evaluated = [image for images in shown[False] for image in images]
    assert {image.numpy().tobytes() for image in evaluated} == known
    assert known.isdisjoint({image.flip(-1).contiguous().numpy().tobytes() for image in evaluated})
    trained = {image.numpy().tobytes() for images in shown[True] for image in images}
    as_they_are = {image.numpy().tobytes() for image in small_data.train.rgb}
    assert (
        trained & as_they_are
        and trained - as_they_are == {image.flip(-1).contiguous().numpy().tobytes() for image in small_data.train.rgb} & trained
    )


def test_every_configuration_sees_the_same(small_data, brief):
    """Trained in one group or in two, all have the same first losses as alone: what is mirrored does not depend on them."""
    made = [Configuration.of(*name.split()) for name in MIXED[:3]]
    together = train(made, small_data, brief, DepthRange(), CPU).series["loss"]
    for k, one in enumerate(made):
        alone = train([one], small_data, brief, DepthRange(), CPU).series["loss"]
        torch.testing.assert_close(together[:3, k], alone[:3, 0], rtol=1e-3, atol=1e-6)
