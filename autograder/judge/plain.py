"""Plain `pytest autograder/checks/…`: the same grading, without the warm session around it."""

from __future__ import annotations

import pytest

from autograder import curriculum
from autograder.judge.examine import asked_by, barred
from autograder.judge.grading import Grading
from autograder.judge.submission import Submission, prepare, resolve
from autograder.notebook import Unreadable, read
from autograder.observe.client import Zygote


class Plain:
    """The submissions that one pytest run grades: the learner's own notebooks, or the one that was named."""

    def __init__(self, config: pytest.Config) -> None:
        self.chosen: str | None = config.getoption("--submission")
        self.zygote = Zygote()
        self.found: dict[str, tuple[Submission, Grading]] = {}
        self.part: tuple[str, str] | None = None

    def grading(self, exercise: str, part: str, item: pytest.Item) -> Grading:
        """The grading of an exercise; skips or fails the test where the part cannot be run."""
        if exercise not in self.found:
            self.found[exercise] = self.open(exercise, item)
        submission, grading = self.found[exercise]
        asked = submission.exercise.part(part)
        outcome = barred(asked, submission)
        if outcome is not None and outcome[0] == "not_started":
            pytest.skip(f"not started: {outcome[1]}")
        if outcome is not None:
            pytest.fail(f"{outcome[0]}: {outcome[1]}", pytrace=False)
        if (exercise, part) != self.part:
            self.part = (exercise, part)
            grading.begin_part(part, asked.needs)
        return grading

    def open(self, name: str, item: pytest.Item) -> tuple[Submission, Grading]:
        """Read a submission and make it ready."""
        course = curriculum.load(item.path.parents[3])
        exercise = course.exercise(name)
        place = resolve(self.chosen, exercise) if self.chosen else exercise.notebook
        try:
            cells = read(place)
        except Unreadable as error:
            pytest.exit(str(error), returncode=2)
        submission = prepare(exercise, course, cells, asked_by([item]))
        scratch = submission.definitions.scratch
        return submission, Grading(self.zygote, submission.statements, submission.carried, scratch, submission.owners)

    def close(self) -> None:
        """End the workers."""
        self.zygote.close()
