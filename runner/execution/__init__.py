"""Groups of trials: how large they are, where they run (processes, a GPU, Ray), in which order, and what they come to."""
