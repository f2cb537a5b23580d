"""DESIGN's table of speeds, each as a figure and a ratio measured in the same run.

Machines are noisy: what is asserted is a ratio to `import torch` on this very machine, with room. The bars themselves stand
beside the figures that `pytest -m benchmark -s` prints.
"""

from __future__ import annotations

import functools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.bugs.catalogue import catalogue, mutated
from autograder.bugs.diagnosis import Diagnostician
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).resolve().parents[2]
EXERCISE, BUG = "backprop_engine", "gradient-overwritten"


def seconds(run: Callable[[], object], times: int) -> float:
    """The median of several runs."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def command(*words: str) -> Callable[[], object]:
    """A process to be timed; its exit code does not matter here."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return lambda: subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, check=False)


def fathom(*words: str) -> Callable[[], object]:
    return command("-c", "from autograder.cli import main; main()", *words)


def tell(what: str, found: float, bar: str) -> None:
    print(f"\n{what:<52} {found:8.3f}   {bar}")


def test_a_cold_check_takes_less_than_1_8_times_import_torch():
    check = fathom("check", EXERCISE, "--submission", "solutions")
    torch = command("-c", "import torch")
    check(), torch()
    ratio = seconds(check, 5) / seconds(torch, 5)
    tell("fathom check, cold / import torch", ratio, "at most 1.8 on a quiet machine")
    assert ratio < 2.4


def test_the_map_and_the_help_come_at_once():
    python = seconds(command("-c", "pass"), 7)
    for words in ([], ["--help"]):
        run = fathom(*words)
        run()
        took = seconds(run, 7)
        tell(f"fathom {' '.join(words)}", took, f"at most 0.25 s; python alone {python:.3f}")
        assert took < 12 * python + 0.1 * yardstick()


@functools.cache
def yardstick() -> float:
    """Seconds that `import torch` takes here and now: what every warm figure is measured against."""
    return seconds(command("-c", "import torch"), 5)


def with_warm(body: Callable[[Judge, Diagnostician, curriculum.Exercise], None]) -> None:
    course = curriculum.load(ROOT)
    exercise = course.exercise(EXERCISE)

    def run(judge: Judge) -> None:
        doctor = Diagnostician(judge)
        doctor.learn(exercise)
        body(judge, doctor, exercise)

    with_judge(course, [exercise], run)


def bare_fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def test_a_verdict_on_the_edited_part_comes_within_100_ms():
    def body(judge: Judge, doctor: Diagnostician, exercise: curriculum.Exercise) -> None:
        fork = seconds(bare_fork, 9)
        right = Request(exercise, "solutions", parts=("mul",))
        wrong = Request(exercise, "wrong", mutated(exercise, catalogue(exercise).bug(BUG)), parts=("mul",))
        for what, request in (("right", right), ("wrong, named", wrong)):
            took = seconds(lambda request=request: doctor.one(request), 15)  # type: ignore[misc]
            tell(f"edited part, {what}", took, f"at most 0.100 s; a bare fork of the judge {fork:.4f}")
            assert took < 0.2 * yardstick()

    with_warm(body)


def test_a_verdict_on_the_whole_exercise_comes_within_150_ms():
    def body(judge: Judge, doctor: Diagnostician, exercise: curriculum.Exercise) -> None:
        took = seconds(lambda: doctor.one(Request(exercise, "solutions")), 15)
        tell("whole exercise", took, "at most 0.150 s + its own compute")
        assert took < 0.35 * yardstick()

    with_warm(body)


def test_many_submissions_are_graded_at_15_a_second():
    def body(judge: Judge, doctor: Diagnostician, exercise: curriculum.Exercise) -> None:
        bugs = catalogue(exercise).bugs
        requests = [Request(exercise, f"{i}", mutated(exercise, bugs[i % len(bugs)])) for i in range(100)]
        began = time.perf_counter()
        graded = list(doctor.grade(requests, jobs=2))
        rate = len(graded) / (time.perf_counter() - began)
        tell("submissions a second, 100 different, 2 jobs", rate, "at least 15")
        assert 1 / rate < 0.35 * yardstick()

    with_warm(body)
