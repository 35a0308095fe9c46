"""Sample frames of the first seed: predictions and errors of the baseline, the best and the worst fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from analysis.plots.representatives import representatives
from analysis.plots.style import canvas, headline
from analysis.study import Study, StudyError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NEAREST, FURTHEST = 0.2, 20.0  # metres shown
MOST_BYTES = 1_000_000_000
LARGEST_RATIO = 2.0  # at the ends of the colour scale of an error map


def samples(study: Study, judged: dict[str, Any]) -> tuple[Figure, str]:
    """A row per frame: image, true depth, and for each configuration predicted depth and ln(predicted / true)."""
    rgb, depth = frames(study)
    shown = [one for role, one in representatives(study, judged).items() if role != "full"]
    width, height = depth.shape[2], depth.shape[1]
    columns = 2 + 2 * len(shown)
    figure, axes = canvas(13.5, 1.9 + len(depth) * 13.5 / columns * height / width, rows=len(depth), columns=columns)
    maps: dict[str, Any] = {}
    for row in range(len(depth)):
        known = depth[row] > 0
        axes[row][0].imshow(rgb[row])
        maps["depth"] = _depth(axes[row][1], np.where(known, depth[row], np.nan))
        for place, one in enumerate(shown):
            said = prediction(study, one.key, row, depth.shape[1:])
            _depth(axes[row][2 + 2 * place], said)
            ratio = np.log(said / np.where(known, depth[row], np.nan))
            limit = np.log(LARGEST_RATIO)
            maps["ratio"] = axes[row][3 + 2 * place].imshow(ratio, cmap="RdBu_r", vmin=-limit, vmax=limit)
    shares = {one.key: within(study, one.key) for one in shown}
    titles = ["image", "true depth", *(title for one in shown for title in (one.short, f"error; δ {shares[one.key]:.2f}"))]
    for at, title in enumerate(titles):
        axes[0][at].set_title(title, fontsize=9)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        ax.spines[:].set_visible(False)
    ticks = [0.25, 0.5, 1, 2, 5, 10, 20]
    bar = figure.colorbar(
        maps["depth"], ax=axes[:, 1 : columns // 2], location="bottom", shrink=0.6, aspect=40, label="depth, metres"
    )
    bar.set_ticks([np.log(t) for t in ticks], labels=[f"{t:g}" for t in ticks])
    bar = figure.colorbar(
        maps["ratio"], ax=axes[:, columns // 2 :], location="bottom", shrink=0.6, aspect=40, label="predicted / true depth"
    )
    ratios = [0.5, 0.7, 1.0, 1.4, 2.0]
    bar.set_ticks([np.log(r) for r in ratios], labels=[f"{r:g}" for r in ratios])
    message = f"The baseline is within a factor of 1.25 of the true depth for {shares[study.baseline]:.0%} of the pixels"
    below = f"validation frames of seed {study.seeds[0]}, final networks; error maps: blue: predicted too near, red: too far; "
    headline(figure, message.replace("%", " %"), below + f"δ: that share on all validation frames, {study.seeds_in_words}")
    return (figure, "Frames with few, some and many near pixels; one seed shows where errors are, not their mean.")


def within(study: Study, key: str) -> float:
    """The mean over seeds of the share of validation pixels with max(predicted / true, true / predicted) < 1.25."""
    return float(study.trials.loc[study.trials["key"] == key, "final_delta1"].mean())


def frames(study: Study) -> tuple[np.ndarray, np.ndarray]:
    """Images [n, H, W, 3] and depth in metres [n, H, W]."""
    path = study.folder / "samples.npz"
    try:
        with np.load(path, allow_pickle=False) as content:
            if sum(entry.file_size for entry in content.zip.infolist()) > MOST_BYTES:
                raise ValueError(f"over {MOST_BYTES:,} bytes when unpacked")
            return content["rgb"], content["depth"]
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise StudyError(f"{path}: not readable ({str(error).splitlines()[0]})") from None


def prediction(study: Study, key: str, sample: int, shape: tuple[int, ...]) -> np.ndarray:
    """The recorded prediction in metres [H, W]; all NaN if there is none."""
    rows = study.samples[(study.samples["key"] == key) & (study.samples["sample"] == sample)]
    if rows.empty:
        return np.full(shape, np.nan)
    return np.frombuffer(rows["metres"].iloc[0], dtype=np.float16).astype(float).reshape(shape)


def _depth(ax: Any, metres: np.ndarray) -> Any:
    return ax.imshow(np.log(metres), cmap="viridis_r", vmin=np.log(NEAREST), vmax=np.log(FURTHEST))
