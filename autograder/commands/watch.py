"""`fathom watch`: a verdict on every save, the edited part first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NoReturn

from autograder.commands.course import chosen, fail, load

if TYPE_CHECKING:
    from autograder.curriculum import Curriculum, Exercise
    from autograder.judge.session import Judge


def run(names: Sequence[str]) -> int:
    """Watch until Ctrl-C."""
    from autograder.judge.grading import JudgeError
    from autograder.watching import AlreadyWatched, alone

    course = load()
    exercises = chosen(course, names)
    with ended_by_signals():
        try:
            with alone(course.root):
                judged(course, exercises, f"Watching {counted(exercises)}")
        except (AlreadyWatched, JudgeError) as error:
            fail(str(error))
    return 0


def judged(course: Curriculum, exercises: Sequence[Exercise], what: str, stop: threading.Event | None = None) -> None:
    """Start a judge and grade what is saved, until interrupted or stopped; JudgeError where no judge starts."""
    from autograder.bugs.signatures import preloads
    from autograder.judge.grading import JudgeError
    from autograder.judge.session import with_judge

    def follow(judge: Judge) -> None:
        from autograder.render.terminal import console

        console().print(f"{what}. Save a notebook and its verdict appears here; Ctrl-C ends.", style="dim")
        tell(judge, course, exercises, stop)

    try:
        with_judge(course, exercises, follow, preloads(course, exercises))
    except JudgeError:
        if interrupted.is_set():  # pytest takes an interrupt during its start for its own
            raise KeyboardInterrupt from None
        raise


def tell(judge: Judge, course: Curriculum, exercises: Sequence[Exercise], stop: threading.Event | None) -> None:
    """Show and log verdicts as they come: the edited parts unfolded, the whole exercise after them as a line."""
    from autograder import remembering
    from autograder.render.progress import progress
    from autograder.render.terminal import console, line_view, report_view
    from autograder.watching import Watcher

    screen = console()
    unfolded = ""
    for verdict in Watcher(judge, exercises, progress).verdicts(stop):
        report = verdict.report
        brief = verdict.whole and unfolded == report.exercise
        screen.print(line_view(report) if brief else report_view(report))
        screen.print(f"  ({1000 * verdict.seconds:.0f} ms after the save)", style="dim")
        unfolded = "" if verdict.whole else report.exercise
        warning = remembering.attempt(course.root, report, verdict.digest, "watch") if verdict.whole else None
        if warning is not None:
            screen.print(warning, style="yellow")


def counted(exercises: Sequence[Exercise]) -> str:
    """The exercises in a few words."""
    return exercises[0].name if len(exercises) == 1 else f"{len(exercises)} exercises"


interrupted = threading.Event()


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """End quietly on Ctrl-C, on termination and when the terminal is closed; what is inside cleans up after itself."""

    def end(*_: object) -> NoReturn:
        interrupted.set()
        raise KeyboardInterrupt

    interrupted.clear()
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(kind, end) for kind in kinds]
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)
