"""The written results: the report of a study, the comparison of two studies, and the recommended loss as YAML."""

from analysis.report.build import terminal_summary as terminal_summary
from analysis.report.build import write_report as write_report
from analysis.report.compare import comparison as comparison
from analysis.report.loss_yaml import annotated_yaml as annotated_yaml
from analysis.report.loss_yaml import evidence as evidence
from analysis.report.loss_yaml import yaml_block as yaml_block
from analysis.report.method_text import method as method
