"""`fathom grade`."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.commands.check import code
from autograder.commands.course import chosen, fail, load

if TYPE_CHECKING:
    from autograder.classroom.grading import Result
    from autograder.curriculum import Curriculum

LOUD = (
    "fathom: --trust: NOTHING is locked. The submissions run as you, with your files, your network and the solutions "
    "in reach, and can give themselves any mark."
)


SLOW = (
    "namespaces do not nest here, so each submission gets a sandbox of its own and imports torch anew: seconds for each, not "
    "milliseconds."
)


@dataclass(frozen=True)
class Asked:
    """The options of the command."""

    folder: Path
    exercises: Sequence[str] = ()
    jobs: int | None = None
    out: Path | None = None
    seed: int | None = None
    trust: bool = False
    as_json: bool = False
    scheduler: str | None = None
    gradebook: str | None = None


def run(asked: Asked) -> int:
    """Grade a class, write what there is to write, and show it; returns the exit code."""
    from autograder.classroom import store
    from autograder.classroom.collecting import collect
    from autograder.classroom.grading import Means, grade
    from autograder.judge.grading import JudgeError
    from autograder.observe import locked
    from autograder.render.progress import progress

    course = load()
    exercises = chosen(course, asked.exercises)
    try:
        found = collect(asked.folder, course.exercises, exercises)
    except OSError as error:
        fail(f"{asked.folder} cannot be read ({error.strerror}): give the folder that holds the submissions")
    for sentence in found.passed_over:
        say(f"passed over: {sentence}")
    if not found.handed:
        fail(f"{asked.folder} holds no notebook or script of an exercise; name the exercise with --exercise")
    if asked.trust:
        say(LOUD)
    out = asked.out or Path(f"{asked.folder.resolve()}-graded")
    kept = store.begin(out, asked.seed)
    say(f"seed {kept.seed}; results in {out}")
    try:
        with contextlib.suppress(locked.NoLock):  # raised again below, where anything is left to grade
            if not asked.trust and asked.scheduler is None and not locked.nests():
                say(f"{SLOW} {locked.advice()}")
        with progress("grading", quiet=asked.as_json) as tick:
            results = grade(course, found.handed, kept, Means(asked.jobs, asked.trust, asked.scheduler), tick)
    except (locked.NoLock, JudgeError) as error:
        fail(str(error))
    kept.finish()
    publish(course, out, results, asked)
    return code([result.report for result in results])


def publish(course: Curriculum, out: Path, results: Sequence[Result], asked: Asked) -> None:
    """Write feedback, table and summary, and print what was asked for."""
    from autograder.classroom import feedback, summary

    for result in results:
        feedback.write(out / "feedback", result)
    summary.write(out, course, results)
    document = json.dumps({"submissions": [result.report.as_json() for result in results]})
    (out / "grades.json").write_text(document + "\n", encoding="utf-8")
    if asked.gradebook is not None:
        from autograder.classroom import gradebook

        for sentence in gradebook.write(asked.gradebook, course, results):
            say(sentence)
    if asked.as_json:
        print(document)
    else:
        show(course, results)


def show(course: Curriculum, results: Sequence[Result]) -> None:
    """The class as a table, and what it has in common."""
    from rich.text import Text

    from autograder.classroom.summary import headline, misconceptions
    from autograder.render.terminal import console, summary_view

    screen = console()
    screen.print(summary_view([result.report for result in results]))
    screen.print(Text(headline(results), style="bold"))
    for entry in misconceptions(course, results)[:10]:
        screen.print(Text(f"  {entry.students:>3} × {entry.bug}: {entry.text}"))


def say(sentence: str) -> None:
    """Tell on stderr, which may hold names that others chose."""
    from autograder.render.text import tame

    print(tame(sentence), file=sys.stderr)
