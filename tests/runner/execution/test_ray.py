"""Groups as tasks of a Ray cluster: one machine with two nodes, one of which is killed in the middle of a group."""

import os
import secrets
import subprocess
import sys
import time
from importlib.util import find_spec

import pandas as pd
import psutil
import pytest
import torch
from commands import begin, recorded

from runner.execution.ray_cluster import ClusterError, check_node, group_software, with_absolute_folder
from runner.experiment import Execution, ExperimentError, Ray, load_experiment, parse_experiment
from runner.study import plan_experiment
from runner.study.folder import comparable
from runner.study.looks import read_looks
from runner.study.run import groups_of
from runner.training import learning_rates

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="ray is not installed")
TINY = """
design: {one_at_a_time: ["1-1", "4-1", "10-1", "6-2"]}
seeds: 2
data: {train: 16, probe: 4, validation: 4, height: 16, width: 16}
training: {steps: 60, batch: 2, evaluate_every: 20}
device: cpu
group_size: 2
workers: 1
"""
WHOLE = {"name": "x", "design": {"one_at_a_time": ["1-1"]}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("local", None),
        ("ray", Ray()),
        ({"ray": None}, Ray()),
        (
            {"ray": {"address": "10.0.0.1:6379", "cpus_per_task": 2, "retries": 0}},
            Ray(address="10.0.0.1:6379", cpus_per_task=2, retries=0),
        ),
    ],
)
def test_where_to_run_comes_back_as_given_and_changes_nothing(given, expected):
    experiment = parse_experiment({**WHOLE, "execution": given}, "x")
    assert experiment.execution == Execution(ray=expected)
    assert parse_experiment(experiment.model_dump(mode="json"), "x") == experiment
    assert comparable(experiment) == comparable(parse_experiment(WHOLE, "x"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("roy", "execution: local, ray, or {ray: {"),
        ({"ray": {"adress": "x"}}, "did you mean 'address'"),
        ({"ray": {"address": "ray://x:10001"}}, "not through Ray Client"),
        ({"ray": {"gpus_per_task": 0.5}}, "needs group_size"),
        ({"ray": {"gpus_per_task": 2}}, "less than or equal to 1"),
        ({"ray": {"cpus_per_task": 0.33333}}, "four decimals"),
    ],
)
def test_settings_that_cannot_be_are_one_line(given, said):
    with pytest.raises(ExperimentError) as raised:
        parse_experiment({**WHOLE, "execution": given}, "x")
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_a_node_without_the_frames_or_with_other_code_says_so(tmp_path):
    data = {"folder": str(tmp_path / "nowhere"), "depth_scale": 1000}
    group = groups_of(plan_experiment(parse_experiment(WHOLE, "x")), 2)[0]
    with pytest.raises(ClusterError, match="nowhere is not on node"):
        check_node(group, with_absolute_folder(parse_experiment({**WHOLE, "data": data}, "x")), [])
    experiment = parse_experiment(WHOLE, "x")
    check_node(group, experiment, group_software(group, experiment))
    other = [mark.replace("torch:", "torch:0").replace("shared:", "shared:0") for mark in group_software(group, experiment)]
    with pytest.raises(ClusterError, match="has another shared, torch than the run"):
        check_node(group, experiment, other)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    token = tmp_path_factory.mktemp("token") / "token"  # the tests' own: Ray would take, or leave, one in the home folder
    token.write_text(secrets.token_hex(32))
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in environment}
    os.environ |= environment
    from ray.cluster_utils import Cluster  # reads the environment as it is imported

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield nodes
    nodes.shutdown()
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})


def kill_in_the_middle(node) -> None:
    """SIGKILL to all processes of a node as soon as one of its workers is in a group's task: Ray then calls it so."""
    raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
    until = time.monotonic() + 600  # a cluster starts slowly on a busy machine
    while not any("ray::nfloss" in " ".join(child.cmdline()) for child in raylet.children(recursive=True)):
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1.0)
    for process in [raylet, *raylet.children(recursive=True)]:
        process.kill()


@needs_ray
def test_a_node_killed_in_the_middle_changes_nothing(cluster, tmp_path):
    """Two seeds of one block of start networks, a look at them, and one seed of another block; one of the two nodes is killed
    while it trains. Start networks, records and what was decided are those of this machine."""
    text = TINY.replace("seeds: 2", "seeds: {looks: [2, 3], until: decided}")
    text = text.replace("evaluate_every: 20", "evaluate_every: 20, start: neutral, start_steps: 20")
    node = cluster.add_node(num_cpus=1)
    run = begin(tmp_path / "ray", text, "--execution", "ray", RAY_ADDRESS=cluster.address)
    try:
        kill_in_the_middle(node)
        assert run.poll() is None
        said, errors = run.communicate(timeout=600)
    finally:
        run.kill()
        cluster.remove_node(node, allow_graceful=False)
    trials = 6 + len(read_looks(tmp_path / "ray" / "study")[2])  # three configurations, then what went on
    assert (run.returncode, said) == (0, f"{trials} planned, {trials} done, 0 diverged, 0 failed\n"), errors
    for block in ("seeds 0 to 1", "seeds 2 to 3"):
        assert f"first 20 steps of neutral training for the start networks of {block}\n" in errors
    words = ("fix ", "1-1 ", "4-1 ", "6-2 ", "10-1 ", "open: ", "looked at after ", "after 2 seeds ")
    known = ("5 cells", "first 20 steps", *words)
    assert all(line.startswith(known) or " trials, 0 diverged" in line for line in errors.splitlines()), errors
    assert begin(tmp_path / "here", text).wait(timeout=600) == 0
    here, there = (recorded(tmp_path / name / "study") for name in ("here", "ray"))
    assert len(here) >= 14 and here.keys() == there.keys()
    for name, table in here.items():
        pd.testing.assert_frame_equal(table, there[name], check_exact=True, obj=name)
    rates = learning_rates(load_experiment(tmp_path / "ray" / "tiny.yaml").training)[[19, 39, 59]].tolist()
    trained = [table[table["step"] > 0] for name, table in there.items() if name.startswith("curves-seed0-0")]
    assert trained and all(table["learning_rate"].tolist() == 2 * rates for table in trained)
    looked = [read_looks(tmp_path / name / "study") for name in ("here", "ray")]
    assert looked[0] == looked[1] and len(looked[0][2]) > 1  # the baseline, and a fix that two seeds do not decide
    starts = [sorted((tmp_path / name / "study" / "starts").glob("*.pt")) for name in ("here", "ray")]
    assert len(starts[0]) == len(starts[1]) > 2
    for one, other in zip(*starts, strict=True):
        one, other = (torch.load(path, weights_only=True) for path in (one, other))
        assert one["fingerprint"] == other["fingerprint"]
        assert all(torch.equal(value, other["state"][part]) for part, value in one["state"].items())


#: A group that ends the process it comes to; one that no machine has the memory for, until it is halved; and one as usual.
HARD = """
import os, sys, torch
from runner.execution.groups import Group
from runner.execution.queue import GroupQueue, Results
from runner.execution.ray_cluster import run_on_ray
from runner.experiment import load_experiment
from runner.study.plan import plan_experiment
from runner.study.run import groups_of

class Deadly(Group):
    def __reduce__(self):
        return os._exit, (1,)

HERE = os.getpid()

class Large(Group):
    def __getattribute__(self, name):
        if name == "seed" and self.size > 1 and os.getpid() != HERE:
            raise MemoryError("none left")
        return super().__getattribute__(name)

experiment = load_experiment(__import__("pathlib").Path(sys.argv[1]), ["execution.ray.retries=0", "training.steps=4"])
groups = groups_of(plan_experiment(experiment), 2)
mine = [Deadly("deadly", 0, groups[0].configurations, 2), Large("large", 0, groups[0].configurations, 2), groups[1]]
for end in run_on_ray(GroupQueue(mine, lambda kind: True), experiment, torch.device("cpu"), lambda *news: None):
    print(end.group.name, len(end.records.trials) if isinstance(end, Results) else end.reason)
"""


@needs_ray
@pytest.mark.slow
def test_a_deadly_group_is_a_crash_and_one_too_large_is_halved(cluster, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    command = [sys.executable, "-c", HARD, str(tmp_path / "tiny.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    ends = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert ends.pop("deadly").startswith("RuntimeError: WorkerCrashedError"), done.stdout
    assert ends == {"largea": "1", "largeb": "1", "seed0-1": "1"}


def test_an_address_is_not_dropped_by_the_short_word(tmp_path):
    run = begin(tmp_path, TINY, "--execution", "ray", "--set", "execution.ray.address=127.0.0.1:9")
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 2 and "give one of them" in errors and len(errors.splitlines()) == 1


@needs_ray
def test_a_cluster_that_is_not_there_is_one_line(tmp_path):
    run = begin(tmp_path, TINY, "--set", "execution.ray.address=127.0.0.1:9")
    _, errors = run.communicate(timeout=300)
    assert run.returncode == 2 and not (tmp_path / "study").exists(), errors
    assert len(errors.splitlines()) == 1 and "the Ray cluster 127.0.0.1:9 cannot be used" in errors
