"""A search with Optuna, which nothing else imports: its space, sampler, storage, loop and dashboard."""
