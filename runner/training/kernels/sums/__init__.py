"""The loss's sums over pixels (`nfloss.power_sums`), by machine code for a CPU."""
