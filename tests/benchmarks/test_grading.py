"""The rows of DESIGN's table on grading a class, with nbgrader's own `autograde` in the same run for the ratio.

What is asserted leaves room for a busy machine. `pytest -m benchmark -s` prints the figures.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.bugs.catalogue import catalogue, mutated
from autograder.bugs.diagnosis import Diagnostician
from autograder.curriculum import Exercise
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge
from autograder.notebook import Cell, read
from autograder.observe import locked
from autograder.observe.client import COMMAND, Zygote

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).resolve().parents[2]
EXERCISE = "backprop_engine"
JOBS, MANY = 2, 100
FEW = 10 if os.environ.get("FATHOM_FULL") else 3  # what nbgrader grades, at a quarter of a minute each
SEED = 20240229


@pytest.fixture(scope="module")
def lock() -> list[str]:
    """What starts a locked zygote."""
    try:
        return locked.command([ROOT])
    except locked.NoLock as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def exercise() -> Exercise:
    return curriculum.load(ROOT).exercise(EXERCISE)


def different(exercise: Exercise, count: int) -> list[tuple[Cell, ...]]:
    """So many different submissions: one in two right, the others with a bug."""
    bugs = [bug for bug in catalogue(exercise).bugs if bug.effect != "hang"]
    right = read(exercise.source)
    return [right if number % 2 == 0 else mutated(exercise, bugs[number // 2 % len(bugs)]) for number in range(count)]


def tell(what: str, found: float, bar: str) -> None:
    print(f"\n{what:<52} {found:8.3f}   {bar}")


def one_worker(zygote: Zygote) -> float:
    """Seconds for a worker from its request to its first answer and its end, one after the other as a class comes."""
    began = time.perf_counter()
    worker = zygote.worker()
    assert worker.load([], {}, {}).kind == "value"
    worker.close()
    return time.perf_counter() - began


def test_the_lock_costs_25_ms_a_submission(lock: Sequence[str]) -> None:
    with Zygote(lock) as shut, Zygote(COMMAND) as free:
        for zygote in (shut, free):
            one_worker(zygote)
        pairs = [(one_worker(shut), one_worker(free)) for _ in range(60)]
    cost = statistics.median(a for a, _ in pairs) - statistics.median(b for _, b in pairs)
    tell("the lock, per submission", cost, "at most 0.025 s")
    assert cost < 0.05


def rate(exercise: Exercise, command: Sequence[str]) -> float:
    """Submissions a second in a warm judge, two at a time, on secret inputs, with bugs named."""

    def body(judge: Judge) -> float:
        doctor = Diagnostician(judge)
        doctor.learn(exercise)
        requests = [Request(exercise, str(n), cells, seed=SEED) for n, cells in enumerate(different(exercise, MANY))]
        began = time.perf_counter()
        graded = list(doctor.grade(requests, JOBS, lenient=True))
        assert len(graded) == MANY and all(found.report.error is None for _, found in graded)
        return MANY / (time.perf_counter() - began)

    return with_judge(curriculum.load(ROOT), [exercise], body, command=command)


def test_a_class_is_graded_at_15_a_second(lock: Sequence[str], exercise: Exercise) -> None:
    shut, free = rate(exercise, lock), rate(exercise, COMMAND)
    tell("grade, locked, two jobs, submissions a second", shut, f"at least 15; unlocked {free:.1f}")
    assert shut > 0.5 * free


def test_grading_a_class_is_100_times_as_fast_as_nbgrader(
    lock: Sequence[str], exercise: Exercise, tmp_path: Path
) -> None:
    folder = tmp_path / "class"
    for number, cells in enumerate(different(exercise, MANY)):
        place = folder / f"s{number:03d}" / exercise.name / exercise.notebook.name
        place.parent.mkdir(parents=True)
        place.write_text(json.dumps(answered(exercise, cells)))
    words = ["grade", str(folder), "--jobs", str(JOBS), "--out", str(tmp_path / "out"), "--json"]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from autograder.cli import main; main()", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    ours = (time.perf_counter() - began) / MANY
    assert done.returncode == 1, done.stderr
    theirs = autograded(tmp_path / "nbgrader", exercise, folder) / FEW
    tell("fathom grade, cold, per submission", ours, f"{MANY} submissions, feedback included")
    tell("nbgrader autograde, per submission", theirs, f"{FEW} submissions")
    tell("nbgrader / fathom grade", theirs / ours, "aim 100")
    assert theirs / ours > 20


def answered(exercise: Exercise, cells: Sequence[Cell]) -> dict[str, object]:
    """The learner's notebook with these cells' answers in it."""
    from autograder.notebook.build import build

    texts = {cell.grade_id: cell.source for cell in cells if cell.grade_id}
    made = build(exercise)
    for cell in made["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = texts[cell["metadata"]["nbgrader"]["grade_id"]]
    return made


def autograded(course: Path, exercise: Exercise, submissions: Path) -> float:
    """Seconds that nbgrader, as it comes, takes for a few of the same submissions."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    fathom = [sys.executable, "-c", "from autograder.cli import main; main()"]
    subprocess.run(
        [*fathom, "build", exercise.name, "--nbgrader", str(course)], cwd=ROOT, check=True, capture_output=True
    )
    (course / "nbgrader_config.py").unlink()
    for student in sorted(submissions.iterdir())[:FEW]:
        (course / "submitted" / student.name).mkdir(parents=True)
        (student / exercise.name).rename(course / "submitted" / student.name / exercise.name)
    nbgrader = [sys.executable, "-m", "nbgrader"]
    subprocess.run(
        [*nbgrader, "generate_assignment", exercise.name], cwd=course, env=environment, check=True, capture_output=True
    )
    began = time.perf_counter()
    subprocess.run(
        [*nbgrader, "autograde", exercise.name], cwd=course, env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - began
