"""`fathom learn` and `fathom watch` as processes: verdicts on save, one at a time, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from chromium import PATIENCE
from lab import Learning, learning

from autograder import curriculum
from autograder.curriculum import Exercise
from autograder.notebook.files import dumps, write_atomic

COURSE = Path(__file__).parents[1] / "course"
ANSWER = "def halvings(n):\n    return n.bit_length()\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the small course, its notebook not built yet."""
    place = tmp_path / "course"
    shutil.copytree(COURSE, place)
    return place


def tally(root: Path) -> Exercise:
    return curriculum.load(root).exercise("tally")


def answer(root: Path, text: str) -> None:
    """Write an answer into the notebook, as a save does."""
    place = tally(root).notebook
    notebook = json.loads(place.read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["id"] == "halvings")
    cell["source"] = text
    write_atomic(place, dumps(notebook))


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def family(pid: int) -> set[int]:
    """A process and all below it."""
    found, waiting = {pid}, [pid]
    while waiting:
        try:
            tasks = Path(f"/proc/{waiting.pop()}/task").iterdir()
            children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        except OSError:
            continue
        waiting += [child for child in children if child not in found]
        found.update(children)
    return found


def living(pids: set[int]) -> set[int]:
    """Those that run; a zombie has ended."""
    return {pid for pid in pids if (status := state(pid)) and status != "Z"}


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def fathom(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from autograder.cli import main; main()", *words]
    environment = {**os.environ, "FATHOM_ROOT": str(root)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)


def ready(root: Path, home: Path) -> Learning:
    """`fathom learn` that serves and judges."""
    made = Learning(root, home)
    made.wait_for("Judging beside it")
    return made


def test_it_builds_serves_and_judges_and_a_second_one_says_so(root: Path, tmp_path: Path) -> None:
    with learning(root, tmp_path / "home") as first:
        with urllib.request.urlopen(first.address, timeout=60) as page:
            assert page.status == 200
        assert tally(root).notebook.exists()
        first.wait_for("Judging beside it")
        for command in ("learn", "watch"):
            second = fathom(root, command)
            assert second.returncode == 2
            assert "is running here already" in second.stderr
        answer(root, ANSWER)
        first.wait_for(r"looks like: starts-at-one[\s\S]*ms after the save")
        everybody = family(first.process.pid)
        assert first.end() == 0
    until(lambda: not living(everybody))
    assert "Traceback" not in first.said


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_however_it_ends_nothing_is_left(kind: signal.Signals, root: Path, tmp_path: Path) -> None:
    made = ready(root, tmp_path / "home")
    everybody = family(made.process.pid)
    assert len(everybody) > 2
    made.process.send_signal(kind)
    made.process.wait(60)
    until(lambda: not living(everybody))


def test_it_ends_when_jupyterlab_is_shut_down(root: Path, tmp_path: Path) -> None:
    made = ready(root, tmp_path / "home")
    lab = next(pid for pid in family(made.process.pid) if b"jupyterlab" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(lab, signal.SIGTERM)
    assert made.process.wait(60) == 0
    assert "JupyterLab has ended" in made.said


def test_checks_that_cannot_be_collected_do_not_end_the_lesson(root: Path, tmp_path: Path) -> None:
    tally(root).checks.write_text("import nothing_like_this")
    with learning(root, tmp_path / "home") as made:
        made.wait_for("There will be no verdicts here")
        assert made.process.poll() is None
        assert made.end() == 0


def test_an_unknown_exercise_ends_with_a_sentence(root: Path) -> None:
    done = fathom(root, "learn", "nothing_like_this", "--no-browser")
    assert done.returncode == 2
    assert "There is no exercise" in done.stderr
