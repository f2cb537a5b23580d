"""`look(tensor)`: what a tensor holds, at a glance."""

from __future__ import annotations

from typing import Any

from autograder.render.colours import COLOURS


def look(tensor: Any, name: str = "") -> None:
    """Show shape, dtype, statistics and NaN count of a tensor or array, with a histogram and a heat map of its last two axes.

    Raises TypeError for what cannot be read as an array of numbers.
    """
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    held = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    dtype = str(getattr(held, "dtype", type(tensor).__name__)).removeprefix("torch.")
    values = np.asarray(held.float() if dtype in ("bfloat16", "float16") or dtype.startswith("float8") else held)
    if values.dtype.kind not in "biufc":
        raise TypeError(f"look() reads arrays of numbers; this is {type(tensor).__name__} of {values.dtype}")
    numbers = np.abs(values) if values.dtype.kind == "c" else values.astype(float)
    finite = numbers[np.isfinite(numbers)]
    counts = {"zeros": numbers == 0, "NaN": np.isnan(numbers), "inf": np.isinf(numbers)}
    told = "  ".join(f"{what} {int(found.sum()):,}" for what, found in counts.items())
    stats = {"mean": np.mean, "std": np.std, "min": np.min, "median": np.median, "max": np.max} if finite.size else {}
    print(
        f"{name or type(tensor).__name__}  {' × '.join(map(str, values.shape)) or 'scalar'}  {dtype}  {values.size:,} numbers"
    )
    print("  ".join([*(f"{what} {function(finite):.4g}" for what, function in stats.items()), told]))
    if finite.size < 2:
        return
    ink, spread = COLOURS.INK, float(np.abs(finite).max()) or 1.0
    hues = LinearSegmentedColormap.from_list("fathom", [COLOURS.BLUE, "#ffffff", COLOURS.ORANGE]).with_extremes(
        bad=COLOURS.PURPLE
    )
    plane = numbers.reshape(1, -1) if numbers.ndim < 2 else numbers.reshape(-1, *numbers.shape[-2:])[0]
    with plt.rc_context(
        {**dict.fromkeys(["text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"], ink)}
    ):
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.7), layout="constrained", facecolor="none")
        left.hist(finite.ravel(), bins=min(60, max(8, finite.size // 12)), color=COLOURS.BLUE)
        left.axvline(finite.mean(), color=COLOURS.ORANGE, linewidth=1.5)
        left.set(xlabel="value (orange: the mean)", ylabel="how many", facecolor="none")
        left.spines[["top", "right"]].set_visible(False)
        shown = right.imshow(plane, aspect="auto", cmap=hues, vmin=-spread, vmax=spread, interpolation="nearest")
        right.set(xlabel=f"axis {max(values.ndim - 1, 0)}", ylabel=f"axis {values.ndim - 2}" if values.ndim > 1 else "")
        right.set_yticks([] if values.ndim < 2 else sorted({0, plane.shape[0] - 1}))
        figure.colorbar(shown, ax=right, aspect=12).outline.set_visible(False)
        plt.show()
