"""A data set's depth and the formats of frames, as text for a terminal or a page."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from runner.data import (
    DEPTH_EDGES,
    READER_TITLES,
    READERS,
    Data,
    DataError,
    DepthStatistics,
    Frames,
    WeightSettings,
    fixed_mean_fits,
    list_frames,
    make_seed_data,
    mean_weight,
    quantiles,
    read_frames,
    scenes,
)
from runner.experiment import load_experiment, validation_line

BAR = 40


def verdict(found: DepthStatistics, asked: WeightSettings) -> str:
    """Whether the fixed mean weight fits, in a line."""
    mean = mean_weight(found.share, asked)
    off = asked.expected / mean - 1.0
    if fixed_mean_fits(found, asked):
        return f"expected_weight_mean {asked.expected:g} fits: within {abs(off):.1%} of {mean:.4g}".replace("%", " %")
    side = "below" if off < 0 else "above"
    line = f"expected_weight_mean {asked.expected:g} does not fit: {abs(off):.0%} {side} the data's {mean:.4g}; "
    right = (asked.expected - 1.0) / (asked.near_weight - 1.0) if asked.near_weight != 1.0 else float("nan")
    if 0.0 <= right <= 1.0:
        line += f"it is that of a near share of {right:.1%}; "
    return f"{line}loss.expected_weight_mean: {mean:.4g} would fit".replace("%", " %")


def lines(name: str, found: DepthStatistics, asked: WeightSettings) -> list[str]:
    """All of it, for a terminal."""
    low, p5, middle, p95, high = found.depth
    size = "x".join(map(str, next(iter(found.per_scale))))
    said = [
        f"{name}: {found.frames} frames at {size}, depth known in {percent(found.known)} of the pixels",
        f"depth {low:.3g} to {high:.3g} m, median {middle:.3g} m, 5 % to 95 %: {p5:.3g} to {p95:.3g} m",
    ]
    edges = [f"{edge:g}" for edge in DEPTH_EDGES] + ["more"]
    tallest = max(found.histogram)
    for index, share in enumerate(found.histogram):
        bar = "#" * round(BAR * share / tallest)
        said.append(f"  {edges[index]:>5} to {edges[index + 1]:<5} m {percent(share):>7}  {bar}".rstrip())
    said += [f"near share (< {asked.threshold:g} m): {percent(found.share)} of all known pixels, pooled"]
    for what, shares in ((f"image ({len(found.per_image)})", found.per_image), (batches(found, asked), found.per_batch)):
        least, few, usual, many, most = map(percent, quantiles(torch.tensor(shares)))
        said.append(f"  per {what}: {least} to {most}, median {usual}, 5 % to 95 %: {few} to {many}")
    scales = ", ".join(f"{h}x{w} {percent(share)}" for (h, w), share in found.per_scale.items())
    said.append(f"  at each scale: {scales}")
    means = [mean_weight(share, asked) for share in found.per_batch]
    arithmetic = f"1 + ({asked.near_weight:g} - 1) * {found.share:.4f} = {mean_weight(found.share, asked):.4g}"
    said.append(f"mean weight {arithmetic}; per batch {min(means):.3g} to {max(means):.3g}")
    return [*said, verdict(found, asked)]


def batches(found: DepthStatistics, asked: WeightSettings) -> str:
    return f"batch of {min(asked.batch, found.frames)} ({len(found.per_batch)})"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def plain(found: DepthStatistics, asked: WeightSettings) -> tuple[dict[str, Any], dict[str, float]]:
    """Both as plain values, for a figure."""
    scales = {f"{height}x{width}": share for (height, width), share in found.per_scale.items()}
    return {**asdict(found), "edges": DEPTH_EDGES, "per_scale": scales}, asdict(asked)


def format_lines() -> list[str]:
    """Each format: its title, then a paragraph each for layout, scale, invalid rule, scene and source."""
    said = []
    for name, reader in READERS.items():
        said.append(f"{name}: {reader.title}")
        for title in READER_TITLES:
            text = f"{title.lower()}: {reader.says(title)}"
            said += textwrap.wrap(text, 116, initial_indent="    ", subsequent_indent="        ", break_on_hyphens=False)
    return said


def format_page() -> str:
    """The formats as Markdown: a table of scales and invalid rules, then each with its layout, scene, source and YAML."""
    rows = [[f"[`{name}`](#{name})", reader.says("Scale"), reader.says("Invalid")] for name, reader in READERS.items()]
    table = [" | ".join(cell.replace("|", "\\|") for cell in row) for row in rows]
    said = ["| format | metres | invalid |", "|---|---|---|", *(f"| {row} |" for row in table)]
    for name, reader in READERS.items():
        scale = ", depth_scale: 1000" if reader.scale is None else ""
        said += ["", f"### {name}", "", f"{reader.title}.", ""]
        said += [f"* {title.lower()}: {reader.says(title)}" for title in READER_TITLES]
        said += ["", "```yaml", f"data: {{folder: ../frames, format: {name}{scale}}}", "```"]
    return "\n".join(said)


def source(
    path: str, format: str, depth_scale: float | None, most: int, given: Mapping[str, Any]
) -> tuple[Frames, WeightSettings]:
    """The frames, and what is asked of them: what is given on the command line, else what the experiment says."""
    if path.endswith((".yaml", ".yml")):
        frames, asked = of_experiment(Path(path))
        return frames, replace(asked, **given)
    return frames_of(data_of(path, format, depth_scale), most), WeightSettings(**given)


def frames_of(data: Data, most: int) -> Frames:
    """All frames of a folder, or so many of them, evenly spaced; or as many scenes as are trained on, of seed 0."""
    if data.folder is None:
        return scenes(0, min(data.train, most), data.height, data.width, lidar=data.lidar)
    files = list_frames(data)
    places = torch.linspace(0, len(files) - 1, min(most, len(files))).round().long().tolist()
    return read_frames(data, [files[place] for place in places])


def of_experiment(path: Path) -> tuple[Frames, WeightSettings]:
    """The training frames of an experiment's first seed, and the numbers of its loss and batch."""
    experiment = load_experiment(path)
    loss, usual = experiment.loss, WeightSettings()
    asked = WeightSettings(
        loss.get("near_weight", usual.near_weight),
        loss.get("near_threshold", usual.threshold),
        loss.get("expected_weight_mean", usual.expected),
        experiment.training.batch,
    )
    return make_seed_data(experiment.data, experiment.seeds[0]).train, asked


def data_of(folder: str, format: str, depth_scale: float | None) -> Data:
    """A data section from the command line's arguments; its errors are those of an experiment's."""
    section = {"folder": folder, "format": format, **({"depth_scale": depth_scale} if depth_scale is not None else {})}
    if folder == "scenes":
        section = {}
    try:
        return Data.model_validate(section)
    except ValidationError as error:
        said = "; ".join(validation_line(one).removeprefix("the experiment: ") for one in error.errors())
        raise DataError(f"{folder}: {said} (--format, --depth-scale)") from None
