"""The Optuna dashboard of a study, on 127.0.0.1: a search's own trials, or a view of any other study's records."""

from __future__ import annotations

import json
import socket
import sys
import warnings
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection
from optuna.trial import create_trial

from nfloss import ISSUES
from nfloss.configuration import make_numbers
from nfloss.registry import find_fix, issue_of
from runner.records.files import read_table
from runner.search.objectives import NAMES, ObjectiveValues, objective_values
from runner.search.space import NONE, issue_name
from runner.search.storage import JOURNAL, open_storage, reachable
from runner.study import StudyError, read_study

HOST = "127.0.0.1"
VIEW = "optuna-view.journal"  # of a study that is no search: written anew each time, from its records
ARTIFACTS = "optuna-artifacts"
OBJECTIVES = ("near", "far")


class Quiet(WSGIRequestHandler):
    """Says nothing for each page."""

    def log_message(self, format: str, *args: Any) -> None:
        return


def serve(study: Path | None, port: int) -> int:
    """Serve a study's dashboard until Ctrl-C; returns the exit status.

    Raises:
        StudyError: no study, or a port that is taken.
    """
    folder = study or newest(Path("runs"))
    with make_dashboard(folder, port) as server:
        print(f"Optuna dashboard of {folder}: http://{HOST}:{server.server_port}/dashboard  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0


def newest(runs: Path) -> Path:
    """The study that was written to last."""
    found = [path.parent for path in runs.glob("*/study.yaml")]
    if not found:
        raise StudyError(f"no study in {runs}; name one: nfloss dashboard STUDY_DIR")
    return max(found, key=lambda folder: max(path.stat().st_mtime for path in folder.iterdir()))


def make_dashboard(folder: Path, port: int) -> WSGIServer:
    """The server, not yet serving; nothing but this machine can reach it."""
    from optuna_dashboard import wsgi

    settings = read_study(folder)
    search = (settings["experiment"].get("design") or {}).get("optuna")
    if search is None:
        storage = write_view(folder, settings)
    elif search["storage"] is None and not (folder / JOURNAL).exists():
        raise StudyError(f"{folder}: its {JOURNAL} is missing; the search writes it anew with --resume")
    else:
        storage = open_storage(folder, search["storage"])
        with reachable(search["storage"]):
            attach(optuna.load_study(study_name=settings["name"], storage=storage), folder, storage)
    check_port(port)
    application = wsgi(storage, artifact_store=FileSystemArtifactStore(shelf(folder)))
    return make_server(HOST, port, application, handler_class=Quiet)


def check_port(port: int) -> None:
    """Raises where something else listens."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise StudyError(f"port {port} on {HOST} is taken; take another with --port") from None


def write_view(folder: Path, settings: Mapping[str, Any]) -> BaseStorage:
    """A study's records as an Optuna study: a finished trial for each trained cell that has all of its seeds."""
    from optuna_dashboard import save_note

    (folder / VIEW).unlink(missing_ok=True)
    storage = JournalStorage(JournalFileBackend(str(folder / VIEW)))
    directions = [StudyDirection.MINIMIZE] * len(OBJECTIVES)
    view = optuna.create_study(storage=storage, study_name=settings["name"], directions=directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        view.set_metric_names([NAMES[objective] for objective in OBJECTIVES])
    plan = read_table(folder / "plan.parquet").fillna({"fixes": "", "numbers": "{}"})
    cells = plan[plan["status"] == "trained"].to_dict("records")
    found = objective_values(folder, settings["seeds"], OBJECTIVES, "")
    varied = varied_numbers(cells, settings["experiment"])
    view.add_trials([finished(cell, found[cell["key"]], varied) for cell in cells if cell["key"] in found])
    save_note(view, note(settings, len(cells), len(found)))
    attach(view, folder, storage)
    return storage


def varied_numbers(cells: list[Any], experiment: Mapping[str, Any]) -> dict[str, list[float]]:
    """Number of the loss -> its values in the study, the usual one first."""
    usual, varied = vars(make_numbers(experiment.get("loss") or {})), dict[str, set[float]]()
    for cell in cells:
        for name, value in json.loads(cell["numbers"]).items():
            varied.setdefault(name, {float(usual[name])}).add(float(value))
    return {name: [float(usual[name]), *sorted(values - {float(usual[name])})] for name, values in sorted(varied.items())}


def finished(cell: Mapping[Any, Any], result: ObjectiveValues, varied: Mapping[str, list[float]]) -> Any:
    """A trained cell as a trial. A cell may hold several fixes of one issue: then they are one choice, joined by +.

    Optuna wants one set of choices per parameter, so every combination of an issue's fixes is named.
    """
    fixes, numbers = cell["fixes"].split(), json.loads(cell["numbers"])
    params: dict[str, Any] = {}
    kinds: dict[str, Any] = {}
    for number, issue in sorted(ISSUES.items()):
        own = [fix.id for fix in issue.fixes]
        params[issue_name(number)] = "+".join(fix for fix in fixes if issue_of(find_fix(fix)).number == number) or NONE
        kinds[issue_name(number)] = CategoricalDistribution([NONE, *own, *several(own)])
    for name, values in varied.items():
        params[name] = float(numbers.get(name, values[0]))
        kinds[name] = CategoricalDistribution(values)
    attrs = {"cell": cell["cell"], "design": cell["design"], "fixes": cell["fixes"], "key": cell["key"]}
    attrs |= {f"{NAMES[objective]} of each seed": values for objective, values in result.seeds.items()}
    attrs["diverged seeds"] = result.diverged
    return create_trial(values=result.values, params=params, distributions=kinds, user_attrs=attrs)


def attach(study: optuna.Study, folder: Path, storage: BaseStorage) -> None:
    """The report's figures as artifacts, each once."""
    store = FileSystemArtifactStore(shelf(folder))
    there = {meta.filename for meta in optuna.artifacts.get_all_artifact_meta(study, storage=storage)}
    for figure in sorted((folder / "report" / "figures").glob("*.png")):
        if figure.name not in there:
            upload_artifact(artifact_store=store, file_path=str(figure), study_or_trial=study, storage=storage)


def shelf(folder: Path) -> str:
    """Where the artifacts are."""
    (folder / ARTIFACTS).mkdir(exist_ok=True)
    return str(folder / ARTIFACTS)


def several(fixes: list[str]) -> list[str]:
    """Names of two fixes or more of one issue."""
    return ["+".join(some) for count in range(2, len(fixes) + 1) for some in combinations(fixes, count)]


def note(settings: Mapping[str, Any], cells: int, complete: int) -> str:
    """What the study is."""
    experiment = settings["experiment"]
    data, training = experiment["data"], experiment["training"]
    frames = f"frames of {data['folder']}" if data.get("folder") else f"{data['train']} procedural scenes"
    return (
        f"**{settings['name']}**: {complete} of {cells} distinct cells with all of the seeds "
        f"{', '.join(map(str, settings['seeds']))}, {training['steps']} steps each, on {frames}. A value is the geometric mean "
        "over the seeds; a diverged training counts as the worst that finished. A view of the study's records: change nothing "
        "here, it is written anew each time."
    )
