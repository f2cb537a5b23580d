"""What `expect` means by equal: kinds, not types; then shape; then values within a tolerance. Never broadcasting.

Kinds: number (int, float, complex, NumPy scalar, 0-d array or tensor), bool, text, bytes, None, sequence (list, tuple),
dict, array (ndarray, tensor: also of one element), exception, and object for everything else.
"""

import math
from typing import Any

import numpy as np

from autograder.judge import show
from autograder.judge.kinds import Seen, brief, describe, see
from autograder.judge.numbers import compare_arrays, compare_number, compare_numbers
from autograder.judge.raising import raises
from autograder.judge.show import Mismatch, join
from autograder.judge.tolerance import TOLERANCE, Rules

__all__ = ["Mismatch", "agree", "compare", "raises"]

EVIDENT, _ = TOLERANCE["float64"]


def compare(
    got: Any, want: Any, rtol: float | None = None, atol: float | None = None, dtype: bool = False
) -> Mismatch | None:
    """None where `got` is right, else the first difference. Never raises, whatever the values are.

    rtol, atol: as stated, in place of the defaults in tolerance.py. dtype: numbers must have the dtype of `want`.
    """
    return _guarded(got, want, Rules(rtol, atol, dtype))


def agree(a: Any, b: Any, rtol: float | None = None, atol: float | None = None) -> bool:
    """Whether two observed values are the same for diagnosis: as compare, Raised by type, Opaque by type and text."""
    return _guarded(a, b, Rules(rtol, atol, alike=True)) is None


def _guarded(got: Any, want: Any, rules: Rules) -> Mismatch | None:
    try:
        found = None if _evident(got, want, rules) else _compare(got, want, rules, "")
    except Exception as error:  # a verdict must come out whatever comes in
        return Mismatch(_safely(got), _safely(want), f"cannot be compared ({type(error).__name__})")
    return found and Mismatch(show.clean(found.got), show.clean(found.want), show.clean(found.where))


def _safely(value: Any) -> str:
    try:
        return show.clean(describe(see(value)))
    except Exception:  # likewise
        return show.clean(f"an object of type {type(value).__name__}")


def _evident(got: Any, want: Any, rules: Rules) -> bool:
    """Whether plain values are equal at first sight, as most are. What is not evident may be equal all the same.

    Floats must be near by the relative tolerance alone; the list that they stand in may allow more.
    """
    if type(got) is not type(want):
        return False
    match want:
        case float():
            return got == want or (rules.default and abs(got - want) <= EVIDENT * abs(want) < math.inf)
        case list():
            return len(got) == len(want) and all(_evident(g, w, rules) for g, w in zip(got, want, strict=True))
        case dict():
            return got.keys() == want.keys() and all(_evident(got[key], w, rules) for key, w in want.items())
        case str() | int() | None:
            return bool(got == want)
    return False


def _compare(got: Any, want: Any, rules: Rules, path: str) -> Mismatch | None:
    g, w = see(got), see(want)
    if w.kind == "raises":
        right = g.kind == "exception" and w.value.accepts(g.value)
        return None if right else Mismatch(describe(g), f"{w.value} raised", path)
    if g.kind != w.kind:
        return Mismatch(describe(g), describe(w), path)
    match w.kind:
        case "number":
            return compare_number(g, w, rules, path)
        case "array":
            return compare_arrays(g, w, rules, path)
        case "sequence":
            return _sequences(g, w, rules, path)
        case "dict":
            return _dicts(g, w, rules, path)
        case "text" | "bytes":
            return _texts(g, w, path)
        case "exception":
            return None if g.value.type == w.value.type else Mismatch(brief(g), brief(w), path)
        case "object":
            if rules.alike and g.value == w.value:
                return None
            return Mismatch(brief(g), brief(w), join(path, "not plain data; observe numbers, text, lists or dicts"))
    return None if g.value == w.value else Mismatch(brief(g), brief(w), path)


def _texts(g: Seen, w: Seen, path: str) -> Mismatch | None:
    got, want = g.value, w.value
    if got == want:
        return None
    if max(len(got), len(want)) <= 60:
        return Mismatch(repr(got), repr(want), path)
    first = _first_difference(got, want)
    start = max(0, first - 20)
    noun = "character" if w.kind == "text" else "byte"
    texts = ["…" * (start > 0) + repr(t[start : start + 60]) + "…" * (len(t) > start + 60) for t in (got, want)]
    return Mismatch(texts[0], texts[1], join(path, f"from {noun} {first} on; lengths {len(got)} and {len(want)}"))


def _first_difference(got: Any, want: Any, block: int = 4096) -> int:
    start = 0
    while got[start : start + block] == want[start : start + block]:
        start += block
    pairs = zip(got[start : start + block], want[start : start + block], strict=False)
    return start + next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(got), len(want)) - start)


def _dicts(g: Seen, w: Seen, rules: Rules, path: str) -> Mismatch | None:
    missing = [key for key in w.value if key not in g.value]
    extra = [key for key in g.value if key not in w.value]
    if missing or extra:
        told = [f"{name} {_keys(keys)}" for name, keys in (("missing", missing), ("not expected", extra)) if keys]
        return Mismatch(f"keys {_keys(g.value)}", f"keys {_keys(w.value)}", join(path, "; ".join(told)))
    for key, want in w.value.items():
        found = _compare(g.value[key], want, rules, f"{path}[{brief(see(key), 1)}]")
        if found:
            return found
    return None


def _keys(keys: Any) -> str:
    texts = [brief(see(key), 1) for key in list(keys)[:8]]
    return ", ".join([*texts, f"… {len(keys)} keys"] if len(keys) > 8 else texts) or "none"


def _sequences(g: Seen, w: Seen, rules: Rules, path: str) -> Mismatch | None:
    got, want = g.value, w.value
    if len(got) != len(want):
        texts = [f"{show.count(len(s.value), 'item')}: {brief(s)}" for s in (g, w)]
        return Mismatch(texts[0], texts[1], path)
    if w.name == "list" and set(map(type, got)) == set(map(type, want)) == {float}:
        g, w = (Seen("array", np.array(seen.value), "float64", seen.name) for seen in (g, w))
        return compare_arrays(g, w, rules, path)
    gs, ws = [see(item) for item in got], [see(item) for item in want]
    if all(item.kind == "number" for item in (*gs, *ws)):
        return compare_numbers(gs, ws, rules, path, alone=w.name == "tuple")
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        found = _compare(a, b, rules, f"{path}[{number}]")
        if found:
            return found
    return None
