"""`failing("gpt", "no-positions")`: a broken model for a lesson, by the names of its bugs."""

from __future__ import annotations

import contextlib
import io
from types import ModuleType


def failing(name: str, *bugs: str) -> ModuleType:
    """An exercise's reference as a module, with bugs of its catalogue planted by id.

    Raises LookupError for an exercise or a bug that there is not, CurriculumError where a bug cannot be planted.
    """
    from autograder import curriculum
    from autograder.bugs.catalogue import catalogue
    from autograder.judge.dependency import needed
    from autograder.judge.submission import as_data
    from autograder.kernel.carrying import made
    from autograder.notebook import blank_of, definitions
    from autograder.practice.planting import plant

    exercise = curriculum.load(curriculum.find_root()).exercise(name)
    listing = catalogue(exercise)
    planted = plant(exercise, [listing.bug(bug) for bug in bugs])
    empty = blank_of(exercise)
    with contextlib.redirect_stdout(io.StringIO()):  # whose attention a GPT carries is no news here
        return made(name, as_data(needed(definitions(planted.cells, empty).statements, empty.owners)))
