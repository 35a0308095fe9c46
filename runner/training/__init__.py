"""Training K networks of one seed together: the loop, its metrics, optimiser, precision, graphs and machine code."""
