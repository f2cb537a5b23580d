"""How long a learner waits for `check`: the import, and a warm verdict as the kernel asks for it."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.kernel.service import Service
from autograder.notebook import read

pytestmark = pytest.mark.benchmark

ROOT = Path(__file__).resolve().parents[2]


def seconds(run: Callable[[], object], times: int) -> float:
    """The median of several runs."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def test_a_warm_verdict_in_the_notebook_takes_less_than_150_ms() -> None:
    exercise = curriculum.load(ROOT).exercise("backprop_engine")
    cells = read(exercise.source)
    service = Service(ROOT, exercise.name)
    try:
        service.grade("warm", cells, ["mul"])
        took = seconds(lambda: service.grade("timed", cells, ["mul"]), 21)
    finally:
        service.close()
    print(f"\nwarm verdict on one part{1000 * took:30.0f} ms   at most 150 on a quiet machine")
    assert took < 0.45


def test_importing_check_takes_a_fraction_of_importing_torch() -> None:
    def python(code: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

    check, torch = python("from autograder.kernel import checking"), python("import torch")
    check(), torch()
    ratio = seconds(check, 5) / seconds(torch, 3)
    print(f"\nfrom autograder import check / import torch{ratio:11.2f}")
    assert ratio < 0.6
