"""nbgrader's own rule on our executed check cells: full marks exactly where the part passed."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.utils import determine_grade
from submitted import answered

from autograder.curriculum import Exercise

WRONG = {
    "failed": "def halvings(n):\n    return n.bit_length()\n",
    "crashed": "import sys\nprint('to stderr', file=sys.stderr)\ndef halvings(n):\n    return 1 / 0\n",
    "timed_out": "def halvings(n):\n    while n >= 0:\n        n //= 2\n",
    "not_started": "def halvings(n):\n    raise NotImplementedError\n",
}
RIGHT = {
    "passed": "def halvings(n):\n    return n.bit_length() - 1\n",
    "passed with warnings": (
        "import sys, warnings\ndef halvings(n):\n    warnings.warn('old'); print('x', file=sys.stderr)\n"
        "    return n.bit_length() - 1\n"
    ),
}


def executed(exercise: Exercise, answer: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    """The notebook after a program ran it, as nbgrader and nbconvert do: without a name, without cell ids."""
    monkeypatch.setenv("FATHOM_ROOT", str(exercise.root))
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    notebook = nbformat.from_dict(answered(exercise, {"halvings": answer}))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute(env=dict(os.environ))
    return notebook


@pytest.mark.parametrize("outcome", [*WRONG, *RIGHT])
def test_full_marks_exactly_where_the_part_passed(
    outcome: str, exercise: Exercise, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = executed(exercise, {**WRONG, **RIGHT}[outcome], tmp_path, monkeypatch)
    grades = {cell.id: determine_grade(cell) for cell in notebook.cells if cell.id.startswith("check-")}
    assert grades.pop("check-halvings") == ((1 if outcome in RIGHT else 0), 1)
    assert all(given == most for given, most in grades.values()), "the other parts are not touched"
    assert not (exercise.root / "progress_log").exists(), "a program's runs are not the learner's"
