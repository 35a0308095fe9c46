"""The sums that the loss is made of (`nfloss.power_sums`), taken by machine code for a CPU core."""
