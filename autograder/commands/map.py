"""`fathom`: where you are, and what is next."""

from __future__ import annotations

from autograder.commands.course import load


def show() -> int:
    """Print the map of the curriculum with what is passed."""
    from autograder import journal
    from autograder.render.map import map_view
    from autograder.render.terminal import console

    course = load()
    console().print(map_view(course, journal.standing(course.root)))
    return 0
