"""`hint("mul")` and `aha("…")`: what a learner asks for, and what one has understood."""

from __future__ import annotations

from autograder import journal, remembering
from autograder.kernel.desk import Desk


def hint(part: str) -> None:
    """Show the next of a part's three hints, and those before it; each is recorded."""
    from autograder.render.notebook import show_hints, show_note

    desk = Desk.here()
    exercise = desk.exercise(part)
    assert exercise is not None
    found = exercise.part(part)
    level, warning = journal.hint(desk.course.root, exercise.name, part, len(found.hints)) if desk.logs else (1, None)
    show_hints(found, level)
    if warning is not None:
        show_note(warning)


def aha(text: str = "", part: str | None = None) -> None:
    """Log what you understood, in your own words, tied to the attempts behind it; run again, it is not logged again.

    An empty or overlong text and a disk that refuses are answered with a sentence, never with an exception.
    """
    from autograder.render.notebook import show_aha, show_note

    desk = Desk.here()
    exercise = desk.exercise(part)
    name = exercise.name if exercise is not None else None
    if not isinstance(text, str):
        show_note(
            f'Not logged: write the sentence as text, as in aha("slopes add up"); this is a {type(text).__name__}.'
        )
        return
    if not text.strip():
        show_note(
            'Nothing is logged yet: write a sentence between the quotation marks of aha("…"), and run this cell again.'
        )
        return
    if not desk.logs:
        show_note("Not logged: this notebook is not one of yours, or a program runs it.")
        return
    try:
        show_aha(*remembering.aha(desk.course.root, text, name, part))
    except journal.AhaRefused as error:
        show_note(f"Not logged: {error}")
