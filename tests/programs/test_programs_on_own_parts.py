"""A program runs on the learner's own parts: what passed, and nothing that did not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from autograder import curriculum
from autograder.notebook.files import dumps, publish, write_atomic

ROOT = Path(__file__).parents[2]
SMALL = "--block-size 8 --n-layer 1 --n-head 2 --n-embd 8 --batch-size 2 --warmup 2 --steps 4 --tokens 4 --threads 1".split()

MINE = """def learning_rate(step, peak, floor, warmup, total):
    if step == 0:
        print("the rate is mine")
    if step < warmup:
        return (step + 1) / (warmup + 1) * peak
    share = min(1.0, (step - warmup) / (total - warmup))
    return peak * (1 + math.cos(math.pi * share)) / 2 + floor * (1 - math.cos(math.pi * share)) / 2
"""
WRONG = MINE.replace("(step + 1) / (warmup + 1)", "step / warmup")


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A clone's lessons, checks and programs, and nobody's work."""
    root = tmp_path / "course"
    ignore = shutil.ignore_patterns("__pycache__", "*.ipynb")
    for folder in ("solutions/phase1_foundations", "autograder/checks/phase1_foundations", "phase1_foundations"):
        shutil.copytree(ROOT / folder, root / folder, ignore=ignore)
    for exercise in curriculum.load(root).exercises:
        publish(exercise)
    return root


def write(root: Path, source: str) -> None:
    """Write the learning rate into the learner's notebook."""
    notebook = curriculum.load(root).exercise("train_gpt").notebook
    mine = json.loads(notebook.read_text(encoding="utf-8"))
    for cell in mine["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "learning_rate":
            cell["source"] = source
    write_atomic(notebook, dumps(mine))


def outcome(fathom: Any) -> str:
    """What `fathom check` says of the learning rate."""
    (report,) = fathom("check", "train_gpt", "--json").document["submissions"]
    return next(part["outcome"] for part in report["parts"] if part["part"] == "schedule")


def test_a_run_uses_what_passed_and_the_reference_for_what_does_not(
    course: Path, tmp_path: Path, made: Any, family: Any
) -> None:
    fathom = made.fathom(course, family)
    text = tmp_path / "text.txt"
    text.write_text("a short text for a small model, read over and over. " * 20, encoding="utf-8")
    write(course, MINE)
    assert outcome(fathom) == "passed"
    run = fathom("run", "train_gpt", "--data", text, "--out", tmp_path / "one", *SMALL)
    assert run.code == 0, run
    assert "carry: train_gpt is yours for schedule; the reference for batches" in run.out
    assert "the rate is mine" in run.out

    write(course, WRONG)
    assert outcome(fathom) == "failed"
    run = fathom("run", "train_gpt", "--data", text, "--out", tmp_path / "two", *SMALL)
    assert run.code == 0, run
    assert "carry: train_gpt is the reference, all of it" in run.out
    assert "the rate is mine" not in run.out
