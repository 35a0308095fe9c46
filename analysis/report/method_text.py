"""The definitions of all measures and verdicts, for the report and the documentation."""

from __future__ import annotations

import textwrap

from analysis.measures import DROPPED, LAST, LEAST_PROBES, RUN, TARGET
from analysis.regime import LEAST_EVALUATIONS, STILL_FALLS

POINTS = (
    "A **trial** is a configuration and a seed. The seed fixes initial weights, data order, which images are mirrored, and "
    "scene split, and is the same for every configuration, so trials are compared in pairs. With `training.start: neutral` "
    "all trials of a seed go on from one network, trained before with plain L1 in ln depth on other scenes (of a folder: on "
    "the seed's own training frames). **Gain** = ln(baseline's error) − ln(the fix's error), shown in percent by which the "
    "error is lower; intervals are Student t over seeds (95 %; 98.3 % for "
    "the three promises). Where a value is infinite, the exact interval of the median.",
    "**Error**, which does not depend on the loss: the RMSE of ln depth, √(mean of (ln p/t)²) with predicted depth p and true "
    "depth t, pooled over the near pixels (t under 1 m) or the far ones; 0.10 is typically 10 % off. It alone decides. It "
    "counts too near and too far by one factor alike, and sees a wrong scale. *Beside it*, on the same frames: AbsRel (mean of "
    "|p − t| / t), the share of pixels with max(p/t, t/p) < 1.25, SILog (100 times the standard deviation of ln p/t, blind to "
    "a wrong scale), the median of |p − t| / t (the lower middle one of an even number), the mean of |ln p/t|; the report says "
    "where they disagree. The profile of errors by depth and BatchNorm's gap, which decide nothing, are AbsRel. *Final*: "
    f"validation, mean of the last {LAST:.0%} of evaluations (of more than four, four at equal distances). "
    "*Wobble*: standard deviation of the ln near error on the "
    f"fixed probe around a Savitzky-Golay trend (order 2, a tenth of the run), the first {DROPPED:.0%} dropped (at "
    f"least {LEAST_PROBES} probes). *Time to the target*: first of {RUN} consecutive probes at or below {TARGET:.0%} "
    "of the baseline's log improvement (medians over its seeds); where over 20 % of the trials miss it, the mean of "
    "ln error over training, whose margin is what the baseline's own curve would gain if it ran 20 % faster.",
    "**How good the networks are**, the report's first table: delta < 1.25 (the share of pixels with max(p/t, t/p) < 1.25), "
    "AbsRel and RMSE of ln depth, final, means over seeds: of the baseline, of the configuration with the lowest RMSE of ln "
    "depth over all pixels, of the document's whole recommendation, and of the *trivial predictor*, which says the training "
    "set's median depth everywhere.",
    "A study is **early** if its baseline does not beat the trivial predictor near and far (for both, the mean over seeds of "
    "ln(its RMSE of ln depth / the trivial predictor's) is below zero), or if its RMSE of ln depth on the probe, all pixels, "
    f"falls by more than {STILL_FALLS:.0%} in the last fifth of training (median slope between every two evaluations of a "
    f"seed, all seeds together), or if that fifth has under {LEAST_EVALUATIONS} evaluations. Nothing is concluded from an "
    "early study: its verdicts are printed as such, its promises are void, nothing is recommended, confirmed or exported. "
    "Longer training can change such verdicts.",
    "**Beyond any near weight**: the baseline is also run with other near weights, which trade far error for near; their "
    "errors form a curve. A fix's gain beyond it is its distance in ln near error to that curve at the fix's own far "
    "error, by seed (isotonic regression, monotone cubics between the weights; outside the curve its nearest end counts). "
    "*The same as near weight x*: the 90 % interval of that gain lies within 2 %, or within 5 % and is not shown to be "
    "better or worse; x is the near weight on the mean curve with the nearest two errors. Near weights are judged in the "
    "same way, as a check.",
    "**Verdict on a fix**, in this order: *harmful* if it diverges significantly more; *no effect* if the 90 % "
    "intervals of near and far lie inside ±2 %; *harmful* if the near error is higher after Holm's correction across the "
    "fixes and the far error is not lower, or a near weight with the same far error does better; *trade* if one error is "
    "higher and the other lower (95 %, one of them after Holm); *harmful* if the far error is over 2 % higher without a "
    "near gain; *adopt* if the near error is lower after Holm, the far error not worse by 2 %, and the gain lies beyond any "
    "near weight; *trade* if the far error changed and the fix is the same as a near weight; else *undecided*. *Proved* means "
    "the same training as the baseline: shown by algebra, not measured. A fix that only adds a series to the log is judged on "
    "how well that series follows the probe error.",
    "**Recommendation**: the fixes to adopt, and those whose near gain excludes zero before Holm, beyond any near weight and "
    "with the far error not worse, put together unless they fill the same slot; trained again on fresh seeds beside the "
    "baseline and the document's recommendation, since gains on the seeds that chose the fixes are biased upwards. It is "
    "confirmed if the near error is lower there after Holm and the far error not worse by 2 %; else keep the loss as it is.",
    "**Verdict on a promise**, in this order: equivalent (90 % interval inside the band), confirmed (lower end at or "
    "above the promise), refuted, worse (upper end below zero), refuted, smaller than promised (upper end below the "
    "promise), inconclusive; void if another error got worse. The band is a change of 25 % in wobble, of 5 % in time, "
    "of 2 % in near error (the document names no metric for its near-field quality: the same ruler decides, AbsRel is said "
    "beside it); for a series in the log, of 0.05 in agreement (a share of the evaluations). Wobble and time are "
    "judged where training began from scratch, not where it went on from a trained network.",
    "**Divergence** is a result: wobble and time are infinite, the error by each ruler is that of predicting the training "
    "set's median depth everywhere, at least that of the worst run that finished; a diverged trial is never left out and "
    "never run again.",
    "**What this cannot tell**: other data, networks, optimisers or longer training; effects smaller than the "
    "intervals; with few seeds the intervals assume normal gains.",
)


def method() -> str:
    """Markdown: the definitions and their limits."""
    points = (
        textwrap.fill(point, 118, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False) for point in POINTS
    )
    return "## How it was measured\n\n" + "\n".join(points)
