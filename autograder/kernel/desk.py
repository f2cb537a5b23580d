"""What one kernel keeps between checks: the curriculum, its history, and a warm judge for its exercise."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder import curriculum, remembering
from autograder.curriculum import Curriculum, CurriculumError, Exercise
from autograder.judge.report import Report
from autograder.kernel.history import Executed, History
from autograder.kernel.service import Service, ServiceLost
from autograder.kernel.told import NotJudged
from autograder.kernel.whose import by_file, by_runs, is_own, notebook_here
from autograder.notebook import Cell, Unreadable, read


class Desk:
    """One kernel's; `Desk.here()` is this kernel's."""

    def __init__(self) -> None:
        shell = current_shell()
        self.course: Curriculum = curriculum.load(curriculum.find_root())
        self.shell = shell
        self.history = History(shell) if shell is not None else None
        self.service: Service | None = None
        self.served = ""

    @staticmethod
    @functools.cache
    def here() -> Desk:
        """This kernel's desk; NotJudged where there is no repository around it."""
        try:
            return Desk()
        except CurriculumError as error:
            raise NotJudged(str(error)) from None

    @property
    def path(self) -> Path | None:
        """The notebook's file, where somebody says which it is."""
        return notebook_here(self.shell)

    @property
    def logs(self) -> bool:
        """Whether what happens here belongs into the learner's log."""
        attended = self.history is None or self.history.attended
        return remembering.enabled() and is_own(self.course, self.path, attended)

    def warm_up(self) -> None:
        """Start the judge, if it is plain already which exercise this is."""
        exercise = self.guess(self.course.exercises)
        if exercise is not None:
            self.serve(exercise)

    def guess(self, among: Sequence[Exercise]) -> Exercise | None:
        """The exercise of this notebook among some: by its file, else by what has run."""
        named = by_file(self.course, self.path)
        if named is not None and named in among:
            return named
        return by_runs(among, self.history.runs) if self.history is not None else None

    def exercise(self, part: str | None) -> Exercise | None:
        """The exercise of this notebook; with a part one that has it, else NotJudged."""
        if part is None:
            return self.guess(self.course.exercises)
        if not isinstance(part, str):
            raise NotJudged(
                f'A part is called by its name, as text: check("name"); this is of type {type(part).__name__}.'
            )
        having = [e for e in self.course.exercises if any(p.name == part for p in e.parts)]
        here = self.guess(self.course.exercises)
        if not having or (here is not None and here not in having and by_file(self.course, self.path) is here):
            known = [p.name for e in ([here] if here else self.course.exercises) for p in e.parts]
            near = difflib.get_close_matches(part, known, 1)
            meant = f"; did you mean {near[0]!r}?" if near else "."
            raise NotJudged(f"There is no part {part!r:.80}{meant} The parts are {', '.join(known)}.")
        return self.guess(having) or having[0]

    def passed(self, exercise: Exercise) -> frozenset[str]:
        """The parts of an exercise that pass, as the log knows them."""
        from autograder import journal

        return journal.standing(self.course.root).passed(exercise.name)

    def cells(self, exercise: Exercise) -> tuple[Cell, ...] | tuple[Executed, ...]:
        """The notebook as executed; outside IPython the notebook as saved."""
        if self.history is not None:
            return self.history.cells(exercise)
        try:
            return read(exercise.notebook)
        except Unreadable as error:
            raise NotJudged(str(error)) from None

    def serve(self, exercise: Exercise) -> Service:
        """The warm judge of an exercise, started where there is none or where it was lost."""
        if self.service is not None and (self.served != exercise.name or not self.service.alive):
            self.service.close()
            self.service = None
        if self.service is None:
            self.service, self.served = Service(self.course.root, exercise.name), exercise.name
        return self.service

    def grade(self, exercise: Exercise, cells: Sequence[Cell], part: str) -> Report:
        """Grade one part; NotJudged, with what the judge said, where it was lost twice."""
        name = (self.path or exercise.notebook).name
        for last in (False, True):
            try:
                return self.serve(exercise).grade(name, cells, [part])
            except ServiceLost as error:
                if self.service is not None:
                    self.service.close()
                self.service = None
                if last:
                    raise NotJudged(f"No verdict on {part}: {error} (`fathom check` may say more)") from None
        raise AssertionError("unreachable")


def current_shell() -> Any:
    """IPython's shell, or None in plain Python."""
    try:
        from IPython import get_ipython
    except ImportError:
        return None
    return get_ipython()
