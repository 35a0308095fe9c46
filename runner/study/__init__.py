"""A study: one folder with its plan, its description and its records; run, resumed, locked, estimated, asked for its status."""
