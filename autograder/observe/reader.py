"""From a message back to the value, trusting nothing: whatever does not fit raises one exception or another."""

import json
import math
import re
from binascii import a2b_base64
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from autograder.observe.blob import BlobReader
from autograder.observe.frames import WireError
from autograder.observe.plain import BYTES, DEPTH, NODES, Opaque, Raised, opaque

Node = list[Any]
T = TypeVar("T")
COLLISIONS = 100  # keys of one hash in one dict: many more would take minutes to insert


def read_message(data: memoryview) -> Any:
    """The value in a message; any exception means that the message is malformed."""
    if len(data) > BYTES:
        raise WireError(f"The message takes more than {BYTES} bytes.")
    end = 4 + int.from_bytes(data[:4], "big")
    if len(data) < 4 or len(data) < end:
        raise WireError("The message is cut short.")
    text = bytes(data[4:end])
    _refuse_many(text)
    tree = _from_json(text.decode("utf-8", "surrogatepass"))
    reader = _Reader(BlobReader(data[end:]))
    value = reader.value(tree, 0)
    if len(reader.blob):
        raise WireError("The message holds arrays that no part of it mentions.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_from_json = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _refuse_many(text: bytes) -> None:
    """Refuse more JSON values than NODES could need before they take memory: [[],[],[],… takes 20 times its text."""
    most = 8 * NODES
    if len(text) <= most or sum(map(text.count, (b",", b"[", b"{"))) <= most:
        return
    letters = np.frombuffer(text.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    inside = np.bitwise_xor.accumulate(letters == ord('"'))
    values = np.isin(letters, list(b",[{")) & ~inside
    if np.count_nonzero(values) > most:
        raise WireError(f"The message has more than {NODES} parts.")


class _Reader:
    """One walk over one tree from the JSON; any exception of it means that the message is malformed."""

    def __init__(self, blob: BlobReader) -> None:
        self.blob = blob
        self.nodes = 0

    def value(self, node: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > NODES or depth > DEPTH:
            raise WireError(f"The message has more than {NODES} parts or is nested more than {DEPTH} levels deep.")
        if type(node) is not list:
            raise ValueError("a part is not a list")
        return _READ[node[0]](self, node, depth)

    def read_null(self, node: Node, depth: int) -> None:
        (_,) = node

    def read_bool(self, node: Node, depth: int) -> bool:
        _, value = node
        return _typed(bool, value)

    def read_int(self, node: Node, depth: int) -> int:
        _, value = node
        if type(value) is int:
            return value
        digits = self.text(value)
        if not _HEX.fullmatch(digits):
            raise ValueError("a whole number is none")
        return int(digits, 16)

    def read_float(self, node: Node, depth: int) -> float:
        _, value = node
        return _float(value)

    def read_complex(self, node: Node, depth: int) -> complex:
        _, real, imag = node
        return complex(_float(real), _float(imag))

    def read_str(self, node: Node, depth: int) -> str:
        _, value = node
        return self.text(value)

    def text(self, value: Any) -> str:
        if type(value) is str:
            return value
        (number,) = _typed(list, value)
        return self.blob.take_bytes(_typed(int, number)).decode("utf-8", "surrogatepass")

    def read_bytes(self, node: Node, depth: int) -> bytes:
        _, value = node
        if type(value) is str:
            return a2b_base64(value, strict_mode=True)
        (number,) = _typed(list, value)
        return bytes(self.blob.take_bytes(_typed(int, number)))

    def read_list(self, node: Node, depth: int) -> list[Any]:
        value = self.value
        return [value(item, depth + 1) for item in node[1:]]

    def read_tuple(self, node: Node, depth: int) -> tuple[Any, ...]:
        return tuple(self.read_list(node, depth))

    def read_dict(self, node: Node, depth: int) -> dict[Any, Any] | Opaque:
        pairs = []
        for pair in node[1:]:
            key, item = _typed(list, pair)
            pairs.append((self.value(key, depth + 1), self.value(item, depth + 1)))
        if not all(_hashable(key) for key, _ in pairs):
            return Opaque("dict", opaque(pairs).text)
        if len(pairs) > COLLISIONS and max(Counter(hash(key) for key, _ in pairs).values()) > COLLISIONS:
            raise ValueError("the keys of a dict collide")
        value = dict(pairs)
        if len(value) != len(pairs):
            raise ValueError("a key occurs twice")
        return value

    def read_ndarray(self, node: Node, depth: int) -> Any:
        _, number, name = node
        return self.blob.take_array(_typed(int, number), _typed(str, name))

    def read_tensor(self, node: Node, depth: int) -> Any:
        _, number, name = node
        return self.blob.take_tensor(_typed(int, number), _typed(str, name))

    def read_exception(self, node: Node, depth: int) -> Raised:
        kind, message, where, *bases = map(self.text, node[1:])
        return Raised(kind, message, where, tuple(bases))

    def read_opaque(self, node: Node, depth: int) -> Opaque:
        _, kind, text = node
        return Opaque(self.text(kind), self.text(text))


_READ: dict[str, Callable[[_Reader, Node, int], Any]] = {
    name: getattr(_Reader, f"read_{name}")
    for name in (
        *("null", "bool", "int", "float", "complex", "str", "bytes"),
        *("list", "tuple", "dict", "ndarray", "tensor", "exception", "opaque"),
    )
}
_HEX = re.compile(r"-?[0-9a-f]+")


def _typed(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise ValueError(f"{kind.__name__} expected")
    return value


def _float(value: object) -> float:
    if type(value) is float and math.isfinite(value):
        return value
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[_typed(str, value)]


def _hashable(key: object) -> bool:
    if type(key) is tuple:
        return all(map(_hashable, key))
    return isinstance(key, bool | int | float | complex | str | bytes | None) and not _is_nan(key)


def _is_nan(key: object) -> bool:
    return isinstance(key, float | complex) and (math.isnan(key.real) or math.isnan(key.imag))
