"""`hint` and `aha` in a live kernel, and `fathom aha`: what is logged, and what is answered with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kernels import Kernel, copy, tally

from autograder import journal

FIRST = "from autograder import aha, check, hint"


@pytest.fixture(scope="module")
def live(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel for all of them; each logs words of its own."""
    root = copy(template, tmp_path_factory.mktemp("noting") / "course")
    made = Kernel(root, tally(root).notebook)
    made.run(FIRST, "tally-1")
    yield made
    made.stop()


def said(root: Path) -> list[str]:
    return [entry.text for entry in journal.read_all(root).entries]


def test_hints_come_one_by_one_and_the_last_one_stays(live: Kernel) -> None:
    texts = [live.run('hint("mean")').text for _ in range(4)]
    assert ["Sum over count." in text for text in texts] == [True] * 4
    assert ["Nothing has the mean zero." in text for text in texts] == [False, False, True, True]
    assert "2 more" in texts[0]
    assert "last one" in texts[3]


def test_an_aha_is_tied_to_the_attempts_behind_it_and_logged_once(live: Kernel) -> None:
    live.run("def halvings(n):\n    return n.bit_length()", "halvings")
    live.run('check("halvings")')
    live.run("def halvings(n):\n    return n.bit_length() - 1", "halvings")
    live.run('check("halvings")')
    shown = live.run('aha("One needs no halving at all")', "last")
    assert shown.error is None
    assert "misconception starts-at-one" in shown.text
    assert "Logged before" in live.run('aha("One needs no halving at all")', "last").text
    entry = next(entry for entry in journal.read_all(live.root).entries if entry.text == "One needs no halving at all")
    assert (entry.exercise, entry.part, entry.bug, entry.attempts) == ("tally", "halvings", "starts-at-one", 1)


@pytest.mark.parametrize("text", ["", "  \n ", "\u200b"])
def test_an_empty_aha_is_answered_with_what_to_do(live: Kernel, text: str) -> None:
    before = said(live.root)
    shown = live.run(f"aha({text!r})")
    assert shown.error is None
    assert "sentence" in shown.text
    assert said(live.root) == before


@pytest.mark.parametrize(
    "text",
    [
        "# A heading\n\n- a list\n\n```python\nx = 1\n```\n---\nnot: front matter",
        "gradients add up 🎯🧠 ∂L/∂a",
        "<script>alert(1)</script>",
        "long " * 20_000,
    ],
    ids=["markdown", "emoji", "html", "100 kB"],
)
def test_any_text_is_kept_as_it_is(live: Kernel, text: str) -> None:
    shown = live.run(f"aha({text!r})")
    assert shown.error is None
    assert "progress_log/" in shown.text
    assert "<script" not in shown.html
    assert len(shown.html) < 5_000
    assert text.strip() in [entry.strip() for entry in said(live.root)]


def test_what_is_no_text_or_too_long_is_answered_with_a_sentence(live: Kernel) -> None:
    assert "as text" in live.run("aha(3)").text
    shown = live.run('aha("x" * 2_000_000)')
    assert shown.error is None
    assert "too long" in shown.text


def test_nothing_is_logged_where_a_program_runs_the_notebook(template: Path, tmp_path: Path) -> None:
    root = copy(template, tmp_path / "course")
    made = Kernel(root, None, attended=False)
    try:
        made.run(FIRST)
        assert "Not logged" in made.run('aha("by a program")').text
        assert "1." in made.run('hint("mean")').text
    finally:
        made.stop()
    assert not (root / "progress_log").exists()


def test_the_command_logs_too(template: Path, tmp_path: Path) -> None:
    root = copy(template, tmp_path / "course")

    def fathom(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from autograder.cli import main; main()", "aha", *words]
        environment = {**os.environ, "FATHOM_ROOT": str(root)}
        return subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=False)

    assert fathom("what I saw", "--exercise", "tally", "--part", "mean").returncode == 0
    assert fathom("-", given="from *standard* input\n").returncode == 0
    assert "Logged before" in fathom("what I saw", "--exercise", "1").stdout
    assert fathom("").returncode == 2
    wrong = fathom("x", "--exercise", "tally", "--part", "meen")
    assert wrong.returncode == 2
    assert "did you mean mean?" in wrong.stderr
    assert sorted(text.strip() for text in said(root)) == ["from *standard* input", "what I saw"]
