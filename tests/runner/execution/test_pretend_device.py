"""A whole study on a device that is not the host (tests/runner/pretend_device.py) is the host's, to the last bit: frames moved,
every fix trained, start networks, a network diverging, evaluations, checkpoints, records. In processes of their own, for the
device stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from torch.utils import backend_registration

pytestmark = pytest.mark.skipif(
    not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"),
    reason="this PyTorch has no devices made in Python",
)
HERE = Path(__file__).parents[1]

STUDY = """
import json, sys
from pathlib import Path
from pretend_device import DEVICE, Pretending
from runner.execution import starts
from runner.execution.observer import Observer
from runner.networks import CustomStack
from runner.networks import StackedNetworks
from runner.experiment import parse_experiment
from runner.study import run as study
from runner.training import metrics

more, starts.BLOCK["pretend"] = json.loads(sys.argv[2]), starts.BLOCK["cpu"]
training = {"steps": 4, "batch": 4, "evaluate_every": 2, "machine_code": False, "accumulate": 2, "checkpoints": "last"}
experiment = parse_experiment({
    "name": "tiny", "design": more.get("design", {"one_at_a_time": "all"}),
    "seeds": 1, "workers": 1, "group_size": 9,
    "data": {"train": 12, "probe": 4, "validation": 4, "height": 16, "width": 16},
    "training": training | more.get("training", {}), "model": more.get("model", {}),
}, "x")

def poisoned(made):
    def make(self, *arguments, **named):
        made(self, *arguments, **named)
        self.parameters.data[4:5, 20] = float("nan")
    return make

for networks in (StackedNetworks, CustomStack):
    networks.__init__, networks.load_state = poisoned(networks.__init__), poisoned(networks.load_state)
metrics.AT_ONCE["pretend"] = metrics.AT_ONCE["cuda"]

class Strict(Observer):
    def crashed(self, crash):
        raise SystemExit(f"{crash.group.name}: {crash.reason}")

def run(folder):
    study.run_study(experiment, folder, False, None, Strict())

run(Path(sys.argv[1]) / "host")
study.resolve_device = lambda wanted: DEVICE
with Pretending():
    run(Path(sys.argv[1]) / "device")
"""

REFUSED = """
import torch
from pretend_device import DEVICE, Pretending
with Pretending():
    there = torch.ones(3, device=DEVICE)
    assert (there + torch.tensor(1.0)).sum().item() == 6 and there.add_(1).cpu().numpy().tolist() == [2, 2, 2]
    for what in (lambda: there + torch.ones(3), lambda: there.numpy(), lambda: torch.ones(4)[there.long()]):
        try:
            what()
        except (RuntimeError, TypeError):
            print("refused")
"""


def in_a_process(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(HERE), str(HERE.parents[1])])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


FEW = {"one_at_a_time": ["1-1", "2-2b", "5-1w", "6-2", "8-1", "9-1"]}
KINDS = {
    "the stack": {},  # every fix, alone and left out
    "own networks": {"design": FEW, "model": f"{HERE / 'custom_modules.py'}:Small"},
    "from start networks": {"design": FEW, "training": {"start": "neutral", "start_steps": 3, "start_batch": 4}},
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def studies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretend")
    done = in_a_process(STUDY, folder, json.dumps(request.param))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("kind", ["trials", "curves", "profiles", "samples"])
def test_records_are_the_hosts(studies: Path, kind: str) -> None:
    host, device = (sorted((studies / place / "records").glob(f"{kind}-*.parquet")) for place in ("host", "device"))
    assert [path.name for path in host] == [path.name for path in device] and len(host) > 0
    for ours, theirs in zip(device, host, strict=True):
        tables = [pd.read_parquet(path).drop(columns=["seconds", "device"], errors="ignore") for path in (ours, theirs)]
        pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_it_was_trained_there_and_something_diverged(studies: Path) -> None:
    tables = [pd.read_parquet(path) for path in (studies / "device" / "records").glob("trials-*.parquet")]
    trials = pd.concat(tables)
    assert set(trials["device"]) == {"pretend:0"} and len(trials) >= 7
    assert set(trials["status"]) == {"finished", "diverged"}


def test_what_a_device_refuses_is_refused():
    """So that the tests above can fail."""
    done = in_a_process(REFUSED)
    assert done.stdout == 3 * "refused\n", done.stderr
