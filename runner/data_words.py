"""What a data set's spread and the formats say of themselves, in a terminal."""

from __future__ import annotations

import textwrap
from dataclasses import asdict
from typing import Any

import torch

from runner.data.formats import READERS
from runner.data.formats.files import TITLES
from runner.data.frames import DEPTH_EDGES
from runner.data.statistics import Question, Spread, fits, quantiles, weight

BAR = 40


def verdict(found: Spread, asked: Question) -> str:
    """Whether the fixed mean weight fits, in a line."""
    mean = weight(found.share, asked)
    off = asked.expected / mean - 1.0
    if fits(found, asked):
        return f"expected_weight_mean {asked.expected:g} fits: within {abs(off):.1%} of {mean:.4g}".replace("%", " %")
    side = "below" if off < 0 else "above"
    line = f"expected_weight_mean {asked.expected:g} does not fit: {abs(off):.0%} {side} the data's {mean:.4g}; "
    right = (asked.expected - 1.0) / (asked.near_weight - 1.0) if asked.near_weight != 1.0 else float("nan")
    if 0.0 <= right <= 1.0:
        line += f"it is that of a near share of {right:.1%}; "
    return f"{line}loss.expected_weight_mean: {mean:.4g} would fit".replace("%", " %")


def lines(name: str, found: Spread, asked: Question) -> list[str]:
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
    means = [weight(share, asked) for share in found.per_batch]
    arithmetic = f"1 + ({asked.near_weight:g} - 1) * {found.share:.4f} = {weight(found.share, asked):.4g}"
    said.append(f"mean weight {arithmetic}; per batch {min(means):.3g} to {max(means):.3g}")
    return [*said, verdict(found, asked)]


def batches(found: Spread, asked: Question) -> str:
    return f"batch of {min(asked.batch, found.frames)} ({len(found.per_batch)})"


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def plain(found: Spread, asked: Question) -> tuple[dict[str, Any], dict[str, float]]:
    """Both as plain values, for a figure."""
    scales = {f"{height}x{width}": share for (height, width), share in found.per_scale.items()}
    return {**asdict(found), "edges": DEPTH_EDGES, "per_scale": scales}, asdict(asked)


def format_lines() -> list[str]:
    """Each format: its title, then a paragraph each for layout, scale, invalid rule, scene and source."""
    said = []
    for name, reader in READERS.items():
        said.append(f"{name}: {reader.title}")
        for title in TITLES:
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
        said += [f"* {title.lower()}: {reader.says(title)}" for title in TITLES]
        said += ["", "```yaml", f"data: {{folder: ../frames, format: {name}{scale}}}", "```"]
    return "\n".join(said)
