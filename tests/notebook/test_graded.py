"""What is graded: definitions count, scratch does not, and an answer is what its own cell says."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.curriculum import Exercise
from autograder.notebook import Blank, Cell, Definitions, blank_from, blank_of, definitions, read
from autograder.notebook.versions import fingerprints

EMPTY = blank_from("")

LESSON = '''\
# %% nbgrader={"grade_id": "value", "solution": true}
class Value:
    """A number."""

    def __init__(self, data):
        self.data = data

    def neg(self):
        """Minus."""
        ### BEGIN SOLUTION
        return Value(-self.data)
        ### END SOLUTION

# %% nbgrader={"grade_id": "mul", "solution": true}
@method(Value)
def __mul__(self, other):
    """Times."""
    ### BEGIN SOLUTION
    return Value(self.data * other.data)
    ### END SOLUTION

# %% nbgrader={"grade_id": "softmax", "solution": true}
def softmax(x):
    """Softmax."""
    top = x.max()
    ### BEGIN SOLUTION
    return (x - top).exp() / (x - top).exp().sum()
    ### END SOLUTION
'''
VALUE = "class Value:\n    def __init__(self, data):\n        self.data = data\n\n    def neg(self):\n        {}"
STUB = "raise NotImplementedError"
BLANK_VALUE = VALUE.format(STUB)
MUL = "@method(Value)\ndef __mul__(self, other):\n    return {}"
BLANK_MUL = MUL.replace("return {}", STUB)
SOFTMAX = "def softmax(x):\n    return {}"
BLANK_SOFTMAX = "def softmax(x):\n    top = x.max()\n    " + STUB


@pytest.fixture(scope="module")
def blank() -> Blank:
    return blank_from(LESSON)


def cells(*sources: str | tuple[str, str]) -> list[Cell]:
    """Code cells; a pair is (grade_id, source)."""
    made = []
    for index, source in enumerate(sources):
        name, text = source if isinstance(source, tuple) else (None, source)
        metadata: dict[str, Any] = {"nbgrader": {"grade_id": name, "solution": True}} if name else {}
        made.append(Cell("code", text, metadata, None, index))
    return made


def names(found: Definitions) -> list[str]:
    return [name for statement in found.statements for name in statement.names]


def graded(*sources: str) -> list[str]:
    return names(definitions(cells(*sources), EMPTY))


def source_of(found: Definitions, name: str) -> str:
    (source,) = [statement.source for statement in found.statements if name in statement.names]
    return source


KEPT = [
    ("import math", ["math"]),
    ("import torch.nn as nn, os.path", ["nn", "os"]),
    ("from autograder import carry, method", ["carry", "method"]),
    ("from x import *", []),
    ("async def f():\n    await g()", ["f"]),
    ("class A(B, metaclass=C):\n    x = run()", ["A"]),
    ("@cache\ndef f(): ...", ["f"]),
    ("x = -3 + 2j * 4 ** 2", ["x"]),
    ("a = b = (1, 'two', [3.0, None], {4: {5}})", ["a", "b"]),
    ("(a, [b, *c]) = 1, [2, 3, 4]", ["a", "b", "c"]),
    ("x: int = 3", ["x"]),
    ("x: 'list[int]'", ["x"]),
    ("x = 3\ny = x + 1\nz = y if x > 2 else (x,)[0]", ["x", "y", "z"]),
    ("import math\ntau = 2 * math.pi\nroot = math.sqrt(2)", ["math", "tau", "root"]),
    ("from math import sqrt as r\nroot = r(2)", ["r", "root"]),
    ("f = lambda x: train(x)", ["f"]),
    ("big = float('inf')\nten = list(range(10))\nm = max(1, min(2, len('abc')))", ["big", "ten", "m"]),
    ("import functools as ft\ndef f(x): ...\ng = ft.partial(f, 2)", ["ft", "f", "g"]),
    (
        "from collections import namedtuple\nP = namedtuple('P', 'x y')\nP.area = lambda p: p.x",
        ["namedtuple", "P", "P.area"],
    ),
    ("import typing, re\nT = typing.TypeVar('T')\nword = re.compile(r'\\w+')", ["typing", "re", "T", "word"]),
    ("import torch\nF = torch.nn.functional", ["torch", "F"]),
    ("class V: ...\ndef relu(v): ...\nV.relu = relu\nV.__radd__ = V.__add__", ["V", "relu", "V.relu", "V.__radd__"]),
    ("class V: ...\ndef relu(v): ...\nsetattr(V, 'relu', relu)", ["V", "relu", "V.relu"]),
    ("class V: ...\nV.n = property(lambda v: 3)\nV.n2: int = 4", ["V", "V.n", "V.n2"]),
    ("x = carry('attention')", ["x"]),
    ("from autograder import carry as c\na, b = c('x'), c('y').softmax", ["c", "a", "b"]),
    ("import autograder\nx = autograder.carry('x')", ["autograder", "x"]),
    ("try:\n    import a as m\nexcept ImportError:\n    m = None", ["m"]),
    ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nelse:\n    pass", ["TYPE_CHECKING", "a"]),
    ("if True:\n    def f(): ...\n    g = f", ["f", "g"]),
    ("x = 1\nx += 2", ["x", "x"]),
    ("names = 'a b c'.split()", ["names"]),
    ("label = f'{3:.2f}'", ["label"]),
    ("ﬁne = 1\nπ = 3.14", ["fine", "π"]),
    ("from x import *\ny = something", ["y"]),
    ("a = 1; b = 2", ["a", "b"]),
    ("@method(V.W)\ndef __mul__(a, b): ...", ["V.W.__mul__"]),
    ("@wraps(f)\ndef g(): ...", ["g"]),
]


@pytest.mark.parametrize(("source", "wanted"), KEPT, ids=[source for source, _ in KEPT])
def test_definitions_are_kept(source: str, wanted: list[str]) -> None:
    assert graded(source) == wanted


SCRATCH = [
    ("print(1)", []),
    ("'text'", []),
    ("pass", []),
    ("for i in range(3):\n    y = i", ["i", "y"]),
    ("while False:\n    n = 1", ["n"]),
    ("with open('x') as file:\n    def f(): ...", ["file", "f"]),
    ("assert True", []),
    ("x = train()", ["x"]),
    ("x, y = train()", ["x", "y"]),
    ("x = torch.randn(3)", ["x"]),
    ("x = [i for i in range(3)]", ["x"]),
    ("x = unknown", ["x"]),
    ("x = (y := 3)", ["x", "y"]),
    ("x = print", []),
    ("stoi['a'] = 1", []),
    ("torch.Tensor.shout = 1", []),
    ("setattr(torch.Tensor, 'shout', 1)", []),
    ("setattr(torch, name, 1)", []),
    ("if train():\n    x = 1", ["x"]),
    ("try:\n    x = 1\nfinally:\n    print(x)", ["x"]),
    ("x = await load()", ["x"]),
    ("async for x in y: pass", ["x"]),
    ("x += 1", ["x"]),
    ("match x:\n    case {'a': a, **rest}: pass\n    case [b, *c] as d: pass", ["a", "rest", "b", "c", "d"]),
    ("try:\n    run()\nexcept E as error:\n    import m", ["error", "m"]),
    ("device = torch.device('cpu' if torch.cuda.is_available() else 'cuda')", ["device"]),
    ("!ls", []),
    ("files = !ls -l", ["files"]),
    ("a, b = %time f()", ["a", "b"]),
]


@pytest.mark.parametrize(("source", "made"), SCRATCH, ids=[source for source, _ in SCRATCH])
def test_everything_else_is_scratch_and_its_names_are_recorded(source: str, made: list[str]) -> None:
    found = definitions(cells("import torch", source), EMPTY)
    assert names(found) == (["torch"] if source != "x = print" else ["torch", "x"])
    assert dict(found.scratch) == dict.fromkeys(made, "cell 2")
    assert not found.spoiled


def test_a_constant_of_something_scratch_is_scratch() -> None:
    found = definitions(cells("n = 1\nn = train()\nm = n + 1\nk = 3\nj = k"), EMPTY)
    assert names(found) == ["n", "k", "j"]
    assert set(found.scratch) == {"n", "m"}


def test_a_name_imported_under_another_is_what_it_is() -> None:
    assert graded("from random import random as float\nx = float()") == ["float"]
    assert graded("def len(x): ...\nx = len('abc')") == ["len"]


def test_an_empty_container_that_scratch_fills_is_scratch() -> None:
    found = definitions(
        cells("stoi = {}\nlosses = list()", "for c in 'abc':\n    stoi[c] = len(stoi)\nlosses.append(1)"), EMPTY
    )
    assert names(found) == []
    assert dict(found.scratch) == {"stoi": "cell 2", "losses": "cell 2", "c": "cell 2"}


def test_future_imports_and_stars_come_first() -> None:
    found = definitions(cells("x = 1", "from __future__ import annotations\nfrom math import *"), EMPTY)
    assert [statement.source for statement in found.statements][:2] == [
        "from __future__ import annotations",
        "from math import *",
    ]


def test_statements_say_where_they_stand(blank: Blank) -> None:
    found = definitions(cells("\nimport a\n\n@deco\n\ndef f():\n    pass  # why\n", ("mul", MUL.format(1))), blank)
    imported, function, method = found.statements
    assert (imported.cell, imported.line) == ("cell 1", 2)
    assert (function.line, function.source) == (4, "@deco\n\ndef f():\n    pass  # why")
    assert (method.cell, method.line, method.names) == ("mul", 1, ("Value.__mul__",))


def test_several_statements_in_one_line_are_kept_apart() -> None:
    found = definitions(cells("é = 'ü'; print(1); b = [2,\n 3]; c = 4 # done"), EMPTY)
    assert [statement.source for statement in found.statements] == ["é = 'ü'", "b = [2,\n 3]", "c = 4"]


# --- one cell's errors


def test_a_syntax_error_spoils_its_cell_only(blank: Blank) -> None:
    found = definitions(
        cells("x = 1", ("mul", "@method(Value)\ndef __mul__(self, o):\n    return ((1"), "y = 2"), blank
    )
    assert names(found) == ["x", "y"]
    assert found.spoiled == (
        "cell mul: '(' was never closed at line 3; nothing in this cell is graded until it is mended",
    )
    assert dict(found.lost) == {"Value.__mul__": found.spoiled[0]}
    assert "Value.__mul__" not in found.blank


@pytest.mark.parametrize("bad", ["return 3", "def f(a, a): pass", "def f():\n    nonlocal x", "break"])
def test_what_only_the_compiler_refuses_spoils_too(bad: str) -> None:
    assert definitions(cells(f"x = 1\n{bad}"), EMPTY).spoiled


HOSTILE = {
    "null byte": "x = 1\0",
    "half a character": "x = '\ud800'",
    "a megabyte": "x = '" + "a" * 1_000_000 + "'",
    "parentheses": "(" * 10_000 + ")" * 10_000,
    "minus": "x = " + "-" * 10_000 + "1",
    "sum": "x = a" + " + a" * 20_000,
    "attributes": "x = a" + ".b" * 40_000,
    "indents": "".join(" " * i + "if 1:\n" for i in range(150)),
    "digits": "x = " + "9" * 10_000,
    "elif": "if a: pass\n" + "elif a: pass\n" * 3_000,
    "lambdas": "x = " + "lambda: " * 5_000 + "1",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_text_spoils_its_cell_and_nothing_else(what: str) -> None:
    found = definitions(cells("x = 1", HOSTILE[what], "y = 2"), EMPTY)
    assert names(found) == ["x", "y"]
    assert len(found.spoiled) == 1
    assert len(found.spoiled[0]) < 300
    found.digest()


SLOW = [
    "a = 1;" * 30_000,
    "!ls\n" * 30_000,
    "!ls (\n" * 20_000,
    "x = " + " " * 190_000 + "%",
    "x?\n(" * 40_000,
    "@a\n" * 60_000,
]
SLOW += [
    "a " * 95_000,
    "?" * 190_000,
    "x" + " ?" * 90_000,
    "if x:\n" + " f(\n" * 10_000,
    "try: pass\n" + "except A: pass\n" * 9_000,
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("source", SLOW, ids=lambda source: repr(source[:12]))
def test_no_cell_takes_long(source: str) -> None:
    began = time.process_time()
    definitions(cells(source), EMPTY).digest()
    assert time.process_time() - began < 10


def test_a_submission_holds_only_so_much_code() -> None:
    found = definitions(cells(*[f"x{i} = 1\n#" + "x" * 190_000 for i in range(12)]), EMPTY)
    assert len(found.statements) == 10 and len(found.spoiled) == 2


@settings(deadline=None, max_examples=150)
@given(
    lines=st.lists(
        st.sampled_from(
            ["x = 1", "  y = 2", "%time f()", "!ls", "def f():", "class A:", "    pass", "(", '"""', "x?", "@d", "\\"]
        )
        | st.text(max_size=8),
        max_size=8,
    )
)
def test_any_text_is_read(lines: list[str]) -> None:
    definitions(cells("\n".join(lines), ("mul", "\n".join(lines))), blank_from(LESSON)).digest()


# --- IPython's own lines


MAGIC = [
    ("%matplotlib inline\nx = 1", ["x"]),
    ("x = 1\n!pip install a \\\n   b\ny = 2", ["x", "y"]),
    ("def f():\n    %time run()\n    return 1", ["f"]),
    ("torch.nn.Linear?\n?len\nlen??\nx = 1", ["x"]),
    ("%%time\nx = 1", ["x"]),
    ("\n%%capture out\nx = 1", ["x"]),
    ("%%timeit -n 3\ny = 2\n!ls", ["y"]),
    ("%%bash\nx=1", []),
    ("%%html\n<b>", []),
    ("pip install torch\nx = 1", ["x"]),
    ("s = '''\n%magic in a string\n'''", ["s"]),
    ("x = (7\n%3)", ["x"]),
    ("!echo '''\nx = 1", ["x"]),
    ("!echo (\nx = 1\n!echo )", ["x"]),
    ("files = !ls *.py\nx = 1", ["x"]),
    (",f a b\n/f x\nx = 1", ["x"]),
]


@pytest.mark.parametrize(("source", "wanted"), MAGIC, ids=[source for source, _ in MAGIC])
def test_magics_are_set_aside(source: str, wanted: list[str]) -> None:
    found = definitions(cells(source), EMPTY)
    assert (names(found), found.spoiled) == (wanted, ())


def test_lines_keep_their_numbers_around_magics() -> None:
    found = definitions(cells("%%time\n!ls \\\n  -l\nx = 1"), EMPTY)
    assert found.statements[0].line == 4


# --- answers and their cells


def test_only_the_answers_own_cell_counts(blank: Blank) -> None:
    found = definitions(
        cells(
            ("softmax", SOFTMAX.format("mine")),
            "import torch\nfrom torch import softmax, relu\ndef helper(): ...",
            "def softmax(x):\n    return 'demo'",
            "softmax = torch.softmax",
        ),
        blank,
    )
    assert names(found) == ["softmax", "torch", "relu", "helper"]
    assert source_of(found, "softmax").endswith("return mine")
    assert source_of(found, "relu") == "from torch import relu"
    assert found.notes[:3] == (
        "`softmax` is defined in cell 2 too, but only cell softmax counts for it",
        "`softmax` is defined in cell 3 too, but only cell softmax counts for it",
        "`softmax` is defined in cell 4 too, but only cell softmax counts for it",
    )


def test_a_demo_does_not_answer_for_a_blank_cell(blank: Blank) -> None:
    found = definitions(cells(("softmax", BLANK_SOFTMAX), "def softmax(x):\n    return torch.softmax(x, 0)"), blank)
    assert "softmax" in found.blank
    assert any("softmax" in note for note in found.notes)


def test_scratch_that_shadows_an_answer_leaves_it_alone(blank: Blank) -> None:
    found = definitions(cells(("softmax", SOFTMAX.format(1)), "softmax = train()", "alias = softmax"), blank)
    assert names(found) == ["softmax", "alias"]
    assert found.scratch == {}


def test_helpers_of_an_answer_cell_are_not_replaced_later_but_imports_stay(blank: Blank) -> None:
    mine = "import math\neps = 1e-5\ndef helper(): return 'mine'\n" + SOFTMAX.format("helper()")
    found = definitions(
        cells("import math\neps = 3", ("softmax", mine), "import math\neps = 1\ndef helper(): ..."), blank
    )
    assert names(found) == ["math", "eps", "math", "eps", "helper", "softmax", "math"]
    assert "mine" in source_of(found, "helper")


def test_a_class_owns_the_attributes_it_defines(blank: Blank) -> None:
    mine = VALUE.format("return 1") + "\n\n    def __repr__(self):\n        return 'mine'"
    found = definitions(
        cells(("value", mine), "Value.__repr__ = lambda v: 'demo'\nValue.extra = 3", "Value.neg = Value.__repr__"),
        blank,
    )
    assert names(found) == ["Value", "Value.extra"]


def test_a_whole_class_in_the_first_cell_is_not_replaced_by_blank_stubs_below(blank: Blank) -> None:
    whole = VALUE.format("return Value(-self.data)") + "\n\n    def __mul__(self, other):\n        return 6"
    found = definitions(cells(("value", whole), ("mul", BLANK_MUL), ("softmax", BLANK_SOFTMAX)), blank)
    assert names(found) == ["Value", "softmax"]
    assert found.blank == {"softmax"}


def test_a_class_in_a_given_cell_may_hold_the_answers_too(blank: Blank) -> None:
    whole = "class Value:\n    def neg(self):\n        return 1\n    def __mul__(self, other):\n        return 6"
    found = definitions(cells(whole, ("mul", BLANK_MUL), ("softmax", SOFTMAX.format(1))), blank)
    assert found.blank == frozenset()


def test_an_answer_may_stand_in_another_solution_cell_while_its_own_is_blank(blank: Blank) -> None:
    both = BLANK_VALUE + "\n\n" + MUL.format(6)
    found = definitions(cells(("value", both), ("mul", BLANK_MUL), ("softmax", SOFTMAX.format(1))), blank)
    assert found.blank == {"Value.neg"}
    assert names(found) == ["Value", "Value.__mul__", "softmax"]
    found = definitions(cells(("value", both), ("mul", MUL.format(7))), blank)
    assert source_of(found, "Value.__mul__").endswith("7")


def test_of_duplicated_cells_the_last_written_one_counts(blank: Blank) -> None:
    found = definitions(
        cells(
            ("softmax", "def helper(): ...\n" + SOFTMAX.format("first")),
            ("softmax", SOFTMAX.format("second")),
            ("softmax", BLANK_SOFTMAX),
        ),
        blank,
    )
    assert names(found) == ["helper", "softmax"]
    assert "second" in source_of(found, "softmax")
    assert found.notes[0] == "3 cells are named softmax; the last one that is written counts, cell 2"
    assert not any("too" in note for note in found.notes)


def test_duplicates_that_are_all_blank_are_blank(blank: Blank) -> None:
    found = definitions(cells(("softmax", BLANK_SOFTMAX), ("softmax", BLANK_SOFTMAX)), blank)
    assert "softmax" in found.blank
    assert names(found) == ["softmax"]


def test_a_plain_script_counts_as_python_would(blank: Blank) -> None:
    text = "\n\n".join([BLANK_VALUE, SOFTMAX.format(1), VALUE.format("return 2"), BLANK_SOFTMAX, SOFTMAX.format(3)])
    found = definitions(cells(text), blank)
    assert found.blank == {"Value.__mul__"}
    assert names(found) == ["Value", "softmax", "Value", "softmax"]
    assert found.missing == ("Value.__mul__",)


def test_cells_that_lost_their_names_still_count(blank: Blank) -> None:
    found = definitions(cells(VALUE.format("return 2"), MUL.format(6), SOFTMAX.format(1), "x = train()"), blank)
    assert found.blank == frozenset() and not found.notes
    found = definitions(cells(("value", VALUE.format("return 2")), MUL.format(6), SOFTMAX.format(1)), blank)
    assert found.blank == frozenset()


# --- blank or written


def still_blank(blank: Blank, source: str, name: str = "softmax") -> bool:
    return "softmax" in definitions(cells((name, source)), blank).blank


@pytest.mark.parametrize(
    "source",
    [
        BLANK_SOFTMAX,
        "def softmax(x):  # later\n\n    'My.'\n    top = ( x.max() )\n    # todo\n    raise NotImplementedError",
        "def softmax(x):\n    'doc'\n    raise NotImplementedError",
        "def softmax(scores):\n    raise NotImplementedError()",
        "def softmax(x):\n    raise NotImplementedError('later')",
        "",
        "# nothing yet",
    ],
)
def test_stubs_are_recognised(blank: Blank, source: str) -> None:
    assert still_blank(blank, source)


@pytest.mark.parametrize(
    "source",
    [
        SOFTMAX.format("x"),
        "def softmax(x):\n    top = x.max()\n    return top",
        "def softmax(x):\n    pass",
        "def softmax(x):\n    y = x\n    raise NotImplementedError",
        "def softmax(x):\n    raise ValueError",
        "softmax = lambda x: x",
        "from functools import partial\ndef f(k, x): ...\nsoftmax = partial(f, 2)",
        "class softmax: ...",
        "if True:\n    def softmax(x): return x",
    ],
)
def test_what_is_written_is_not_blank(blank: Blank, source: str) -> None:
    assert not still_blank(blank, source)


def test_a_deleted_cell_is_blank_and_said(blank: Blank) -> None:
    found = definitions(cells(("value", VALUE.format("return 1")), ("mul", MUL.format(2))), blank)
    assert found.blank == {"softmax"}
    assert found.missing == ("softmax",)
    assert found.notes == ("defined nowhere: softmax; `fathom update` brings missing cells back",)


def test_a_method_that_may_come_from_elsewhere_is_not_blank(blank: Blank) -> None:
    other = "class Base:\n    def neg(self): return 1\n    def __mul__(self, o): return 2\nclass Value(Base):\n    pass"
    found = definitions(cells(("value", other), ("softmax", SOFTMAX.format(1))), blank)
    assert found.blank == frozenset()
    found = definitions(cells(("value", "Value = make()"), ("softmax", SOFTMAX.format(1))), blank)
    assert found.blank == frozenset(), "a scratch cell makes the class, which the checks will say"
    found = definitions(cells(("softmax", "softmax = train()")), blank)
    assert "softmax" not in found.blank
    found = definitions(cells(("value", "class Value:\n    def __init__(self, data): ...")), blank)
    assert "Value.neg" in found.blank
    found = definitions(cells(("value", BLANK_VALUE + "\n\nValue.neg = lambda v: 1")), blank)
    assert "Value.neg" not in found.blank


def test_the_blank_lesson_is_blank_everywhere_and_the_solved_one_nowhere(exercise: Exercise) -> None:
    blank = blank_of(exercise)
    assert blank.stubs == ("Number.add", "Number.neg", "Number.mul", "norm")
    lesson = read(exercise.source)
    solved = definitions(lesson, blank)
    assert solved.blank == frozenset() and not solved.notes and not solved.spoiled
    empty = [Cell(c.kind, blank.cells.get(c.grade_id or "", c.source), c.metadata, c.id, c.index) for c in lesson]
    assert definitions(empty, blank).blank == set(blank.stubs)
    assert definitions([], blank).blank == set(blank.stubs)


# --- the digest


def digest(sources: Sequence[str | tuple[str, str]], blank: Blank = EMPTY) -> str:
    return definitions(cells(*sources), blank).digest()


def test_the_digest_changes_with_the_graded_statements_only() -> None:
    before = digest(["def f(x):\n    return x + 1", "print(1)"])
    assert before == digest(["# why\n\ndef f(x):\n  return (x+1)  # so", "train()", "for i in x: pass"])
    assert before == digest(["", "%time 1", "def f(x): return x + 1"])
    assert before != digest(["def f(x):\n    return x + 2", "print(1)"])
    assert before != digest(["def f(x):\n    return x + 1", "y = 1"])
    assert before != digest(["def f(x):\n    return x + 1.0"])
    assert digest(["a = 1", "b = 2"]) != digest(["b = 2", "a = 1"])


def test_fingerprints_tell_which_definition_changed() -> None:
    def prints(*sources: str) -> dict[str, str]:
        return dict(fingerprints(definitions(cells(*sources), EMPTY)))

    whole = "class V:\n    def a(self): return {}\n    def b(self): return 2"
    before, after = prints(whole.format(1), "x = 1"), prints("# why\n" + whole.format(3), "x = (1)")
    assert {name for name in before if before[name] != after[name]} == {"V", "V.a"}
    deep = prints("def f():\n    return a" + " + a" * 900)
    assert set(deep) == {"f"}


def test_reading_again_is_cheap_and_the_same(exercise: Exercise) -> None:
    lesson, blank = read(exercise.source), blank_of(exercise)
    first = definitions(lesson, blank)
    assert first == definitions(lesson, blank)
    began = time.process_time()
    definitions(lesson, blank).digest()
    assert time.process_time() - began < 0.05


def test_a_stub_that_raises_an_instance_is_as_blank_as_one_that_raises_the_class(exercise: Exercise) -> None:
    """nbgrader's own stubs do, also below lines that are given."""
    blank = blank_of(exercise)
    cells = [
        Cell(
            "code",
            source.replace("raise NotImplementedError", "raise NotImplementedError()"),
            {"nbgrader": {"grade_id": name}},
        )
        for name, source in blank.cells.items()
    ]
    assert definitions(cells, blank).blank == set(blank.stubs)


TABLES = [
    "table = {c: i for i, c in enumerate('abc', start=1)}",
    "table = [(a, b) for a in range(3) if a for b in 'xy']",
    "table = str.maketrans('0123', '3210')",
    "names = {'a': 1, 'b': 2}\ntable = {number: name.upper() for name, number in names.items()}",
    "table = dict(zip(range(65, 91), map(str, range(10, 36))))",
    "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Plan:\n    n: int\ntable = {18: Plan(2), 34: Plan(3)}",
    "from typing import NamedTuple\nclass Plan(NamedTuple):\n    n: int\ntable = Plan(2)",
    "import enum\nclass Kind(enum.Enum):\n    A = 1\ntable = Kind(1)",
    "import torch\ntable = torch.tensor([1, 2])",
]
NO_TABLES = [
    "table = [train(i) for i in range(3)]",
    "table = [i for i in data]",
    "table = data.items()",
    "from dataclasses import dataclass\n@dataclass\nclass Run:\n    n: int\n    def __post_init__(self):\n        train()\ntable = Run(2)",
    "class Model:\n    pass\ntable = Model()",
]


def beside(table: str, answering: bool) -> list[str]:
    """The names that are graded where a table stands in the cell that answers a stub, or in another one."""
    stub = "def f(x):\n    ### BEGIN SOLUTION\n    raise NotImplementedError\n    ### END SOLUTION"
    answer = "def f(x):\n    return table"
    blank = blank_from(f'# %% nbgrader={{"grade_id": "f", "solution": true}}\n{stub}')
    mine = [("f", f"{table}\n{answer}")] if answering else [table, ("f", answer)]
    return names(definitions(cells(*mine), blank))


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_constants_beside_an_answer_belongs_to_it(table: str) -> None:
    assert "table" in beside(table, answering=True)


@pytest.mark.parametrize("table", NO_TABLES)
def test_what_is_computed_beside_an_answer_is_scratch_all_the_same(table: str) -> None:
    assert "table" not in beside(table, answering=True)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_in_a_cell_of_its_own_is_an_experiment(table: str) -> None:
    assert "table" not in beside(table, answering=False)
