"""`fathom hint`, `reset` and `update`: what a learner does to a notebook besides writing in it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from autograder.commands.course import chosen, fail, load

if TYPE_CHECKING:
    from autograder.curriculum import Exercise, Part


def known_part(exercise: Exercise, name: str) -> Part:
    """The part of that name; exits with 2, naming the nearest, where there is none."""
    names = [part.name for part in exercise.parts]
    if name in names:
        return exercise.part(name)
    near = difflib.get_close_matches(name, names, 1)
    meant = f"; did you mean {near[0]}?" if near else "."
    fail(f"{exercise.name} has no part {name!r}{meant} Its parts are {', '.join(names)}.")


def hint(exercise_name: str, part_name: str) -> int:
    """Show the next hint of a part, and those before it."""
    from autograder import journal
    from autograder.render.terminal import console

    course = load()
    (exercise,) = chosen(course, [exercise_name])
    part = known_part(exercise, part_name)
    level, warning = journal.hint(course.root, exercise.name, part.name, len(part.hints))
    screen = console()
    for number, text in enumerate(part.hints[:level], 1):
        screen.print(f"{number}. {text}", style="bold" if number == level else "dim")
    left = len(part.hints) - level
    screen.print(f"({left} more)" if left else "(that was the last one)", style="dim")
    if warning:
        console(stderr=True).print(warning, style="yellow")
    return 0


def reset(exercise_name: str, part_name: str | None) -> int:
    """Give back blank stubs."""
    from autograder.notebook import Unreadable, give_back
    from autograder.render.terminal import console

    (exercise,) = chosen(load(), [exercise_name])
    part = known_part(exercise, part_name).name if part_name else None
    try:
        console().print(give_back(exercise, part))
    except (Unreadable, OSError) as error:
        fail(str(error))
    return 0


def update(names: Sequence[str]) -> int:
    """Bring notebooks up to date."""
    from autograder.notebook import Unreadable, bring_up_to_date
    from autograder.render.terminal import console

    status = 0
    for exercise in chosen(load(), names):
        try:
            console().print(bring_up_to_date(exercise))
        except (Unreadable, OSError) as error:
            console(stderr=True).print(str(error), style="red")
            status = 2
    return status
