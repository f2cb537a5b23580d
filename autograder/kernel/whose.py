"""Which notebook a kernel runs, which exercise that is, and whether it is the learner's own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from autograder.curriculum import Curriculum, Exercise
from autograder.kernel.history import Run, lesson_of, owners


def notebook_here(shell: Any) -> Path | None:
    """The notebook's file: as a Jupyter server names it to its kernels, or as VS Code leaves it in the namespace."""
    named = os.environ.get("JPY_SESSION_NAME") or (
        shell.user_ns.get("__vsc_ipynb_file__") if shell is not None else None
    )
    return Path(named) if isinstance(named, str) and named else None


def by_file(course: Curriculum, path: Path | None) -> Exercise | None:
    """The exercise of a notebook's file: by its name, else (it was renamed) by what the build wrote into it."""
    if path is None:
        return None
    for exercise in course.exercises:
        if exercise.notebook.name == path.name:
            return exercise
    try:
        written = json.loads(path.read_bytes())["metadata"]["fathom"]["exercise"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return next((exercise for exercise in course.exercises if exercise.name == written), None)


def by_runs(exercises: Iterable[Exercise], runs: Sequence[Run]) -> Exercise | None:
    """The exercise whose cells and names a kernel has run most of; None where it ran none of any."""
    scored = [(overlap(exercise, runs), -exercise.number, exercise) for exercise in exercises]
    best = max(scored, key=lambda entry: entry[:2], default=None)
    return best[2] if best is not None and best[0] else None


def overlap(exercise: Exercise, runs: Sequence[Run]) -> int:
    """How many executions are a lesson's own cells or define its names."""
    lesson = lesson_of(exercise)
    return sum(
        run.id in lesson.order or run.source.strip() in lesson.texts or bool(owners(run.source, lesson.blank))
        for run in runs
    )


def is_own(course: Curriculum, path: Path | None, attended: bool) -> bool:
    """Whether a notebook is the learner's own work, to be logged.

    That is one beside the lessons' notebooks, whatever its name, and one that somebody works in where no name is known;
    never one that a program executes, such as an instructor's autograder.
    """
    if path is None:
        return attended
    folders = {exercise.notebook.parent.resolve() for exercise in course.exercises}
    return path.resolve().parent in folders
