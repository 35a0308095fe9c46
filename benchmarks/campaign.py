"""What is run, in which order: equality first, then rounds of all contenders in turn, then more and more trials."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from contender import CONTENDERS
from equality import Equality, compare
from measured import HERE, Run, clean_environment, run_contender
from trial_spec import Spec

COMPARED = 16  # trials in the check of equality: enough for lanes in two processes
Say = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """From the command line."""

    sizes: tuple[tuple[int, int], ...]
    trials: int
    rounds: int
    steps: int
    scale: tuple[int, ...]
    full: bool
    contenders: tuple[str, ...]

    @property
    def most(self) -> int:
        """The largest number of trials that any run has."""
        return max((self.trials, COMPARED, *self.scale))

    def spec(self, size: tuple[int, int], drawn: Sequence[tuple[str, ...]], count: int, every: int | None = None) -> Spec:
        """The first `count` of the configurations drawn; two evaluations a trial unless told how often."""
        return Spec(tuple(drawn[:count]), *size, self.steps, every or -(-self.steps // 2))


@dataclass
class Campaign:
    """Everything measured. `rounds` are lists of runs, in order; `scale` holds the runs by number of trials."""

    settings: Settings
    hardware: dict[str, float] = field(default_factory=dict)
    equality: dict[str, Equality] = field(default_factory=dict)
    rounds: list[list[Run]] = field(default_factory=list)
    scale: list[Run] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        return [*(run for one in self.rounds for run in one), *self.scale]


def carry_out(settings: Settings, drawn: Sequence[tuple[str, ...]], say: Say) -> Campaign:
    """Run all of it, one process at a time."""
    campaign = Campaign(settings, hardware=measure_hardware(say))
    for size in settings.sizes:
        check_equality(campaign, size, drawn, say)
    for number in range(1, settings.rounds + 1):
        specs = [settings.spec(size, drawn, settings.trials) for size in settings.sizes]
        runs = [one_run(name, spec, f"round {number}", say) for spec in specs for name in settings.contenders]
        campaign.rounds.append(runs)
    for size in settings.sizes:
        for count in settings.scale:
            campaign.scale += [
                one_run(name, settings.spec(size, drawn, count), "scale", say)
                for name in settings.contenders
                if name == "nfloss" or (settings.full and count == max(settings.scale))
            ]
    return campaign


def one_run(name: str, spec: Spec, phase: str, say: Say) -> Run:
    run = run_contender(name, spec)
    outcome = f"{run.wall:.1f} s" if run.trials else f"failed: {run.error}"
    say(f"{phase}: {CONTENDERS[name][1]}, {len(spec.trials)} trials at {spec.size}: {outcome}")
    return run


def check_equality(campaign: Campaign, size: tuple[int, int], drawn: Sequence[tuple[str, ...]], say: Say) -> None:
    """nfloss against the plain loop, evaluated at every step so that the records hold every step's loss."""
    if not {"plain", "nfloss"} <= set(campaign.settings.contenders):
        return
    spec = campaign.settings.spec(size, drawn, COMPARED, every=1)
    plain, nfloss = (one_run(name, spec, "equality", say) for name in ("plain", "nfloss"))
    if plain.trials and nfloss.trials:
        campaign.equality[spec.size] = compare(nfloss.trials, plain.trials)


def measure_hardware(say: Say) -> dict[str, float]:
    """In a process of its own."""
    command = [sys.executable, str(HERE / "hardware.py")]
    said = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, check=True).stdout
    best: dict[str, Any] = json.loads(said)
    say(f"machine: {best['flops'] / 1e9:.0f} GFLOP/s, {best['bytes'] / 1e9:.1f} GB/s")
    return best
