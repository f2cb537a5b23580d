"""`fathom watch`: a verdict on every save, the edited part first."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.commands.course import chosen, fail, load

if TYPE_CHECKING:
    from autograder.curriculum import Curriculum, Exercise
    from autograder.judge.session import Judge


def run(names: Sequence[str]) -> int:
    """Watch until Ctrl-C."""
    from autograder.bugs.signatures import preloads
    from autograder.judge.session import JudgeError, with_judge

    course = load()
    exercises = chosen(course, names)
    with only_one(course.root):
        try:
            with_judge(course, exercises, lambda judge: follow(judge, course, exercises), preloads(course, exercises))
        except KeyboardInterrupt:
            return 0
        except JudgeError as error:
            fail(str(error))
    return 0


def follow(judge: Judge, course: Curriculum, exercises: Sequence[Exercise]) -> None:
    """Grade what is saved, as it is saved."""
    from autograder.render.terminal import console, report_view
    from autograder.watching import Watcher

    screen = console()
    watcher = Watcher(judge, exercises)
    screen.print(f"Watching {len(exercises)} notebooks. Save one and its verdict appears here; Ctrl-C ends.", style="dim")
    for verdict in watcher.verdicts():
        screen.print(report_view(verdict.report))
        screen.print(f"  ({1000 * verdict.seconds:.0f} ms after the save)", style="dim")


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Hold the repository's watch lock; exits with 2 where another watch holds it."""
    import fcntl

    place = root / ".fathom" / "watch.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            fail(f"another `fathom watch` is running here (process {lock.read().strip() or 'unknown'}); end that one first")
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
