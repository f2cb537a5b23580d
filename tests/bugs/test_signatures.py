"""What a bug does is learnt by running it: only what is in question, once, and kept between processes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder import curriculum
from autograder.bugs.catalogue import catalogue
from autograder.bugs.diagnosis import Diagnostician
from autograder.bugs.signatures import everything, kept
from autograder.judge.examine import Request
from autograder.judge.session import Judge, with_judge

COURSE = Path(__file__).resolve().parents[1] / "course"
ADD = ("self.total += x", "self.total = x")
MEAN = ("self.total / self.count if", "self.count / self.total if")


@pytest.fixture
def met(tmp_path: Path) -> Callable[..., list[int]]:
    """Grade wrong answers one after the other, each by a new diagnostician: how many bugs each had to run."""
    root = shutil.copytree(COURSE, tmp_path / "course", ignore=shutil.ignore_patterns(".fathom"))

    def run(*answers: tuple[str, str] | None) -> list[int]:
        course = curriculum.load(root)
        exercise = course.exercise("tally")
        counts: list[int] = []

        @contextlib.contextmanager
        def counting(what: str) -> Iterator[Callable[[int, int], None]]:
            def tick(done: int, total: int) -> None:
                counts[-1] = total

            yield tick

        def body(judge: Judge) -> list[int]:
            for answer in answers:
                counts.append(0)
                doctor = Diagnostician(judge, counting)
                if answer is None:
                    doctor.learn(exercise)
                    assert not kept(exercise, course).lacking(everything(exercise))
                    continue
                place = tmp_path / "answer.py"
                right = exercise.source.read_text(encoding="utf-8")
                assert answer[0] in right
                place.write_text(right.replace(*answer))
                assert any(part.bugs for part in doctor.one(Request(exercise, str(place))).report.parts)
            return counts

        return with_judge(course, [exercise], body)

    return run


def of(part: str) -> int:
    """How many bugs and slips a part of the sample exercise has."""
    return sum(bug.part == part for bug in catalogue(curriculum.load(COURSE).exercise("tally")).wrong)


def test_only_the_bugs_in_question_are_run_and_once(met: Callable[..., list[int]]) -> None:
    assert met(MEAN, MEAN) == [of("mean"), 0]


def test_what_others_have_learnt_stays(met: Callable[..., list[int]]) -> None:
    first, second, rest, again = met(MEAN, ADD, None, None)
    assert first == of("mean")
    assert second >= of("add")
    assert rest > 0 and again == 0
