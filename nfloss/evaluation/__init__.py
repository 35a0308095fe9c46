"""Evaluates K configurations on one batch: rows, weights and moments, pixel by pixel or by sums over the pixels."""
