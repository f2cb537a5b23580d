"""Numbers for a picture of yours beside the target, small enough to travel with a report."""

from __future__ import annotations

from typing import Any

MOST = 4096  # numbers in one picture
Picture = tuple[list[list[float]], list[list[float]]]  # got, wanted: rows of floats


def picture_of(got: Any, want: Any) -> Picture | None:
    """Rows of both arrays where both can be drawn: real numbers, one or two axes that say something, not too many."""
    pair = [rows(value) for value in (got, want)]
    if pair[0] is None or pair[1] is None:
        return None
    return pair[0], pair[1]


def rows(value: Any) -> list[list[float]] | None:
    """An array's last two axes (the first of whatever lies before them) as rows, or None."""
    import numpy as np

    if type(value).__module__.split(".")[0] == "torch":
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or value.ndim == 0 or value.size < 2:
        return None
    array = value.astype(float)
    array = array.reshape(1, -1) if array.ndim == 1 else array.reshape(-1, *array.shape[-2:])[0]
    if array.size > MOST or array.size == 0:
        return None
    found: list[list[float]] = array.tolist()
    return found
