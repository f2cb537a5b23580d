"""`check("mul")`: the verdict on one part, as the notebook has been executed so far."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from autograder import remembering
from autograder.curriculum import Exercise
from autograder.judge.report import PartReport
from autograder.kernel.desk import Desk
from autograder.kernel.told import CheckFailed, Interrupted, NotJudged
from autograder.notebook import Definitions, blank_of, definitions

UNRUN = "defined nowhere"  # how a note begins that speaks of files, where here a cell has merely not run yet


def begin() -> None:
    """Start the warm judge of the notebook that is being opened; whatever is wrong is said by the first check."""
    with contextlib.suppress(NotJudged, OSError):
        desk = Desk.here()
        if desk.history is not None:
            desk.warm_up()


def check(part: str) -> None:
    """Grade one part of the notebook as executed so far, and show the verdict.

    Raises CheckFailed unless it passes, NotJudged where there is no verdict; neither shows a traceback.
    """
    from autograder.render.notebook import show, show_note

    desk = Desk.here()
    exercise = desk.exercise(part)
    assert exercise is not None
    cells = desk.cells(exercise)
    found = definitions(cells, blank_of(exercise))
    try:
        report = desk.grade(exercise, cells, part)
    except KeyboardInterrupt:
        raise Interrupted(f'check("{part}") was interrupted; nothing was judged') from None
    if report.error is not None:
        raise NotJudged(report.error)
    verdict = as_executed(report.part(part), exercise, found) if desk.history is not None else report.part(part)
    notes = tuple(note for note in report.notes if not note.startswith(UNRUN))
    show(verdict, exercise.part(part), notes)
    warning = remembering.attempt(desk.course.root, report, found.digest(), "notebook") if desk.logs else None
    if warning is not None:
        show_note(warning)
    if verdict.outcome != "passed":
        raise CheckFailed(verdict)


def as_executed(verdict: PartReport, exercise: Exercise, found: Definitions) -> PartReport:
    """A verdict that says which cells have not run yet, where that is why nothing could be judged."""
    if verdict.outcome != "not_started":
        return verdict
    part = exercise.part(verdict.part)
    missing = set(found.missing)
    if missing & set(part.stubs):
        names = ", ".join(f"`{name}`" for name in part.stubs if name in missing)
        return replace(
            verdict, message=f"{names} is not defined in this kernel yet: run the cell above, then this one."
        )
    unrun = [name for name in needs(exercise, part.name) if missing & set(exercise.part(name).stubs)]
    if unrun:
        cells = f"this kernel has not run {', '.join(unrun)} yet, which {part.name} builds on"
        return replace(verdict, message=f"{cells}: run the cells above (in the menu Run, Run All Above Selected Cell).")
    return verdict


def needs(exercise: Exercise, name: str) -> list[str]:
    """Every part that a part needs, in the order of the lesson."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        more = set(exercise.part(waiting.pop()).needs) - seen
        seen |= more
        waiting += more
    return [part.name for part in exercise.parts if part.name in seen]
