"""The definitions of all measures and verdicts, for the report and the documentation."""

from __future__ import annotations

import textwrap

from analysis.measures import DROPPED, LAST, LEAST_PROBES, RUN, TARGET
from analysis.regime import LEAST_EVALUATIONS, STILL_FALLS

POINTS = (
    "A **trial** is a configuration and a seed. The seed fixes initial weights, data order, which images are mirrored, and "
    "scene split, and is the same for every configuration, so trials are compared in pairs. With `training.start: neutral` "
    "all trials of a seed go on from one network, trained before with plain L1 in ln depth on other scenes (of a folder: on "
    "the seed's own training frames). What is shown everywhere is a **ratio** to the baseline's error, with its interval: "
    "×0.94 [0.91, 0.97] is an error 6 % lower, surely 3 to 9 %. It is exp(−gain), **gain** = ln(baseline's error) − ln(the "
    "fix's error), the mean over seeds; intervals are Student t over seeds (98.3 % for the three promises, 95 % for what is "
    "only described). Where a wobble or a time is infinite, the exact interval of the median.",
    "**Error**, which does not depend on the loss: the RMSE of ln depth, √(mean of (ln p/t)²) with predicted depth p and true "
    "depth t, pooled over the near pixels (t under 1 m) or the far ones; 0.10 is typically 10 % off. It alone decides. It "
    "counts too near and too far by one factor alike, and sees a wrong scale. *Beside it*, on the same frames: AbsRel (mean of "
    "|p − t| / t), the share of pixels with max(p/t, t/p) < 1.25, SILog (100 times the standard deviation of ln p/t, blind to "
    "a wrong scale), the median of |p − t| / t (the lower middle one of an even number), the mean of |ln p/t|; the report says "
    "where they disagree. The profile of errors by depth and BatchNorm's gap, which decide nothing, are AbsRel. *Final*: "
    f"validation, mean of the last {LAST:.0%} of evaluations (of more than four, four at equal distances). "
    "*Wobble*: standard deviation of the ln near error on the "
    "fixed probe around a Savitzky-Golay trend (order 2, a tenth of the run, five evaluations at least), the first "
    f"{DROPPED:.0%} dropped (at least {LEAST_PROBES} probes). *Time to the target*: first of {RUN} consecutive probes at or "
    f"below {TARGET:.0%} of the baseline's log improvement (medians over its seeds); where over 20 % of the trials miss it, "
    "the mean of ln error over training, whose margin is what the baseline's own curve would gain if it ran 20 % faster.",
    "**How good the networks are**, on the report's first screen: delta < 1.25 (share of pixels with max(p/t, t/p) < 1.25), "
    "AbsRel and RMSE of ln depth, final, means over seeds: of the baseline, of the configuration with the lowest RMSE of ln "
    "depth over all pixels, of the document's whole recommendation, and of the *trivial predictor*, which says the training "
    "set's median depth everywhere.",
    "A study is **early** if its baseline does not beat the trivial predictor near and far (for both, the mean over seeds of "
    "ln(its RMSE of ln depth / the trivial predictor's) is below zero), or if its RMSE of ln depth on the probe, all pixels, "
    f"falls by more than {STILL_FALLS:.0%} in the last fifth of training (median slope between every two evaluations of a "
    f"seed, all seeds together), or if that fifth has under {LEAST_EVALUATIONS} evaluations. Nothing is concluded from an "
    "early study: its verdicts are printed as such, its promises are void, nothing is recommended, confirmed or exported. "
    "Longer training can change such verdicts.",
    "**What decides**: of the near gain, the far gain, and the gain beyond the near weights, two statements. A *side*, that "
    "it is above or below zero: two-sided, 5 % shared by the distinct fixes that the plan trains alone (5 % / 20 for "
    "twenty), however they come out; fixes that are provably the same training count once. A *bound*, that it is not worse, "
    "or not better, than 5 %: one-sided, 5 %. A study that looks at its results after several numbers of seeds spends both "
    "over these looks: ln(1 + (e − 1) n / N) up to n of N seeds, each look what it adds to the one before. A fix that has its "
    "word stops there, and its interval is that of this look; what is not a fix alone has the seeds of the first look. The "
    "interval printed beside a fix is the one that tells its side.",
    "**Beyond any near weight**: the baseline is also run with other near weights, which trade far error for near; their "
    "errors form a curve. A fix's gain beyond it is its distance in ln near error to that curve at the fix's own far error, "
    "by seed (isotonic regression, monotone cubics between the weights). *Beyond* (a side): that gain is above zero. "
    "*Dominated* (a side): it is below −2 %. *As near weight x* (a bound): it is not below −5 %; x is the near weight on "
    "the mean curve with the nearest two errors. Where the fix's mean far error is outside those of the weights that were "
    "run, the nearest end is compared, and nothing follows. Each near weight, the outermost too, is judged against the "
    "curve of the others, as a check.",
    "**Verdict on a fix**, the first that holds: *harmful* if it diverges more often (exact test, at the level of a side); "
    "*no effect* if near and far error are within 5 %; *adopt* if it is beyond any near weight, one error is lower and the "
    "other not higher by 5 %; *harmful* if one error is higher and the other not lower by 5 %, or the near error is higher "
    "and a near weight dominates it; *trade* if one error is lower, the other higher, and the fix as a near weight or "
    "beyond; else *open*, with the number of seeds that would decide if the estimates stayed (up to 200). Where near "
    "weights were not run, adopt and trade do without them, and say so. *Holds in 5 of 6*: without one seed, at the same "
    "levels, the word stays in 5 of 6 repeats. *Proved* means the same training as the baseline: shown by algebra, not "
    "measured. How well the series reads that a fix adds to the log is a result of its own: better or worse than the raw "
    "loss, or not told apart (two-sided, 5 % shared by the series).",
    "**Recommendation**: the fixes to adopt, and those that would be if each were the only fix and had been looked at once, "
    "put together unless they fill the same slot; trained again on fresh seeds beside the "
    "baseline and the document's recommendation, since gains on the seeds that chose the fixes are biased upwards. It is "
    "confirmed if the same rule says adopt there, 5 % shared by what is confirmed; else keep the loss as it is.",
    "**Verdict on a promise**, in this order: equivalent (90 % interval inside the band), confirmed (lower end at or "
    "above the promise), refuted, worse (upper end below zero), refuted, smaller than promised (upper end below the "
    "promise), inconclusive; void if another error got worse. The band is a change of 25 % in wobble, of 5 % in time, "
    "of 2 % in near error (the document names no metric for its near-field quality: the same ruler decides, AbsRel is said "
    "beside it). Wobble and time are judged where training began from scratch, not where it went on from a trained network; "
    "beside a fix they are described, and decide nothing.",
    "**Divergence** is a result: wobble and time are infinite, the error by each ruler is that of predicting the training "
    "set's median depth everywhere, a penalty that is fixed in advance; a diverged trial is never left out and never run "
    "again.",
    "**What this cannot tell**: other data, networks, optimisers or longer training; effects smaller than the "
    "intervals; with few seeds the intervals assume normal gains.",
)


def method() -> str:
    """Markdown: the definitions and their limits."""
    points = (
        textwrap.fill(point, 118, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False) for point in POINTS
    )
    return "## How it was measured\n\n" + "\n".join(points)
