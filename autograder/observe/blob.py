"""Arrays and tensors as one safetensors blob of contiguous copies in memory."""

import math
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from autograder.observe.frames import WireError

if TYPE_CHECKING:
    import torch

HEADER = 8 * 2**20  # bytes of a blob's own table of contents


@dataclass(frozen=True)
class Storage:
    """How a dtype lies in the blob: its safetensors tag, and the NumPy dtype that reads its bytes."""

    tag: str
    carrier: np.dtype[Any]
    lanes: int = 0  # length of an axis added at the end: complex numbers lie as pairs of floats


def _storage() -> dict[str, Storage]:
    tags = {
        "bool": "BOOL",
        **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
        **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
        **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    }
    table = {name: Storage(tag, np.dtype(name)) for name, tag in tags.items()}
    table["complex64"] = Storage("F32", np.dtype("complex64"), 2)
    table["complex128"] = Storage("F64", np.dtype("complex128"), 2)
    return table


NUMPY = _storage()
# What torch has and NumPy has not travels under a NumPy dtype of the same width.
TORCH_ONLY = {
    "bfloat16": Storage("BF16", np.dtype("int16")),
    **{
        name: Storage("U8", np.dtype("uint8"))
        for name in ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")
    },
}


class NotAnArray(Exception):
    """An array or tensor without plain numbers in it: meta, object, nested, a dtype of its own."""


def plain_array(array: "np.ndarray[Any, Any] | np.generic") -> "np.ndarray[Any, Any]":
    """Reduce an ndarray of any subclass, or a NumPy scalar, to a native base ndarray.

    NotAnArray: structured, object, datetime or variable-width dtypes.
    """
    base = np.asarray(array) if isinstance(array, np.generic) else np.ndarray.view(array, np.ndarray)
    if base.dtype.kind in "fc" and base.dtype.itemsize > (16 if base.dtype.kind == "c" else 8):
        base = base.astype(np.complex128 if base.dtype.kind == "c" else np.float64)
    if base.dtype.kind in "US":
        if base.dtype.itemsize == 0:
            raise NotAnArray
    elif base.dtype.kind not in "biufc":
        raise NotAnArray
    if not base.dtype.isnative:
        base = base.astype(base.dtype.newbyteorder("="))
    return base


def plain_tensor(tensor: "torch.Tensor") -> "tuple[str, np.ndarray[Any, Any]]":
    """Reduce a tensor of any subclass, device and layout to (dtype name, the array that carries it).

    NotAnArray: a tensor without numbers (meta, fake, nested, inside a transform).
    """
    import torch

    try:
        with torch._C.DisableTorchFunctionSubclass():
            plain = torch.Tensor.detach(tensor)  # unbound: a subclass has no say
            if type(plain) is not torch.Tensor:
                plain = plain.as_subclass(torch.Tensor)
            if plain.layout is not torch.strided:
                plain = plain.to_dense()
            elif plain.is_quantized:
                plain = plain.dequantize()
            if not plain.is_cpu:
                plain = plain.cpu()
            if plain.dtype is torch.complex32:
                plain = plain.to(torch.complex64)
            name = _name(plain.dtype)
            if name in TORCH_ONLY:
                plain = plain.view(torch.int16 if name == "bfloat16" else torch.uint8)
            return name, plain.numpy(force=True)
    except Exception as error:  # a subclass may refuse anything in its own way
        raise NotAnArray from error


@cache
def _name(dtype: "torch.dtype") -> str:
    """A torch dtype's name; NotAnArray where neither NumPy nor the blob has it."""
    name = str(dtype).removeprefix("torch.")
    if name not in NUMPY and name not in TORCH_ONLY:
        raise NotAnArray
    return name


class BlobWriter:
    """Collects arrays; `parts()` make the safetensors file that holds them under the names 0, 1, 2, …"""

    def __init__(self) -> None:
        self.size = 0
        self._table: list[str] = []
        self._parts: list[bytes] = []

    def add(self, array: "np.ndarray[Any, Any]", name: str) -> int:
        """Copy an array in and return its number; `name` is the dtype it stands for."""
        shape: tuple[int, ...] = array.shape
        if array.dtype.kind in "US":
            tag, shape = "U8", (*shape, array.dtype.itemsize)
        else:
            storage = NUMPY.get(name) or TORCH_ONLY[name]
            tag = storage.tag
            if storage.lanes:
                shape = (*shape, storage.lanes)
        return self._append(tag, shape, array.tobytes())

    def add_bytes(self, data: bytes) -> int:
        """Copy bytes in and return their number."""
        return self._append("U8", (len(data),), data)

    def _append(self, tag: str, shape: tuple[int, ...], data: bytes) -> int:
        number = len(self._parts)
        end = self.size + len(data)
        row = f'"{number}":{{"dtype":"{tag}","shape":{list(shape)},"data_offsets":[{self.size},{end}]}}'
        self._table.append(row)
        self._parts.append(data)
        self.size = end
        return number

    def parts(self) -> list[bytes]:
        """The pieces of the safetensors file, in order; none where nothing was added."""
        if not self._parts:
            return []
        header = ("{" + ",".join(self._table) + "}").encode()
        if len(header) > HEADER:
            raise WireError(f"The value has {len(self._parts)} arrays, which are too many.")
        header += b" " * (-len(header) % 8)
        return [len(header).to_bytes(8, "little"), header, *self._parts]


class BlobReader:
    """The arrays of a blob, each of which may be taken once. ValueError for whatever does not fit."""

    def __init__(self, data: memoryview) -> None:
        self._entries: dict[str, Any] = {}
        if len(data) == 0:
            return
        length = int.from_bytes(data[:8], "little")
        if length > HEADER:
            raise ValueError("the table of arrays is too long")
        from safetensors import deserialize

        entries = deserialize(bytes(data))  # type: ignore[no-untyped-call]
        self._entries = dict(entries)
        if bytes(data[8 : 8 + length]).count(b'"dtype"') != len(self._entries):  # safetensors lets the last one win
            raise ValueError("an array is listed twice")

    def __len__(self) -> int:
        return len(self._entries)

    def take_bytes(self, number: int) -> bytearray:
        entry = self._take(number, "U8")
        if len(entry["shape"]) != 1:
            raise ValueError("bytes have one axis")
        data: bytearray = entry["data"]
        return data

    def take_array(self, number: int, name: str) -> "np.ndarray[Any, Any]":
        """An array of a dtype that NumPy has; it owns its memory and may be written."""
        if name in NUMPY:
            return self._array(number, NUMPY[name])
        kind, width = name[:1], name[1:]
        if kind not in ("U", "S") or not re.fullmatch("[1-9][0-9]{0,8}", width):
            raise ValueError(f"no dtype {name!r}")
        dtype = np.dtype(f"{kind}{int(width)}")
        array = self._array(number, Storage("U8", dtype, dtype.itemsize))
        if kind == "U" and array.size and int(array.reshape(-1).view(np.uint32).max()) > 0x10FFFF:
            raise ValueError("a character that is none")
        return array

    def take_tensor(self, number: int, name: str) -> "torch.Tensor":
        """A CPU tensor that owns its memory and requires no gradient."""
        import torch

        if name in NUMPY:
            return torch.from_numpy(self._array(number, NUMPY[name]))
        return torch.from_numpy(self._array(number, TORCH_ONLY[name])).view(getattr(torch, name))

    def _take(self, number: int, tag: str) -> dict[str, Any]:
        entry: dict[str, Any] = self._entries.pop(str(number))
        if entry["dtype"] != tag:
            raise ValueError(f"array {number} is {entry['dtype']}, not {tag}")
        return entry

    def _array(self, number: int, storage: Storage) -> "np.ndarray[Any, Any]":
        entry = self._take(number, storage.tag)
        shape, data = entry["shape"], entry["data"]
        if storage.lanes:
            if not shape or shape[-1] != storage.lanes:
                raise ValueError(f"the last axis of array {number} is not {storage.lanes}")
            shape = shape[:-1]
        if math.prod(shape) * storage.carrier.itemsize != len(data):
            raise ValueError(f"array {number} has {len(data)} bytes, which is not its shape")
        if storage.tag == "BOOL" and data and np.frombuffer(data, np.uint8).max() > 1:
            raise ValueError(f"array {number} has truth values beyond 0 and 1")
        return np.ndarray(shape, storage.carrier, buffer=data)
