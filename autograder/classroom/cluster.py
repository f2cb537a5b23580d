"""A class on a Dask cluster: batches of submissions travel to its machines, and the same command grades them there.

Dask starts a batch again elsewhere when the machine that had it is lost. Submissions travel as bytes and results come
back as JSON; each machine needs Fathom with the same exercises, and bubblewrap.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.bugs.signatures import digest
from autograder.classroom.collecting import Handed
from autograder.classroom.grading import Means, Take, exercises_of
from autograder.classroom.store import kept
from autograder.curriculum import ROOT_VARIABLE, Curriculum
from autograder.judge.grading import JudgeError
from autograder.judge.report import Report, from_data, to_data
from autograder.notebook.cells import MAX_BYTES

BATCH = 16  # submissions that share one warm judge, and that are graded again if their machine is lost
RETRIES = 5
# It ends with the process of the cluster that started it.
MORTAL = "from autograder.observe.zygote import PR_SET_PDEATHSIG, prctl; prctl(PR_SET_PDEATHSIG, 9)"
COMMAND = (sys.executable, "-c", f"{MORTAL}; from autograder.cli import main; main()")


def grade(course: Curriculum, waiting: Sequence[Handed], seed: int, means: Means, take: Take) -> None:
    """Grade submissions on the cluster and hand each report on as it comes; JudgeError where the cluster cannot."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise JudgeError("A cluster needs Dask: `pip install 'dask[distributed]'`, here and on its machines.") from None
    versions = {exercise.name: digest(exercise, course) for exercise in exercises_of(waiting)}
    try:
        client = Client(means.scheduler, timeout=20)
    except OSError as error:
        raise JudgeError(f"No Dask scheduler answers at {means.scheduler} ({error}); start one there.") from None
    with client:
        futures = {}
        for batch in batches(waiting):
            name = batch[0].exercise.name
            files = [(one.path.suffix, content(one.path)) for one in batch]
            options = [*(["--trust"] if means.trust else []), *(["--jobs", str(means.jobs)] if means.jobs else [])]
            call = (str(course.root), name, versions[name], files, seed, options)
            futures[client.submit(graded_there, *call, pure=False, retries=RETRIES)] = batch
        for future in as_completed(futures):
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
    root: str, exercise: str, version: str, files: Sequence[tuple[str, bytes]], seed: int, options: Sequence[str]
) -> list[dict[str, Any]]:
    """On a machine of the cluster: grade a batch with `fathom grade` in a process of its own; reports as data."""
    from autograder import curriculum

    course = curriculum.load(Path(root) if Path(root).is_dir() else curriculum.find_root())
    if digest(course.exercise(exercise), course) != version:
        raise RuntimeError(f"{os.uname().nodename} has another version of {exercise} in {course.root}: bring it up to date")
    with tempfile.TemporaryDirectory(prefix="fathom-batch-") as place:
        folder, out = Path(place, "class"), Path(place, "out")
        paths = [folder / f"{number:04d}" / f"{exercise}{suffix}" for number, (suffix, _) in enumerate(files)]
        for path, (_, data) in zip(paths, files, strict=True):
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
        words = ["grade", str(folder), "--exercise", exercise, "--out", str(out), "--seed", str(seed), "--json", *options]
        environment = {**os.environ, ROOT_VARIABLE: str(course.root)}
        done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, env=environment)
        if done.returncode not in (0, 1) and not done.stdout.startswith("{"):
            raise RuntimeError(f"{os.uname().nodename}: {done.stderr.strip()[-2000:]}")
        found = {report.path: to_data(report) for report in kept(out)}
        for entry in json.loads(done.stdout)["submissions"]:
            if entry["error"] is not None:
                found[entry["path"]] = to_data(Report(entry["path"], exercise, error=entry["error"]))
        return [found[str(path)] for path in paths]
