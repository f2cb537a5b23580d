"""`carry`: whose code an earlier exercise is made of."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from kernels import tally

from autograder import curriculum
from autograder.kernel.carrying import carried
from autograder.notebook.build import solved
from autograder.notebook.files import dumps, write_atomic

EVERYTHING = ("add", "mean", "running", "halvings")


def learner(root: Path, passed: Collection[str], answers: dict[str, str]) -> ModuleType:
    """Carry the course's exercise for a learner who wrote some answers and passed some parts."""
    exercise = tally(root)
    texts = {cell["id"]: cell["source"] for cell in solved(exercise)["cells"]}
    notebook = json.loads(exercise.notebook.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = answers.get(cell["id"], texts[cell["id"]])
    write_atomic(exercise.notebook, dumps(notebook))
    return carried(SimpleNamespace(course=curriculum.load(root), passed=lambda _: frozenset(passed)), "tally")


HALVINGS = "MINE = 'mine'\ndef halvings(n):\n    return MINE\n"


def test_with_nothing_passed_all_is_the_reference(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = learner(root, (), {"halvings": HALVINGS})
    assert module.halvings(8) == 3
    assert module.Tally().add(2.0).add(4.0).mean() == 3.0
    assert "is the reference, all of it" in capsys.readouterr().out


def test_with_everything_passed_all_is_the_learners(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = learner(root, EVERYTHING, {"halvings": HALVINGS})
    assert module.halvings(8) == "mine"
    assert "is yours, all of it" in capsys.readouterr().out


def test_functions_are_taken_one_by_one(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = "def running(values):\n    return 'wrong'\n"
    module = learner(root, ("halvings",), {"halvings": HALVINGS, "running": wrong})
    assert module.halvings(8) == "mine"
    assert [float(x) for x in module.running(module.torch.ones(2))] == [1.0, 2.0]
    said = capsys.readouterr().out
    assert "yours for halvings" in said
    assert "reference for add, mean, running" in said


def test_a_class_is_taken_with_all_its_methods_or_not_at_all(root: Path) -> None:
    """A learner's own way of keeping numbers is nothing that the reference's methods could know."""
    mine = "class Tally:\n    def __init__(self):\n        self.kept = []\n    def add(self, x):\n        self.kept.append(x); return self\n"
    module = learner(root, ("add", "running", "halvings"), {"tally": mine})
    assert module.Tally().add(2.0).add(4.0).mean() == 3.0
    mean = "@method(Tally)\ndef mean(self):\n    return sum(self.kept) / len(self.kept)\n"
    module = learner(root, EVERYTHING, {"tally": mine, "mean": mean})
    assert module.Tally().add(2.0).add(4.0).mean() == 3.0
    assert module.Tally().add(2.0).kept == [2.0]


def test_what_does_not_run_or_cannot_be_read_gives_the_reference_and_says_so(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = learner(root, EVERYTHING, {"halvings": "def halvings(n, m=1 // 0):\n    return 0\n"})
    assert module.halvings(8) == 3
    assert "ZeroDivisionError" in capsys.readouterr().out
    tally(root).notebook.write_text("{")
    course = curriculum.load(root)
    module = carried(SimpleNamespace(course=course, passed=lambda _: frozenset(EVERYTHING)), "tally")
    assert module.halvings(8) == 3
