"""Records on disk, the truth that everything else reads: tables, checksums, fingerprints, checkpoints, samples."""
