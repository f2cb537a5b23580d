"""From a save to a verdict: follow notebooks, find the edited part, grade it first and the rest after."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.bugs.diagnosis import Diagnostician, Progress, silent
from autograder.bugs.graft import blame
from autograder.curriculum import Exercise
from autograder.judge.examine import Request
from autograder.judge.report import Report
from autograder.judge.session import Judge
from autograder.notebook import Definitions, Unreadable, blank_of, definitions, read
from autograder.notebook.versions import fingerprints

STEP = 5  # milliseconds between looks at what the kernel reports; the library's default adds 100
LOCK = Path(".fathom", "watch.lock")


@dataclass(frozen=True)
class Verdict:
    """A report on the edited parts, or on the whole exercise, and how long after the save it came."""

    report: Report
    seconds: float
    whole: bool
    digest: str


class AlreadyWatched(Exception):
    """Another process watches this repository; the message names it."""


class Watcher:
    """Remembers every notebook's graded statements, so that a save that changes none says nothing."""

    def __init__(self, judge: Judge, exercises: Sequence[Exercise], progress: Progress = silent) -> None:
        self.doctor = Diagnostician(judge, progress)
        self.exercises = {exercise.notebook.resolve(): exercise for exercise in exercises}
        self.seen: dict[str, Definitions] = {}
        for exercise in exercises:
            self.doctor.prepare(exercise)
            with contextlib.suppress(Unreadable):
                self.seen[exercise.name] = definitions(read(exercise.notebook), blank_of(exercise))

    def verdicts(self, stop: threading.Event | None = None) -> Iterator[Verdict]:
        """Verdicts on saves, until interrupted or stopped."""
        from watchfiles import watch

        folders = sorted({path.parent for path in self.exercises})
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        changed = watch(*folders, step=STEP, debounce=50, recursive=False, raise_interrupt=True, stop_event=stop)
        for changes in changed:
            began = time.perf_counter()
            for path in sorted({Path(name).resolve() for _, name in changes}):
                if path in self.exercises and path.exists():
                    yield from self.saved(self.exercises[path], began)

    def saved(self, exercise: Exercise, began: float) -> Iterator[Verdict]:
        """Verdicts on one save: the edited parts, then the whole exercise."""
        try:
            cells = read(exercise.notebook)
        except Unreadable as error:
            yield Verdict(Report(str(exercise.notebook), exercise.name, error=str(error)), 0.0, True, "")
            return
        found = definitions(cells, blank_of(exercise))
        before = self.seen.get(exercise.name)
        digest = found.digest()
        if before is not None and before.digest() == digest and before.spoiled == found.spoiled:
            return
        self.seen[exercise.name] = found
        edited = edited_parts(exercise, before, found)
        if edited and len(edited) < len(exercise.parts):
            yield self.grade(Request(exercise, str(exercise.notebook), cells, edited), began, False, digest)
        yield self.grade(Request(exercise, str(exercise.notebook), cells), began, True, digest)

    def grade(self, request: Request, began: float, whole: bool, digest: str) -> Verdict:
        """Grade one request."""
        report = blame(self.doctor.judge, request, self.doctor.one(request).report)
        return Verdict(report, time.perf_counter() - began, whole, digest)


def edited_parts(exercise: Exercise, before: Definitions | None, after: Definitions) -> tuple[str, ...]:
    """Parts whose stubs read differently than before."""
    if before is None:
        return ()
    old, new = fingerprints(before), fingerprints(after)
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return tuple(part.name for part in exercise.parts if changed & set(part.stubs))


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Hold the repository's watch lock; AlreadyWatched where another process holds it."""
    import fcntl

    place = root / LOCK
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            who = lock.read().strip() or "unknown"
            raise AlreadyWatched(
                f"`fathom learn` or `fathom watch` is running here already (process {who}); end that one first"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
