"""The command about frames: their formats, and the depth of a data set."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def data(
    what: str,
    path: str | None,
    format: str,
    depth_scale: float | None,
    near_weight: float | None,
    threshold: float | None,
    expected: float | None,
    batch: int | None,
    frames: int,
    out: Path | None,
) -> None:
    """List the formats of frames (formats), or show how a data set's depth is distributed and which weights suit it (stats)."""
    if what == "formats":
        from runner.cli.data_summary import format_lines

        print("\n".join(format_lines()))
        return
    if path is None:
        raise ValueError("data stats: PATH is missing; a folder of frames, an EXPERIMENT.yaml or scenes is needed")
    if out is not None and find_spec("matplotlib") is None:
        raise ValueError("--out needs matplotlib, not installed here: pip install matplotlib")
    from runner.cli.data_summary import lines, plain, source
    from runner.data import depth_statistics

    given = {"near_weight": near_weight, "threshold": threshold, "expected": expected, "batch": batch}
    seen, asked = source(path, format, depth_scale, frames, {name: value for name, value in given.items() if value is not None})
    found = depth_statistics(seen, asked)
    *text, conclusion = lines(path, found, asked)
    print("\n".join([*text, conclusion]))
    if out is not None:
        from analysis.plots import draw_data

        draw_data(out, path, *plain(found, asked), conclusion.partition(";")[0])
        print(f"figure: {out}")
