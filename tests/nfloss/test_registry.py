"""The contract that every registered fix must pass, and the public interface: names, clashes, numbers, thresholds, shapes."""

import math
import pickle

import pytest
import torch
from oracle import DOCUMENT_FIXES, OTHER_FIXES, RECOMMENDATION, material, scene

from nfloss import ISSUES, ClashError, Configuration, Losses, Numbers, SSISilogNearFieldLoss, all_fixes, find_fix
from nfloss.numbers import NUMBER_NAMES
from nfloss.registry import Fix, Issue, Symptom, register
from nfloss.slots import BASELINE, Choice
from nfloss.testing.contract import broken_promises

FIXES = all_fixes()


# --- the registry -------------------------------------------------------------------------------------------------------


def test_issues_and_fixes_are_the_documents_in_its_order():
    """Ten issues, the document's 20 fixes, and five that it lacks or that follow it to the letter."""
    assert list(ISSUES) == list(range(1, 11))
    severities = ["critical"] * 3 + ["major"] * 4 + ["medium"] * 3
    assert [issue.severity for issue in ISSUES.values()] == severities
    table = "1-1 1-2 1-3 2-1 2-2a 2-2b 3-1 4-1 4-2 4-3 5-1 5-1w 5-2 6-1 6-2 7-1 7-2 8-1 8-1w 8-2 9-1 9-2 9-3 10-1 10-2"
    assert [fix.id for fix in FIXES] == table.split()
    assert [fix.id for fix in FIXES if fix.origin == "document"] == list(DOCUMENT_FIXES)
    assert {fix.id for fix in FIXES if fix.origin != "document"} == set(OTHER_FIXES)
    assert {fix.id for fix in FIXES if fix.origin == "document to the letter"} == {"5-1w", "8-1w"}
    assert (len(DOCUMENT_FIXES), len(OTHER_FIXES)) == (20, 5)


def test_ids_and_names_are_unique_and_belong_to_their_issue():
    handles = [handle for fix in FIXES for handle in (fix.id, fix.name)]
    assert len(set(handles)) == len(handles)
    for number, issue in ISSUES.items():
        assert issue.number == number
        assert all(fix.id.startswith(f"{number}-") for fix in issue.fixes)
        assert issue.title
        assert issue.says
        assert issue.symptom.name
        assert issue.symptom.unit


@pytest.mark.parametrize("fix", FIXES, ids=lambda fix: fix.id)
class TestEveryFix:
    def test_keeps_every_promise_of_the_contract(self, fix):
        """nfloss/testing/contract.py; tests/nfloss/test_contract.py shows that each of its checks can fail."""
        assert broken_promises(fix) == []

    def test_names_its_source(self, fix):
        assert fix.source

    def test_is_found_by_id_and_by_name(self, fix):
        assert find_fix(fix.id) is find_fix(fix.name) is fix
        assert Configuration.of(fix.name) == Configuration.of(fix.id)

    def test_works_in_the_module(self, fix):
        loss_fn = SSISilogNearFieldLoss(fixes=[fix.id])
        pred, gt = scene(2, 6, 8, seed=52)
        pred.requires_grad_()
        loss = loss_fn(pred, gt)
        loss.backward()
        assert loss.shape == ()
        assert torch.isfinite(pred.grad).all()


def new_issue(number: int, *fixes: Fix) -> Issue:
    return Issue(number, "test", "medium", "nothing", fixes, Symptom("none", "none", "none"))


def new_fix(fix_id: str, name: str) -> Fix:
    return Fix(fix_id, name, "nothing", {"squash": Choice("none", BASELINE["squash"].function)})


@pytest.mark.parametrize(
    "issue",
    [
        new_issue(1, new_fix("99-1", "a-new-one")),
        new_issue(99, new_fix("1-1", "a-new-one")),
        new_issue(99, new_fix("99-1", "fixed-mean")),
        new_issue(99, new_fix("99-1", "twice"), new_fix("99-2", "twice")),
        new_issue(99, new_fix("same", "same")),
    ],
    ids=["number", "id", "name", "name within the issue", "id as name"],
)
def test_duplicates_are_refused_and_leave_nothing_behind(issue):
    with pytest.raises(ValueError, match="registered already"):
        register(issue)
    assert 99 not in ISSUES
    assert all_fixes() == FIXES
    with pytest.raises(ValueError, match="unknown fix"):
        find_fix("99-1")


def test_a_fix_that_fills_an_unknown_slot_or_none_is_refused():
    with pytest.raises(ValueError, match=r"wieght.*the slots are .*weigh"):
        Fix("99-1", "bad", "nothing", {"wieght": BASELINE["weigh"]})
    with pytest.raises(ValueError, match="no slot"):
        Fix("99-1", "bad", "nothing", {})


# --- configurations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("lineal-ramp", "linear-ramp"), ("5-3", "5-1' or '5-1w' or '5-2"), ("fixed_mean", "fixed-mean")]
)
def test_an_unknown_fix_lists_the_known_ones_and_suggests_the_nearest(wrong, nearest):
    with pytest.raises(ValueError, match="unknown fix") as caught:
        Configuration.of("1-1", wrong)
    message = str(caught.value)
    assert repr(wrong) in message
    assert f"did you mean '{nearest}" in message
    assert all(fix.id in message for fix in FIXES)
    assert "\n" not in message


@pytest.mark.parametrize("wrong", [None, 1, 1.1, ["1-1"], ""])
def test_a_fix_that_is_no_string_is_unknown(wrong):
    with pytest.raises(ValueError, match="unknown fix"):
        Configuration.of(wrong)


def test_the_same_choice_from_two_fixes_is_one_configuration():
    """10-1 is 1-1 under another name."""
    assert Configuration.of("1-1") == Configuration.of("10-1") == Configuration.of("10-1", "1-1")
    assert hash(Configuration.of("1-1")) == hash(Configuration.of("10-1"))
    assert Configuration.of("1-1", "5-2") == Configuration.of("5-2", "1-1", "5-2")
    assert Configuration.of("5-2", "1-1", "5-2").fixes == ("1-1", "5-2")
    assert Configuration.of("10-2", "9-1", "2-1").name == "2-1+9-1+10-2"
    assert Configuration.of().name == "baseline"
    assert Configuration.of("1-1") != Configuration.of("1-2")


#: Pairs of fixes that put different choices into one slot, and that slot.
CLASHES = {
    ("1-1", "1-2"): "normalise",
    ("1-1", "1-3"): "normalise",
    ("1-2", "1-3"): "normalise",
    ("1-2", "10-1"): "normalise",
    ("1-3", "10-1"): "normalise",
    ("2-2a", "2-2b"): "squash",
    ("3-1", "8-1w"): "temper",
    ("4-1", "4-2"): "guard",
    ("4-1", "4-3"): "guard",
    ("4-2", "4-3"): "guard",
    ("5-1", "5-1w"): "weigh",
    ("5-1", "5-2"): "weigh",
    ("5-1w", "5-2"): "weigh",
    ("8-1", "8-2"): "residual",
    ("8-1w", "8-2"): "residual",
    ("9-1", "9-2"): "threshold",
    ("9-1", "9-3"): "threshold",
    ("9-2", "9-3"): "threshold",
}


def test_every_pair_clashes_or_combines_as_the_table_says():
    ids = [fix.id for fix in FIXES]
    for first in ids:
        for second in ids:
            slot = CLASHES.get((first, second)) or CLASHES.get((second, first))
            if slot is None:
                assert Configuration.of(first, second) == Configuration.of(second, first)
                continue
            with pytest.raises(ClashError) as caught:
                Configuration.of(first, second)
            message = str(caught.value)
            assert all(text in message for text in (first, second, repr(slot)))
            assert issubclass(ClashError, ValueError)


def test_a_clash_is_found_behind_a_fix_that_agrees():
    """Only slots that fixes fill can clash, not the baseline's choices. Otherwise issues combine freely."""
    assert Configuration.of("2-1", "2-2a").fixes == ("2-1", "2-2a")
    assert Configuration.of("8-1", "8-1w") == Configuration.of("8-1w")
    with pytest.raises(ClashError, match="10-1"):
        Configuration.of("1-1", "5-1", "10-1", "1-2")


# --- numbers ------------------------------------------------------------------------------------------------------------


def test_an_unknown_number_is_refused():
    with pytest.raises(ValueError, match=r"unknown number 'near_wieght'.*near_weight"):
        Configuration.of("1-1", near_wieght=3.0)
    with pytest.raises(ValueError, match="unknown number"):
        SSISilogNearFieldLoss(fixes=[], smoothness=1.0)


@pytest.mark.parametrize("name", NUMBER_NAMES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, "5", None, True])
def test_a_number_that_is_none_is_refused(name, bad):
    with pytest.raises(ValueError, match=f"{name}=.*a finite number is needed"):
        Configuration.of(**{name: bad})


@pytest.mark.parametrize(
    "numbers",
    [
        {"near_weight": 0.0},
        {"near_threshold": -1.0},
        {"min_depth": 0.0},
        {"max_depth": 1e-4},
        {"expected_weight_mean": 0.0},
        {"dataset_weight_mean": -2.0},
        {"start_epoch": 50.0},
        {"end_epoch": -1.0},
    ],
    ids=str,
)
def test_numbers_that_make_no_sense_are_refused(numbers):
    with pytest.raises(ValueError, match="must be greater than"):
        Configuration.of(**numbers)


def test_only_numbers_that_are_used_tell_configurations_apart():
    assert Configuration.of(smooth_range=0.7) == Configuration.of()
    assert Configuration.of("5-1", smooth_range=0.7) != Configuration.of("5-1")
    assert Configuration.of(near_weight=5) == Configuration.of(near_weight=5.0)
    assert Configuration.of("9-1", near_threshold=2.0) == Configuration.of("9-1")
    assert Configuration.of(expected_weight_mean=2.0) == Configuration.of()
    assert set(Configuration.of().used_numbers) == {
        "near_threshold",
        "near_weight",
        "alpha",
        "silog_ratio",
        "silog_lambda",
        "ssi_weight",
        "silog_weight",
        "min_depth",
        "max_depth",
        "bn_momentum",
    }


def test_defaults_are_the_documents():
    """The baseline's numbers, and those of issues 5 (0.3 m, 0.2 m), 6 (0.01, 0.7) and 9 (50 km/h, 0.5 s, 0.5 to 1.5 m)."""
    numbers = Numbers()
    assert (numbers.near_threshold, numbers.near_weight, numbers.expected_weight_mean) == (1.0, 5.0, 1.75)
    assert (numbers.alpha, numbers.silog_ratio, numbers.silog_lambda) == (0.85, 10.0, 0.85)
    assert (numbers.ssi_weight, numbers.silog_weight) == (0.7, 0.3)
    assert (numbers.min_depth, numbers.max_depth) == (1e-3, 100.0)
    assert (numbers.ssi_minimum, numbers.ssi_maximum) == (1e-6, 1.0)
    assert (numbers.smooth_range, numbers.ramp_half_width, numbers.near_part) == (0.3, 0.2, 0.7)
    assert (numbers.bn_momentum, numbers.slow_bn_momentum) == (0.1, 0.01)
    assert (numbers.speed_kmh, numbers.reaction_seconds) == (50.0, 0.5)
    assert (numbers.start_epoch, numbers.end_epoch, numbers.start_threshold, numbers.end_threshold) == (0.0, 50.0, 0.5, 1.5)


def test_the_choices_of_the_training_set_up():
    """6-1: BatchNorm momentum 0.01 instead of 0.1 (document, solution 6-1)."""
    for fixes, momentum in (((), 0.1), (("6-1",), 0.01), (("6-2",), 0.1)):
        configuration = Configuration.of(*fixes)
        assert configuration.choices["bn_momentum"](configuration.numbers) == momentum


# --- the module ---------------------------------------------------------------------------------------------------------


def test_the_contracts_constructor_call():
    """The call that the README promises."""
    pred_inv_depth, gt_inv_depth = scene(2, 6, 8, seed=53)
    loss_fn = SSISilogNearFieldLoss(
        fixes=["1-1", "5-2"],
        near_threshold=1.0,
        near_weight=5.0,
        alpha=0.85,
        silog_ratio=10.0,
        silog_lambda=0.85,
        ssi_weight=0.7,
        silog_weight=0.3,
        expected_weight_mean=1.75,
        min_depth=1e-3,
        max_depth=100.0,
    )
    assert loss_fn.metrics == {}
    loss = loss_fn(pred_inv_depth, gt_inv_depth, mask=None)
    assert loss.shape == ()
    loss_fn.set_near_field_threshold(0.7)
    loss_fn.set_epoch(3, of=30)
    assert loss_fn.configuration == Configuration.of("1-1", "5-2")
    pred = pred_inv_depth.expand(2, 2, 1, 6, 8)
    totals = Losses([Configuration.of("1-1"), Configuration.of("2-1", "5-1")])(pred, gt_inv_depth, None)
    assert totals.shape == (2,)


def test_names_do_as_well_as_ids():
    by_name = SSISilogNearFieldLoss(fixes=["fixed-mean", "linear-ramp"])
    assert by_name.configuration == SSISilogNearFieldLoss(fixes=("1-1", "5-2")).configuration
    assert SSISilogNearFieldLoss("5-2").configuration == Configuration.of("5-2")


def test_a_list_of_scales_is_the_mean():
    made = material("three_scales", seed=54).to(torch.float64)
    loss_fn = SSISilogNearFieldLoss(RECOMMENDATION)
    expected = Losses([loss_fn.configuration])([pred.unsqueeze(0) for pred in made.preds], made.gt)
    assert torch.equal(loss_fn(made.preds, made.gt), expected[0])


def test_metrics_are_floats_of_the_last_call():
    """By hand: depths 0.5, 0.8, 2, 4 m; predicted 0.4, 0.8, 2.5, 4 m; the fifth pixel invalid, the sixth masked."""
    gt = (1.0 / torch.tensor([0.5, 0.8, 2.0, 4.0, math.inf, 3.0])).reshape(1, 1, 2, 3)
    pred = (1.0 / torch.tensor([0.4, 0.8, 2.5, 4.0, 1.0, 1.0])).reshape(1, 1, 2, 3)
    mask = torch.tensor([True, True, True, True, True, False]).reshape(1, 1, 2, 3)
    loss_fn = SSISilogNearFieldLoss(["7-1", "7-2"])
    loss = loss_fn(pred, gt, mask)
    metrics = loss_fn.metrics
    assert list(metrics) == [
        "total_loss",
        "ssi_loss",
        "silog_loss",
        "near_field_ratio",
        "near_field_mean_error",
        "far_field_mean_error",
        "normalised_loss",
    ]
    assert all(type(value) is float for value in metrics.values())
    assert metrics["total_loss"] == float(loss)
    assert metrics["total_loss"] == pytest.approx(0.7 * metrics["ssi_loss"] + 0.3 * metrics["silog_loss"], rel=1e-6)
    assert metrics["near_field_ratio"] == 0.5
    assert metrics["near_field_mean_error"] == pytest.approx(0.05, rel=1e-5)
    assert metrics["far_field_mean_error"] == pytest.approx(0.25, rel=1e-5)
    unweighted = float(SSISilogNearFieldLoss(near_weight=1.0)(pred, gt, mask))
    assert metrics["normalised_loss"] == pytest.approx(float(loss) / (unweighted + 1e-8), rel=1e-5)


def test_metrics_of_an_empty_mask():
    pred, gt = scene(1, 4, 4, seed=55)
    loss_fn = SSISilogNearFieldLoss()
    loss_fn(pred, gt, torch.zeros_like(gt))
    assert loss_fn.metrics["total_loss"] == 0.0
    assert math.isnan(loss_fn.metrics["near_field_mean_error"])


def test_it_is_a_module_without_state():
    loss_fn = SSISilogNearFieldLoss(["1-1"])
    assert isinstance(loss_fn, torch.nn.Module)
    assert not list(loss_fn.parameters())
    assert loss_fn.state_dict() == {}
    assert "1-1" in repr(loss_fn)


# --- the threshold ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("asked", "got"), [(0.7, 0.7), (0.1, 0.3), (-4.0, 0.3), (3.0, 3.0), (7.0, 3.0), (1, 1.0)])
def test_the_setter_clamps(asked, got):
    """Document, solution 9-1: [0.3, 3.0] m."""
    loss_fn = SSISilogNearFieldLoss()
    loss_fn.set_near_field_threshold(asked)
    assert loss_fn.near_field_threshold == pytest.approx(got)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_setter_refuses_what_is_not_finite(bad):
    loss_fn = SSISilogNearFieldLoss()
    with pytest.raises(ValueError, match="finite"):
        loss_fn.set_near_field_threshold(bad)
    assert loss_fn.near_field_threshold == 1.0


def test_the_setter_changes_the_loss():
    """Expected: the same as a loss built with that threshold."""
    pred, gt = scene(2, 6, 8, seed=56)
    loss_fn = SSISilogNearFieldLoss()
    before = loss_fn(pred, gt)
    loss_fn.set_near_field_threshold(2.0)
    assert torch.equal(loss_fn(pred, gt), SSISilogNearFieldLoss(near_threshold=2.0)(pred, gt))
    assert not torch.equal(loss_fn(pred, gt), before)
    loss_fn.set_epoch(10)  # nothing is scheduled: what was set stays
    assert loss_fn.near_field_threshold == 2.0


@pytest.mark.parametrize(
    ("fix", "epoch", "of", "metres"),
    [
        ("9-1", 0, 50, 3.0),  # 50 km/h * 0.5 s = 6.94 m, clamped
        ("9-1", 49, 50, 3.0),
        ("9-2", 0, 50, 0.5),
        ("9-2", 25, 50, 1.0),
        ("9-2", 50, 50, 1.5),
        ("9-2", 80, 50, 1.5),
        ("9-2", 15, 30, 1.0),  # half way through a run of 30
        ("9-2", 3, 30, 0.6),
        ("9-3", 0, 50, 0.5),
        ("9-3", 9.9, 50, 0.5),
        ("9-3", 10, 50, 1.0),
        ("9-3", 30, 50, 1.5),
        ("9-3", 3, 30, 0.5),  # the document's epoch 5
        ("9-3", 6, 30, 1.0),  # 10
        ("9-3", 17.9, 30, 1.0),
        ("9-3", 18, 30, 1.5),  # 30
    ],
)
def test_schedules_by_hand(fix, epoch, of, metres):
    """Issue 9: the document's 50 epochs stretch with the run's length."""
    loss_fn = SSISilogNearFieldLoss([fix])
    loss_fn.set_epoch(epoch, of=of)
    assert loss_fn.near_field_threshold == pytest.approx(metres, rel=1e-12)


def test_schedules_go_through_the_clamp():
    fast = Configuration.of("9-1", speed_kmh=5.0, reaction_seconds=0.5)  # 0.69 m
    slow = Configuration.of("9-1", speed_kmh=1.0, reaction_seconds=0.5)  # 0.14 m
    wide = Configuration.of("9-2", start_threshold=0.1, end_threshold=9.0)
    losses = Losses([fast, slow, wide, Configuration.of(near_threshold=7.0)])
    assert losses.thresholds == pytest.approx((5.0 / 3.6 * 0.5, 0.3, 0.3, 7.0))  # a constant of one's own is not clamped
    losses.set_epoch(50)
    assert losses.thresholds[2] == 3.0
    losses.set_near_field_threshold(0.7)
    assert losses.thresholds == (0.7, 0.7, 0.7, 0.7)
    losses.set_epoch(0)  # a schedule takes over at its next epoch
    assert losses.thresholds == pytest.approx((5.0 / 3.6 * 0.5, 0.3, 0.3, 0.7))


@pytest.mark.parametrize("of", [0, -5, math.nan])
def test_a_run_has_epochs(of):
    with pytest.raises(ValueError, match="more than 0 epochs"):
        SSISilogNearFieldLoss(["9-2"]).set_epoch(1, of=of)


# --- shapes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pred", "gt", "mask"),
    [
        ((2, 6, 8), (2, 1, 6, 8), None),
        ((2, 3, 6, 8), (2, 1, 6, 8), None),
        ((2, 1, 6, 8), (2, 6, 8), None),
        ((2, 1, 6, 8), (3, 1, 6, 8), None),
        ((2, 1, 6, 8), (2, 2, 6, 8), None),
        ((2, 1, 6, 8), (2, 1, 6, 8), (2, 6, 8)),
        ((2, 1, 6, 8), (2, 1, 6, 8), (1, 1, 6, 8)),
    ],
)
def test_shapes_that_do_not_fit_are_one_clear_error(pred, gt, mask):
    loss_fn = SSISilogNearFieldLoss()
    with pytest.raises(ValueError, match=r"shapes? \[") as caught:
        loss_fn(torch.rand(pred), torch.rand(gt), None if mask is None else torch.ones(mask))
    assert "\n" not in str(caught.value)


def test_lists_that_do_not_fit_are_one_clear_error():
    pred, gt = scene(2, 6, 8, seed=57)
    loss_fn = SSISilogNearFieldLoss()
    for preds, gts in (([pred, pred[..., ::2, ::2]], [gt]), ([pred], [gt, gt]), ([pred], [gt[..., ::2, ::2]]), ([], gt)):
        with pytest.raises(ValueError, match=r"shape|scale") as caught:
            loss_fn(preds, gts)
        assert "\n" not in str(caught.value)


def test_losses_needs_configurations_that_fit_together():
    with pytest.raises(ValueError, match="at least one"):
        Losses([])
    with pytest.raises(ValueError, match="share min_depth and max_depth"):
        Losses([Configuration.of(), Configuration.of(max_depth=80.0)])
    with pytest.raises(ValueError, match=r"\[2, B, 1, H, W\]"):
        Losses([Configuration.of(), Configuration.of("1-1")])(torch.rand(3, 2, 1, 4, 4), torch.rand(2, 1, 4, 4))


def test_a_configuration_survives_pickling():
    for fix in all_fixes():
        configuration = Configuration.of(fix.id, near_weight=3.0)
        assert pickle.loads(pickle.dumps(configuration)) == configuration


@pytest.mark.parametrize(
    "numbers",
    [{"ramp_half_width": 0}, {"pixel_gradient_limit": -1}, {"near_part": 1.5}, {"ssi_minimum": 2}, {"max_depth": 1e-4}],
)
def test_numbers_that_break_a_fix_are_refused(numbers):
    with pytest.raises(ValueError, match=next(iter(numbers)).replace("ssi_minimum", "ssi_m")):
        Configuration.of(**numbers)
