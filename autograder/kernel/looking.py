"""`look(tensor)`: what a tensor holds, at a glance."""

from __future__ import annotations

from typing import Any

from autograder.kernel.colours import palette


def look(tensor: Any, name: str = "") -> None:
    """Say shape, dtype, statistics, NaN count of a tensor or array; draw a histogram, and a heat map of the last axes.

    Raises TypeError for what cannot be read as an array of numbers.
    """
    import matplotlib.pyplot as plt
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap

    held = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    dtype = str(getattr(held, "dtype", type(tensor).__name__)).removeprefix("torch.")
    values = np.asarray(held.float() if dtype.startswith(("bfloat", "float8")) else held)
    if values.dtype.kind not in "biufc":
        raise TypeError(f"look() reads arrays of numbers; this is {type(tensor).__name__} of {values.dtype}")
    numbers = np.abs(values) if values.dtype.kind == "c" else values.astype(float)
    finite = numbers[np.isfinite(numbers)]
    size = f"{values.size:,} number{'s' * (values.size != 1)}"
    print(name or type(tensor).__name__, " × ".join(map(str, values.shape)) or "scalar", dtype, size, sep="   ")
    if finite.size:
        of: dict[str, Any] = {"mean": np.mean, "std": np.std, "min": np.min, "median": np.median, "max": np.max}
        print(*(f"{what} {function(finite):.4g}" for what, function in of.items()), sep="   ")
    found = {"zeros": numbers == 0, "NaN": np.isnan(numbers), "inf": np.isinf(numbers)}
    print(*(f"{what} {int(where.sum()):,}" for what, where in found.items()), sep="   ")
    if finite.size < 2:
        return
    plane = numbers.reshape(1, -1) if numbers.ndim < 2 else numbers.reshape(-1, *numbers.shape[-2:])[0]
    with plt.rc_context():
        colours = palette()
        hues = LinearSegmentedColormap.from_list("look", [colours.BLUE, "#ffffff", colours.ORANGE])
        spread = float(np.abs(finite).max()) or 1.0
        figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 2.7), layout="constrained")
        left.hist(finite.ravel(), bins=min(60, max(8, finite.size // 12)), color=colours.BLUE)
        left.axvline(finite.mean(), color=colours.ORANGE, linewidth=1.5)
        left.set(xlabel="value; the orange line is the mean", ylabel="how many")
        image = {"cmap": hues.with_extremes(bad=colours.PURPLE), "vmin": -spread, "vmax": spread}
        shown = right.imshow(plane, aspect="auto", interpolation="nearest", **image)
        right.set(xlabel=f"axis {max(values.ndim - 1, 0)}", ylabel=f"axis {values.ndim - 2}" if values.ndim > 1 else "")
        right.set_yticks([] if values.ndim < 2 else sorted({0, plane.shape[0] - 1}))
        figure.colorbar(shown, ax=right, aspect=12).outline.set_visible(False)
        plt.show()
