"""From records to verdicts: gains, verdicts, plots, report. Never imports torch."""
