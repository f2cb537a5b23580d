"""How near is equal: from the dtype, the size of the numbers, and what the author asked for."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

# Per precision: relative tolerance, and absolute tolerance per unit of the largest expected magnitude.
# Whole numbers compare exactly. The coarser of the two sides decides.
TOLERANCE = {
    "exact": (0.0, 0.0),
    "float64": (1e-6, 1e-9),
    "float32": (1e-4, 1e-6),
    "half": (1e-2, 1e-3),
    "eighth": (1e-1, 1e-2),
}
COARSER = list(TOLERANCE)
SIGNIFICANT = 12  # bits; see from_single
NEIGHBOUR = 0.49  # a float this far from an expected whole number is another one


@dataclass(frozen=True)
class Rules:
    """What one comparison was asked for; `alike` lets two Opaque and two Raised be equal, as diagnosis needs."""

    rtol: float | None = None
    atol: float | None = None
    dtype: bool = False
    alike: bool = False

    @property
    def default(self) -> bool:
        """Whether the author left the tolerance to this module."""
        return self.rtol is None and self.atol is None


def precision(dtype: str, single: bool = False) -> str:
    """The row of TOLERANCE for a dtype's name; with `single`, 64-bit numbers count as computed in 32 bits."""
    if dtype.startswith(("int", "uint", "bool")):
        return "exact"
    if dtype in ("float32", "complex64"):
        return "float32"
    if dtype in ("float16", "bfloat16"):
        return "half"
    if dtype.startswith("float8"):
        return "eighth"
    return "float32" if single else "float64"  # float64, complex128, Python's float and complex


def from_single(values: Any) -> bool:
    """Whether 64-bit numbers were computed in 32 bits, as `loss.item()` is: all fit float32, one of them not by chance.

    Whole numbers and short fractions (0.5, 3.25) fit float32 by chance; more than SIGNIFICANT bits do not.
    """
    array = np.asarray(values)
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag])
    array = array[np.isfinite(array) & (array != np.floor(array))]
    if not array.size:
        return False
    with np.errstate(all="ignore"):
        if not np.array_equal(array.astype(np.float32), array):
            return False
        mantissa = np.frexp(array)[0] * 2.0**SIGNIFICANT
    return bool(np.any(mantissa != np.floor(mantissa)))


class Bounds(NamedTuple):
    """Two numbers are equal where |got - want| <= atol + rtol |want|, and never further apart than `most`."""

    rtol: float
    atol: float
    most: float = math.inf

    def allowed(self, size: Any) -> Any:
        """The difference allowed at an expected magnitude, or an array of them."""
        return np.minimum(self.atol + self.rtol * size, self.most)

    @property
    def exact(self) -> bool:
        """Whether nothing but equality will do."""
        return not (self.rtol or self.atol)


def bounds(rules: Rules, got: str, want: str, scale: float) -> Bounds:
    """The bounds for two precisions and the largest finite expected magnitude; where that is 0, it counts as 1.

    What the author states is taken as it is, not scaled. Unless stated, a float never equals the next whole number.
    """
    rtol, atol = TOLERANCE[max(got, want, key=COARSER.index)]
    atol *= scale if scale > 0 and math.isfinite(scale) else 1.0
    if rules.default:
        return Bounds(rtol, atol, NEIGHBOUR if want == "exact" else math.inf)
    return Bounds(rtol if rules.rtol is None else rules.rtol, atol if rules.atol is None else rules.atol)


def differing(got: Any, want: Any, within: Bounds) -> Any:
    """Where two arrays of one shape differ, as an array of bool; inf equals inf by sign, NaN only an expected NaN."""
    with np.errstate(all="ignore"):
        same = np.asarray(got == want)
        if not within.exact:
            wide = np.complex128 if "c" in (got.dtype.kind, want.dtype.kind) else np.float64
            expected = want.astype(wide)
            near = np.abs(got.astype(wide) - expected) <= within.allowed(np.abs(expected))
            same |= np.isfinite(got) & np.isfinite(want) & near
        if got.dtype.kind in "fc" and want.dtype.kind in "fc":
            same |= np.isnan(got) & np.isnan(want)
    return ~same


def number_differs(got: Any, want: Any, within: Bounds) -> bool:
    """Whether two of Python's own numbers differ; whole numbers of any size are compared exactly where they must be."""
    if got == want or (_is_nan(got) and _is_nan(want)):
        return False
    if within.exact:
        return True
    try:
        size, difference = float(abs(want)), float(abs(got - want))
    except OverflowError:  # a whole number beyond any float
        return True
    return not (math.isfinite(size) and difference <= within.allowed(size))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | complex) and (math.isnan(value.real) or math.isnan(value.imag))
