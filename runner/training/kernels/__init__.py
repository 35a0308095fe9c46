"""Machine code for a CPU, compiled by numba: networks in the lanes of vector registers (lanes), the loss by sums (sums)."""
