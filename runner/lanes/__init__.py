"""Networks side by side in the lanes of a CPU's vector registers: the stack of runner/models.py, several times as fast."""
