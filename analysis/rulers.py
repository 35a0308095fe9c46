"""The rulers, which measure an error, and the one that decides; their columns in the records. The runner has the same names."""

from __future__ import annotations

#: Each ruler in words, for predicted p and true t; measured on probe and validation alike.
RULERS = {
    "rmse_log": "RMSE of ln depth",
    "abs_rel": "AbsRel",
    "delta1": "share with max(p/t, t/p) < 1.25",
    "silog": "SILog",
    "median_rel": "median of |p − t| / t",
    "mean_log": "mean of |ln p/t|",
}
DECIDING = "rmse_log"  # in every verdict; the others stand beside it
ERROR = RULERS[DECIDING]  # what "error" means in texts and on axes
ERROR_EXPLAINED = f"{ERROR} (0.10: typically 10 % off)"  # where a text has it first
RISING = ("delta1",)  # higher is better

SIDES = ("near", "far")
NEAR, FAR = (f"final_{side}_{DECIDING}" for side in SIDES)
PROBE_NEAR, PROBE = f"probe_near_{DECIDING}", f"probe_{DECIDING}"
FINALS = tuple(f"final_{side}{ruler}" for ruler in RULERS for side in ("near_", "far_", ""))
TRIVIALS = tuple(name.replace("final_", "trivial_") for name in FINALS)
