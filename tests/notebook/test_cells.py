"""Reading submissions: what is readable comes back as cells, everything else as one sentence."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.notebook import Cell, Unreadable, blank_from, cells, definitions, load, read

Write = Callable[..., Path]


def notebook(*cells: dict[str, Any], **other: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **other}


def code(source: Any = "x = 1", **other: Any) -> dict[str, Any]:
    return {"cell_type": "code", "id": "a", "source": source, "metadata": {}, "outputs": [], **other}


def test_cells_come_in_order_with_their_kinds_and_names(notebook_file: Write) -> None:
    named = code(["x = 1\n", "y = 2"], metadata={"nbgrader": {"grade_id": "mul", "solution": True}}, id="b")
    path = notebook_file(notebook({"cell_type": "markdown", "source": "# Title", "metadata": {}}, named, code(id=None)))
    first, second, third = read(path)
    assert (first.kind, first.source, first.id, first.index, first.label) == ("markdown", "# Title", None, 0, "cell 1")
    assert (second.kind, second.source, second.grade_id, second.label) == ("code", "x = 1\ny = 2", "mul", "mul")
    assert (third.grade_id, third.label) == (None, "cell 3")


def test_a_byte_order_mark_is_tolerated(notebook_file: Write) -> None:
    content = json.dumps(notebook(code())).encode()
    assert read(notebook_file(b"\xef\xbb\xbf" + content))[0].source == "x = 1"
    assert read(notebook_file(b"\xef\xbb\xbfx = 1\n", "a.py"))[0].source == "x = 1"


def test_a_plain_script_is_one_code_cell(notebook_file: Write) -> None:
    (cell,) = read(notebook_file("import math\n\n\ndef f(x):\n    return x\n", "plain.py"))
    assert (cell.kind, cell.source) == ("code", "import math\n\n\ndef f(x):\n    return x")


BROKEN = {
    "is empty": "",
    "is empty: a save": "  \n ",
    "is not a notebook": "print('hello')",
    "ends in the middle": json.dumps(notebook(code()))[:40],
    "cut off": '{"nbformat": 4, "cells": [{"source": "x = ',
    "JSON but not a notebook": "[1, 2]",
    "not a notebook:": '{"a": 1}',
    "format 3": json.dumps({"nbformat": 3, "worksheets": []}),
    "not known here": json.dumps({"nbformat": "4", "cells": []}),
    "without cells": json.dumps({"nbformat": 4, "cells": {"a": 1}}),
    "cell 2 is damaged": json.dumps(notebook(code(), code(3))),
    "cell 1 is damaged": json.dumps(notebook(code(["x", 1]))),
    "is damaged": json.dumps({"nbformat": 4, "cells": ["x = 1"]}),
    "its JSON is not that of a notebook": "[" * 200_000,
    "could not be read": '{"nbformat": ' + "9" * 10_000 + "}",
    "conflict": '{\n "cells": [\n<<<<<<< HEAD\n  {"a": 1}\n=======\n  {"a": 2}\n>>>>>>> theirs\n ]}',
}


@pytest.mark.parametrize("words", BROKEN)
def test_what_is_no_notebook_is_told_in_one_sentence(words: str, notebook_file: Write) -> None:
    path = notebook_file(BROKEN[words])
    with pytest.raises(Unreadable, match=words) as error:
        read(path)
    assert str(path) in str(error.value)
    assert str(error.value).endswith((".", ")."))


def test_other_encodings_are_told(notebook_file: Write) -> None:
    with pytest.raises(Unreadable, match="not UTF-8"):
        read(notebook_file(json.dumps(notebook(code("é"))).encode("utf-16")))
    with pytest.raises(Unreadable, match="not UTF-8"):
        read(notebook_file("name = 'é'".encode("latin-1"), "latin.py"))


def test_a_script_in_conflict_or_empty_is_told(notebook_file: Write) -> None:
    with pytest.raises(Unreadable, match="conflict"):
        read(notebook_file("<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n", "a.py"))
    with pytest.raises(Unreadable, match="empty"):
        read(notebook_file("\n", "b.py"))


def test_missing_files_folders_and_pipes_are_told(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="does not exist"):
        read(tmp_path / "none.ipynb")
    with pytest.raises(Unreadable, match="is a folder"):
        read(tmp_path)
    with pytest.raises(Unreadable, match="could not be opened"):
        read("a\0b.ipynb")
    (tmp_path / "loop.ipynb").symlink_to(tmp_path / "loop.ipynb")
    with pytest.raises(Unreadable, match="could not be opened"):
        read(tmp_path / "loop.ipynb")
    os.mkfifo(tmp_path / "pipe.ipynb")
    with pytest.raises(Unreadable, match="not a regular file"):
        read(tmp_path / "pipe.ipynb")


def test_limits_are_told(notebook_file: Write) -> None:
    path = notebook_file(notebook(*[code()] * 20))
    assert len(read(path)) == 20
    with pytest.raises(Unreadable, match="20 cells, and at most 19"):
        read(path, max_cells=19)
    with pytest.raises(Unreadable, match=r"larger than 0.001 MB"):
        read(path, max_bytes=1_000)
    with pytest.raises(Unreadable, match="at most 3"):
        read(notebook_file("# %%\nx = 1\n" * 4, "many.py"), max_cells=3)


@pytest.mark.parametrize(("name", "half"), [("a.ipynb", 30), ("a.ipynb", 0), ("a.py", 0)])
def test_a_file_being_saved_is_waited_for(
    name: str, half: int, notebook_file: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.dumps(notebook(code())) if name == "a.ipynb" else "x = 1"
    path = notebook_file(content[:half], name)
    monkeypatch.setattr(cells.time, "sleep", lambda seconds: path.write_text(content))
    assert read(path)[0].source == "x = 1"


def test_waiting_for_a_save_is_short(notebook_file: Write) -> None:
    path = notebook_file("{")
    began = time.perf_counter()
    with pytest.raises(Unreadable):
        read(path)
    assert time.perf_counter() - began < 1
    assert sum(cells.SAVING) <= 0.05


def test_half_characters_are_replaced(notebook_file: Write) -> None:
    (cell,) = read(notebook_file('{"nbformat": 4, "cells": [{"cell_type": "code", "source": "x = \\"\\ud800\\""}]}'))
    assert cell.source == 'x = "\ufffd"'
    (cell,) = read(notebook_file('{"nbformat": 4, "cells": [{"cell_type": "code", "source": "\\ud83d\\ude00"}]}'))
    assert cell.source == "😀"


def test_load_wants_a_notebook(notebook_file: Write) -> None:
    assert load(notebook_file(notebook(code())))["cells"][0]["source"] == "x = 1"
    with pytest.raises(Unreadable, match="script"):
        load(notebook_file("x = 1", "a.py"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
CELL = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": JSON | st.sampled_from(["code", "markdown"]),
        "source": JSON | st.sampled_from(["x = 1", "def norm(x):\n    return 1"]),
        "metadata": JSON | st.fixed_dictionaries({"nbgrader": JSON | st.fixed_dictionaries({"grade_id": JSON})}),
        "id": JSON,
        "outputs": JSON,
    },
)


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=150)
@given(made=JSON | st.lists(CELL | JSON, max_size=4), minor=JSON, metadata=JSON)
def test_hostile_notebooks_are_read_or_told(made: Any, minor: Any, metadata: Any, tmp_path: Path) -> None:
    path = tmp_path / "hostile.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": minor, "metadata": metadata, "cells": made}))
    try:
        found = read(path)
    except Unreadable:
        return
    definitions(found, blank_from("")).digest()
    for cell in found:
        assert isinstance(cell, Cell) and isinstance(cell.source, str) and cell.kind in ("code", "markdown", "raw")
        cell.label.encode()


def test_a_name_that_would_spoil_a_terminal_is_no_name(notebook_file: Write) -> None:
    bad = code(metadata={"nbgrader": {"grade_id": "\x1b[31mred\n" * 1000}})
    assert read(notebook_file(notebook(bad)))[0].label == "cell 1"
