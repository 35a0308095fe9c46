"""The plan of a study, where its frames are known: what fix 1-3 divides by is measured on them."""

from __future__ import annotations

from nfloss import Configuration
from nfloss.numbers import Numbers
from nfloss.testing import check_losses
from runner.execution import FrameCache
from runner.experiment import Experiment, Plan, make_plan
from runner.networks import check_contract


def plan_experiment(experiment: Experiment, frames: FrameCache | None = None) -> Plan:
    """The plan; a network and losses of yours are checked first. Frames are asked for only where a fix divides by their mean
    weight.

    Raises NetworkError: the network cannot be made, or breaks the contract of `check_contract`; LossError: a loss breaks its
    contract (`nfloss.testing`)."""
    training, data = experiment.training, experiment.data
    batch = -(-training.batch // training.accumulate), data.height, data.width
    if (network := experiment.model.custom) is not None:
        check_contract(network, *batch)
    plan = make_plan(experiment)
    check_losses([a.cell.loss for a in plan.cells if a.cell.loss], *batch, training.cuda_graphs)
    uses_mean = any("dataset_weight_mean" in a.configuration.used_numbers for a in plan.trained if a.configuration)
    if not uses_mean or "dataset_weight_mean" in experiment.loss:
        return plan
    return make_plan(experiment, dataset_weight_mean(experiment, frames or FrameCache(experiment.data)))


def dataset_weight_mean(experiment: Experiment, frames: FrameCache, numbers: Numbers | None = None) -> float:
    """Mean weight of the first seed's training set under the hard boundary: 1 + (near_weight - 1) * near share."""
    numbers = numbers or Configuration.of(**experiment.loss).numbers
    train = frames.seed_data(experiment.seeds[0]).train
    return round(1.0 + (numbers.near_weight - 1.0) * train.near_share(numbers.near_threshold), 4)
