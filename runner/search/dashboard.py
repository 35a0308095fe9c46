"""The Optuna dashboard on 127.0.0.1: a search's own trials, or a view of any other study's records."""

from __future__ import annotations

import json
import math
import socket
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any
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
from runner.records import read_table, read_words, word_table
from runner.search.objectives import OBJECTIVE_NAMES, ObjectiveValues, objective_values
from runner.search.space import NONE, issue_name
from runner.search.storage import JOURNAL, open_storage, safe_url, storage_errors
from runner.search.summary import plain
from runner.study import StudyError, looks_of, read_study

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

HOST = "127.0.0.1"
VIEW_JOURNAL = "optuna-view.journal"  # of a study without a search; written from its records each time
ARTIFACTS = "optuna-artifacts"
OBJECTIVES = ("near", "far")
#: Designs that vary fixes together. In others nearly every fix is in one cell alone, and the importances that the dashboard
#: computes for parameters would mislead: there the cell itself is the only parameter (the dashboard divides by their number).
CROSSED = ("cartesian", "fractional", "covering", "pairs")


class QuietHandler(WSGIRequestHandler):
    """A handler that logs no requests."""

    def log_message(self, format: str, *args: Any) -> None:
        return


def serve_dashboard(study: Path | None, port: int, storage: str | None = None) -> int:
    """Serve the dashboard of a study, by default the newest, until Ctrl-C; returns the exit status.

    Raises StudyError: there is no study, or the port is taken."""
    folder = study or newest_study(Path("runs"))
    with make_dashboard(folder, port, storage) as server:
        print(f"Optuna dashboard of {folder}: http://{HOST}:{server.server_port}/dashboard  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    return 0


def newest_study(runs: Path) -> Path:
    """The study in `runs` that was written to last. Raises StudyError where there is none."""
    found = [path.parent for path in runs.glob("*/study.yaml")]
    if not found:
        raise StudyError(f"no study in {runs}; name one: nfloss dashboard STUDY_DIR")
    return max(found, key=lambda folder: max(path.stat().st_mtime for path in folder.iterdir()))


def make_dashboard(folder: Path, port: int, url: str | None = None) -> WSGIServer:
    """The server, not yet serving. Only this machine can reach it, and only by its own name.

    Args:
        url: of the search's storage, where that is a database: a study's folder does not decide which server is asked.
    """
    from optuna_dashboard import wsgi

    settings = read_study(folder)
    search = settings["experiment"]["design"]["optuna"]
    if search is None:
        storage = write_dashboard_view(folder, settings)
    elif search["storage"] is None and not (folder / JOURNAL).exists():
        raise StudyError(f"{folder}: its {JOURNAL} is missing; nfloss run --resume writes it again")
    elif search["storage"] != url:
        raise StudyError(f"{folder}: its search is in {safe_url(search['storage'])}; to open that, give its URL with --storage")
    else:
        storage = open_storage(folder, url)
        with storage_errors(url):
            attach_figures(optuna.load_study(study_name=settings["name"], storage=storage), folder, storage)
    check_port(port)
    application = wsgi(storage, artifact_store=FileSystemArtifactStore(artifact_folder(folder)))
    server = make_server(HOST, port, application, handler_class=QuietHandler)
    server.set_app(own_host_alone(application, server.server_port))
    return server


def own_host_alone(application: WSGIApplication, port: int) -> WSGIApplication:
    """The application, for requests to this machine by its own names and from its own pages.

    A page of another site can have its name point at 127.0.0.1 (DNS rebinding): then Host is foreign, or Origin.
    """
    hosts = {f"{name}:{port}" for name in ("localhost", HOST)}

    def checked(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        origin = environ.get("HTTP_ORIGIN")
        if environ.get("HTTP_HOST") in hosts and (origin is None or origin in {f"http://{host}" for host in hosts}):
            return application(environ, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"this dashboard answers its own machine alone"]

    return checked


def check_port(port: int) -> None:
    """Raises StudyError where another process listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise StudyError(f"port {port} on {HOST} is taken; choose another with --port") from None


def write_dashboard_view(folder: Path, settings: Mapping[str, Any]) -> BaseStorage:
    """Write a study's records as an Optuna study: a finished trial for each trained cell that has all of its seeds."""
    from optuna_dashboard import save_note

    (folder / VIEW_JOURNAL).unlink(missing_ok=True)
    storage = JournalStorage(JournalFileBackend(str(folder / VIEW_JOURNAL)))
    directions = [StudyDirection.MINIMIZE] * len(OBJECTIVES)
    view = optuna.create_study(storage=storage, study_name=settings["name"], directions=directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        view.set_metric_names([f"ln of {OBJECTIVE_NAMES[objective]}" for objective in OBJECTIVES])
    plan = read_table(folder / "plan.parquet").fillna({"fixes": "", "numbers": "{}"})
    cells = plan[plan["status"] == "trained"].to_dict("records")
    seeds = settings["seeds"][: looks_of(settings["experiment"])[0]]  # those that all cells have
    found = objective_values(folder, seeds, OBJECTIVES, "")
    crossed = any(settings["experiment"]["design"].get(design) for design in CROSSED)
    varied = varied_numbers(cells, settings["experiment"])
    names = CategoricalDistribution([cell["cell"] for cell in cells])
    trials = []
    for cell in cells:
        if cell["key"] in found:
            params, kinds = parameters(cell, varied) if crossed else ({"cell": cell["cell"]}, {"cell": names})
            trials.append(cell_trial(cell, found[cell["key"]], params, kinds))
    view.add_trials(trials)
    save_note(view, "\n\n".join([view_note(settings, seeds, len(cells), len(found)), *words_table(folder)]))
    attach_figures(view, folder, storage)
    return storage


def varied_numbers(cells: list[Any], experiment: Mapping[str, Any]) -> dict[str, list[float]]:
    """Number of the loss -> its values in the study, the baseline's first."""
    baseline, varied = vars(make_numbers(experiment["loss"])), dict[str, set[float]]()
    for cell in cells:
        for name, value in json.loads(cell["numbers"]).items():
            varied.setdefault(name, {float(baseline[name])}).add(float(value))
    return {name: [float(baseline[name]), *sorted(values - {float(baseline[name])})] for name, values in sorted(varied.items())}


def cell_trial(
    cell: Mapping[Any, Any], result: ObjectiveValues, params: Mapping[str, Any], kinds: Mapping[str, CategoricalDistribution]
) -> Any:
    """A trained cell as a finished trial. Its values are logarithms, so that a cell with ten times the error leaves the others
    apart."""
    attrs: dict[str, Any] = {name: cell[name] for name in ("cell", "design", "fixes", "numbers", "key")}
    attrs |= {f"{OBJECTIVE_NAMES[objective]} of each seed": values for objective, values in result.seeds.items()}
    attrs["diverged seeds"] = result.diverged
    values = [math.log(value) for value in result.values]
    return create_trial(values=values, params=dict(params), distributions=dict(kinds), user_attrs=attrs)


def parameters(cell: Mapping[Any, Any], varied: Mapping[str, list[float]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A cell's parameters, one for each issue and each varied number, and their categories.

    Several fixes of one issue are one category, such as "1-1+1-2". Optuna requires the same categories in every trial, so all
    combinations are listed.
    """
    fixes, numbers = cell["fixes"].split(), json.loads(cell["numbers"])
    params, kinds = dict[str, Any](), dict[str, Any]()
    for number, issue in sorted(ISSUES.items()):
        own = [fix.id for fix in issue.fixes]
        params[issue_name(number)] = "+".join(fix for fix in fixes if fix in own) or NONE
        kinds[issue_name(number)] = CategoricalDistribution([NONE, *own, *fix_combinations(own)])
    for name, values in varied.items():
        params[name] = float(numbers.get(name, values[0]))
        kinds[name] = CategoricalDistribution(values)
    return params, kinds


def attach_figures(study: optuna.Study, folder: Path, storage: BaseStorage) -> None:
    """Attach the report's figures as artifacts, each once."""
    store = FileSystemArtifactStore(artifact_folder(folder))
    attached = {meta.filename for meta in optuna.artifacts.get_all_artifact_meta(study, storage=storage)}
    for figure in sorted((folder / "report" / "figures").glob("*.png")):
        if figure.name not in attached and not figure.is_symlink():
            upload_artifact(artifact_store=store, file_path=str(figure), study_or_trial=study, storage=storage)


def artifact_folder(folder: Path) -> str:
    """The folder of the artifacts, which is made where it is missing."""
    (folder / ARTIFACTS).mkdir(exist_ok=True)
    return str(folder / ARTIFACTS)


def fix_combinations(fixes: list[str]) -> list[str]:
    """Every combination of two or more of the fixes, joined by +."""
    return ["+".join(some) for count in range(2, len(fixes) + 1) for some in combinations(fixes, count)]


def view_note(settings: Mapping[str, Any], seeds: Sequence[int], cells: int, complete: int) -> str:
    """The note that the dashboard shows for a study without a search."""
    experiment = settings["experiment"]
    data, training = experiment["data"], experiment["training"]
    frames = f"frames of {plain(data['folder'])}" if data.get("folder") else f"{plain(data['train'])} procedural scenes"
    return (
        f"**{settings['name']}**: {complete} of {cells} distinct cells with all of the seeds "
        f"{', '.join(map(plain, seeds))}, {plain(training['steps'])} steps each, on {frames}. A value is the natural "
        "logarithm of the error, its mean over the seeds: 0.1 less is some 10 % less error. A diverged training counts as one "
        "depth everywhere. This is a view of the study's records: changes are lost, because it is written again each time."
    )


def words_table(folder: Path) -> list[str]:
    """The words on the fixes as a Markdown table; nothing where no report has been drawn yet."""
    header, *rows = word_table(read_words(folder / "verdicts.json"))
    lines = [header, ["---"] * len(header), *(map(plain, row) for row in rows)]
    return ["\n".join(f"| {' | '.join(line)} |" for line in lines)] * bool(rows)
