"""Networks: the built-in stack of small ones, and copies of a module of yours. What training asks of either is `Networks`."""
