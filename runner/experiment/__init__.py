"""The experiment file: its schema, and the plan that accounts for each of its cells."""
