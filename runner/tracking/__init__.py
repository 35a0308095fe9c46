"""The MLflow view of a study's records. Nothing else imports mlflow, and this imports nothing of the runner but records."""
