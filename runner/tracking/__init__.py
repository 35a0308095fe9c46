"""The MLflow view of a study's records; of the runner it imports the records alone, and mlflow only where it is used."""

from runner.tracking.server import TrackingError, serve_mlflow
from runner.tracking.view import write_view

__all__ = ["TrackingError", "serve_mlflow", "write_view"]
