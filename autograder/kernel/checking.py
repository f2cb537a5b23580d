"""`check`, `hint` and `aha` as a notebook calls them."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from autograder import curriculum
from autograder.curriculum import Curriculum, Exercise
from autograder.judge.report import PartReport, Report
from autograder.kernel.history import History
from autograder.kernel.service import Service, ServiceLost
from autograder.notebook import Cell, blank_of, definitions


class CheckFailed(Exception):
    """A part did not pass; shown as its verdict, without a traceback."""

    def __init__(self, part: PartReport) -> None:
        super().__init__(f"{part.part}: {part.outcome.replace('_', ' ')}")
        self.part = part

    def _render_traceback_(self) -> list[str]:
        from autograder.render.notebook import verdict_lines

        return verdict_lines(self.part)


def check(part: str) -> None:
    """Grade one part of the notebook as executed so far; raises CheckFailed unless it passes."""
    from autograder.render.notebook import show

    desk = Desk.here()
    exercise = desk.exercise(part)
    report = desk.grade(exercise, part)
    verdict = report.part(part)
    desk.log(exercise, report)
    show(verdict, report)
    if verdict.outcome != "passed":
        raise CheckFailed(verdict)


def hint(part: str) -> None:
    """Show the next of a part's three hints, and those before it."""
    from autograder import journal
    from autograder.render.notebook import show_hints

    desk = Desk.here()
    exercise = desk.exercise(part)
    found = exercise.part(part)
    level, _ = journal.hint(desk.course.root, exercise.name, part, len(found.hints))
    show_hints(found, level)


def aha(text: str = "", part: str | None = None) -> None:
    """Log what you understood, in your own words, tied to the attempts behind it."""
    from autograder import journal
    from autograder.render.notebook import show_aha

    desk = Desk.here()
    exercise = desk.exercise(part)
    show_aha(journal.aha(desk.course.root, text, exercise.name, part))


class Desk:
    """What one kernel keeps: the curriculum, its history, and a warm judge for its exercise."""

    def __init__(self) -> None:
        self.course: Curriculum = curriculum.load(curriculum.find_root())
        self.history: History | None = None
        self.service: Service | None = None
        shell = current_shell()
        if shell is not None:
            self.history = History(shell)

    @staticmethod
    @functools.cache
    def here() -> Desk:
        """This kernel's desk."""
        return Desk()

    def cells(self, exercise: Exercise) -> tuple[Cell, ...]:
        """The notebook as executed; outside IPython the notebook as saved."""
        if self.history is not None:
            return self.history.cells(blank_of(exercise))
        from autograder.notebook import read

        return read(exercise.notebook)

    def exercise(self, part: str | None) -> Exercise:
        """The exercise of this notebook: by its file's name, else by what has been defined.

        Raises LookupError where no exercise has the part.
        """
        named = os.environ.get("JPY_SESSION_NAME") or (notebook_of_vscode() or "")
        for exercise in self.course.exercises:
            if exercise.notebook.name == Path(named).name:
                return exercise
        having = [e for e in self.course.exercises if part is None or any(p.name == part for p in e.parts)]
        if not having:
            known = ", ".join(p.name for e in self.course.exercises for p in e.parts)
            raise LookupError(f"no exercise has a part {part!r}; the parts are {known}")
        return max(having, key=self.overlap)

    def overlap(self, exercise: Exercise) -> int:
        """How many of an exercise's stubs this kernel has defined."""
        if self.history is None:
            return 0
        blank = blank_of(exercise)
        found = definitions(self.cells(exercise), blank)
        names = {name for statement in found.statements for name in statement.names}
        return len(names & (set(blank.stubs) | {stub.split(".")[0] for stub in blank.stubs}))

    def grade(self, exercise: Exercise, part: str) -> Report:
        """Grade one part by the warm judge, started at the first check and again if it was lost."""
        cells = self.cells(exercise)
        path = exercise.notebook.name
        for attempt in (1, 2):
            if self.service is None or not self.service.alive:
                self.service = Service(self.course.root, exercise.name)
            try:
                return self.service.grade(path, cells, [part])
            except ServiceLost:
                self.service = None
                if attempt == 2:
                    raise
        raise AssertionError("unreachable")

    def log(self, exercise: Exercise, report: Report) -> None:
        """Log the attempt; a disk that refuses is the log's worry, not the verdict's."""
        from autograder import journal

        digest = definitions(self.cells(exercise), blank_of(exercise)).digest()
        journal.attempt(self.course.root, report.as_json(), digest, "notebook")


def current_shell() -> Any:
    """IPython's shell, or None in plain Python."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()  # type: ignore[no-untyped-call]


def notebook_of_vscode() -> str | None:
    """The notebook's path as VS Code leaves it in the namespace."""
    shell = current_shell()
    found = shell.user_ns.get("__vsc_ipynb_file__") if shell is not None else None
    return found if isinstance(found, str) else None
