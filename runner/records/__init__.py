"""Records on disk, from which report, status and views are made: tables, checksums, checkpoints, samples, fingerprints."""

from runner.records.checkpoints import CheckpointError, load_network, read_checkpoint, write_checkpoints
from runner.records.files import WriteError, read_table, remove_temporary_files, write_atomically, write_bytes, write_table
from runner.records.integrity import intact, set_aside_damaged
from runner.records.samples import sample_indices
from runner.records.start_files import read_start, start_file, write_start
from runner.records.tables import KINDS, Records, curve_rows, keys_and_seeds, read_trials, trial_rows, write_group
from runner.records.words import WORD_COLUMNS, read_words, word_table

__all__ = [
    "KINDS", "WORD_COLUMNS", "CheckpointError", "Records", "WriteError", "curve_rows", "intact", "keys_and_seeds",
    "load_network", "read_checkpoint", "read_start", "read_table", "read_trials", "read_words", "remove_temporary_files",
    "sample_indices", "set_aside_damaged", "start_file", "trial_rows", "word_table", "write_atomically", "write_bytes",
    "write_checkpoints", "write_group", "write_start", "write_table",
]  # fmt: skip
