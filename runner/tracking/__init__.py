"""Views of a study's records, MLflow's and W&B's; they import the runner's records alone, and a library where it is used."""

from runner.tracking.server import TrackingError, serve_mlflow
from runner.tracking.view import write_view
from runner.tracking.wandb_view import write_wandb_view

__all__ = ["TrackingError", "serve_mlflow", "write_view", "write_wandb_view"]
