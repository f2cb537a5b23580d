"""A class on a Dask cluster: batches of submissions travel to its machines, and the same command grades them there.

Dask starts a batch again elsewhere when the machine that had it is lost. Submissions travel as bytes and results come
back as JSON; each machine needs Fathom with the same exercises, and bubblewrap.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.bugs.signatures import digest
from autograder.classroom import apart
from autograder.classroom.collecting import Handed
from autograder.classroom.grading import Means, Take, exercises_of
from autograder.curriculum import Curriculum
from autograder.judge.grading import JudgeError
from autograder.judge.report import Report, from_data, to_data
from autograder.notebook.cells import MAX_BYTES

BATCH = 16  # submissions that share one warm judge, and that are graded again if their machine is lost
RETRIES = 5


def grade(course: Curriculum, waiting: Sequence[Handed], seed: int, means: Means, take: Take) -> None:
    """Grade submissions on the cluster and hand each report on as it comes; JudgeError where the cluster cannot."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise JudgeError("A cluster needs Dask: `pip install 'dask[distributed]'`, here and on its machines.") from None
    versions = {exercise.name: digest(exercise, course) for exercise in exercises_of(waiting)}
    try:
        client = Client(means.scheduler, timeout=20)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise JudgeError(f"No Dask scheduler answers at {means.scheduler} ({error}); start one there.") from None
    with client:
        futures = {}
        for batch in batches(waiting):
            name = batch[0].exercise.name
            files = [(one.path.suffix, content(one.path)) for one in batch]
            options = ["--seed", str(seed), *(["--trust"] if means.trust else [])]
            options += ["--jobs", str(means.jobs)] if means.jobs else []
            call = (str(course.root), name, versions[name], files, options)
            futures[client.submit(graded_there, *call, pure=False, retries=RETRIES)] = batch
        for future in as_completed(futures):  # type: ignore[no-untyped-call]
            if future.status != "finished":
                raise JudgeError(f"The cluster could not grade a batch: {future.exception()}")
            for one, data in zip(futures[future], future.result(), strict=True):
                take(one, renamed(from_data(data), one))


def batches(waiting: Sequence[Handed]) -> Iterator[list[Handed]]:
    """Submissions of one exercise, a few at a time."""
    for exercise in exercises_of(waiting):
        mine = [one for one in waiting if one.exercise is exercise]
        for start in range(0, len(mine), BATCH):
            yield mine[start : start + BATCH]


def content(path: Path) -> bytes:
    """A submission's bytes; of one that is too large enough to be refused as such."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def renamed(report: Report, one: Handed) -> Report:
    """A report as it would read had the file been graded where it lies."""
    error = report.error and report.error.replace(report.path, str(one.path))
    return Report(str(one.path), report.exercise, report.parts, error, report.seconds, report.notes)


def graded_there(
    root: str, exercise: str, version: str, files: Sequence[tuple[str, bytes]], options: Sequence[str]
) -> list[dict[str, Any]]:
    """On a machine of the cluster: grade a batch with `fathom grade` in a process of its own; reports as data."""
    from autograder import curriculum

    course = curriculum.load(Path(root) if Path(root).is_dir() else curriculum.find_root())
    if digest(course.exercise(exercise), course) != version:
        raise RuntimeError(
            f"{os.uname().nodename} has another version of {exercise} in {course.root}: bring it up to date"
        )
    try:
        return [to_data(report) for report in apart.grade(course.root, exercise, files, options)]
    except apart.NotGraded as error:
        raise RuntimeError(f"{os.uname().nodename}: {error}") from None
