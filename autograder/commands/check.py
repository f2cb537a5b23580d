"""`fathom check`."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.commands.course import chosen, fail, load

if TYPE_CHECKING:
    from autograder.curriculum import Curriculum, Exercise
    from autograder.judge.examine import Request
    from autograder.judge.report import Report


def run(
    names: Sequence[str],
    parts: Sequence[str],
    submissions: Sequence[str],
    as_json: bool,
    junit: Path | None,
    jobs: int | None,
) -> int:
    """Grade and show; returns the exit code."""
    from autograder.judge.grading import JudgeError

    course = load()
    exercises = chosen(course, names)
    if submissions and len(exercises) != 1:
        fail("--submission grades one exercise: name it first, as in `fathom check backprop_engine --submission PATH`")
    if junit is not None:
        writable(junit)
    try:
        reports = grade(course, exercises, parts, submissions, jobs)
    except JudgeError as error:
        fail(str(error))
    if junit is not None:
        from autograder.judge.junit import junit as as_junit

        junit.write_text(as_junit(reports), encoding="utf-8")
    if as_json:
        print(json.dumps({"submissions": [report.as_json() for report in reports]}))
    else:
        show(reports)
    if not submissions:
        remember(course, exercises, reports)
    return code(reports)


def writable(junit: Path) -> None:
    """Exit with 2 where the JUnit file cannot be written, before anything is graded for it."""
    try:
        junit.open("a").close()
    except OSError as error:
        fail(f"--junit {junit} cannot be written: {error.strerror}")


def grade(
    course: Curriculum,
    exercises: Sequence[Exercise],
    parts: Sequence[str],
    submissions: Sequence[str],
    jobs: int | None,
) -> list[Report]:
    """Grade every request with one warm judge, bugs named; reports in the order of the requests."""
    from autograder.bugs.diagnosis import Diagnostician
    from autograder.bugs.graft import blame
    from autograder.bugs.signatures import preloads
    from autograder.judge.session import Judge, with_judge
    from autograder.render.progress import progress

    requests = [r for exercise in exercises for r in asked(exercise, parts, submissions)]

    def body(judge: Judge) -> list[Report]:
        doctor = Diagnostician(judge, progress)
        if len(requests) == 1:
            return [blame(judge, requests[0], doctor.one(requests[0]).report)]
        found = {}
        with progress(f"grading {len(requests)} submissions") as tick:
            for index, graded in doctor.grade(requests, jobs):
                found[index] = graded
                tick(len(found), len(requests))
        return [found[index].report for index in range(len(requests))]

    return with_judge(course, exercises, body, preloads(course, exercises) if len(requests) > 1 else ())


def asked(exercise: Exercise, parts: Sequence[str], submissions: Sequence[str]) -> list[Request]:
    """One request for each submission of an exercise; the learner's own notebook where none is named."""
    from autograder.judge.examine import Request
    from autograder.judge.submission import expand

    known = [part.name for part in exercise.parts]
    for name in parts:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            fail(f"{exercise.name} has no part {name!r}{hint} It has {', '.join(known)}.")
    paths = [path for given in submissions for path in expand(given, exercise)] or [str(exercise.notebook)]
    return [Request(exercise, path, parts=tuple(parts) or None) for path in paths]


def remember(course: Curriculum, exercises: Sequence[Exercise], reports: Sequence[Report]) -> None:
    """Log verdicts on the learner's own notebooks; a disk that refuses costs a warning on stderr."""
    from autograder import remembering
    from autograder.notebook import Unreadable, blank_of, definitions, read

    for exercise, report in zip(exercises, reports, strict=True):
        try:
            digest = definitions(read(exercise.notebook), blank_of(exercise)).digest()
        except Unreadable:
            continue
        warning = remembering.attempt(course.root, report, digest, "check")
        if warning is not None:
            print(f"fathom: {warning}", file=sys.stderr)
            return


def show(reports: Sequence[Report]) -> None:
    """Reports for people: one unfolded, many as a table."""
    from autograder.render.terminal import console, report_view, summary_view

    screen = console()
    if len(reports) <= 3:
        for report in reports:
            screen.print(report_view(report))
    else:
        screen.print(summary_view(reports))


def code(reports: Sequence[Report]) -> int:
    """0 all passed, 1 some did not, 2 nothing could be graded (with the reasons on stderr)."""
    if all(report.error is not None for report in reports):
        for report in reports:
            print(f"fathom: {report.error}", file=sys.stderr)
        return 2
    return 0 if all(report.passed for report in reports) else 1
