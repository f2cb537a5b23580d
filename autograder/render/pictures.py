"""Pictures of values: yours beside the target."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.judge.picture import Picture


def beside(picture: Picture) -> Any:
    """A figure with got and wanted on one colour scale, and where they differ."""
    from matplotlib.figure import Figure

    got, want = (np.array(rows) for rows in picture)
    same = got.shape == want.shape
    spread = float(np.nanmax(np.abs(np.concatenate([got.ravel(), want.ravel()])), initial=0.0))
    spread = spread if np.isfinite(spread) and spread > 0 else 1.0
    panels = [("yours", got), ("wanted", want)] + ([("difference", got - want)] if same else [])
    flat = all(values.shape[0] == 1 for _, values in panels)
    figure = Figure(figsize=(2.6 * len(panels), 1.3 if flat else 2.6), layout="constrained")
    for axes, (title, values) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        drawn = axes.imshow(values, cmap="RdBu_r", vmin=-spread, vmax=spread, aspect="auto", interpolation="nearest")
        axes.set_title(title, fontsize=10)
        axes.set_xticks([0, values.shape[1] - 1] if values.shape[1] > 1 else [0])
        axes.set_yticks([] if flat else [0, values.shape[0] - 1])
    figure.colorbar(drawn, ax=figure.axes, shrink=0.9)
    return figure
