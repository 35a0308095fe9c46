"""Ray Tune: the plain loop as a class trainable, one CPU (and so one thread) a trial, actors reused, data in the object store.

Loggers are Ray's own default, as nfloss writes its records; progress is not printed, and there is no dashboard.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray
from plain import as_trials, compared, spec_data, train_plain
from ray import tune
from trial_spec import Spec, Trials

from runner.data import SeedData
from runner.execution import cores

OBJECT_STORE = 256 * 1024**2  # bytes; the default is a third of the machine's memory, which nothing here needs


class PlainTrial(tune.Trainable):
    """One step is one whole trial."""

    def setup(self, config: dict[str, Any], spec: Spec, data: SeedData) -> None:
        self.spec, self.data, self.place = spec, data, config["place"]

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.place = new_config["place"]
        return True

    def step(self) -> dict[str, Any]:
        trained = train_plain(self.spec.trials[self.place], self.data, self.spec.training)
        return {"trained": compared(trained), "done": True}


def run(spec: Spec, folder: Path) -> Trials:
    """A grid over the configurations, on as many CPUs as there are cores."""
    data, workers = spec_data(spec), cores()
    ray.init(
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=OBJECT_STORE,
        _temp_dir=str(folder / "ray"),
    )
    try:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(PlainTrial, spec=spec, data=data), {"cpu": 1}),
            param_space={"place": tune.grid_search(list(range(len(spec.trials))))},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(
                name="bench",
                storage_path=str(folder / "tune"),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        )
        results = tuner.fit()
        by_place = {result.config["place"]: result.metrics["trained"] for result in results}
    finally:
        ray.shutdown()
    return as_trials([by_place[place] for place in range(len(spec.trials))], workers)
