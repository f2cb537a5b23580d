"""`fathom aha`: what somebody understood, tied to the attempts behind it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from autograder.commands.course import chosen, fail, load
from autograder.commands.work import known_part

if TYPE_CHECKING:
    from autograder.curriculum import Exercise


def run(text: str, exercise_name: str | None, part_name: str | None) -> int:
    """Log an aha; `-` takes it from standard input."""
    from autograder import remembering
    from autograder.journal import AhaRefused
    from autograder.render.notebook import behind_aha
    from autograder.render.terminal import console

    course = load()
    exercise: Exercise | None = chosen(course, [exercise_name])[0] if exercise_name else None
    if part_name and exercise is None:
        fail("--part names a part of an exercise: add --exercise")
    part = known_part(exercise, part_name).name if exercise is not None and part_name else None
    words = sys.stdin.read() if text == "-" else text
    try:
        entry, new = remembering.aha(course.root, words, exercise.name if exercise else None, part)
    except AhaRefused as error:
        fail(str(error))
    screen = console()
    screen.print(f"{'Logged' if new else 'Logged before'} in progress_log/{entry.name}", soft_wrap=True)
    if behind_aha(entry):
        screen.print(f"  {behind_aha(entry)}", style="dim")
    return 0
