"""`look(tensor)`: what a tensor holds, at a glance."""

from __future__ import annotations

from typing import Any


def look(tensor: Any, name: str = "") -> None:
    """Show shape, dtype, statistics and NaN count of a tensor or array, with a histogram and a heat map of its last two axes.

    Raises TypeError for what cannot be read as an array of numbers.
    """
    import matplotlib.pyplot as plt
    import numpy as np

    held = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
    dtype = str(getattr(held, "dtype", type(tensor).__name__)).removeprefix("torch.")
    held = held.float() if dtype in ("bfloat16", "float16") else held
    values = np.asarray(held)
    if values.dtype.kind not in "biufc":
        raise TypeError(f"look() reads arrays of numbers; this is {type(tensor).__name__} of {values.dtype}")
    numbers = np.abs(values) if values.dtype.kind == "c" else values.astype(float)
    finite = numbers[np.isfinite(numbers)]
    print(f"{name or type(tensor).__name__}  shape {tuple(values.shape)}  {dtype}  {values.size} numbers")
    if finite.size:
        low, high = finite.min(), finite.max()
        print(f"mean {finite.mean():.4g}  std {finite.std():.4g}  min {low:.4g}  max {high:.4g}", end="  ")
    print(f"zeros {int((numbers == 0).sum())}  NaN {int(np.isnan(numbers).sum())}  inf {int(np.isinf(numbers).sum())}")
    if finite.size < 2:
        return
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.6), layout="constrained")
    left.hist(finite.ravel(), bins=min(60, max(8, finite.size // 20)), color="#4477aa")
    left.set(xlabel="value", ylabel="how many")
    picture = numbers.reshape(1, -1) if numbers.ndim < 2 else numbers.reshape(-1, *numbers.shape[-2:])[0]
    spread = float(np.abs(finite).max()) or 1.0
    shown = right.imshow(picture, aspect="auto", cmap="RdBu_r", vmin=-spread, vmax=spread, interpolation="nearest")
    right.set(xlabel=f"axis {max(values.ndim - 1, 0)}", ylabel=f"axis {values.ndim - 2}" if values.ndim > 1 else "")
    figure.colorbar(shown, ax=right)
    plt.show()
