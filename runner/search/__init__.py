"""A search with Optuna: its space, sampler, storage, loop and dashboard. No other package imports optuna."""

from runner.search.dashboard import serve_dashboard
from runner.search.run import run_search, sampled_plan, search_settings, search_space
from runner.search.summary import space_size

__all__ = ["run_search", "sampled_plan", "search_settings", "search_space", "serve_dashboard", "space_size"]
