"""The build: a valid blank notebook, the same bytes every time, that nbgrader and our own reader agree on."""

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.curriculum import Exercise
from autograder.notebook import blank_of, definitions, read
from autograder.notebook.build import build, cell_ids, slug, solved
from autograder.notebook.cells import source_hash
from autograder.notebook.files import dumps
from autograder.notebook.regions import cleared, regions


def by_id(notebook: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {cell["id"]: cell for cell in notebook["cells"]}


def test_two_builds_are_byte_equal(exercise: Exercise, fresh: dict[str, Any]) -> None:
    assert dumps(build(exercise)) == dumps(fresh)


def test_the_notebook_is_valid_for_nbformat_and_nbgrader(fresh: dict[str, Any]) -> None:
    from nbgrader.nbgraderformat.v3 import MetadataValidatorV3

    notebook = nbformat.from_dict(fresh)
    nbformat.validate(notebook)
    validator = MetadataValidatorV3()
    validator.log = logging.getLogger("test")
    validator.validate_nb(notebook)
    names = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert names == ["number", "check-add", "mul", "check-mul", "norm", "check-signs"]


def test_solution_cells_hold_the_stub_and_nothing_of_the_solution(fresh: dict[str, Any]) -> None:
    cells = by_id(fresh)
    assert cells["mul"]["source"] == (
        '@method(Number)\ndef mul(self, other):\n    """Return the product."""\n'
        "    # write your code here\n    raise NotImplementedError"
    )
    text = dumps(fresh)
    assert "SOLUTION" not in text and "self.data * other.data" not in text
    assert cells["number"]["metadata"]["fathom"]["parts"] == {"add": ["Number.add"], "signs": ["Number.neg"]}


def test_metadata_is_completed(fresh: dict[str, Any]) -> None:
    cells = by_id(fresh)
    mark = cells["check-add"]["metadata"]["nbgrader"]
    assert {key: mark[key] for key in ("grade", "locked", "solution", "task", "points", "schema_version")} == {
        "grade": True,
        "locked": True,
        "solution": False,
        "task": False,
        "points": 2,
        "schema_version": 3,
    }
    assert cells["check-add"]["metadata"]["tags"] == ["raises-exception"]
    assert cells["check-add"]["metadata"]["editable"] is False
    mark = cells["mul"]["metadata"]["nbgrader"]
    assert (mark["grade"], mark["solution"], mark["locked"], "points" in mark) == (False, True, False, False)
    assert cells["mul"]["metadata"]["deletable"] is False
    assert "nbgrader" not in cells["numbers-1"]["metadata"]
    assert fresh["metadata"]["kernelspec"]["name"] == "python3"
    assert fresh["metadata"]["fathom"]["exercise"] == "numbers"
    assert all(cell["outputs"] == [] for cell in fresh["cells"] if cell["cell_type"] == "code")


def test_ids_are_derived_and_valid(fresh: dict[str, Any]) -> None:
    ids = [cell["id"] for cell in fresh["cells"]]
    assert ids == [
        *("numbers-1", "numbers-2", "number", "check-add"),
        *("products-1", "products-2", "mul", "check-mul", "norm", "check-signs"),
    ]
    for cell in fresh["cells"]:
        stamp = cell["metadata"]["fathom"]
        assert (stamp["cell"], stamp["source"]) == (cell["id"], source_hash(cell["source"]))


def test_ids_stay_unique_whatever_the_headings() -> None:
    def markdown(source: str) -> dict[str, Any]:
        return {"cell_type": "markdown", "source": source, "metadata": {}}

    named = {"cell_type": "code", "source": "", "metadata": {"nbgrader": {"grade_id": "a-2"}}}
    cells = [
        markdown(t) for t in ("intro", "# A", "# a!", "# 日本", "## " + "x" * 300, "text", "# A", "#no heading")
    ] + [named]
    ids = cell_ids(cells)
    assert ids[:4] == ["start-1", "a-1", "a-3", "cell-1"]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in ids)
    assert slug("Überblick: 1/√d") == "uberblick-1-d"


def test_our_own_clearing_is_nbgraders(exercise: Exercise, fresh: dict[str, Any]) -> None:
    cells = by_id(fresh)
    for name, source in blank_of(exercise).cells.items():
        assert cells[name]["source"] == source
    with pytest.raises(ValueError, match="line 3"):
        cleared("### BEGIN SOLUTION\nx = 1\n### BEGIN SOLUTION\n")
    with pytest.raises(ValueError, match="no line ends"):
        regions("### BEGIN SOLUTION\nx = 1\n")
    with pytest.raises(ValueError, match="no line began"):
        regions("### END SOLUTION\n")


def test_the_build_reads_as_blank_and_the_solved_one_as_written(
    exercise: Exercise, fresh: dict[str, Any], notebook_file: Callable[..., Path]
) -> None:
    blank = blank_of(exercise)
    found = definitions(read(notebook_file(dumps(fresh))), blank)
    assert found.blank == set(blank.stubs) and not found.notes
    full = solved(exercise)
    nbformat.validate(nbformat.from_dict(full))
    written = definitions(read(notebook_file(dumps(full))), blank)
    assert written.blank == frozenset()
    assert written.digest() == definitions(read(exercise.source), blank).digest()


def test_comments_that_look_like_magics_stay_comments(course: Any) -> None:
    course.change("# %%\nimport math\n", "# %%\nimport math\n# ls is not a command here\n# %matplotlib inline\n")
    cell = by_id(build(course.exercise))["numbers-2"]
    assert "# ls is not a command here\n# %matplotlib inline" in cell["source"]


def test_on_disk_it_is_what_jupyter_writes(fresh: dict[str, Any], tmp_path: Path) -> None:
    nbformat.write(nbformat.from_dict(fresh), tmp_path / "theirs.ipynb")
    assert dumps(fresh) == (tmp_path / "theirs.ipynb").read_text(encoding="utf-8")


def test_half_characters_survive_the_disk() -> None:
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"source": "x = '\ud800é'"}]}
    assert json.loads(dumps(notebook).encode("utf-8"))["cells"][0]["source"] == ["x = '\ud800é'"]


def test_nbgrader_validates_it(exercise: Exercise, fresh: dict[str, Any], tmp_path: Path) -> None:
    """Executes the notebook: every check cell fails in the blank one, which is what nbgrader then reports."""
    from nbgrader.validator import Validator

    path = tmp_path / "numbers.ipynb"
    plain = json.loads(dumps(fresh))
    for cell in plain["cells"]:  # `check` needs the whole grader: any failing line will do here
        if cell["id"] == "numbers-2":
            cell["source"] = "method = lambda owner: lambda function: function"
    path.write_text(json.dumps(plain))
    result = Validator().validate(str(path))
    assert "type_changed" not in result and "changed" not in result
    assert len(result["failed"]) == 3
