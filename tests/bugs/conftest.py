"""Answers to the sample course's tally, graded in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.judge.examine import Request
from autograder.judge.report import Report
from autograder.judge.session import Judge, with_judge

COURSE = Path(__file__).resolve().parents[1] / "course"

TALLY = """
class Tally:
    def __init__(self):
        self.total = 0.0
        self.count = 0
        self.last = 0.0

    def add(self, x):
        self.total {add}
        self.count += 1
        self.last = x
        return self

    def mean(self):
        return {mean} if self.count else 0.0
"""

Answered = Callable[[str, str, Callable[[Judge, Request], Report]], Report]


@pytest.fixture
def answered(tmp_path: Path) -> Answered:
    """Call with what `add` does to the total, the mean, and how to grade: the report on such a Tally."""

    def report(add: str, mean: str, grade: Callable[[Judge, Request], Report]) -> Report:
        course = curriculum.load(COURSE)
        place = tmp_path / "answer.py"
        place.write_text(TALLY.format(add=add, mean=mean))
        request = Request(course.exercise("tally"), str(place))
        return with_judge(course, [course.exercise("tally")], lambda judge: grade(judge, request))

    return report
