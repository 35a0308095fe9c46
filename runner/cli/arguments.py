"""What each command takes, and how a command line is parsed: a mistyped name is answered with the nearest known one."""

from __future__ import annotations

import argparse
import difflib
import math
import platform
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

from runner.cli.data import data
from runner.cli.issues import audit, check, issues
from runner.cli.plan import plan, schema
from runner.cli.run import confirm, run
from runner.cli.terminal import BAD_INPUT
from runner.cli.views import dashboard, export, mlflow, power, report, status, sync

ABOUT = "Which of ten documented fixes of a near-field-weighted depth loss help, do nothing, or harm?"
EXAMPLES = """\
nfloss issues --extensions examples/own_fix.py
nfloss check examples/own_fix.py
nfloss data formats
nfloss data stats ../frames --format tum --out depth.png
nfloss plan experiments/ablation.yaml
nfloss plan experiments/ablation.yaml --budget 200
nfloss run experiments/ablation.yaml --set training.steps=600 --seeds 10 --out-dir runs/longer
nfloss run experiments/ablation.yaml --resume
nfloss run experiments/ablation.yaml --device cuda --no-tracking --no-report
nfloss status runs/ablation
nfloss confirm runs/ablation --seeds 10
nfloss report runs/ablation
nfloss report runs/ablation --tables
nfloss report runs/ablation --compare runs/real_data
nfloss report runs/lasting-1x --compare runs/lasting-4x runs/lasting-16x
nfloss power runs/ablation --gain 3
nfloss export runs/ablation --fixes 8-2 5-2
nfloss sync runs/ablation --to wandb
nfloss mlflow runs/ablation --port 5001
nfloss dashboard runs/optuna
""".splitlines()


def number(kind: type[int] | type[float], least: int, most: float = math.inf) -> Callable[[str], float]:
    """Reads a number for argparse; its refusal says what is allowed."""

    def read(text: str) -> float:
        try:
            if least <= (value := kind(text)) <= most:
                return value
        except ValueError:
            pass
        allowed = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"{text!r}; a {'whole ' * (kind is int)}number {allowed} is needed")

    return read


Argument = tuple[tuple[str, ...], dict[str, Any]]


def argument(*names: str, **how: Any) -> Argument:
    return names, how


EXPERIMENT = argument("experiment", metavar="EXPERIMENT.yaml", type=Path, help="such as experiments/ablation.yaml")
STUDY = argument("study", metavar="STUDY_DIR", type=Path, help="a study's folder, such as runs/ablation")
SET = argument(
    "--set",
    dest="overrides",
    metavar="KEY=VALUE",
    action="append",
    default=[],
    help="in place of the file's, such as training.steps=100; may be given several times",
)
SEEDS = argument("--seeds", metavar="N", type=number(int, 1), help="number of paired seeds (0, 1, ...); default: the file's")
EXTENSIONS = argument(
    "--extensions",
    metavar="PATH_OR_MODULE",
    action="append",
    default=[],
    help="own fixes, such as my_fixes.py; may be given several times; those of installed packages are there",
)
TRUST = argument("--trust-code", action="store_true", help="run the fixes and the network that the study's description names")
URI = argument("--uri", help="MLflow tracking URI; default: MLFLOW_TRACKING_URI, else sqlite in the runs folder")
JSON = argument("--json", dest="as_json", action="store_true", help="print JSON, not a table")

#: Each command with what it takes; its name and its help are the function's.
COMMANDS: dict[Callable[..., int | None], list[Argument]] = {
    issues: [EXTENSIONS, JSON],
    check: [argument("extension", metavar="PATH_OR_MODULE", help="my_fixes.py, my_package.fixes or losses.py:berhu"), JSON],
    audit: [JSON],
    data: [
        argument("what", metavar="stats|formats", choices=("stats", "formats"), help="what is asked"),
        argument("path", metavar="PATH", nargs="?", help="of stats: a folder, an EXPERIMENT.yaml, or scenes"),
        argument("--format", default="folder", help="how a folder is laid out; default: %(default)s, rgb/ and depth/"),
        argument("--depth-scale", metavar="S", type=number(float, 0), help="of a plain folder: the 16-bit value of one metre"),
        argument("--near-weight", metavar="W", type=number(float, 0), help="default: the experiment's, else 5"),
        argument("--threshold", metavar="METRES", type=number(float, 0), help="default: the experiment's, else 1"),
        argument(
            "--expected-weight-mean",
            dest="expected",
            metavar="W",
            type=number(float, 0),
            help="the fixed mean that may fit; default: the experiment's, else 1.75",
        ),
        argument("--batch", metavar="N", type=number(int, 1), help="images in a batch; default: the experiment's, else 8"),
        argument("--frames", metavar="N", type=number(int, 1), default=1000, help="read at most; default: %(default)s"),
        argument("--out", metavar="FILE.png", type=Path, help="draw it, too"),
    ],
    plan: [
        EXPERIMENT,
        SET,
        SEEDS,
        argument(
            "--budget",
            metavar="TRIALS",
            type=number(int, 1),
            help="which design so many trials pay for, and what it leaves open",
        ),
        argument("--again", action="store_true", help="time this machine anew; else what it did before is remembered"),
        JSON,
    ],
    run: [
        EXPERIMENT,
        SET,
        SEEDS,
        argument("--device", help="auto, cpu, cuda or cuda:N; default: the file's, else auto: CUDA where there is one"),
        argument("--execution", help="local, or ray: groups as tasks of a cluster; default: the file's, else local"),
        argument("--out-dir", metavar="DIR", type=Path, help="the study's folder; default: runs/<name of the experiment>"),
        argument("--resume", action="store_true", help="continue a study: train what is missing"),
        argument(
            "--max-seconds",
            metavar="SECONDS",
            type=number(float, 0),
            help="begin no group that would end later, going by the longest; resumable; default: no limit",
        ),
        argument("--no-tracking", action="store_true", help="do not write the MLflow view"),
        argument("--no-report", action="store_true", help="train and record, without the report"),
    ],
    schema: [],
    status: [STUDY],
    confirm: [
        STUDY,
        TRUST,
        argument("--seeds", metavar="N", type=number(int, 2), default=6, help="fresh seeds; default: %(default)s"),
    ],
    report: [
        STUDY,
        argument(
            "--compare",
            dest="others",
            metavar="OTHER",
            nargs="+",
            type=Path,
            help="other studies: which verdicts, signs and ranks agree, and the gains of all of them together",
        ),
        argument("--tables", action="store_true", help="write tables for papers instead: CSV, LaTeX, Markdown, and all trials"),
    ],
    power: [
        STUDY,
        argument("--gain", metavar="PERCENT", type=number(float, 0, 99), default=5.0, help="the gain to detect; default: 5"),
    ],
    export: [
        STUDY,
        argument("--fixes", metavar="FIX", nargs="*", help="these instead of the recommended ones; none: the baseline"),
        TRUST,
    ],
    sync: [
        STUDY,
        URI,
        argument(
            "--to", choices=("mlflow", "wandb"), default="mlflow", help="whose view; wandb: offline; default: %(default)s"
        ),
    ],
    mlflow: [
        argument("study", metavar="STUDY_DIR", nargs="?", type=Path, help="open at this study; default: at all of them"),
        URI,
        argument(
            "--port", metavar="N", type=number(int, 1, 65535), default=5000, help="port on 127.0.0.1; default: %(default)s"
        ),
    ],
    dashboard: [
        argument("study", metavar="STUDY_DIR", nargs="?", type=Path, help="a study's folder; default: the newest in runs/"),
        argument("--storage", metavar="URL", help="of a search in a database: its URL, which the study alone does not open"),
        argument(
            "--port", metavar="N", type=number(int, 1, 65535), default=8080, help="port on 127.0.0.1; default: %(default)s"
        ),
    ],
}


class Parser(argparse.ArgumentParser):
    """No guessing at abbreviations; errors are one line that names the help."""

    def __init__(self, **how: Any) -> None:
        how["allow_abbrev"], how["formatter_class"] = False, argparse.RawDescriptionHelpFormatter
        shown = [f"  {line}" for line in EXAMPLES if line.startswith(how["prog"])]
        super().__init__(**how, epilog="\n".join(["examples:", *shown]) if shown else None)

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"nfloss: {message.removeprefix('argument ')}; see {self.prog} --help\n")


class Version(argparse.Action):
    """Of the package, of Python and of PyTorch, as a bug report needs them; looked up only where asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"nfloss {version('nfloss')}, Python {platform.python_version()}, torch {version('torch')}")
        parser.exit()


def make_parsers() -> tuple[Parser, dict[str, Parser]]:
    """The parser, and that of each command."""
    parser = Parser(prog="nfloss", description=ABOUT)
    parser.add_argument("--version", action=Version, nargs=0, default=argparse.SUPPRESS, help="print the version and exit")
    choice = parser.add_subparsers(title="commands", metavar="COMMAND")
    commands = {}
    for command, takes in COMMANDS.items():
        name, about = command.__name__, command.__doc__
        commands[name] = choice.add_parser(name, prog=f"nfloss {name}", help=about, description=about)
        for names, how in takes:
            commands[name].add_argument(*names, **how)
        commands[name].set_defaults(command=command)
    return parser, commands


def parse(given: Sequence[str]) -> dict[str, Any]:
    """The command and its arguments. What is not known is answered with what is, and the nearest to it."""
    parser, commands = make_parsers()
    if given and given[0] not in (*commands, "-h", "--help", "--version"):
        parser.error(unknown("command", given[0], commands))
    arguments, beyond = parser.parse_known_args(given)
    if beyond:
        refuse(beyond, COMMANDS[arguments.command], commands[arguments.command.__name__])
    return vars(arguments)


def refuse(beyond: Sequence[str], takes: list[Argument], parser: Parser) -> NoReturn:
    """Name the first argument that a command does not take; an option before a stray value, which may be its own."""
    given = next((given for given in beyond if given.startswith("-")), beyond[0])
    options = [name for names, _ in takes for name in names if name.startswith("--")]
    if given.startswith("-"):
        parser.error(unknown("option", given.partition("=")[0], [*options, "--help"]))
    hint = f" (did you mean '--set {given}'?)" if "=" in given and "--set" in options else ""
    parser.error(f"{given!r} is one argument too many{hint}")


def unknown(what: str, given: str, known: Collection[str]) -> str:
    """Like `nfloss.yaml_block.nearest`, which would load torch first; dashes are no likeness."""
    bare = {name.lstrip("-"): name for name in known}
    close = difflib.get_close_matches(given.lstrip("-"), bare, n=1)
    hint = f" (did you mean {bare[close[0]]!r}?)" if close else ""
    return f"unknown {what} {given!r}{hint}; known: {', '.join(known)}"
