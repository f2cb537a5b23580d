"""What every command begins with: the curriculum, and the exercises that were asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import typer

if TYPE_CHECKING:
    from autograder.curriculum import Curriculum, Exercise


def load() -> Curriculum:
    """The curriculum of the repository we are in; exits with 2 where it cannot be read."""
    from autograder import curriculum

    try:
        return curriculum.load(curriculum.find_root())
    except curriculum.CurriculumError as error:
        fail(str(error))


def load_with_solutions(why: str) -> Curriculum:
    """The curriculum, for what takes solutions; exits with 2 in a copy that was released without them."""
    course = load()
    if any(exercise.released for exercise in course.exercises):
        fail(f"this copy was released without solutions, and {why}")
    return course


def chosen(course: Curriculum, names: Sequence[str]) -> list[Exercise]:
    """The exercises of these names, or all; exits with 2 for a name that is none."""
    from autograder.curriculum import UnknownExercise

    try:
        return [course.exercise(name) for name in names] if names else list(course.exercises)
    except UnknownExercise as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say why nothing could be done, and exit with 2."""
    print(f"fathom: {message}", file=sys.stderr)
    raise typer.Exit(2)
