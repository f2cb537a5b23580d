"""What kind of thing a value is, and how it reads in a sentence."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from autograder.judge import show
from autograder.judge.raising import raises
from autograder.observe.blob import TORCH_ONLY, NotAnArray, plain_array, plain_tensor
from autograder.observe.plain import Opaque, Raised, opaque, raised

ITEMS = 8  # items of a list or dict that are written out


@dataclass(frozen=True)
class Seen:
    """A value by its kind. `dtype` is a dtype's name, or int, float, complex for Python's own numbers."""

    kind: str  # number, bool, text, bytes, None, sequence, dict, array, exception, raises or object
    value: Any
    dtype: str = ""
    name: str = ""  # what the learner calls it: list, tuple, tensor, array


def see(value: Any) -> Seen:
    """The kind of any value, with NumPy scalars and 0-d arrays reduced to Python's own numbers."""
    simple = _SIMPLE.get(type(value))
    if simple is not None:
        return Seen(simple[0], value, simple[1], type(value).__name__)
    if isinstance(value, np.ndarray | np.generic):
        try:
            array = plain_array(value)
        except NotAnArray:
            return Seen("object", opaque(value))
        return _see_array(array, array.dtype.name, "array")
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        try:
            dtype, array = plain_tensor(value)
        except NotAnArray:
            return Seen("object", opaque(value))
        if dtype in TORCH_ONLY:
            array = torch.from_numpy(array).view(getattr(torch, dtype)).float().numpy()
        return _see_array(array, dtype, "tensor")
    if isinstance(value, BaseException):
        return Seen("exception", raised(value))
    for base, (kind, dtype) in _SIMPLE.items():
        if isinstance(value, base):
            return Seen(kind, value, dtype, base.__name__)
    return Seen("object", opaque(value))


_SIMPLE: dict[type, tuple[str, str]] = {
    type(None): ("None", ""),
    bool: ("bool", "bool"),
    int: ("number", "int"),
    float: ("number", "float"),
    complex: ("number", "complex"),
    str: ("text", ""),
    bytes: ("bytes", ""),
    bytearray: ("bytes", ""),
    list: ("sequence", ""),
    tuple: ("sequence", ""),
    dict: ("dict", ""),
    Raised: ("exception", ""),
    raises: ("raises", ""),
    Opaque: ("object", ""),
}


def _see_array(array: Any, dtype: str, name: str) -> Seen:
    if array.ndim:
        return Seen("array", array, dtype, name)
    kind = {"b": "bool", "U": "text", "S": "bytes"}.get(array.dtype.kind, "number")
    return Seen(kind, array.item(), dtype, name)


def describe(seen: Seen) -> str:
    """A kind and a value: number 3, list [1, 2], array of shape (2, 3)."""
    if seen.kind == "array":
        return f"{seen.name} of shape {seen.value.shape}"
    if seen.kind in ("number", "bool", "text", "bytes"):
        return f"{seen.kind} {brief(seen)}"
    if seen.kind in ("sequence", "dict"):
        return f"{seen.name} {brief(seen)}"
    if seen.kind == "exception":
        return f"{seen.value.type} raised" + (f": {seen.value.message}" if seen.value.message else "")
    return brief(seen)


def brief(seen: Seen, depth: int = 3) -> str:
    """A value in a few words, on one line."""
    value = seen.value
    match seen.kind:
        case "number":
            return show.number(value)
        case "text" | "bytes":
            return repr(value[:100]) + ("…" if len(value) > 100 else "")
        case "array":
            return show.array(value) if value.size <= show.SMALL else describe(seen)
        case "sequence" | "dict" if depth == 0:
            return "…"
        case "sequence":
            items = [brief(see(item), depth - 1) for item in value[:ITEMS]]
            inside = ", ".join([*items, f"… {len(value)} items"] if len(value) > ITEMS else items)
            return f"({inside})" if seen.name == "tuple" else f"[{inside}]"
        case "dict":
            pairs = list(value.items())[:ITEMS]
            items = [f"{brief(see(key), 1)}: {brief(see(item), depth - 1)}" for key, item in pairs]
            return "{" + ", ".join([*items, f"… {len(value)} keys"] if len(value) > ITEMS else items) + "}"
        case "exception":
            return f"{value.type}: {value.message}" if value.message else str(value.type)
        case "object":
            return f"an object of type {value.type}: {value.text}"
    return str(value)
