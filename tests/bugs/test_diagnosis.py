"""Names of misconceptions, on the sample course: what is named, and what must not be."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder import curriculum
from autograder.bugs.diagnosis import Diagnostician
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge

COURSE = Path(__file__).resolve().parents[1] / "course"

TALLY = """
class Tally:
    def __init__(self):
        self.total = 0.0
        self.count = 0
        self.last = 0.0

    def add(self, x):
        self.total {assign} x
        self.count += 1
        self.last = x
        return self

    def mean(self):
        return {mean} if self.count else 0.0
"""


@pytest.mark.parametrize(
    ("assign", "mean", "names"),
    [
        ("+=", "self.total / self.count", {"add": (), "mean": ()}),
        ("=", "self.total / self.count", {"add": ("total-overwritten",), "mean": ("total-overwritten",)}),
        ("+=", "(self.count + 1) / self.total", {"add": (), "mean": ("count-for-total",)}),
        ("+=", "self.last / self.count", {"add": (), "mean": ()}),
    ],
    ids=[
        "right",
        "a bug shows in what needs it",
        "a slip has its bug's name",
        "a bug of a part that passed names nothing",
    ],
)
def test_who_is_named(tmp_path: Path, assign: str, mean: str, names: dict[str, tuple[str, ...]]) -> None:
    course = curriculum.load(COURSE)
    place = tmp_path / "answer.py"
    place.write_text(TALLY.format(assign=assign, mean=mean))

    def body(judge: Judge) -> dict[str, tuple[str, ...]]:
        graded = Diagnostician(judge).one(Request(course.exercise("tally"), str(place), parts=("add", "mean")))
        return {part.part: part.bugs for part in graded.report.parts}

    assert with_judge(course, [course.exercise("tally")], body) == names
