"""From an experiment file to records on disk: plans, trains, records, tracks."""
