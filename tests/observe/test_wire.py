"""The wire: what travels comes back as it was, what does not is described, and no bytes break the judge."""

import contextlib
import dataclasses
import enum
import itertools
import json
import math
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter, OrderedDict, defaultdict, namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.observe import plain
from autograder.observe.blob import NUMPY
from autograder.observe.plain import BYTES, DEPTH, NODES
from autograder.observe.reader import _READ
from autograder.observe.wire import Closed, Late, Opaque, Raised, WireError, decode, encode, raised, receive, send

torch.set_num_threads(1)  # as in the workers
quick = settings(
    max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def travel(value: Any) -> Any:
    return decode(encode(value))


def same(a: Any, b: Any) -> bool:
    """Equal in type and value, to the last bit."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and same(list(a.items()), list(b.items()))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and same(bits(a), bits(b))
    return bool(a == b)


def bits(tensor: torch.Tensor) -> np.ndarray:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy() if tensor.numel() else np.zeros(0)


# ---------------------------------------------------------------- plain data

SCALARS = [
    *(None, True, False, 0, -1, 2**63, -(2**63), 2**64, -(10**30), 1 << 40_000),
    *(0.0, -0.0, 0.1, 1e-320, 1.7976931348623157e308, math.nan, math.inf, -math.inf),
    *(1 + 2j, complex(-0.0, math.nan), complex(math.inf, -0.0)),
    *(
        "",
        "a",
        "é\n\x00\x1b[31m",
        "\ud800",
        "\ud83d\ude00",
        "\U0001f600",
        "\ufeff",
        '"[{',
        "\ud800" * 3000,
        "x" * 10_000,
    ),
    *(b"", b"\x00\xff", b"y" * 10_000),
]


@pytest.mark.parametrize("value", SCALARS, ids=lambda value: type(value).__name__)
def test_a_scalar_comes_back_to_the_last_bit(value: Any) -> None:
    assert same(travel(value), value)


def test_a_whole_number_has_no_digit_limit() -> None:
    value = -(10**200_000)
    assert travel(value) == value


NESTED = [
    *([], (), {}, [[]], ((),), [(1, [2.5, None]), "a"]),
    {1: "int", "1": "str", (1, "a"): [1], None: 0, 2.5: 1, b"k": {}, 1j: ()},
    {"z": 1, "a": 2, "m": 3},
    [[1, 2], (3, 4), {"a": {"b": [True]}}],
]


@pytest.mark.parametrize("value", NESTED, ids=repr)
def test_containers_keep_kind_order_and_keys(value: Any) -> None:
    assert same(travel(value), value)


plain_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.complex_numbers() | st.binary()
    | st.text("aé\n\x00\"\\[,\ud83d\ude00\U0001f600", max_size=8),
    lambda inner: st.lists(inner, max_size=4)
    | st.lists(inner, max_size=4).map(tuple)
    | st.dictionaries(st.integers() | st.text() | st.tuples(st.integers(), st.booleans()), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@quick
@given(plain_data)
def test_any_plain_data_comes_back(value: Any) -> None:
    assert same(travel(value), value)


def test_messages_are_the_same_from_run_to_run() -> None:
    value = {"a": torch.arange(3), "b": {"x", "y", "z"}, "c": object()}
    assert encode(value) == encode({**value, "c": object()})


# ---------------------------------------------------------------- arrays and tensors

NUMPY_DTYPES = [name for name, storage in NUMPY.items() if storage.carrier.name == name]
TORCH_DTYPES = [
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32),
    *(torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128),
    *(torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz),
]


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0, 4), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("dtype", NUMPY_DTYPES)
def test_arrays_keep_dtype_shape_and_values(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.arange(math.prod(shape)).reshape(shape).astype(dtype)
    assert same(travel(array), array)


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (0, 4), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("dtype", TORCH_DTYPES, ids=str)
def test_tensors_keep_dtype_shape_and_values(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensor = (torch.arange(math.prod(shape)).reshape(shape) % 3).to(torch.float32).to(dtype)
    assert same(travel(tensor), tensor)


@pytest.mark.parametrize(
    "array",
    [
        np.array(["a", "été", "\ud800"]),
        np.array([b"a", b"xyz"]),
        np.array("0-d"),
        np.array([["ab"], ["c"]]).T,
        np.zeros((0, 2), "U3"),
        np.array([b"x"]),
    ],
    ids=lambda array: array.dtype.str,
)
def test_arrays_of_text_travel(array: np.ndarray) -> None:
    assert same(travel(array), array)


def test_what_comes_back_is_writable_and_its_own() -> None:
    source = torch.ones(3)
    array, tensor = travel([np.ones(3), source])
    array[0] = tensor[0] = 5
    assert source[0] == 1
    assert array.flags.owndata or array.flags.writeable
    assert tensor.data_ptr() % 8 == 0


STRANGE = {
    "requires grad": (lambda: torch.ones(2, requires_grad=True) * 2, [2.0, 2.0]),
    "parameter": (lambda: torch.nn.Parameter(torch.ones(2)), [1.0, 1.0]),
    "expanded": (lambda: torch.tensor([1.0, 2.0]).expand(2, 2), [[1.0, 2.0], [1.0, 2.0]]),
    "transposed": (lambda: torch.tensor([[1, 2], [3, 4]]).T, [[1, 3], [2, 4]]),
    "strided": (lambda: torch.arange(6)[::2], [0, 2, 4]),
    "strided bfloat16": (lambda: torch.arange(6.0).to(torch.bfloat16)[1::2], [1.0, 3.0, 5.0]),
    "flipped view": (lambda: torch.arange(4).flip(0), [3, 2, 1, 0]),
    "sparse": (lambda: torch.eye(2).to_sparse(), [[1.0, 0.0], [0.0, 1.0]]),
    "sparse csr": (lambda: torch.eye(2).to_sparse_csr(), [[1.0, 0.0], [0.0, 1.0]]),
    "quantised": (lambda: torch.quantize_per_tensor(torch.tensor([1.0, 2.0]), 0.5, 0, torch.qint8), [1.0, 2.0]),
    "conjugated": (lambda: torch.tensor([1 + 2j]).conj(), [1 - 2j]),
    "negative bit": (lambda: torch.tensor([1 + 2j]).conj().imag, [-2.0]),
    "half complex": (lambda: torch.tensor([1 + 2j]).to(torch.complex32), [1 + 2j]),
    "inference": (lambda: inference(), [1.0]),
}


def inference() -> torch.Tensor:
    with torch.inference_mode():
        return torch.ones(1)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STRANGE)
def test_any_tensor_with_numbers_becomes_a_plain_one(name: str) -> None:
    make, values = STRANGE[name]
    came = travel(make())
    assert type(came) is torch.Tensor
    assert came.tolist() == values
    assert came.is_contiguous() and not came.requires_grad and came.layout is torch.strided


@pytest.mark.filterwarnings("ignore")
def test_tensors_without_numbers_are_described() -> None:
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    for tensor in (torch.empty(2, 3, device="meta"), nested):
        came = travel([tensor])[0]
        assert isinstance(came, Opaque)
        assert came.type == "Tensor"


def test_a_tensor_inside_a_transform_is_described() -> None:
    seen = []
    torch.vmap(lambda x: (seen.append(travel(x)), x)[1])(torch.ones(2, 3))
    assert isinstance(seen[0], Opaque)


def test_tied_tensors_travel_as_two() -> None:
    tensor = torch.arange(3.0)
    first, second = travel([tensor, tensor])
    first[0] = 9
    assert second.tolist() == [0.0, 1.0, 2.0]


def test_the_blob_is_a_safetensors_file() -> None:
    message = encode([torch.arange(6.0).reshape(2, 3), np.ones(2), torch.ones(1, dtype=torch.bfloat16)])
    blob = message[4 + int.from_bytes(message[:4], "big") :]
    tensors = safetensors.torch.load(blob)
    assert [tensors[name].dtype for name in "012"] == [torch.float32, torch.float64, torch.bfloat16]
    assert tensors["0"].tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_arrays_in_foreign_byte_order_or_memory_order_come_back_native() -> None:
    assert same(travel(np.array([1, 2], ">i4")), np.array([1, 2], "i4"))
    assert same(travel(np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert same(travel(np.broadcast_to(np.int64(3), (2,))), np.array([3, 3]))
    assert same(travel(np.longdouble(0.5)), np.array(0.5))


# ---------------------------------------------------------------- subclasses


class Liar(str):
    """A class that says something else than it holds, wherever it is asked."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError

    def __len__(self) -> int:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __repr__ = __iter__ = encode = __getitem__ = __str__  # type: ignore[assignment]
    __hash__ = str.__hash__


class LyingDict(dict):
    def items(self) -> Any:
        raise RuntimeError

    __iter__ = __len__ = keys = values = __getitem__ = items  # type: ignore[assignment]


class LyingList(list):
    def __iter__(self) -> Any:
        raise RuntimeError

    __len__ = __getitem__ = __iter__  # type: ignore[assignment]


class LyingTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError

    def detach(self) -> Any:
        raise RuntimeError

    numpy = cpu = tolist = detach


class LyingArray(np.ndarray):
    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError

    def tobytes(self, *args: Any) -> Any:
        raise RuntimeError


class Colour(enum.IntEnum):
    RED = 3


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("value", "base"),
    [
        (Liar("abc"), "abc"),
        (LyingDict({"a": 1}), {"a": 1}),
        (LyingList([1, 2]), [1, 2]),
        (Colour.RED, 3),
        (Point(1, "b"), (1, "b")),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(list, k=[1]), {"k": [1]}),
        (torch.Size([2, 3]), (2, 3)),
        (bytearray(b"ab"), b"ab"),
        (np.str_("abc"), "abc"),
        (np.bytes_(b"abc"), b"abc"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_subclass_is_reduced_to_its_base(value: Any, base: Any) -> None:
    assert same(travel(value), base)


def test_tensor_and_array_subclasses_are_reduced() -> None:
    tensor = torch.arange(3.0).as_subclass(LyingTensor)
    array = np.arange(3).view(LyingArray)
    assert same(travel([tensor, array]), [torch.arange(3.0), np.arange(3)])


@pytest.mark.parametrize(
    "scalar", [np.float64(0.1), np.float32(0.1), np.int8(-3), np.bool_(True), np.complex64(1j)], ids=repr
)
def test_numpy_scalars_become_0d_arrays(scalar: Any) -> None:
    assert same(travel(scalar), np.asarray(scalar))


def test_numpy_keys_become_numbers() -> None:
    ids = np.array([1, 2, 1])
    counts = Counter(itertools.pairwise(ids))
    assert same(travel(counts), {(1, 2): 1, (2, 1): 1})
    assert same(travel({np.int64(4): "a", np.float32(0.5): "b"}), {4: "a", 0.5: "b"})


# ---------------------------------------------------------------- what does not travel


def nobody() -> Iterator[int]:
    yield 1


@dataclasses.dataclass
class Record:
    x: int = 1


class Rude:
    """A class whose text is an attack; `attack` says which."""

    def __init__(self, attack: str) -> None:
        self.attack = attack

    def __repr__(self) -> str:
        if self.attack == "raises":
            raise ValueError("no")
        if self.attack == "exits":
            raise SystemExit(0)
        if self.attack == "recurses":
            return repr(self)
        if self.attack == "returns a number":
            return 3  # type: ignore[return-value]
        if self.attack == "lies":
            return Liar("text")
        while self.attack == "loops":
            pass
        while self.attack == "loops and catches":
            with contextlib.suppress(Exception):
                len("x")
        return "long " * 1_000_000

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise RuntimeError

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError


@pytest.mark.parametrize(
    "attack", ["raises", "exits", "recurses", "returns a number", "lies", "loops", "loops and catches", "is long"]
)
def test_a_rude_repr_is_survived(attack: str) -> None:
    before = sys.gettrace()
    came = travel([Rude(attack), 3])
    assert came[1] == 3
    assert came[0].type == "Rude"
    assert len(came[0].text) < plain.TEXT + 60
    assert sys.gettrace() is before


def test_objects_are_described_without_addresses() -> None:
    assert travel(nobody()) == Opaque("generator", "<generator object nobody>")
    assert travel(object()) == Opaque("object", "<object object>")
    assert travel(Record()) == Opaque("Record", "Record(x=1)")
    assert travel(torch.float32) == Opaque("dtype", "torch.float32")
    assert travel(json).type == "module"
    assert travel(range(3)) == Opaque("range", "range(0, 3)")
    assert travel(np.array([object()])).type == "ndarray"
    assert travel(np.array([(1, 2.0)], "i4,f4")).type == "ndarray"
    assert travel(np.datetime64("2020-01-01")).type == "datetime64"


def test_sets_are_sorted_and_long_texts_told_apart() -> None:
    words = [f"word{n}" for n in range(500)]
    assert travel({3, 1, 2}) == Opaque("set", "{1, 2, 3}")
    assert travel(set(words)).text == travel(frozenset(words[::-1])).text
    assert travel(set(words)) != travel({*words, "zzz"})
    assert travel(set(range(20_000))) == Opaque("set", "20000 elements")


def test_exceptions_are_described_with_their_bases() -> None:
    class Unknown(KeyError):
        def __str__(self) -> str:
            raise RuntimeError

    error = travel(ValueError("bad\nvalue"))
    assert error == Raised("ValueError", "bad\nvalue", "", ("Exception", "BaseException"))
    came = travel(Unknown())
    assert (came.type, came.bases[:2]) == ("Unknown", ("KeyError", "LookupError"))
    assert raised(KeyError("k"), "cell 3, line 2").where == "cell 3, line 2"
    assert travel([Raised("E", "m", "w"), Opaque("t", "x")]) == [Raised("E", "m", "w"), Opaque("t", "x")]


def test_a_forged_description_is_only_text() -> None:
    came = travel([Opaque(3, Rude("loops")), Raised("E", 5, "w")])  # type: ignore[arg-type]
    assert [type(value) for value in came] == [Opaque, Opaque]


def test_a_dict_whose_keys_cannot_be_keys_is_described() -> None:
    assert travel({math.nan: 1}).type == "dict"
    assert travel({torch.ones(1): 1}).type == "dict"
    assert travel({frozenset("a"): 1}).type == "dict"


# ---------------------------------------------------------------- limits


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def itself() -> list[Any]:
    value: list[Any] = []
    value.extend([value, value])
    return value


def dict_itself() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["self"] = value
    return value


def shared(levels: int) -> list[Any]:
    value: list[Any] = [1]
    for _ in range(levels):
        value = [value, value]
    return value


def test_the_deepest_value_travels() -> None:
    assert travel(nested(DEPTH)) == nested(DEPTH)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nested(DEPTH + 1), "levels deep"),
        (lambda: nested(100_000), "levels deep"),
        (itself, "contains itself"),
        (dict_itself, "contains itself"),
        (lambda: shared(40), "parts"),
        (lambda: [0] * (NODES + 1), "parts"),
        (lambda: dict.fromkeys(range(NODES + 1)), "parts"),
        (lambda: torch.zeros(1).expand(BYTES), "bytes"),
        (lambda: np.broadcast_to(np.float64(0), (2**40,)), "bytes"),
        (lambda: b"x" * (BYTES + 1), "bytes"),
        (lambda: "x" * (BYTES + 1), "bytes"),
    ],
)
def test_too_much_is_refused_in_a_sentence(make: Any, words: str) -> None:
    with pytest.raises(WireError, match=words):
        encode(make())


def test_a_value_near_the_recursion_limit_is_refused_and_no_more() -> None:
    def deep(levels: int) -> Any:
        return deep(levels - 1) if levels else encode(nested(60))

    with pytest.raises((WireError, RecursionError)):
        deep(sys.getrecursionlimit())
    assert travel([1]) == [1]


# ---------------------------------------------------------------- malformed messages


def message(tree: Any, blob: bytes = b"") -> bytes:
    text = tree if isinstance(tree, bytes) else json.dumps(tree).encode()
    return len(text).to_bytes(4, "big") + text + blob


def blob(table: Any, data: bytes = b"") -> bytes:
    header = table if isinstance(table, bytes) else json.dumps(table).encode()
    return struct.pack("<Q", len(header)) + header + data


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


F32 = {"0": entry("F32", [2], 0, 8)}
MALFORMED = {
    "empty": b"",
    "short": b"\x00\x00",
    "length beyond the end": b"\xff\xff\xff\xff[]",
    "no JSON": message(b"nope"),
    "no UTF-8": message(b'["str","\xff"]'),
    "trailing junk": message(["int", 1]) + b"junk",
    "trailing JSON": message(b'["int",1]["int",2]'),
    "not a node": message(3),
    "an object": message({"int": 3}),
    "empty node": message([]),
    "unknown kind": message(["pickle", "x"]),
    "kind is a list": message([["int"], 3]),
    "kind of the reader's own": message(["__init__", 3]),
    "too few": message(["int"]),
    "too many": message(["int", 1, 2]),
    "null with a value": message(["null", 1]),
    "bool from int": message(["bool", 1]),
    "int from bool": message(["int", True]),
    "int from float": message(["int", 1.5]),
    "int from words": message(["int", "0x1f"]),
    "int with underscores": message(["int", "1_0"]),
    "int with digits beyond the limit": message(b'["int",' + b"9" * 5000 + b"]"),
    "float from int": message(["float", 1]),
    "float NaN token": message(b'["float",NaN]'),
    "float Infinity token": message(b'["float",-Infinity]'),
    "float beyond its range": message(b'["float",1e999]'),
    "float from words": message(["float", "one"]),
    "complex of one": message(["complex", 1.0]),
    "str from int": message(["str", 3]),
    "bytes from other text": message(["bytes", "***"]),
    "bytes without padding": message(["bytes", "QQ"]),
    "list of raw values": message(["list", 1, 2]),
    "dict of no pairs": message(["dict", [["int", 1]]]),
    "dict with a key twice": message(["dict", [["int", 1], ["null"]], [["float", 1.0], ["null"]]]),
    "exception without a place": message(["exception", "E", "m"]),
    "opaque with a number": message(["opaque", "E", 3]),
    "deep": message(b'["list",' * 200_000 + b"]" * 200_000),
    "deep brackets": message(b"[" * 1_000_000),
    "deep objects": message(b'{"a":' * 1_000_000),
    "just too deep": message(b'["list",' * 66 + b'["null"]' + b"]" * 66),
    "many parts": message(b'["list"' + b',["null"]' * (NODES + 1) + b"]"),
    "very many parts": message(b"[" + b"[]," * 3_000_000 + b"[]]"),
    "strings that never end": message(b'"' + b'\\"' * 2_000_000 + b"," * 1_700_000),
    "array missing": message(["tensor", 0, "float32"]),
    "array number negative": message(["tensor", -1, "float32"], blob(F32, bytes(8))),
    "array number too large": message(["tensor", 1, "float32"], blob(F32, bytes(8))),
    "array number no int": message(["tensor", True, "float32"], blob(F32, bytes(8))),
    "array twice": message(["list", ["tensor", 0, "float32"], ["tensor", 0, "float32"]], blob(F32, bytes(8))),
    "array never mentioned": message(["null"], blob(F32, bytes(8))),
    "dtype unknown": message(["tensor", 0, "float33"], blob(F32, bytes(8))),
    "dtype not in NumPy": message(["ndarray", 0, "bfloat16"], blob(F32, bytes(8))),
    "dtype object": message(["ndarray", 0, "object"], blob(F32, bytes(8))),
    "dtype O": message(["ndarray", 0, "O8"], blob(F32, bytes(8))),
    "dtype of another width": message(["tensor", 0, "float64"], blob(F32, bytes(8))),
    "dtype a list": message(["tensor", 0, ["float32"]], blob(F32, bytes(8))),
    "dtype empty": message(["ndarray", 0, ""], blob(F32, bytes(8))),
    "text of no width": message(["ndarray", 0, "U0"], blob({"0": entry("U8", [0, 0], 0, 0)})),
    "text of huge width": message(["ndarray", 0, "U999999999"], blob({"0": entry("U8", [0, 4], 0, 0)})),
    "text beyond Unicode": message(["ndarray", 0, "U1"], blob({"0": entry("U8", [1, 4], 0, 4)}, b"\xff" * 4)),
    "truth beyond 1": message(["tensor", 0, "bool"], blob({"0": entry("BOOL", [2], 0, 2)}, b"\x01\x02")),
    "complex of three": message(["ndarray", 0, "complex64"], blob({"0": entry("F32", [3], 0, 12)}, bytes(12))),
    "complex of no axis": message(["ndarray", 0, "complex64"], blob({"0": entry("F32", [], 0, 4)}, bytes(4))),
    "shape beyond the data": message(["tensor", 0, "float32"], blob({"0": entry("F32", [2**40], 0, 8)}, bytes(8))),
    "shape beyond 64 bits": message(["tensor", 0, "float32"], blob({"0": entry("F32", [2**40] * 2, 0, 8)}, bytes(8))),
    "shape empty and huge": message(["tensor", 0, "float32"], blob({"0": entry("F32", [0, 2**62, 2**62], 0, 0)})),
    "shape negative": message(["tensor", 0, "float32"], blob({"0": entry("F32", [-1], 0, 0)})),
    "shape of 100 axes": message(["ndarray", 0, "float32"], blob({"0": entry("F32", [1] * 100, 0, 4)}, bytes(4))),
    "data cut": message(["tensor", 0, "float32"], blob(F32, bytes(7))),
    "data and more": message(["tensor", 0, "float32"], blob(F32, bytes(9))),
    "overlapping": message(
        ["list", ["tensor", 0, "float32"], ["tensor", 1, "float32"]],
        blob({"0": entry("F32", [2], 0, 8), "1": entry("F32", [2], 0, 8)}, bytes(8)),
    ),
    "table too long": message(["tensor", 0, "float32"], struct.pack("<Q", 2**60) + b"{}"),
    "table no JSON": message(["tensor", 0, "float32"], blob(b"nope")),
    "table empty": message(["tensor", 0, "float32"], blob({})),
    "array listed twice": message(
        ["tensor", 0, "float32"],
        blob(b"{" + b",".join([b'"0":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'] * 2) + b"}", bytes(8)),
    ),
    "text that is an array": message(["str", [0]], blob(F32, bytes(8))),
    "text of two axes": message(["str", [0]], blob({"0": entry("U8", [1, 1], 0, 1)}, b"a")),
    "text no UTF-8": message(["str", [0]], blob({"0": entry("U8", [1], 0, 1)}, b"\xff")),
    "text of two numbers": message(["str", [0, 1]], blob(F32, bytes(8))),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_message_is_a_wire_error(name: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(WireError) as caught:
        decode(MALFORMED[name])
    assert len(str(caught.value)) < 400
    assert time.perf_counter() - begun < 3


def test_keys_that_collide_are_refused_at_once() -> None:
    prime = sys.hash_info.modulus
    tree = ["dict", *[[["int", n * prime], ["null"]] for n in range(20_000)]]
    with pytest.raises(WireError, match="collide"):
        decode(message(tree))
    assert len(travel(dict.fromkeys(range(5_000)))) == 5_000


def test_a_crafted_unhashable_key_is_described() -> None:
    came = decode(message(["dict", [["list", ["int", 1]], ["int", 2]]]))
    assert came == Opaque("dict", "[([1], 2)]")
    came = decode(message(["dict", [["list", ["int", "f" * 9000]], ["int", 2]]]))
    assert came.type == "dict"


SEEDS = [
    encode(value)
    for value in (
        {"id": 3, "got": [1.5, None, True, "té", b"x", (1, 2), {1: -0.0}], "e": ValueError("x")},
        [
            torch.arange(6.0).reshape(2, 3),
            np.ones((2, 2), complex),
            np.array(["a", "bc"]),
            torch.ones(2, dtype=torch.bool),
        ],
        ["x" * 2000, 1 << 99, b"y" * 2000, torch.zeros(2, dtype=torch.bfloat16)],
    )
]


def decodes_or_refuses(data: bytes) -> None:
    try:
        value = decode(data)
    except WireError:
        return
    repr(value)
    encode(value)


@quick
@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    decodes_or_refuses(data)
    decodes_or_refuses(len(data).to_bytes(4, "big") + data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(list(_READ)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)  # fmt: skip


@quick
@given(json_values)
def test_random_json(tree: Any) -> None:
    decodes_or_refuses(message(tree))


@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_mutated_messages(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1500):
        data = bytearray(SEEDS[seed])
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[place] = rng.randrange(256)
                case 1:
                    del data[place : place + rng.randint(1, 20)]
                case 2:
                    data[place:place] = data[: rng.randint(0, 40)]
                case 3:
                    data[place : place + 1] = rng.choice([b"[", b"]", b",", b'"', b"-", b"9", b"\xff", b"\x00", b"1e9"])
            data = data or bytearray(b"x")
        decodes_or_refuses(bytes(data))


def test_a_memoryview_of_any_form_decodes() -> None:
    data = encode([1, np.ones(3)])
    for view in (bytearray(data), memoryview(data), memoryview(b"ab" + data)[2:]):
        assert decode(view)[0] == 1


# ---------------------------------------------------------------- sockets


@pytest.fixture
def pair() -> Any:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


def soon(seconds: float = 5.0) -> float:
    return time.monotonic() + seconds


def frame(value: Any) -> bytes:
    data = encode(value)
    return len(data).to_bytes(8, "big") + data


def test_messages_arrive_in_order(pair: Any) -> None:
    ours, theirs = pair
    for value in (1, "two", [3.0]):
        send(ours, value)
    assert [receive(theirs, soon()) for _ in range(3)] == [1, "two", [3.0]]


def test_a_large_message_needs_no_large_buffer(pair: Any) -> None:
    ours, theirs = pair
    value = np.arange(4 * 2**20, dtype=np.float64)  # 32 MiB
    writer = threading.Thread(target=send, args=(ours, value))
    writer.start()
    came = receive(theirs, soon(20))
    writer.join()
    assert same(came, value)


def test_a_message_in_single_bytes(pair: Any) -> None:
    ours, theirs = pair

    def drip() -> None:
        for byte in frame({"a": [1, 2.5]}):
            ours.sendall(bytes([byte]))

    writer = threading.Thread(target=drip)
    writer.start()
    assert receive(theirs, soon()) == {"a": [1, 2.5]}
    writer.join()


def test_silence_is_late(pair: Any) -> None:
    begun = time.monotonic()
    with pytest.raises(Late):
        receive(pair[1], soon(0.05))
    assert 0.04 < time.monotonic() - begun < 2


def test_half_a_message_is_late(pair: Any) -> None:
    pair[0].sendall(frame("x" * 100)[:-1])
    with pytest.raises(Late):
        receive(pair[1], soon(0.05))


def test_a_peer_that_drips_is_late(pair: Any) -> None:
    ours, theirs = pair
    stop = threading.Event()

    def drip() -> None:
        ours.sendall((10_000).to_bytes(8, "big"))
        while not stop.wait(0.002):
            ours.sendall(b"x")

    writer = threading.Thread(target=drip)
    writer.start()
    begun = time.monotonic()
    with pytest.raises(Late):
        receive(theirs, soon(0.1))
    assert time.monotonic() - begun < 2
    stop.set()
    writer.join()


def test_an_answer_that_is_there_is_read_even_at_the_deadline(pair: Any) -> None:
    send(pair[0], "there")
    assert receive(pair[1], time.monotonic() - 1) == "there"


@pytest.mark.parametrize("cut", [0, 3, 8, 12])
def test_a_closed_connection(pair: Any, cut: int) -> None:
    pair[0].sendall(frame("hello")[:cut])
    pair[0].close()
    with pytest.raises(Closed):
        receive(pair[1], soon())


def test_sending_to_nobody_is_closed(pair: Any) -> None:
    pair[1].close()

    def keep_sending() -> None:
        for _ in range(3):
            send(pair[0], "x")

    with pytest.raises(Closed):
        keep_sending()


def test_our_own_closed_socket_is_closed(pair: Any) -> None:
    pair[0].close()
    with pytest.raises(Closed):
        send(pair[0], 1)
    with pytest.raises(Closed):
        receive(pair[0], soon())


def test_sending_to_one_who_does_not_read_is_late(pair: Any) -> None:
    with pytest.raises(Late):
        send(pair[0], np.zeros(2**20), deadline=soon(0.05))


def test_a_huge_length_takes_no_memory(pair: Any) -> None:
    pair[0].sendall((2**62).to_bytes(8, "big"))
    with pytest.raises(WireError, match="announced"):
        receive(pair[1], soon())


def test_limits_of_both_sides(pair: Any) -> None:
    with pytest.raises(WireError, match="at most 100"):
        send(pair[0], b"x" * 200, limit=100)
    send(pair[0], b"x" * 200)
    with pytest.raises(WireError, match="at most 100"):
        receive(pair[1], soon(), limit=100)


def test_malformed_bytes_are_a_wire_error(pair: Any) -> None:
    pair[0].sendall((4).to_bytes(8, "big") + b"junk" + (0).to_bytes(8, "big"))
    for _ in range(2):
        with pytest.raises(WireError):
            receive(pair[1], soon())


def test_the_socket_stays_blocking(pair: Any) -> None:
    send(pair[0], 1)
    receive(pair[1], soon())
    assert pair[0].getblocking() and pair[1].getblocking()


def test_a_socket_with_a_timeout_of_its_own(pair: Any) -> None:
    pair[1].settimeout(0.01)
    timer = threading.Timer(0.1, send, (pair[0], "late but in time"))
    timer.start()
    assert receive(pair[1], soon()) == "late but in time"
    timer.join()
