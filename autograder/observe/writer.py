"""From a value to the JSON text and the blob of a message: every node is tagged by its kind, a subclass by its base."""

import json
import math
import sys
from binascii import b2a_base64
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from autograder.observe.blob import NUMPY, BlobWriter, NotAnArray, plain_array, plain_tensor
from autograder.observe.frames import WireError
from autograder.observe.plain import BYTES, DEPTH, INLINE, NODES, Opaque, Raised, is_plain, opaque, raised

Node = list[Any]


def message_parts(value: object) -> list[bytes]:
    """The pieces of the message that carries `value`. WireError: too deep, too many parts, too large."""
    writer = _Writer()
    try:
        text = _to_json(writer.node(value, 0)).encode("utf-8", "surrogatepass")
        parts = [len(text).to_bytes(4, "big"), text, *writer.blob.parts()]
    except WireError:
        raise
    except Exception as error:  # a learner's class may fail in a way of its own
        raise WireError(f"The value cannot be sent ({type(error).__name__}).") from None
    if sum(map(len, parts)) > BYTES:
        raise WireError(f"The value takes more than {BYTES} bytes.")
    return parts


# Not ASCII: an escaped pair of lone surrogates would come back as one character.
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False, separators=(",", ":")).encode


class _Writer:
    """One walk over one value."""

    def __init__(self) -> None:
        self.blob = BlobWriter()
        self.nodes = 0

    def node(self, value: Any, depth: int) -> Node:
        self.nodes += 1
        if self.nodes > NODES:
            raise WireError(f"The value has more than {NODES} parts.")
        if depth > DEPTH:
            raise WireError(f"The value is nested more than {DEPTH} levels deep, or contains itself.")
        kind = type(value)
        return (_EXACT.get(kind) or _by_base(kind))(self, value, depth)

    def room(self, size: int) -> None:
        if self.blob.size + size > BYTES:
            raise WireError(f"The value takes more than {BYTES} bytes.")

    def write_int(self, value: Any, depth: int) -> Node:
        plain = int.__int__(value)
        return ["int", plain] if -(2**63) <= plain < 2**63 else ["int", self.text(format(plain, "x"))]

    def write_float(self, value: Any, depth: int) -> Node:
        plain = float.__float__(value)
        return ["float", plain if math.isfinite(plain) else repr(plain)]

    def write_complex(self, value: Any, depth: int) -> Node:
        plain = complex.__complex__(value)
        return ["complex", self.write_float(plain.real, depth)[1], self.write_float(plain.imag, depth)[1]]

    def write_str(self, value: Any, depth: int) -> Node:
        return ["str", self.text(str.__str__(value))]

    def text(self, plain: str) -> str | list[int]:
        """A short text as itself, a longer one as [its number in the blob]."""
        if len(plain) <= INLINE:
            return plain
        self.room(len(plain))
        return [self.blob.add_bytes(plain.encode("utf-8", "surrogatepass"))]

    def write_bytes(self, value: Any, depth: int) -> Node:
        base = bytearray if issubclass(type(value), bytearray) else bytes
        self.room(base.__len__(value))
        plain = bytes(base.__getitem__(value, slice(None)))
        if len(plain) <= INLINE:
            return ["bytes", b2a_base64(plain, newline=False).decode()]
        return ["bytes", [self.blob.add_bytes(plain)]]

    def write_list(self, value: Any, depth: int) -> Node:
        node = self.node
        return ["list", *[node(item, depth + 1) for item in self._items(list, value)]]

    def write_tuple(self, value: Any, depth: int) -> Node:
        node = self.node
        return ["tuple", *[node(item, depth + 1) for item in self._items(tuple, value)]]

    def _items(self, base: Any, value: Any) -> Any:
        if base.__len__(value) > NODES:
            raise WireError(f"The value has more than {NODES} parts.")
        return base.__getitem__(value, slice(None))

    def write_dict(self, value: Any, depth: int) -> Node:
        if dict.__len__(value) > NODES:
            raise WireError(f"The value has more than {NODES} parts.")
        base: Any = OrderedDict if issubclass(type(value), OrderedDict) else dict
        pairs = list(base.items(value))
        return ["dict", *[[self._key(key, depth + 1), self.node(item, depth + 1)] for key, item in pairs]]

    def _key(self, key: Any, depth: int) -> Node:
        # As an array a NumPy number could be no key; Counter(zip(ids, ids[1:])) has pairs of them.
        if type(key) is tuple:
            return ["tuple", *[self._key(item, depth + 1) for item in key]]
        return self.node(key.item() if type(key) in _NUMPY_KEYS else key, depth)

    def write_array(self, value: Any, depth: int) -> Node:
        if issubclass(type(value), np.str_):
            return self.write_str(value, depth)
        if issubclass(type(value), np.bytes_):
            return self.write_bytes(value, depth)
        try:
            plain = plain_array(value)
        except NotAnArray:
            return self.write_opaque(value, depth)
        self.room(plain.nbytes)
        name = plain.dtype.name if plain.dtype.kind not in "US" else plain.dtype.str[1:]
        return ["ndarray", self.blob.add(plain, name), name]

    def write_tensor(self, value: Any, depth: int) -> Node:
        try:
            name, plain = plain_tensor(value)
        except NotAnArray:
            return self.write_opaque(value, depth)
        self.room(plain.nbytes)
        return ["tensor", self.blob.add(plain, name), name]

    def write_exception(self, value: Any, depth: int) -> Node:
        told = value if type(value) is Raised else raised(value)
        if not is_plain(told):
            return self.write_opaque(value, depth)
        return ["exception", *[self.text(text) for text in (told.type, told.message, told.where, *told.bases)]]

    def write_opaque(self, value: Any, depth: int) -> Node:
        told = value if type(value) is Opaque and is_plain(value) else opaque(value)
        return ["opaque", self.text(told.type), self.text(told.text)]


_NUMPY_KEYS = {np.dtype(name).type for name in NUMPY}

_EXACT: dict[type, Callable[[_Writer, Any, int], Node]] = {
    type(None): lambda writer, value, depth: ["null"],
    bool: lambda writer, value, depth: ["bool", value],
    int: _Writer.write_int,
    float: _Writer.write_float,
    complex: _Writer.write_complex,
    str: _Writer.write_str,
    bytes: _Writer.write_bytes,
    bytearray: _Writer.write_bytes,
    list: _Writer.write_list,
    tuple: _Writer.write_tuple,
    dict: _Writer.write_dict,
    np.ndarray: _Writer.write_array,
    Raised: _Writer.write_exception,
    Opaque: _Writer.write_opaque,
}
# In this order: np.float64 is a float as well, np.str_ a str.
_BASES = [(np.generic, _Writer.write_array), (BaseException, _Writer.write_exception), *list(_EXACT.items())[2:-2]]


def _by_base(kind: type) -> Callable[[_Writer, Any, int], Node]:
    """How to write a subclass: as its base, with the base's own methods. The class itself has no say."""
    torch = sys.modules.get("torch")  # without torch there is no tensor either
    if torch is not None and issubclass(kind, torch.Tensor):
        return _Writer.write_tensor
    for base, write in _BASES:
        if issubclass(kind, base):
            return write
    return _Writer.write_opaque
