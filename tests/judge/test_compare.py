"""What `expect` means by equal: kinds, then shape, then values within a tolerance; and how it says what differs."""

import enum
import math
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.judge.compare import Mismatch, agree, compare, raises
from autograder.judge.show import LENGTH
from autograder.observe.wire import Opaque, Raised, WireError, decode, encode

torch.set_num_threads(1)  # as in the judge
quick = settings(
    max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
T, A = torch.tensor, np.array
DOUBLE = {float: torch.float64, complex: torch.complex128}


def found(got: Any, want: Any, **rules: Any) -> Mismatch:
    mismatch = compare(got, want, **rules)
    assert mismatch is not None
    return mismatch


# ---------------------------------------------------------------- kinds

ONE = [1, 1.0, 1 + 0j, np.int64(1), np.float32(1), A(1.0), A(1), T(1), T(1.0), T(1.0, dtype=torch.bfloat16)]
TRUE = [True, np.bool_(True), A(True), T(True)]
TEXT = ["ab", np.str_("ab"), A("ab")]
BYTES = [b"ab", bytearray(b"ab"), np.bytes_(b"ab")]
PAIR = [[1, 2], (1, 2), [np.int8(1), T(2.0)], namedtuple("Two", "a b")(1, 2)]
ROW = [A([1, 2]), A([1.0, 2.0]), T([1, 2]), T([1.0, 2.0], dtype=torch.float16), A([1, 2], ">i2"), np.ma.array([1, 2])]
FLAGS = [A([True, False]), T([True, False])]
KEYS = [{"a": 1, "b": 2}, OrderedDict(b=2, a=1), {"b": 2.0, "a": T(1)}]
KINDS = [ONE, TRUE, TEXT, BYTES, PAIR, ROW, FLAGS, KEYS, [None], [A(["a", "b"])], [A([b"a", b"b"])], [T([1]), A([1])]]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind[0]).__name__)
def test_types_of_one_kind_are_equal(kind: list[Any]) -> None:
    for got in kind:
        for want in kind:
            if isinstance(got, complex) and not isinstance(want, complex):
                continue
            assert compare(got, want) is None, (got, want)


def test_kinds_are_never_equal() -> None:
    for first in KINDS:
        for second in KINDS:
            if first is not second:
                assert all(compare(got, want) is not None for got in first for want in second)


def test_a_real_number_may_stand_for_a_complex_one_but_not_the_reverse() -> None:
    assert compare(1.0, 1 + 0j) is None
    assert found(1 + 0j, 1.0) == Mismatch("complex number 1+0j", "real number 1")
    assert compare(A([1.0]), A([1 + 0j])) is None
    assert found(A([1 + 0j]), A([1.0])) == Mismatch("array of complex numbers", "array of numbers")


@pytest.mark.parametrize(
    ("got", "want", "told"),
    [
        (True, 1, ("bool True", "number 1")),
        ([1.0, 2.0], A([1.0, 2.0]), ("list [1, 2]", "array of shape (2,)")),
        (T([3.0]), 3.0, ("tensor of shape (1,)", "number 3")),
        (None, [1], ("None", "list [1]")),
        ("3", 3, ("text '3'", "number 3")),
        (T([True]), T([1]), ("tensor of bool", "tensor of numbers")),
        ({"a": (1, "x")}, (1,), ("dict {'a': (1, 'x')}", "tuple (1)")),
        (Raised("ValueError", "bad"), 3, ("ValueError raised: bad", "number 3")),
        (Opaque("set", "{1}"), [1], ("an object of type set: {1}", "list [1]")),
        (torch.ones(1, device="meta"), T([1.0]), None),
    ],
)
def test_a_wrong_kind_is_named(got: Any, want: Any, told: tuple[str, str] | None) -> None:
    mismatch = found(got, want)
    assert told is None or (mismatch.got, mismatch.want) == told


def test_shapes_are_compared_before_values_and_never_broadcast() -> None:
    assert found(torch.ones(3, 4), torch.ones(4, 3)) == Mismatch("shape (3, 4)", "shape (4, 3)")
    for got, want in [((1,), (3,)), ((3, 1), (3, 3)), ((1, 3), (3,)), ((0,), (1,)), ((0, 2), (0, 3))]:
        assert compare(np.ones(got), np.ones(want)) is not None
    assert compare(np.ones((0, 2)), torch.ones(0, 2)) is None


# ---------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("got", "want", "equal"),
    [
        (3, 3, True),
        (3, 4, False),
        (10**30, 10**30 + 1, False),
        (10**400, 1.5, False),
        (1.5, 10**400, False),
        (10**400, 10**400, True),
        (2**53 + 1, 2**53, False),
        (0.1 + 0.2, 0.3, True),
        (0.3000001, 0.3, True),
        (0.30001, 0.3, False),
        (-0.0, 0.0, True),
        (1e-12, 0.0, True),
        (1e-6, 0.0, False),
        (1e-12, 2e-12, False),
        (3.0, 3, True),
        (3.00001, 3, False),
        (math.inf, math.inf, True),
        (math.inf, -math.inf, False),
        (math.inf, 1e308, False),
        (1e308, math.inf, False),
        (math.nan, math.nan, True),
        (math.nan, 0.0, False),
        (0.0, math.nan, False),
        (complex(1, math.nan), complex(math.nan, 2), True),
        (1 + 1e-9j, 1 + 0j, True),
        (1 + 1e-3j, 1 + 0j, False),
        (np.float32(0.1), 0.1, True),
        (np.float32(0.1001), 0.1, False),
        (T(0.101, dtype=torch.bfloat16), 0.1, True),
        (T(0.11, dtype=torch.bfloat16), 0.1, False),
        (T(1.1).to(torch.float8_e4m3fn), 1.1, True),
    ],
)
def test_numbers(got: Any, want: Any, equal: bool) -> None:
    assert (compare(got, want) is None) is equal
    assert (compare([got], [want]) is None) is equal
    assert (compare((got, 1), (want, 1)) is None) is equal
    assert (compare({"k": got}, {"k": want}) is None) is equal
    if type(got) is type(want) and isinstance(got, float | complex):
        assert (compare(A([got, got]), A([want, want])) is None) is equal
        assert (compare(A([got, got]), T([want, want], dtype=DOUBLE[type(want)])) is None) is equal


@pytest.mark.parametrize(
    ("dtype", "noise", "error"),
    [
        (torch.float64, 1e-8, 1e-5),
        (torch.float32, 1e-5, 1e-3),
        (torch.float16, 3e-3, 5e-2),
        (torch.bfloat16, 8e-3, 5e-2),
        (torch.complex64, 1e-5, 1e-3),
        (torch.complex128, 1e-8, 1e-5),
    ],
    ids=str,
)
def test_the_tolerance_comes_from_the_dtype(dtype: torch.dtype, noise: float, error: float) -> None:
    want = T([1.0, 2.0, 7.0], dtype=torch.float64)
    assert compare((want * (1 + noise)).to(dtype), want.to(dtype)) is None
    assert compare((want * (1 + error)).to(dtype), want.to(dtype)) is not None


def test_the_coarser_dtype_decides() -> None:
    want = A([0.1, 0.7])
    assert compare(T([0.1, 0.7]), want) is None
    assert compare(want, T([0.1, 0.7])) is None
    assert compare(T([0.1, 0.7], dtype=torch.bfloat16), want) is None


def test_the_scale_is_that_of_the_whole_array() -> None:
    want = A([1000.0, 1e-9, 0.0])
    assert compare(A([1000.0, 1.1e-9, 1e-8]), want) is None
    assert compare([1000.0, 1.1e-9, 1e-8], want.tolist()) is None
    assert compare(A([1000.0, 1e-9, 1e-4]), want) is not None
    assert compare(A([1e-12, 2e-12]), A([1e-12, 1e-12])) is not None
    assert compare((1000.0, 1e-8), (1000.0, 2e-8)) is not None  # a tuple holds different things
    assert compare(A([1e-12, -1e-13]), A([0.0, 0.0])) is None
    assert compare(A([math.inf, 1.0]), A([math.inf, 2.0])) is not None


def test_whole_numbers_are_exact() -> None:
    assert compare(A([2**62 + 1]), A([2**62])) is not None
    assert compare(A([2**63], "u8"), A([-(2**63)])) is not None
    assert compare(A([2**63], "u8"), A([2**63], "u8")) is None
    assert compare(A([1, 2], "i4"), A([1, 2], "u1")) is None
    assert compare(T([12_001.0]), T([12_000])) is not None
    assert compare(12_001.0, 12_000) is not None
    assert compare(T(12_001.0), 12_000) is not None
    assert compare(1_000_001.0, 1_000_000) is not None
    assert compare(A([-(2**63)]), A([-(2**63)])) is None


def test_a_number_computed_in_32_bits_is_judged_as_such() -> None:
    values = torch.linspace(0.1, 0.9, 100)
    got, want = (values**2).sum().item(), sum(x * x for x in np.linspace(0.1, 0.9, 100).tolist())
    assert got != want
    assert compare(got, want * (1 + 1e-5)) is None
    assert compare([got, 0.5], [want * (1 + 1e-5), 0.5]) is None
    assert compare((got, 3), (want * (1 + 1e-5), 3)) is None
    assert compare(A([got]), A([want * (1 + 1e-5)])) is None
    assert compare(want, want * (1 + 1e-5)) is not None
    assert compare(0.5, 0.5 * (1 + 1e-5)) is not None  # 0.5 fits 32 bits by chance
    assert compare(12_001.0, 12_000.0) is not None
    assert compare(got, got * (1 + 1e-3)) is not None


def test_nan_and_infinity_in_arrays() -> None:
    want = A([1.0, math.nan, math.inf])
    assert compare(want.copy(), want) is None
    assert compare(T([1.0, math.nan, math.inf]), want) is None
    for wrong in (
        [math.nan, math.nan, math.inf],
        [1.0, 2.0, math.inf],
        [1.0, math.nan, -math.inf],
        [1.0, math.nan, 1e300],
    ):
        assert compare(A(wrong), want) is not None


def test_stated_tolerances_are_taken_as_they_are() -> None:
    assert compare(1.05, 1.0, rtol=0.1) is None
    assert compare(105, 100, atol=5) is None
    assert compare(A([105]), A([100]), atol=5) is None
    assert compare(106, 100, atol=5, rtol=0) is not None
    assert compare(A([1000.0, 0.5]), A([1000.0, 0.0]), atol=0.1) is not None
    assert compare(0.1 + 0.2, 0.3, rtol=0, atol=0) is not None
    assert compare(A([0.1 + 0.2]), A([0.3]), rtol=0, atol=0) is not None
    assert compare([0.1 + 0.2], [0.3], rtol=0, atol=0) is not None
    assert compare({"a": [T([1.05])]}, {"a": [T([1.0])]}, rtol=0.1) is None


@pytest.mark.parametrize(
    ("got", "want", "equal"),
    [
        (T([1.0]), T([1.0]), True),
        (T([1.0]), T([1.0], dtype=torch.float64), False),
        (T([1.0]), A([1.0], "f4"), True),
        (T([1]), T([1.0]), False),
        (A(1.0, "f4"), A(1.0), False),
        (np.float32(1), T(1.0), True),
        (1.0, T(1.0), False),
        (T(1.0, dtype=torch.bfloat16), 1.0, True),
        (1, 1.0, False),
        (1.0, 1, False),
        (np.int8(1), 1, True),
        ([1.0, 1], [1.0, 1.0], False),
        (("a", None), ("a", None), True),
    ],
)
def test_dtype_counts_only_where_asked(got: Any, want: Any, equal: bool) -> None:
    assert compare(got, want) is None
    mismatch = compare(got, want, dtype=True)
    assert (mismatch is None) is equal
    if mismatch:
        assert mismatch.got.startswith("dtype ")


# ---------------------------------------------------------------- containers


def test_sequences_by_length_then_item() -> None:
    assert found([1, 2], [1, 2, 3]) == Mismatch("2 items: [1, 2]", "3 items: [1, 2, 3]")
    assert found([[1, 2], [3, 4]], [[1, 2], [3, 5]]) == Mismatch("4", "5", "[1][1]: 1 of 2 differ")
    assert found(["a", None, 3], ["a", 1, 3]).where == "[1]"
    assert found([T([1.0, 2.0])], [T([1.0, 3.0])]).where == "[0][1]: 1 of 2 differ, by up to 1"
    assert compare([], ()) is None
    assert found([], [1]) == Mismatch("0 items: []", "1 item: [1]")


def test_dicts_by_keys_then_values() -> None:
    assert compare({"b": 1, "a": [2]}, {"a": (2,), "b": 1.0}) is None
    assert found({"a": 1}, {"b": 1}) == Mismatch("keys 'a'", "keys 'b'", "missing 'b'; not expected 'a'")
    assert found({1: 1}, {"1": 1}) == Mismatch("keys 1", "keys '1'", "missing '1'; not expected 1")
    assert found({}, {"b": 1}) == Mismatch("keys none", "keys 'b'", "missing 'b'")
    assert found({"a": {"b": 1}}, {"a": {"b": 2}}) == Mismatch("1", "2", "['a']['b']")
    assert found({(1, "x"): 1}, {(1, "x"): 2}).where == "[(1, 'x')]"


def test_texts() -> None:
    assert compare("", "") is None
    assert found("abc", "abd") == Mismatch("'abc'", "'abd'")
    long = found("x" * 500 + "a" + "y" * 500, "x" * 500 + "b" + "y" * 500)
    assert long.where == "from character 500 on; lengths 1001 and 1001"
    assert "xa" in long.got and "xb" in long.want
    assert found(b"x" * 100, b"x" * 101).where == "from byte 100 on; lengths 100 and 101"
    million = "x" * 10**6
    assert found(million + "a", million + "b").where.startswith("from character 1000000 on")
    assert compare("e\u0301", "\u00e9") is not None


def test_arrays_of_text() -> None:
    assert compare(A(["a", "b"]), A(["a", "b"], "U9")) is None
    assert found(A(["a", "b"]), A(["a", "c"])) == Mismatch("['a', 'b']", "['a', 'c']", "[1]: 1 of 2 differ")


# ---------------------------------------------------------------- exceptions and objects


def test_raises_accepts_by_name_and_by_base() -> None:
    error = Raised("MyError", "bad", bases=("ValueError", "Exception"))
    for want in (
        raises("MyError"),
        raises("ValueError"),
        raises("KeyError", "ValueError"),
        raises("Exception"),
        raises(),
    ):
        assert compare(error, want) is None
    assert compare(Raised("JSONDecodeError", ""), raises("ValueError")) is not None
    assert compare(Raised("UnicodeDecodeError", ""), raises("ValueError")) is None
    assert compare(Raised("IndexError", ""), raises("LookupError")) is None
    assert compare(Raised("LookupError", ""), raises("IndexError")) is not None
    assert compare(decode(encode(KeyError("k"))), raises("LookupError")) is None
    assert compare(ValueError("bad"), raises("ValueError")) is None
    assert compare([1, error], [1, raises("ValueError")]) is None


def test_raises_says_what_it_got() -> None:
    assert found(3, raises("KeyError")) == Mismatch("number 3", "KeyError raised")
    assert found(Raised("TypeError", "no"), raises("KeyError", "ValueError")) == Mismatch(
        "TypeError raised: no", "KeyError or ValueError raised"
    )
    assert found(None, raises()).want == "an exception raised"


def test_exceptions_compare_by_type() -> None:
    assert compare(Raised("ValueError", "a"), Raised("ValueError", "b", "cell 3")) is None
    assert compare(Raised("ValueError", "a"), Raised("KeyError", "a")) is not None
    assert compare(Raised("ValueError", "a"), ValueError("b")) is None


def test_objects_are_never_right_but_may_agree() -> None:
    first, second = Opaque("set", "{1}"), Opaque("set", "{2}")
    assert found(first, first).where == "not plain data; observe numbers, text, lists or dicts"
    assert compare({1}, {1}) is not None
    assert agree(first, Opaque("set", "{1}")) and not agree(first, second)
    assert agree([first, 1.0], (Opaque("set", "{1}"), 1)) and not agree([first], [second])
    assert agree({"a": {1, 2}}, {"a": Opaque("set", "{1, 2}")})


def test_agree_is_compare_otherwise() -> None:
    assert agree(0.1 + 0.2, 0.3) and not agree(0.3, 0.4)
    assert agree(0.3, 0.4, rtol=1) and agree(0.3, 0.4, atol=0.2)
    assert agree(Raised("E", "a"), Raised("E", "b")) and not agree(Raised("E", "a"), Raised("F", "a"))
    assert agree(math.nan, math.nan) and not agree(True, 1)


# ---------------------------------------------------------------- what is said


def test_arrays_say_where_how_many_and_how_far() -> None:
    got, want = torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3)
    got[1, 0] += 0.5
    got[1, 2] -= 0.25
    assert found(got, want) == Mismatch(
        "[[0, 1, 2], [3.5, 4, 4.75]]", "[[0, 1, 2], [3, 4, 5]]", "[1, 0]: 2 of 6 differ, by up to 0.5"
    )
    large = np.zeros((20, 30))
    wrong = large.copy()
    wrong[3, 4] = 2
    assert found(wrong, large) == Mismatch("2", "0", "[3, 4]: 1 of 600 differ, by up to 2")
    assert found(A([math.nan, 1.0]), A([1.0, 1.0])) == Mismatch("[nan, 1]", "[1, 1]", "[0]: 1 of 2 differ")
    assert found(T([True, False]), T([True, True])) == Mismatch("[True, False]", "[True, True]", "[1]: 1 of 2 differ")


def test_numbers_that_look_alike_get_more_digits() -> None:
    assert found(1.00002, 1.0) == Mismatch("1.00002", "1")
    assert found(0.1234567891, 0.1234565111) == Mismatch("0.123456789", "0.123456511")
    assert found(123456788.0, 123456789) == Mismatch("123456788", "123456789")
    assert found(1.0 + 2**-50, 1.0, rtol=0, atol=0) == Mismatch("1.0000000000000009", "1")
    assert found(A([1.0 + 2**-50] * 3), A([1.0] * 3), rtol=0, atol=0).got == "1.0000000000000009"
    assert found(10**5000, 1).got == "a whole number of 16610 bits"


HOSTILE = [
    *("\x1b[31mred\n" * 200, "\ud800", "\u202eevil", ["\x1b]0;title\x07"], {"\n\x1b[2J": 1}, A(["\x1b[31m"])),
    *(Raised("Value\nError", "\x1b[31m" * 100), Opaque("\x1b[5m", "\n" * 999), b"\x1b[31m\n"),
    *([[["deep"] * 20] * 20] * 20, "x" * 10**6, list(range(10**4)), np.ones((50, 50)), [10**5000], {"k" * 999: 1}),
]


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: type(value).__name__)
def test_what_is_said_is_one_short_printable_line(value: Any) -> None:
    for mismatch in (found(value, 17), found(17, value), found([value, "a"], [17, 17]), found({"k": value}, {"k": 17})):
        for text in (mismatch.got, mismatch.want, mismatch.where):
            assert text.isprintable()
            assert len(text) <= LENGTH
    if isinstance(value, str):
        mismatch = found(value, value + "!")
        assert (mismatch.got + mismatch.where).isprintable()


# ---------------------------------------------------------------- whatever comes


class Rude:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __repr__ = __str__ = __len__ = __iter__ = __bool__ = lambda self: 1 / 0  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


class Colour(enum.Enum):
    RED = 1


def endless() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


ANYTHING = [
    *(
        None,
        True,
        0,
        -1,
        1.5,
        math.nan,
        math.inf,
        1j,
        10**400,
        "",
        "a",
        b"",
        [],
        (),
        {},
        [1],
        (1.0,),
        {"a": 1},
        {1: {2: 3}},
    ),
    *([None], [True, 1], [[1], [2]], A([]), A([1]), A([[1.0]]), A(True), A(["a"]), A([object()]), np.zeros((0, 3))),
    *(T([]), T(1), T([1.0]), T([1j]), T([True]), torch.ones(2, 2).to_sparse(), torch.ones(2, requires_grad=True)),
    *(torch.ones(2, device="meta"), torch.nn.Parameter(torch.ones(1)), np.float64(1), np.datetime64("2020")),
    *(A([(1, 2)], "i4,i4"), torch.ones(2).to(torch.bfloat16), torch.nn.Linear(1, 1), torch.float32, Colour.RED, Rude()),
    *(object(), int, len, {1, 2}, (n for n in "ab"), range(3), endless(), ValueError("x"), SystemExit(), raises("E")),
    *(Raised("E", "m"), Opaque("t", "x"), {"a": Rude()}, [Rude()], {Colour.RED: 1}, math, Mismatch("a", "b")),
]


def test_no_pair_of_values_raises() -> None:
    for got in ANYTHING:
        for want in ANYTHING:
            mismatch = compare(got, want)
            assert mismatch is None or type(mismatch) is Mismatch
            assert type(compare([got], [want], rtol=0.1, atol=1.0, dtype=True)) in (Mismatch, type(None))
            assert agree(got, want) or mismatch is not None


def test_whatever_travels_agrees_with_itself() -> None:
    for value in ANYTHING:
        try:
            came = decode(encode(value))
        except WireError:
            continue
        assert agree(came, decode(encode(came))), value


numbers = st.integers() | st.floats() | st.complex_numbers() | st.booleans()
leaves = st.none() | numbers | st.text("ab\n", max_size=4) | st.binary(max_size=4)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.integers() | st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@quick
@given(values)
def test_everything_plain_equals_itself(value: Any) -> None:
    assert compare(value, value) is None
    assert compare(value, decode(encode(value)), rtol=0, atol=0) is None
    assert agree(value, value)


@quick
@given(values, values)
def test_equality_goes_both_ways_in_kind(first: Any, second: Any) -> None:
    if compare(first, second, rtol=0, atol=0) is None:
        back = compare(second, first, rtol=0, atol=0)
        assert back is None or "complex" in back.got


arrays = st.tuples(
    st.sampled_from(["?", "i4", "u8", "f2", "f4", "f8", "c8", "U2"]), st.lists(st.integers(0, 3), max_size=3)
).map(lambda spec: np.arange(math.prod(spec[1])).reshape(spec[1]).astype(spec[0]))


@quick
@given(arrays, arrays)
def test_arrays_of_any_form(got: np.ndarray, want: np.ndarray) -> None:
    mismatch = compare(got, want)
    if got.shape != want.shape:
        assert mismatch is not None
    elif got.dtype == want.dtype:
        assert mismatch is None
