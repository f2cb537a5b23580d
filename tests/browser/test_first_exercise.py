"""The first exercise as a learner meets it: from `fathom learn` to a misconception, a pass, an aha and the site."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lab import Notebook, answered_but, learning, repository

WRONG = """@method(Value)
def __mul__(self, other):
    other = other if isinstance(other, Value) else Value(other)
    out = Value(self.data * other.data, (self, other), "*")

    def step_back():
        self.grad = other.data * out.grad
        other.grad += self.data * out.grad

    out._backward = step_back
    return out
"""
RIGHT = WRONG.replace("self.grad = other", "self.grad += other")
AHA = "Two paths lead back to a, so the *second* slope is added to the first 🎯"


@pytest.mark.browser
def test_from_a_wrong_answer_to_a_logged_aha_on_the_site(page: Any, tmp_path: Path) -> None:
    root = repository(tmp_path / "fathom")
    exercise = answered_but(root, "mul")
    with learning(root, tmp_path / "home", exercise.name) as fathom:
        notebook = Notebook(page)
        notebook.open(fathom.address)
        stub, check = notebook.cell("def __mul__"), notebook.cell('check("mul")')
        notebook.run_above(stub)

        notebook.write(stub, WRONG)
        notebook.run(stub)
        notebook.run(check)
        verdict = check.locator(".fathom")
        verdict.get_by_text("A node's gradient is set once").wait_for()
        picture(check, "failing-light")

        notebook.write(stub, RIGHT)
        notebook.run(stub)
        notebook.run(check)
        check.locator(".fathom").get_by_text("2 of 2 points").wait_for()
        assert check.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']").count() == 0
        picture(check, "passing-light")

        last = page.locator(".jp-CodeCell").last
        notebook.write(last, f"aha({AHA!r})")
        notebook.run(last)
        last.locator(".fathom").get_by_text("progress_log/").wait_for()
        picture(last, "aha-light")
        notebook.save()
        fathom.wait_for(rf"{exercise.name}: \d+ of \d+ points")
    entries = list((root / "progress_log").glob("*.md"))
    assert len(entries) == 1
    written = entries[0].read_text(encoding="utf-8")
    assert AHA in written
    assert "bug: gradient-overwritten" in written
    assert "part: mul" in written
    assert "paths lead back to a, so the <em>second</em> slope" in site(root)


def picture(cell: Any, name: str) -> None:
    """Keep a picture of a cell, where somebody wants to look at it."""
    folder = os.environ.get("FATHOM_SCREENSHOTS")
    if folder:
        cell.scroll_into_view_if_needed()
        cell.screenshot(path=f"{folder}/{name}.png")


def site(root: Path) -> str:
    """The page of the aha log after the site is rebuilt."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    command = [sys.executable, "-c", "from autograder.cli import main; main()", "site", "build"]
    done = subprocess.run(
        command, env={**os.environ, "FATHOM_ROOT": str(root)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (root / "site" / "build" / "ahas" / "index.html").read_text(encoding="utf-8")
