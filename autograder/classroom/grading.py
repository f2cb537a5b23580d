"""Grade a class: what the store does not hold yet, in locked workers, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.bugs.diagnosis import Diagnostician
from autograder.bugs.signatures import digest, preloads
from autograder.classroom.collecting import Handed
from autograder.classroom.store import Store
from autograder.curriculum import Curriculum, Exercise
from autograder.judge.examine import Request
from autograder.judge.report import Report
from autograder.judge.session import Judge, with_judge
from autograder.observe import locked
from autograder.observe.client import COMMAND

Progress = Callable[[int, int], None]  # done, of how many
Take = Callable[[Handed, Report], None]  # what to do with each report as it comes


@dataclass(frozen=True)
class Means:
    """What grading may use: processes at a time, a lock unless everyone is trusted, other machines."""

    jobs: int | None = None
    trust: bool = False
    scheduler: str | None = None


@dataclass(frozen=True)
class Result:
    """A student's submission, graded."""

    student: str
    report: Report


def grade(
    course: Curriculum,
    handed: Sequence[Handed],
    store: Store,
    means: Means = Means(),
    progress: Progress = lambda done, total: None,
) -> list[Result]:
    """Grade every submission and keep each result as it comes; what a run before has kept is not graded again.

    Raises NoLock where this machine cannot lock (unless `trust`), JudgeError where checks cannot be collected.
    """
    versions = {exercise.name: digest(exercise, course) for exercise in exercises_of(handed)}
    keys = {one: store.key(one, versions[one.exercise.name]) for one in handed}
    reports: dict[Handed, Report] = {}
    for one in handed:
        if one.refused:
            reports[one] = Report(str(one.path), one.exercise.name, error=f"{one.path} {one.refused}")
        elif (kept := store.load(keys[one], str(one.path))) is not None:
            reports[one] = kept
    progress(len(reports), len(handed))

    def take(one: Handed, report: Report) -> None:
        reports[one] = report
        if report.error is None:  # an error may have been this machine's; it costs little to find it again
            store.save(keys[one], report)
        progress(len(reports), len(handed))

    waiting = [one for one in handed if one not in reports]
    if waiting and means.scheduler is not None:
        from autograder.classroom import cluster

        cluster.grade(course, waiting, store.seed, means, take)
    elif waiting:
        here(course, waiting, store, means, take)
    return [Result(one.student, reports[one]) for one in handed]


def here(course: Curriculum, waiting: Sequence[Handed], store: Store, means: Means, take: Take) -> None:
    """Grade on this machine, with one warm judge."""
    hidden = [course.root, store.folder, Path.home(), *{one.path.parent for one in waiting}]
    command = COMMAND if means.trust else locked.command(hidden)
    exercises = exercises_of(waiting)

    def body(judge: Judge) -> None:
        requests = [Request(one.exercise, str(one.path), seed=store.seed) for one in waiting]
        for index, graded in Diagnostician(judge).grade(requests, means.jobs, lenient=True):
            take(waiting[index], graded.report)

    with_judge(course, exercises, body, preloads(course, exercises), command)


def exercises_of(handed: Sequence[Handed]) -> list[Exercise]:
    """The exercises that were handed in, each once."""
    return list({one.exercise.name: one.exercise for one in handed}.values())
