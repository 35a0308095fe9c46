"""Networks side by side in the lanes of a CPU's vector registers: the stack of runner/networks/stacked.py, several times as fast."""
