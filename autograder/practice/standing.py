"""What every practice command begins with: the log, its runs, outcomes and cards, for the exercises that there are."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from autograder import journal
from autograder.curriculum import Curriculum, Exercise
from autograder.journal import Log
from autograder.journal.progress import Work, works_of
from autograder.practice.outcomes import Fold, Outcome, outcomes_of
from autograder.practice.runs import Run, runs_of
from autograder.practice.schedule import Card, cards_of


@dataclass(frozen=True)
class Practice:
    """A learner's log, read once; everything else follows from it when it is asked for."""

    course: Curriculum
    log: Log
    now: float

    @cached_property
    def runs(self) -> list[Run]:
        """Every drill and review."""
        return runs_of(self.log.events)

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """Every outcome, by time."""
        return outcomes_of(self.fold, self.runs)

    @cached_property
    def fold(self) -> Fold:
        """What attempts and hints came to."""
        return Fold().add(self.log.events)

    @cached_property
    def cards(self) -> list[Card]:
        """What the curriculum still has, the most forgotten first."""
        return [card for card in cards_of(self.outcomes, self.now) if self.knows(card)]

    def passed(self, exercise: str) -> frozenset[str]:
        """The parts of an exercise that ever passed."""
        return self.fold.built(exercise)

    @cached_property
    def works(self) -> Mapping[str, Work]:
        """What passes now."""
        return works_of(self.log.events)

    def passing(self, exercise: str) -> frozenset[str]:
        """The parts of an exercise that pass now."""
        return self.works.get(exercise, Work()).passed

    @cached_property
    def exercises(self) -> Mapping[str, Exercise]:
        """The exercises by name."""
        return {exercise.name: exercise for exercise in self.course.exercises}

    def knows(self, card: Card) -> bool:
        """Whether the curriculum has what a card is about, and this copy of it what that takes."""
        exercise = self.exercises.get(card.exercise)
        if exercise is None:
            return False
        if card.kind == "bug":
            return not exercise.released and f'"{card.name}"' in listing(exercise)
        return any(part.name == card.name for part in exercise.parts)

    def due(self, kind: str | None = None) -> list[Card]:
        """What is due, of one kind where it is given."""
        return [card for card in self.cards if card.is_due and kind in (None, card.kind)]

    def open_run(self, kind: str, exercise: str | None = None) -> Run | None:
        """The drill or review that was begun last, where it is still open and its file is here; no round of an exam."""
        found: Iterable[Run] = [
            r for r in self.runs if r.kind == kind and not r.exam and exercise in (None, r.exercise)
        ]
        last = list(found)[-1:]
        return last[0] if last and last[0].open and self.here(last[0]) else None

    def here(self, run: Run) -> bool:
        """Whether a run's file is in this copy of the repository; another machine may hold it."""
        return run.exercise in self.exercises and bool(run.file) and (self.course.root / run.file).is_file()


@functools.lru_cache(maxsize=256)
def listing(exercise: Exercise) -> str:
    """The text of an exercise's catalogue: enough to see whether it has a bug, in a hundredth of the time."""
    try:
        return (exercise.folder / "bugs.toml").read_text(encoding="utf-8")
    except OSError:
        return ""


def practice(course: Curriculum, now: float) -> Practice:
    """Read the log of a course."""
    return Practice(course, journal.read(course.root, now), now)
