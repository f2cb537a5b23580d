"""What the practice commands share: refusals in a sentence, warnings, and one run that goes on."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autograder.commands.course import fail

if TYPE_CHECKING:
    from autograder.practice.runs import Run
    from autograder.practice.standing import Practice

SHOWN = 5  # warnings of a kind


def logged(what: str) -> None:
    """Exit with 2 where nothing is logged: what a run is about would be forgotten at once."""
    from autograder.remembering import LOG, enabled

    if not enabled():
        fail(f"{what} lives in your log, and {LOG}=off keeps it off: unset the variable")


def warn(sentences: Iterable[str | None]) -> None:
    """Say on stderr what is odd, the first few of it."""
    told = [sentence for sentence in sentences if sentence]
    for sentence in told[:SHOWN]:
        print(f"fathom: {sentence}", file=sys.stderr)
    if len(told) > SHOWN:
        print(f"fathom: and {len(told) - SHOWN} more like these", file=sys.stderr)


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Turn what a run cannot go on after into a sentence and exit code 2."""
    from autograder.curriculum import CurriculumError
    from autograder.judge.grading import JudgeError
    from autograder.notebook import Unreadable

    try:
        yield
    except (CurriculumError, JudgeError, Unreadable, LookupError) as error:
        fail(str(error.args[0]) if error.args else str(error))
    except OSError as error:
        fail(f"the file could not be written: {error.strerror or error}")


@dataclass(frozen=True)
class Session:
    """An open run, and where its news goes."""

    at: Practice
    run: Run
    as_json: bool

    def went(self, result: str, level: int | None = None) -> Run:
        """Log what came of the run; the run as it is now, and a warning where it could not be kept or timed."""
        from autograder.practice import runs

        now = time.time()
        if now < self.run.began:
            warn([f"the clock is behind the start of this {self.run.kind}, so its time counts as nothing"])
        warn([runs.went(self.at.course.root, self.run, result, now, level)])
        return runs.after(self.run, result, now, level)

    def print(self, what: Any) -> None:
        """Show something to people."""
        from autograder.render.terminal import console

        console().print(what)
