"""Run the checks on what a drill or a review made, in the judge's workers as everywhere; no bug is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from autograder.curriculum import Curriculum, Exercise
from autograder.notebook import Cell

if TYPE_CHECKING:
    from autograder.judge.report import Report

T = TypeVar("T")
Mark = Callable[[Sequence[Cell]], "Report"]


def marked(course: Curriculum, exercise: Exercise, body: Callable[[Mark], T], parts: Sequence[str] = ()) -> T:
    """Call `body` with a function from cells to their report, over one warm judge; all parts where none are named.

    Raises JudgeError where the checks cannot run.
    """
    from autograder.bugs.signatures import preloads
    from autograder.judge.examine import Request
    from autograder.judge.session import Judge, with_judge

    def work(judge: Judge) -> T:
        def mark(cells: Sequence[Cell]) -> Report:
            return judge.here(Request(exercise, exercise.name, tuple(cells), tuple(parts) or None)).report

        return body(mark)

    return with_judge(course, [exercise], work, preloads(course, [exercise]))
