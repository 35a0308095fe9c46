"""The written results: the report of a study, the comparison of studies, and the recommended loss as YAML."""

from analysis.report.build import terminal_summary, write_report
from analysis.report.compare import Comparison, Table, comparison
from analysis.report.loss_yaml import annotated_yaml, evidence, yaml_block
from analysis.report.method_text import method
from analysis.report.networks import network_lines
from analysis.report.tables import write_tables

__all__ = [
    "Comparison", "Table", "annotated_yaml", "comparison", "evidence", "method", "network_lines", "terminal_summary",
    "write_report", "write_tables", "yaml_block",
]  # fmt: skip
