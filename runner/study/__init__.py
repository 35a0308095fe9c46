"""A study: one folder with its plan, its description and its records; run, resumed, locked, estimated, asked how it stands."""

from runner.study.description import describe_issue, git_commit, installed
from runner.study.estimate import Estimate, estimate_minutes, start_networks
from runner.study.folder import StudyError, check_code, check_files, read_study
from runner.study.looks import looks_of
from runner.study.plan import dataset_weight_mean, plan_experiment
from runner.study.run import Outcome, StudyRun, open_run, run_study
from runner.study.status import resumption, status_lines

__all__ = [
    "Estimate", "Outcome", "StudyError", "StudyRun", "check_code", "check_files", "dataset_weight_mean", "describe_issue",
    "estimate_minutes", "git_commit", "installed", "looks_of", "open_run", "plan_experiment", "read_study", "resumption",
    "run_study", "start_networks", "status_lines",
]  # fmt: skip
