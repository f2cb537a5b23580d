"""Reviews: one part, written again from blank, in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from autograder.curriculum import Curriculum, Exercise, Part
from autograder.practice import runs, workspace
from autograder.practice.marking import marked
from autograder.practice.runs import Run
from autograder.practice.schedule import Card
from autograder.practice.standing import Practice
from autograder.practice.workspace import Sheet

if TYPE_CHECKING:
    from autograder.judge.report import Report


class NothingToReview(LookupError):
    """There is no part to write again; the sentence says what to do."""


@dataclass(frozen=True)
class Begun:
    """A review that waits to be solved; a warning where it could not be logged."""

    run: Run
    part: Part
    warning: str | None = None


def choose(at: Practice, name: str | None, part: str | None) -> tuple[Exercise, Part]:
    """What to write again: the part that is named, else the most forgotten one that passed. Raises NothingToReview."""
    exercise = at.course.exercise(name) if name is not None else None
    if exercise is not None and part is not None:
        return exercise, exercise.part(part)
    cards: list[Card] = [card for card in at.cards if card.kind == "part" and name_fits(card, exercise)]
    if exercise is None:
        cards = [card for card in cards if card.is_due]
    if not cards:
        where = f" of {exercise.name}" if exercise is not None else ""
        raise NothingToReview(
            f"no part{where} has passed yet: there is nothing to write again"
            if exercise is not None or not at.cards
            else f"nothing is due. {following(at)}"
        )
    chosen = at.exercises[cards[0].exercise]
    return chosen, chosen.part(cards[0].name)


def name_fits(card: Card, exercise: Exercise | None) -> bool:
    """Whether a card belongs to an exercise, or to any where none is given."""
    return exercise is None or card.exercise == exercise.name


def following(at: Practice) -> str:
    """A sentence about what comes next."""
    ahead = sorted((card for card in at.cards if not card.is_due), key=lambda card: card.due)
    if not ahead:
        return "Parts come back here once they have passed."
    days = max(1, round((ahead[0].due - at.now) / 86_400))
    return f"Next is {ahead[0].exercise}, {ahead[0].name}, in {days} {'day' if days == 1 else 'days'}."


def begin(at: Practice, exercise: Exercise, part: Part, script: bool = False) -> Begun:
    """Write a blank copy of a part. Raises NothingToReview where there is no reference around it, and OSError."""
    if exercise.released:
        raise NothingToReview(
            "this copy came without solutions, which stand around the blank part: "
            f"`fathom reset {exercise.name} --part {part.name}` gives you the stub back, with a backup of what you have"
        )
    identity = runs.fresh()
    file = workspace.FOLDER / f"review-{exercise.name}-{part.name}-{identity}.{'py' if script else 'ipynb'}"
    run = Run(identity, "review", exercise.name, at.now, at.now, file=file.as_posix(), part=part.name)
    sheet = Sheet(exercise.name, run.id, prose(exercise, part), workspace.blank_cells(exercise, part.name))
    workspace.write(at.course.root, file.name, sheet)
    return Begun(run, part, runs.start(at.course.root, run))


def prose(exercise: Exercise, part: Part) -> str:
    """What stands above the stub."""
    return "\n".join(
        [
            f"# Again: {part.title}",
            "",
            f"One part of exercise {exercise.number}, {exercise.title}, from blank. Your own notebook is as it was.",
            "",
            "`fathom review --check` grades this file as it is saved, `--hint` gives a hint, `--give-up` shows a solution.",
        ]
    )


def grade(course: Curriculum, run: Run) -> Report:
    """Grade a review's file by the checks of its part. Raises Unreadable, LookupError, JudgeError."""
    exercise = course.exercise(run.exercise)
    part = exercise.part(run.part)
    needed = list(workspace.blank_cells(exercise, part.name))
    cells = workspace.submission(exercise, course.root / run.file, needed)
    return marked(course, exercise, lambda mark: mark(cells), [part.name])
