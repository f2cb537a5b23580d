"""The closed-book exam: failing models with one, two and three bugs under one clock, then a fine-tune from blank.

An exam is a sequence of drills and reviews in the log that share its name and have no hints; what it came to follows
from these runs alone.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autograder.bugs.catalogue import catalogue
from autograder.curriculum import Curriculum, Exercise
from autograder.notebook import read
from autograder.notebook.blank import stubs_in
from autograder.notebook.regions import cleared
from autograder.practice import drill, runs, workspace
from autograder.practice.choosing import NothingToDrill, candidates, draw
from autograder.practice.marking import marked
from autograder.practice.runs import Run
from autograder.practice.standing import Practice
from autograder.practice.workspace import Sheet

if TYPE_CHECKING:
    from autograder.judge.report import Report
    from autograder.practice.planting import Planted
    from autograder.practice.symptoms import Symptom

MODELS = ("attention", "transformer", "gpt")  # a course without any of them is examined on what it has
FINETUNE = "lora_finetune"
BUGS = (1, 2, 3)  # by round
LAST = len(BUGS) + 1  # the round that is a fine-tune
MINUTES = 45.0  # for the failing models together, and once more for the fine-tune
WORTH = {1: 10, 2: 20, 3: 30, LAST: 40}
PATIENCE = 8  # failing checks after which a solution is worth half
LATE, UNSAID = 0.4, 0.8  # what is left after the time, and without an explanation


@dataclass(frozen=True)
class Round:
    """One file of an exam: a drill, or the reviews of all parts of a fine-tune, which share it."""

    number: int
    runs: tuple[Run, ...]

    @property
    def first(self) -> Run:
        """The run that stands for the round."""
        return self.runs[0]

    @property
    def open(self) -> bool:
        """Whether something of it still waits to be solved."""
        return any(run.open for run in self.runs)

    @property
    def state(self) -> str:
        """solved, given_up, failed or started."""
        states = {run.result for run in self.runs}
        return next((state for state in ("started", "failed", "given_up") if state in states), "solved")

    @property
    def minutes(self) -> float:
        """Until what came last."""
        return max(run.minutes for run in self.runs)

    @property
    def failed(self) -> int:
        """How often the checks said no."""
        return max(run.failed for run in self.runs)

    @property
    def explanation(self) -> str:
        """What was written about it."""
        return self.first.explanation

    @property
    def score(self) -> float:
        """Points out of its worth: by parts solved, time, failing checks and whether it was explained."""
        earned = sum(timely(run, self.number) for run in self.runs if run.result == "solved") / len(self.runs)
        said = 1.0 if self.explanation else UNSAID
        return round(WORTH.get(self.number, 0) * earned * PATIENCE / (PATIENCE + self.failed) * said, 1)

    def as_json(self) -> dict[str, Any]:
        """The round as the machine interface has it; what was planted is told once it is over."""
        run = self.first
        told: dict[str, Any] = {"round": self.number, "kind": run.kind, "exercise": run.exercise, "file": run.file}
        told |= {"bugs": len(run.planted)} if run.kind == "drill" else {"parts": [one.part for one in self.runs]}
        told |= {"state": self.state, "minutes": self.minutes, "limit": run.limit, "late": run.late}
        told |= {"failed": self.failed, "explanation": self.explanation}
        told |= {"score": self.score, "worth": WORTH.get(self.number, 0)}
        return told | ({"planted": list(run.planted)} if run.kind == "drill" and not self.open else {})


def timely(run: Run, number: int) -> float:
    """What a solution is worth by its time: all of it within its share of the clock, then less, down to a half."""
    if run.late:
        return LATE
    fair = MINUTES * number / sum(BUGS) if number < LAST else MINUTES / 2
    return 1.0 - 0.5 * min(1.0, max(0.0, run.minutes - fair) / (MINUTES - fair))


@dataclass(frozen=True)
class Exam:
    """An exam as the log tells it; its name begins with the seed of what is drawn."""

    name: str
    rounds: tuple[Round, ...]

    @property
    def seed(self) -> int:
        """Of what is drawn."""
        digits = self.name.partition("-")[0]
        return int(digits) if digits.isdecimal() else 0

    @property
    def open(self) -> Round | None:
        """The round that waits to be solved."""
        return next((one for one in self.rounds if one.open), None)

    def left(self, now: float) -> float:
        """Minutes that the clock of the failing models still has."""
        return round(MINUTES - self.rounds[0].first.elapsed(now), 1)

    def follows(self, course: Curriculum, now: float) -> int | None:
        """The number of the round that comes next; None where the exam is over, or as far as it goes here."""
        done = self.rounds[-1].number
        if done + 1 < LAST and self.left(now) > 0:
            return done + 1
        return LAST if done < LAST and finetune(course) is not None else None

    @property
    def score(self) -> float:
        """Points of all rounds."""
        return round(sum(one.score for one in self.rounds), 1)

    def as_json(self, course: Curriculum, now: float) -> dict[str, Any]:
        """The exam as the machine interface has it."""
        told = {"exam": self.name, "seed": self.seed, "rounds": [one.as_json() for one in self.rounds]}
        told |= {"score": self.score, "out_of": sum(WORTH.values()), "next": self.follows(course, now)}
        return told | {"left": max(0.0, self.left(now)), "waits_for": waits_for(course)}


def exams(at: Practice) -> list[Exam]:
    """Every exam of the log, in the order in which they began."""
    found: dict[str, dict[int, list[Run]]] = {}
    for run in at.runs:
        if run.exam:
            found.setdefault(run.exam, {}).setdefault(run.round, []).append(run)
    return [
        Exam(name, tuple(Round(number, tuple(listed)) for number, listed in sorted(rounds.items())))
        for name, rounds in found.items()
    ]


def finetune(course: Curriculum) -> Exercise | None:
    """The exercise of the fine-tune, where this copy has it with its solution."""
    found = [exercise for exercise in course.exercises if exercise.name == FINETUNE and not exercise.released]
    return found[0] if found else None


def waits_for(course: Curriculum) -> str | None:
    """The exercise that the last round needs and that is not here."""
    return None if finetune(course) is not None else FINETUNE


def named(seed: int | None) -> str:
    """The name of a new exam."""
    return f"{secrets.randbits(32) if seed is None else seed}-{runs.fresh()}"


def begin(at: Practice, exam: Exam | None, name: str, number: int, script: bool = False) -> tuple[Round, str | None]:
    """Write the file of a round and start its clock; a warning where it could not be logged.

    Raises NothingToDrill, CurriculumError, JudgeError, OSError.
    """
    return finetune_round(at, name, script) if number == LAST else drill_round(at, exam, name, number, script)


def drill_round(at: Practice, exam: Exam | None, name: str, number: int, script: bool) -> tuple[Round, str | None]:
    """A failing model: every cell of an exercise that somebody writes, with as many bugs as the round has."""
    earlier = [one.first for one in exam.rounds] if exam is not None else []
    listed = pool(at.course)
    random.Random(name.partition("-")[0]).shuffle(listed)
    if not listed:
        raise NothingToDrill("this copy came without solutions, so there is no failing model to make")
    exercise = listed[(number - 1) % len(listed)]
    seen = [bug for run in earlier if run.exercise == exercise.name for bug in run.planted]
    seed = random.Random(f"{name.partition('-')[0]} {number}").getrandbits(32)
    among = candidates(exercise, at.cards, avoid=seen) or candidates(exercise, at.cards)
    _, bugs = draw(among, seed, BUGS[number - 1])
    made, shown = drill.broken(at.course, exercise, bugs, among, seed)
    left = MINUTES if exam is None else exam.left(at.now)
    make = fresh(at, name, number, exercise, script)
    run = make("drill", planted=tuple(bug.id for bug in made.bugs), limit=max(0.1, left))
    workspace.write(at.course.root, run.file.rpartition("/")[2], failing_sheet(exercise, run, made, shown))
    return Round(number, (run,)), runs.start(at.course.root, run)


def pool(course: Curriculum) -> list[Exercise]:
    """The exercises that failing models are made of."""
    able = [exercise for exercise in course.exercises if not exercise.released and catalogue(exercise).bugs]
    return [exercise for exercise in able if exercise.name in MODELS] or able


def finetune_round(at: Practice, name: str, script: bool) -> tuple[Round, str | None]:
    """All parts of the fine-tune from blank, in one file: a review each. Raises NothingToDrill where it is not here."""
    exercise = finetune(at.course)
    if exercise is None:
        raise NothingToDrill(f"the last round waits for the exercise {FINETUNE}, which this copy does not have")
    make = fresh(at, name, LAST, exercise, script)
    made = tuple(make("review", part=part.name, limit=MINUTES) for part in exercise.parts)
    file = made[0].file.rpartition("/")[2]
    workspace.write(at.course.root, file, Sheet(exercise.name, made[0].id, blank_prose(exercise), blank(exercise)))
    warnings = [runs.start(at.course.root, run) for run in made]
    return Round(LAST, made), next((warning for warning in warnings if warning), None)


def fresh(at: Practice, name: str, number: int, exercise: Exercise, script: bool) -> Any:
    """A function that makes the runs of one round, which share a file."""
    ending = "py" if script else "ipynb"
    file = (workspace.FOLDER / f"exam-{number}-{exercise.name}-{runs.fresh()}.{ending}").as_posix()

    def make(kind: str, **more: Any) -> Run:
        return Run(runs.fresh(), kind, exercise.name, at.now, at.now, file=file, exam=name, round=number, **more)

    return make


def blank(exercise: Exercise) -> dict[str, str]:
    """Every cell that somebody writes, blank."""
    return {
        cell.grade_id: workspace.shown(cleared(cell.source))
        for cell in read(exercise.source)
        if cell.kind == "code" and cell.grade_id and list(stubs_in(cell.source))
    }


def failing_sheet(exercise: Exercise, run: Run, made: Planted, seen: Sequence[Symptom]) -> Sheet:
    """The whole of a failing model, with what its checks saw; where it fails is for somebody to find."""
    from autograder.render.symptoms import symptoms_png, table

    written = [cell for cell in made.cells if cell.kind == "code" and cell.grade_id and list(stubs_in(cell.source))]
    cells = {cell.grade_id: workspace.shown(cell.source) for cell in written if cell.grade_id}
    count = "One bug is" if len(made.bugs) == 1 else f"{len(made.bugs)} bugs are"
    prose = [
        f"# Exam, round {run.round}: {exercise.title}",
        "",
        f"{count} planted in the cells below. The clock has {run.limit:g} minutes, and there are no hints. What the checks saw:",
        "",
        *table(seen),
        "",
        "`fathom exam --check` grades this file as it is saved, `--give-up` ends the round,",
        '`--explain "…"` keeps what it was, in your own words.',
    ]
    return Sheet(exercise.name, run.id, "\n".join(prose), cells, symptoms_png(seen))


def blank_prose(exercise: Exercise) -> str:
    """What stands above the fine-tune."""
    return "\n".join(
        [
            f"# Exam, round {LAST}: {exercise.title}, from blank",
            "",
            f"All {len(exercise.parts)} parts, {MINUTES:g} minutes, closed book: no documentation, no earlier notebook.",
            "",
            "`fathom exam --check` grades this file as it is saved, `--give-up` ends the exam,",
            '`--explain "…"` keeps what you would do differently.',
        ]
    )


def grade(course: Curriculum, this: Round) -> Report:
    """Grade a round's file by all checks of its exercise. Raises Unreadable, CurriculumError, JudgeError."""
    if this.first.kind == "drill":
        return drill.grade(course, this.first)
    exercise = course.exercise(this.first.exercise)
    cells = workspace.submission(exercise, course.root / this.first.file, list(blank(exercise)))
    return marked(course, exercise, lambda mark: mark(cells))


def results(this: Round, report: Report) -> Mapping[str, str]:
    """What a report says about each open run, by its id; a part that is still blank is no attempt."""
    if this.first.kind == "drill":
        return {this.first.id: "solved" if report.passed else "failed"}
    outcomes = {verdict.part: verdict.outcome for verdict in report.parts}
    return {
        run.id: "solved" if outcomes.get(run.part) == "passed" else "failed"
        for run in this.runs
        if run.open and outcomes.get(run.part) != "not_started"
    }
