"""Blame by grafting, through `fathom check` on the sample course."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder import curriculum
from autograder.bugs.graft import blame
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge

COURSE = Path(__file__).resolve().parents[1] / "course"

TALLY = """
class Tally:
    def __init__(self):
        self.total = 0.0
        self.count = 0

    def add(self, x):
        self.total += {weight} * x
        self.count += 1
        return self

    def mean(self):
        return {mean}
"""

MEAN = "self.total / self.count if self.count else 0.0"


def messages(tmp_path: Path, weight: str, mean: str) -> dict[str, str]:
    course = curriculum.load(COURSE)
    place = tmp_path / "answer.py"
    place.write_text(TALLY.format(weight=weight, mean=mean))

    def body(judge: Judge) -> dict[str, str]:
        request = Request(course.exercise("tally"), str(place))
        report = blame(judge, request, judge.here(request).report)
        return {part.part: part.message for part in report.parts}

    return with_judge(course, [course.exercise("tally")], body)


@pytest.mark.parametrize(
    ("weight", "mean", "said"),
    [
        ("1.5", MEAN, "Your add alone"),
        ("1.0", MEAN.replace("/", "-"), "The parts it builds on work"),
    ],
)
def test_the_part_that_brings_the_failure_is_blamed(tmp_path: Path, weight: str, mean: str, said: str) -> None:
    assert said in messages(tmp_path, weight, mean)["mean"]


def test_two_faults_at_once_are_nobody_s_alone(tmp_path: Path) -> None:
    found = messages(tmp_path, "1.5", MEAN.replace("/", "-"))["mean"]
    assert "alone" not in found and "builds on" not in found
