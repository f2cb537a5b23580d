"""`fathom check` on everything that may be handed in: exact JSON, exit codes, reasons on stderr, JUnit."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

OUTCOMES = {"passed", "failed", "crashed", "timed_out", "not_started"}
KEYS = ["path", "exercise", "error", "seconds", "points", "out_of", "parts"]
PART_KEYS = ["part", "outcome", "points", "out_of", "bug", "message", "checks"]
CHECK_KEYS = ["name", "outcome", "got", "want"]


def without_cell(document: dict[str, Any], name: str) -> dict[str, Any]:
    """A notebook without the cell of this grade_id."""
    cells = [cell for cell in document["cells"] if cell["metadata"].get("nbgrader", {}).get("grade_id") != name]
    return {**document, "cells": cells}


def with_copies(document: dict[str, Any], name: str, source: str) -> dict[str, Any]:
    """A notebook in which a cell of this grade_id stands once more, with another text."""
    (cell,) = (c for c in document["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == name)
    return {**document, "cells": [*document["cells"], {**cell, "id": "again", "source": source}]}


CONFLICT = '<<<<<<< HEAD\n "cells": [],\n=======\n "cells": [],\n>>>>>>> theirs\n'

UNREADABLE: dict[str, tuple[Callable[[str, dict[str, Any]], str | bytes], str]] = {
    "not-json": (lambda text, _: "this is no notebook", "is not a notebook: its JSON breaks at line 1"),
    "truncated": (lambda text, _: text[: len(text) // 2], "ends in the middle"),
    "empty": (lambda text, _: "", "is empty: a save may have failed"),
    "blank": (lambda text, _: " \n\n", "is empty"),
    "null": (lambda text, _: "null", "is JSON but not a notebook"),
    "a-list": (lambda text, _: "[]", "is JSON but not a notebook"),
    "nbformat-3": (lambda text, d: json.dumps({**d, "nbformat": 3}), "is in notebook format 3, and format 4 is needed"),
    "nbformat-text": (lambda text, d: json.dumps({**d, "nbformat": "4"}), "format that is not known here"),
    "no-cells": (lambda text, d: json.dumps({"nbformat": 4}), "is a notebook without cells"),
    "conflict": (lambda text, _: "{\n" + CONFLICT + text[1:], "holds git conflict markers: resolve the merge"),
    "latin-1": (lambda text, _: text.replace("import", "é").encode("latin-1"), "is not UTF-8 text"),
    "a-cell-of-numbers": (lambda text, d: json.dumps({**d, "cells": [{"source": 5}]}), "cell 1 is damaged"),
    "deep": (lambda text, _: "[" * 10**5, "could not be read"),
}


@dataclass(frozen=True)
class Many:
    """Many submissions, graded by one command."""

    folder: Path
    code: int
    err: str
    document: dict[str, Any]
    junit: str

    def __getitem__(self, name: str) -> dict[str, Any]:
        (found,) = (s for s in self.document["submissions"] if Path(s["path"]).stem == name)
        return dict(found)

    def outcomes(self, name: str) -> dict[str, str]:
        return {part["part"]: part["outcome"] for part in self[name]["parts"]}


RIGHT = dict.fromkeys(("add", "mean", "running", "halvings"), "passed")


@pytest.fixture(scope="module")
def many(course: Path, made: Any, tmp_path_factory: pytest.TempPathFactory) -> Many:
    """Every kind of submission there is, and what one `fathom check` says of them."""
    folder = tmp_path_factory.mktemp("many")
    right = made.notebook(made.answers())
    text = json.dumps(right)
    for name, (make, _) in UNREADABLE.items():
        content = make(text, right)
        (folder / f"{name}.ipynb").write_bytes(content if isinstance(content, bytes) else content.encode())
    for name, document in {
        "right": right,
        "bom": right,
        "deleted": without_cell(right, "halvings"),
        "twice": with_copies(right, "halvings", "def halvings(n):\n    return -1"),
        "twice-blank": with_copies(right, "halvings", "def halvings(n):\n    raise NotImplementedError"),
        "lines": {**right, "cells": [{**c, "source": c["source"].splitlines(keepends=True)} for c in right["cells"]]},
        "magics": made.notebook(made.answers("%matplotlib inline\n!ls\nfiles = !ls\n?len\npip install x\nk = 3")),
        "bash": made.notebook(made.answers("%%bash\nrm -rf /nowhere")),
        "syntax": made.notebook(made.answers(halvings="def halvings(n:\n    return 1")),
        "overridden": made.notebook(made.answers() + "# %%\ndef halvings(n):\n    return -1\n"),
        "mutated": made.notebook(made.answers() + "# %%\nTally = None\nrunning, halvings = None, None\n"),
        "endless": made.notebook(made.answers("while True: pass\nimport sys; sys.exit()\nraise SystemExit")),
    }.items():
        content = json.dumps(document).encode()
        (folder / f"{name}.ipynb").write_bytes(b"\xef\xbb\xbf" * (name == "bom") + content)
    (folder / "percent.py").write_text(made.answers(), encoding="utf-8")
    (folder / "plain.py").write_text(re.sub("# %%.*", "", made.answers()), encoding="utf-8")
    (folder / "größe <&> \u202e.py").write_text(
        made.answers(halvings="halvings = '\x00\x1b<&>'.split"), encoding="utf-8"
    )
    kin = made.family()
    xml = folder / "junit" / "out.xml"
    xml.parent.mkdir()
    said = made.fathom(course, kin)(
        "check", "tally", "--json", "--junit", xml, "--submission", *sorted(folder.iterdir())
    )
    left = kin.settle()
    assert not left
    return Many(folder, said.code, said.err, said.document, xml.read_text(encoding="utf-8"))


def test_the_document_has_exactly_its_shape(many: Many) -> None:
    assert list(many.document) == ["submissions"]
    for submission in many.document["submissions"]:
        assert list(submission) == KEYS
        assert (type(submission["path"]), submission["exercise"]) == (str, "tally")
        assert type(submission["seconds"]) is float
        assert submission["points"] == sum(part["points"] for part in submission["parts"])
        assert submission["out_of"] == sum(part["out_of"] for part in submission["parts"])
        if submission["error"] is not None:
            assert type(submission["error"]) is str
            assert submission["parts"] == []
            continue
        assert [part["part"] for part in submission["parts"]] == ["add", "mean", "running", "halvings"]
        assert [part["out_of"] for part in submission["parts"]] == [1, 2, 3, 1]
        for part in submission["parts"]:
            assert list(part) == PART_KEYS
            assert part["outcome"] in OUTCOMES
            assert part["points"] == (part["out_of"] if part["outcome"] == "passed" else 0)
            assert part["bug"] is None or type(part["bug"]) is str
            assert type(part["message"]) is str
            for check in part["checks"]:
                assert list(check) == CHECK_KEYS
                assert all(type(value) is str for value in check.values())
                assert check["outcome"] in OUTCOMES


def test_submissions_come_in_the_order_in_which_they_were_named(many: Many) -> None:
    graded = [Path(submission["path"]).name for submission in many.document["submissions"]]
    assert graded == sorted(p.name for p in many.folder.iterdir())


def test_some_that_fail_make_one_the_exit_code_and_stderr_is_quiet(many: Many) -> None:
    assert many.code == 1
    assert many.err == ""


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_says_why_and_what_to_do(name: str, many: Many) -> None:
    error = many[name]["error"]
    assert UNREADABLE[name][1] in error
    assert str(many.folder / f"{name}.ipynb") in error
    assert "Traceback" not in error and "\n" not in error


@pytest.mark.parametrize(
    "name", ["right", "bom", "lines", "magics", "bash", "endless", "percent", "plain", "overridden"]
)
def test_right_answers_are_right_in_every_form(name: str, many: Many) -> None:
    assert many.outcomes(name) == RIGHT
    assert many[name]["points"] == 7


def test_a_deleted_cell_is_a_part_not_started(many: Many) -> None:
    assert many.outcomes("deleted") == {**RIGHT, "halvings": "not_started"}


def test_of_two_cells_the_last_that_is_written_counts(many: Many) -> None:
    assert many.outcomes("twice") == {**RIGHT, "halvings": "failed"}
    assert many.outcomes("twice-blank") == RIGHT


def test_a_syntax_error_spoils_its_own_cell(many: Many) -> None:
    assert many.outcomes("syntax") == {**RIGHT, "halvings": "crashed"}
    (part,) = (part for part in many["syntax"]["parts"] if part["part"] == "halvings")
    assert part["message"].startswith("cell halvings: ") and "line 1" in part["message"]


def test_a_later_cell_never_replaces_an_answer(many: Many) -> None:
    assert many.outcomes("mutated") == RIGHT


def test_the_folder_in_the_folder_is_an_error_of_its_own(many: Many) -> None:
    assert "is a folder: give the notebook inside it" in many["junit"]["error"]


def test_junit_is_xml_that_adds_up(many: Many) -> None:
    root = ElementTree.fromstring(many.junit)
    assert root.tag == "testsuites"
    suites = {suite.attrib["name"]: suite for suite in root}
    assert len(suites) == len(many.document["submissions"])
    for submission, suite in zip(many.document["submissions"], root, strict=True):
        cases = list(suite.iter("testcase"))
        assert int(suite.attrib["tests"]) == len(cases)
        for tag, plural in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(suite.attrib[plural]) == len(list(suite.iter(tag)))
        assert float(suite.attrib["time"]) >= 0
        if submission["error"] is not None:
            assert next(suite.iter("error")).attrib["message"] == submission["error"]
        else:
            checks = sum(len(part["checks"]) or 1 for part in submission["parts"])
            assert len(cases) == checks


def test_a_folder_is_its_notebooks_and_scripts(course: Path, tmp_path: Path) -> None:
    from autograder import curriculum
    from autograder.judge.submission import expand

    (exercise,) = curriculum.load(course).exercises
    (tmp_path / "deep.py").mkdir()
    assert expand(str(tmp_path), exercise) == [str(tmp_path)]
    for name in ("b.ipynb", "a.py", "notes.txt", ".hidden.py", "deep.py/c.py"):
        (tmp_path / name).touch()
    assert expand(str(tmp_path), exercise) == [str(tmp_path / "a.py"), str(tmp_path / "b.ipynb")]
    (tmp_path / "01_tally.ipynb").touch()
    assert expand(str(tmp_path), exercise) == [str(tmp_path / "01_tally.ipynb")]
    assert expand("solutions", exercise) == ["solutions"]


def test_a_learners_own_notebook_is_blank_at_first_and_unchanged_afterwards(fathom: Any, course: Path) -> None:
    own = course / "phase1_foundations" / "01_tally.ipynb"
    before = own.read_bytes()
    said = fathom("check", "--json")
    assert said.code == 1
    (submission,) = said.document["submissions"]
    assert {part["outcome"] for part in submission["parts"]} == {"not_started"}
    assert own.read_bytes() == before


def test_a_notebook_that_is_saved_while_it_is_read_is_read_whole(fathom: Any, made: Any, tmp_path: Path) -> None:
    from autograder.notebook import Unreadable, read

    text = json.dumps(made.notebook(made.answers())).encode()
    place, over = tmp_path / "own.ipynb", threading.Event()
    place.write_bytes(text)

    def save() -> None:
        while not over.is_set():
            with place.open("r+b") as file:  # as an editor without atomic writes does
                file.truncate(0)
                file.write(text[:1000])
                file.flush()
                over.wait(0.002)
                file.write(text[1000:])
            over.wait(0.02)

    saver = threading.Thread(target=save)
    saver.start()
    try:
        for _ in range(100):
            try:
                assert len(read(place)) > 4
            except Unreadable as error:
                pytest.fail(str(error))
    finally:
        over.set()
        saver.join()
