"""Grade one submission with collected checks: from cells to a report."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

import pytest

from autograder.curriculum import Curriculum, Exercise, Part
from autograder.judge.dependency import observed
from autograder.judge.grading import Grading, JudgeError, Record, UnjudgedCheck
from autograder.judge.observation import Observation
from autograder.judge.plugin import SEED, part_of, place, run
from autograder.judge.report import Outcome, PartReport, Report, worst
from autograder.judge.submission import Submission, prepare, resolve
from autograder.notebook import Cell, Unreadable, read
from autograder.observe.client import Zygote, ZygoteLost

Items = Mapping[str, Sequence[pytest.Item]]  # part → its checks


@dataclass(frozen=True)
class Named:
    """A bug that explains a failing part: its id, and what to say about it."""

    bug: str
    message: str


Diagnose = Callable[[Exercise, str, Sequence[Record]], Sequence[Named]]


@dataclass(frozen=True)
class Request:
    """What to grade: a path, or cells that are at hand already (`path` is then only a label)."""

    exercise: Exercise
    path: str
    cells: tuple[Cell, ...] | None = None
    parts: tuple[str, ...] | None = None
    seed: int = SEED


@dataclass(frozen=True)
class Graded:
    """A report, with the records behind it, and the modules that its checks made a worker load."""

    report: Report
    records: tuple[Record, ...] = ()
    imported: tuple[str, ...] = ()


def examine(
    request: Request, curriculum: Curriculum, items: Items, zygote: Zygote, diagnose: Diagnose | None
) -> Graded:
    """Grade one request; a submission that cannot be read gives a report with an error."""
    began = time.perf_counter()
    exercise = request.exercise
    try:
        cells = request.cells if request.cells is not None else read(resolve(request.path, exercise))
    except Unreadable as error:
        return Graded(Report(request.path, exercise.name, error=str(error), seconds=time.perf_counter() - began))
    submission = prepare(exercise, curriculum, cells, asked_by(next(iter(items.values()), ())))
    grading = Grading(
        zygote, submission.statements, submission.carried, submission.definitions.scratch, submission.owners
    )
    records: list[Record] = []
    public: list[Record] = []  # what the parts so far have shown on the inputs that everybody knows, where they failed
    parts = []
    try:
        for part in exercise.parts:
            if request.parts is None or part.name in request.parts:
                seen = run_part(part, submission, items, grading, request.seed)
                records += seen
                named: tuple[Named, ...] = ()
                if diagnose is not None and worst(r.outcome for r in seen) in ("failed", "crashed", "timed_out"):
                    public += seen if request.seed == SEED else run_part(part, submission, items, grading, SEED, True)
                    named = tuple(diagnose(exercise, part.name, public))
                else:
                    public += seen
                parts.append(report_part(part, submission, seen, named))
    finally:
        grading.retire()
    notes = (*submission.definitions.spoiled, *submission.definitions.notes, *grading.problems)
    report = Report(request.path, exercise.name, tuple(parts), None, time.perf_counter() - began, notes)
    return Graded(report, tuple(records), tuple(grading.imported))


def run_part(
    part: Part, submission: Submission, items: Items, grading: Grading, seed: int, confirmed: bool = False
) -> list[Record]:
    """Run one part's checks, unless it is plain before that they cannot pass; `confirmed`: it is known to fail."""
    checks = items.get(part.name, ())
    if barred(part, submission) is not None or not checks:
        return []
    grading.begin_part(part.name, part.needs, confirmed)
    return [judged(item, grading, seed) for item in checks]


def judged(item: pytest.Item, grading: Grading, seed: int) -> Record:
    """Run one check. JudgeError: it could give no verdict, and why."""
    assert isinstance(item, pytest.Function)
    try:
        return run(item, grading, seed)
    except ZygoteLost as error:
        raise JudgeError(str(error)) from error
    except UnjudgedCheck as error:
        raise JudgeError(f"{place(item)}: {error}") from error
    except (Exception, pytest.skip.Exception, pytest.fail.Exception) as error:
        told = item.repr_failure(pytest.ExceptionInfo.from_exception(error))
        raise JudgeError(f"{place(item)} broke:\n{told}") from error


def barred(part: Part, submission: Submission) -> tuple[Outcome, str] | None:
    """What is plain about a part before any of it runs: outcome and message, or None."""
    spoiled = submission.spoiled(part)
    if spoiled is not None:
        return "crashed", spoiled
    waits = submission.waits_for(part)
    if waits is not None:
        return "not_started", waits
    if part.name in submission.offences:
        return "failed", f"This part is about writing it yourself; it uses {submission.offences[part.name]}."
    return None


def report_part(part: Part, submission: Submission, records: Sequence[Record], named: Sequence[Named]) -> PartReport:
    """Sum up one part."""
    outcome = barred(part, submission)
    if outcome is not None:
        return PartReport(part.name, outcome[0], part.points, outcome[1])
    if not records:
        raise JudgeError(f"no check belongs to part {part.name}; write one, under @part({part.name!r})")
    seen = worst(record.outcome for record in records)
    checks = tuple(record.report for record in records)
    alike = [check for check in checks if check.outcome == seen]
    first = next((check for check in alike if check.message), alike[0])  # a check that passes may have to say something
    return name_bugs(PartReport(part.name, seen, part.points, first.message, checks), named)


def name_bugs(part: PartReport, named: Sequence[Named]) -> PartReport:
    """A part's report with the bugs that explain it, and what there is to say about them in place of its message."""
    message = " ".join(dict.fromkeys(name.message for name in named)) or part.message
    return replace(part, message=message, bugs=tuple(name.bug for name in named))


def asked_by(items: Sequence[pytest.Item]) -> frozenset[str] | None:
    """The names that the observations of the items' file ask a submission for."""
    return names_asked(items[0].module) if items else None  # type: ignore[attr-defined]


@functools.cache
def names_asked(module: ModuleType) -> frozenset[str] | None:
    """The names that the observations in a module ask a submission for."""
    return observed(thing.source for thing in vars(module).values() if isinstance(thing, Observation))


def by_part(items: Sequence[pytest.Item]) -> Items:
    """Collected checks by the part that each declares."""
    found: dict[str, list[pytest.Item]] = {}
    for item in items:
        found.setdefault(part_of(item) or "", []).append(item)
    return found
