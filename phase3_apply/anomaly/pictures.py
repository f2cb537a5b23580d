"""The report's pictures; they read on light and on dark pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from autograder.render.colours import COLOURS


def begin() -> None:
    """Set how figures look, as in the lessons."""
    from autograder import palette

    palette()


def saved(figure: Any, file: Path) -> None:
    """Write a figure and forget it."""
    figure.savefig(file, bbox_inches="tight", dpi=120)
    plt.close(figure)


def short(text: str, most: int = 60) -> str:
    """A text that fits into a picture; dollar signs would begin a formula."""
    text = text if len(text) <= most else text[: most - 1] + "…"
    return text.replace("$", r"\$")


def templates(names: Sequence[str], counts: Sequence[int], file: Path, most: int = 20) -> None:
    """The most frequent templates, as bars."""
    order = sorted(range(len(names)), key=lambda key: -counts[key])[:most][::-1]
    figure, ax = plt.subplots(figsize=(9, 0.8 + 0.28 * len(order)))
    ax.barh([short(names[key], 80) for key in order], [counts[key] for key in order], color=COLOURS.BLUE)
    ax.set(xscale="log", xlabel="lines", title=f"{len(names)} templates, the {len(order)} most frequent")
    ax.tick_params(axis="y", labelsize=7)
    saved(figure, file)


def strips(rows: Sequence[tuple[str, Sequence[int], int | None]], K: int, file: Path, most: int = 60) -> None:
    """Sessions as strips of keys: name, keys, and the line at which an alarm begins, which gets a mark."""
    colours = ListedColormap([plt.get_cmap("tab20")(i % 20) for i in range(max(K, 1))])
    figure, ax = plt.subplots(figsize=(9, 0.9 + 0.3 * len(rows)))
    for i, (_, keys, line) in enumerate(rows):
        first = 0 if line is None or line < most - 5 else line - most + 5
        shown = list(keys[first : first + most])
        cells = np.arange(len(shown) + 1), [i, i + 0.75], [shown]
        ax.pcolormesh(*cells, cmap=colours, vmin=-0.5, vmax=max(K, 1) - 0.5, edgecolors=COLOURS.INK, linewidth=0.2)
        if line is not None:
            ax.plot(line - first + 0.5, i + 0.9, "^", color=COLOURS.RED, markersize=5)
    ax.set_yticks(np.arange(len(rows)) + 0.37, [short(name, 40) for name, _, _ in rows])
    ax.tick_params(axis="y", labelsize=7)
    ax.invert_yaxis()
    ax.set(xlabel="line of the session", title="Sessions as strips of templates; ▲ where an alarm begins")
    saved(figure, file)


def budget(valid: Tensor, test: Tensor, odd: Tensor | None, threshold: float, share: float, file: Path) -> None:
    """What each threshold would cost, and find."""
    finite = [float(s) for s in (*valid, *test) if s.isfinite()]
    at = np.linspace(0, max([*finite, threshold if np.isfinite(threshold) else 0.0, 1.0]) * 1.15, 300)
    figure, ax = plt.subplots(figsize=(7, 3.8))
    if odd is not None and len(odd):
        ax.plot(at, [float((odd > t).float().mean()) for t in at], color=COLOURS.ORANGE, label="faulty sessions")
    ax.plot(at, [float((test > t).float().mean()) for t in at], color=COLOURS.BLUE, label="good sessions held out")
    ax.axhline(share, color=COLOURS.INK, linestyle=":", label=f"budget, {share:.1%}")
    if np.isfinite(threshold):
        ax.axvline(threshold, color=COLOURS.INK, linestyle="--", label="threshold, from validation")
    ax.set(xlabel="threshold of surprise", ylabel="share that rings", title="What an alarm costs, what it finds")
    ax.legend(fontsize=8)
    saved(figure, file)


def methods(table: Mapping[str, tuple[float, float | None]], share: float, file: Path) -> None:
    """False alarms, and what was found, by each way to detect."""
    names = list(table)[::-1]
    labelled = any(found is not None for _, found in table.values())
    figure, ax = plt.subplots(figsize=(8, 0.9 + 0.5 * len(names)))
    at = np.arange(len(names))
    if labelled:
        ax.barh(
            at + 0.2, [table[n][1] or 0.0 for n in names], 0.38, color=COLOURS.ORANGE, label="faulty sessions found"
        )
    height, offset = (0.38, -0.2) if labelled else (0.6, 0.0)
    ax.barh(
        at + offset, [table[n][0] for n in names], height, color=COLOURS.BLUE, label="good sessions held out that ring"
    )
    ax.axvline(share, color=COLOURS.INK, linestyle=":", label="budget")
    ax.set_yticks(at, names)
    ax.set(xlim=(0, 1), xlabel="share", title="The model beside what needs none")
    ax.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.25), ncols=3)
    saved(figure, file)


def leak(bars: Mapping[str, tuple[float, float]], file: Path) -> None:
    """Loss and share of favourites, for all sessions held out one by one and for those without a twin."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4))
    for ax, column, title in ((axes[0], 0, "loss per line"), (axes[1], 1, "the favourite came")):
        colours = [COLOURS.ORANGE, COLOURS.GREEN, COLOURS.BLUE][: len(bars)]
        ax.bar(list(bars), [values[column] for values in bars.values()], color=colours, width=0.6)
        ax.set(title=title)
        ax.tick_params(axis="x", labelsize=8)
    figure.suptitle("Whoever holds out twins measures memory")
    figure.tight_layout()
    saved(figure, file)


def drift(shares: Sequence[float], alarms: Sequence[float], what: str, first: int, file: Path) -> None:
    """Unseen templates and alarms over time; up to `first` the log is what was known."""
    figure, ax = plt.subplots(figsize=(7.5, 3.4))
    ax.bar(range(len(alarms)), alarms, color=COLOURS.BLUE, alpha=0.5, label="sessions that ring")
    ax.plot(range(len(shares)), shares, "o-", color=COLOURS.ORANGE, label="lines with an unseen template")
    ax.axvline(first - 0.5, color=COLOURS.INK, linestyle=":", label="known up to here")
    ax.set(xlabel=what, ylabel="share", title="Does the log change?", ylim=(0, None))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=8)
    saved(figure, file)
