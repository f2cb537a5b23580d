"""Comparison of numbers: one, a list of them, an array."""

import math
from typing import Any

import numpy as np

from autograder.judge import show
from autograder.judge.kinds import Seen, brief
from autograder.judge.show import Mismatch, join
from autograder.judge.tolerance import Bounds, Rules, bounds, differing, from_single, number_differs, precision

PYTHON = {"int": ("int", "uint"), "float": ("float", "bfloat"), "complex": ("complex",)}
ELEMENTS = {
    "b": "bool",
    "i": "numbers",
    "u": "numbers",
    "f": "numbers",
    "c": "complex numbers",
    "U": "text",
    "S": "bytes",
}


def compare_number(g: Seen, w: Seen, rules: Rules, path: str) -> Mismatch | None:
    """Compare two numbers; each is its own scale."""
    found = _refused(g, w, rules, path)
    if found:
        return found
    if not _wrong([g], [w], rules, alone=True):
        return None
    return Mismatch(*show.pair(g.value, w.value), path)


def compare_numbers(gs: list[Seen], ws: list[Seen], rules: Rules, path: str, alone: bool) -> Mismatch | None:
    """Compare two sequences of numbers, equally long; they share a scale as an array does, unless `alone`."""
    for index, (g, w) in enumerate(zip(gs, ws, strict=True)):
        found = _refused(g, w, rules, f"{path}[{index}]")
        if found:
            return found
    wrong = _wrong(gs, ws, rules, alone)
    if not wrong:
        return None
    first = wrong[0]
    told = f"{len(wrong)} of {len(gs)} differ" if len(gs) > 1 else ""
    return Mismatch(*show.pair(gs[first].value, ws[first].value), join(f"{path}[{first}]", told))


def _refused(g: Seen, w: Seen, rules: Rules, path: str) -> Mismatch | None:
    if rules.dtype and not _same_dtype(g.dtype, w.dtype):
        return Mismatch(f"dtype {g.dtype}", f"dtype {w.dtype}", path)
    if isinstance(g.value, complex) and not isinstance(w.value, complex):
        return Mismatch(f"complex number {brief(g)}", f"real number {brief(w)}", path)
    return None


def _same_dtype(got: str, want: str) -> bool:
    """A number of Python's own stands for every width of its family, but only where it is what was wanted."""
    return got == want or (want in PYTHON and got.startswith(PYTHON[want]))


def _wrong(gs: list[Seen], ws: list[Seen], rules: Rules, alone: bool) -> list[int]:
    """The indices that differ."""
    wrong = _differing_indices(gs, ws, rules, alone, single=False)
    if wrong and (_all_from_single(gs) or _all_from_single(ws)):
        wrong = _differing_indices(gs, ws, rules, alone, single=True)
    return wrong


def _differing_indices(gs: list[Seen], ws: list[Seen], rules: Rules, alone: bool, single: bool) -> list[int]:
    scale = _scale(ws)
    within: dict[tuple[str, str], Bounds] = {}
    wrong = []
    for index, (g, w) in enumerate(zip(gs, ws, strict=True)):
        key = g.dtype, w.dtype
        if alone or key not in within:
            size = _scale([w]) if alone else scale
            within[key] = bounds(rules, precision(g.dtype, single), precision(w.dtype, single), size)
        if number_differs(g.value, w.value, within[key]):
            wrong.append(index)
    return wrong


def _scale(items: list[Seen]) -> float:
    largest = 0.0
    for item in items:
        try:
            size = float(abs(item.value))
        except OverflowError:
            continue
        if size > largest and math.isfinite(size):
            largest = size
    return largest


def _all_from_single(items: list[Seen]) -> bool:
    values = [item.value for item in items if precision(item.dtype) == "float64"]
    return bool(values) and from_single(np.array(values))


def compare_arrays(g: Seen, w: Seen, rules: Rules, path: str) -> Mismatch | None:
    """Compare two arrays: what is in them, shape, dtype where it counts, values."""
    got, want = g.value, w.value
    kinds = [ELEMENTS[array.dtype.kind] for array in (got, want)]
    if kinds[0] != kinds[1] and kinds != ["numbers", "complex numbers"]:
        return Mismatch(f"{g.name} of {kinds[0]}", f"{w.name} of {kinds[1]}", path)
    if got.shape != want.shape:
        return Mismatch(f"shape {got.shape}", f"shape {want.shape}", path)
    if rules.dtype and g.dtype != w.dtype:
        return Mismatch(f"dtype {g.dtype}", f"dtype {w.dtype}", path)
    wrong = _differing_mask(g, w, rules) if kinds[0].endswith("numbers") else got != want
    if not wrong.any():
        return None
    return _told(got, want, wrong, path)


def _differing_mask(g: Seen, w: Seen, rules: Rules) -> Any:
    equal = g.value == w.value
    if equal.all():
        return ~equal
    finite = w.value[np.isfinite(w.value)]
    wide = np.complex128 if finite.dtype.kind == "c" else np.float64
    scale = float(np.abs(finite.astype(wide)).max()) if finite.size else 0.0
    wrong = differing(g.value, w.value, bounds(rules, precision(g.dtype), precision(w.dtype), scale))
    if wrong.any() and any(precision(s.dtype) == "float64" and from_single(s.value) for s in (g, w)):
        looser = bounds(rules, precision(g.dtype, single=True), precision(w.dtype, single=True), scale)
        wrong = differing(g.value, w.value, looser)
    return wrong


def _told(got: Any, want: Any, wrong: Any, path: str) -> Mismatch:
    first = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    place = f"{path}[{', '.join(map(str, first))}]"
    told = f"{int(wrong.sum())} of {wrong.size} differ"
    numeric = got.dtype.kind not in "USb"
    if numeric:
        told += _by_up_to(got[wrong], want[wrong])
    if got.size <= show.SMALL:
        texts = show.array(got), show.array(want)
        if texts[0] != texts[1]:
            return Mismatch(texts[0], texts[1], join(place, told))
    pair = got[first].item(), want[first].item()
    texts = show.pair(*pair) if numeric else (repr(pair[0]), repr(pair[1]))
    return Mismatch(texts[0], texts[1], join(place, told))


def _by_up_to(got: Any, want: Any) -> str:
    wide = np.complex128 if "c" in (got.dtype.kind, want.dtype.kind) else np.float64
    with np.errstate(all="ignore"):
        differences = np.abs(got.astype(wide) - want.astype(wide))
    differences = differences[np.isfinite(differences)]
    return f", by up to {float(differences.max()):.3g}" if differences.size else ""
