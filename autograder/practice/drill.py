"""Drills: draw bugs, plant them, show what they do, grade what somebody made of it, and say what it was.

`draw`, `plant`, `symptoms` and `Planted.reversed` are there for anything else that examines with planted bugs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.bugs.catalogue import Bug, catalogue
from autograder.curriculum import Curriculum, CurriculumError, Exercise
from autograder.practice import runs, workspace
from autograder.practice.choosing import Candidate, NothingToDrill, candidates, draw
from autograder.practice.marking import Mark, marked
from autograder.practice.planting import Planted, plant
from autograder.practice.runs import Run
from autograder.practice.standing import Practice
from autograder.practice.symptoms import Symptom, symptoms
from autograder.practice.workspace import Sheet, shown

if TYPE_CHECKING:
    from autograder.judge.report import Report

__all__ = ["Begun", "NothingToDrill", "begin", "candidates", "draw", "grade", "plant", "planted", "symptoms"]

MINUTES = 15.0  # for each bug, unless something else is asked for
DRAWS = 8  # how often to draw again where bugs cancel one another out
HINTS = 2  # of a bug: the question that leads to it, then the belief behind it


@dataclass(frozen=True)
class Begun:
    """A drill that waits to be solved, and what its bugs do; a warning where it could not be logged."""

    run: Run
    planted: Planted
    symptoms: tuple[Symptom, ...]
    warning: str | None = None


def choices(at: Practice, name: str | None) -> list[Candidate]:
    """What may be drilled: all bugs of the exercise that is named, else those of the parts that passed.

    The bugs of the drill before are left out. Raises NothingToDrill.
    """
    before = runs.latest(at.runs, "drill")
    avoid = before.planted if before is not None else ()
    if name is not None:
        exercise = at.course.exercise(name)
        found = candidates(exercise, at.cards, avoid=avoid if before and before.exercise == exercise.name else ())
        if exercise.released or not catalogue(exercise).bugs:
            raise NothingToDrill(f"{exercise.name} has no bugs to plant: this copy came without its solutions")
        if not found:
            raise NothingToDrill(f"the drill before had every bug of {exercise.name}: drill another one first")
        return found
    found = []
    for exercise in at.course.exercises:
        parts = at.passed(exercise.name)
        if parts and not exercise.released:
            found += candidates(exercise, at.cards, parts, avoid if before and before.exercise == exercise.name else ())
    if not found and all(exercise.released for exercise in at.course.exercises):
        raise NothingToDrill("no exercise has bugs to plant: this copy came without its solutions")
    if not found:
        raise NothingToDrill(
            "no part of yours passes yet, and a drill shows its solution. "
            f"Name an exercise to drill it all the same: fathom drill {at.course.exercises[0].name}"
        )
    return found


def begin(
    at: Practice, name: str | None, count: int, seed: int, minutes: float | None = None, script: bool = False
) -> Begun:
    """Plant bugs and write the drill's file. Raises NothingToDrill, CurriculumError, JudgeError, OSError."""
    among = choices(at, name)
    exercise, bugs = draw(among, seed, count)

    made, seen = broken(at.course, exercise, bugs, among, seed)
    identity = runs.fresh()
    file = workspace.FOLDER / f"drill-{exercise.name}-{identity}.{'py' if script else 'ipynb'}"
    run = Run(
        identity,
        "drill",
        exercise.name,
        at.now,
        at.now,
        file=file.as_posix(),
        planted=tuple(bug.id for bug in made.bugs),
        limit=minutes or MINUTES * len(made.bugs),
    )
    workspace.write(at.course.root, file.name, sheet(exercise, run, made, seen))
    return Begun(run, made, seen, runs.start(at.course.root, run))


def broken(
    course: Curriculum, exercise: Exercise, bugs: tuple[Bug, ...], among: Sequence[Candidate], seed: int
) -> tuple[Planted, tuple[Symptom, ...]]:
    """Plant bugs, or as many others where they cancel one another out, and say what they do. Raises NothingToDrill."""

    def shows(mark: Mark) -> tuple[Planted, tuple[Symptom, ...]]:
        chosen = bugs
        for again in range(DRAWS):
            made = plant(exercise, chosen)
            report = mark(made.cells)
            if not report.passed:
                return made, symptoms(report)
            own = [candidate for candidate in among if candidate.exercise.name == exercise.name]
            _, chosen = draw(own, seed + again + 1, len(bugs))
        raise NothingToDrill(f"the bugs drawn from {exercise.name} hide one another: ask for one at a time")

    return marked(course, exercise, shows)


def sheet(exercise: Exercise, run: Run, made: Planted, seen: Sequence[Symptom]) -> Sheet:
    """A drill's file: what goes wrong in words and pictures, and the cells in which it does."""
    from autograder.render.symptoms import prose, symptoms_png

    cells = {cell.grade_id: shown(cell.source) for cell in made.affected if cell.grade_id}
    return Sheet(exercise.name, run.id, prose(exercise, run, made.bugs, seen), cells, symptoms_png(seen))


def planted(course: Curriculum, run: Run) -> Planted:
    """What a run planted; CurriculumError where the catalogue has changed since."""
    exercise = course.exercise(run.exercise)
    listing = catalogue(exercise)
    try:
        bugs = [listing.bug(name) for name in run.planted]
    except KeyError:
        raise CurriculumError(
            f"the catalogue of {exercise.name} has changed since this drill began: start another with --new"
        ) from None
    return plant(exercise, bugs)


def grade(course: Curriculum, run: Run) -> Report:
    """Grade a drill's file by all checks of its exercise. Raises Unreadable, CurriculumError, JudgeError."""
    made = planted(course, run)
    needed = [cell.grade_id for cell in made.affected if cell.grade_id]
    cells = workspace.submission(made.exercise, course.root / run.file, needed)
    return marked(course, made.exercise, lambda mark: mark(cells))


def hints(bugs: Sequence[Bug], level: int) -> list[str]:
    """What to say at a level: the question of every bug, then the belief behind it."""
    return [bug.question if level <= 1 else bug.misconception for bug in bugs]
