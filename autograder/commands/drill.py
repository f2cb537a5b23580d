"""`fathom drill`: a planted bug to find and fix, with its symptoms, against the clock."""

from __future__ import annotations

import json
import secrets
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autograder.commands.course import chosen, fail, load
from autograder.commands.practising import Session, failures, logged, warn

if TYPE_CHECKING:
    from autograder.judge.report import Report
    from autograder.practice.drill import Begun
    from autograder.practice.runs import Run
    from autograder.practice.standing import Practice


@dataclass(frozen=True)
class Asked:
    """What the command line said."""

    exercise: str | None
    bugs: int
    minutes: float | None
    check: bool
    hint: bool
    give_up: bool
    explain: str | None
    new: bool
    script: bool
    seed: int | None
    as_json: bool


def run(asked: Asked) -> int:
    """Begin a drill, or go on with the one that is open; returns the exit code."""
    from autograder.practice.standing import practice

    course = load()
    logged("A drill")
    name = chosen(course, [asked.exercise])[0].name if asked.exercise else None
    at = practice(course, time.time())
    warn(at.log.concerns())
    if asked.explain is not None:
        return explain(at, name, sys.stdin.read() if asked.explain == "-" else asked.explain)
    open_run = at.open_run("drill", name)
    if open_run is not None and not asked.new:
        session = Session(at, open_run, asked.as_json)
        if asked.give_up:
            return give_up(session)
        return hint(session) if asked.hint else check(session)
    if asked.check or asked.hint or asked.give_up:
        fail(nothing_open(at, name))
    return begin(at, name, asked)


def nothing_open(at: Practice, name: str | None) -> str:
    """Why there is nothing to check."""
    from autograder.practice.runs import latest

    last = latest(at.runs, "drill", name)
    if last is not None and last.open and not at.here(last):
        return (
            f"the last drill, {last.file}, is not in this copy of the repository: go on where it is, or begin another"
        )
    return "no drill is open: `fathom drill` begins one"


def begin(at: Practice, name: str | None, asked: Asked) -> int:
    """Plant, and say where the drill is and what goes wrong in it."""
    from autograder.practice import drill
    from autograder.render.progress import progress

    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    with failures(), progress("planting", quiet=asked.as_json):
        begun = drill.begin(at, name, asked.bugs, seed, asked.minutes, asked.script)
    if asked.as_json:
        print(json.dumps(as_json(begun.run) | {"symptoms": [one.as_json() for one in begun.symptoms]}))
    else:
        show(begun)
    warn([begun.warning])
    return 0


def show(begun: Begun) -> None:
    """A drill at its start."""
    from autograder.render.practice import drill_view
    from autograder.render.terminal import console

    console().print(drill_view(begun))


def as_json(run: Run, **more: Any) -> dict[str, Any]:
    """A drill as the machine interface has it; what is planted is told once it is over."""
    told = {"drill": run.id, "exercise": run.exercise, "bugs": len(run.planted), "file": run.file, "limit": run.limit}
    told |= {"state": run.result, "failed": run.failed, "hints": run.hints, "minutes": run.minutes}
    return told | ({} if run.open else {"planted": list(run.planted)}) | more


def check(session: Session) -> int:
    """Grade the open drill; 0 where it is solved."""
    from autograder.practice import drill
    from autograder.render.practice import again_view, solved_view

    with failures():
        report = drill.grade(session.at.course, session.run)
    failed(report)
    ended = session.went("solved" if report.passed else "failed")
    if session.as_json:
        from autograder.practice.symptoms import symptoms

        seen = [one.as_json() for one in symptoms(report)]
        print(json.dumps(as_json(ended, symptoms=seen)))
    else:
        made = drill.planted(session.at.course, ended)
        session.print(solved_view(ended, made) if report.passed else again_view(ended, report))
    return 0 if report.passed else 1


def failed(report: Report) -> None:
    """Exit with 2 where the drill could not be graded."""
    if report.error is not None:
        fail(report.error)


def hint(session: Session) -> int:
    """Ask the next question about the open drill."""
    from autograder.practice import drill

    with failures():
        made = drill.planted(session.at.course, session.run)
    level = min(session.run.hints + 1, drill.HINTS)
    ended = session.went("hint", level)
    words = drill.hints(made.bugs, level)
    if session.as_json:
        print(json.dumps(as_json(ended, hint=words)))
    else:
        session.print("\n".join(words))
    return 0


def give_up(session: Session) -> int:
    """End the open drill and show what it was."""
    from autograder.practice import drill
    from autograder.render.practice import reverse_view

    with failures():
        made = drill.planted(session.at.course, session.run)
    ended = session.went("given_up")
    if session.as_json:
        print(json.dumps(as_json(ended)))
    else:
        session.print(reverse_view(ended, made))
    return 0


def explain(at: Practice, name: str | None, words: str) -> int:
    """Keep what somebody wrote about the last drill."""
    from autograder.practice import runs
    from autograder.render.terminal import console

    last = runs.latest(at.runs, "drill", name)
    if last is None:
        fail("there is no drill to explain yet: `fathom drill` begins one")
    if not any(character.isprintable() and not character.isspace() for character in words):
        fail('an explanation needs a sentence, as in: fathom drill --explain "the mask was added after the softmax"')
    if len(words) > runs.WORDS:
        fail(f"an explanation of {len(words):,} characters is too long (at most {runs.WORDS:,}): say it shorter")
    warning = runs.explain(at.course.root, last, words)
    if warning is not None:
        fail(f"your explanation is {warning}")
    console().print(f"Kept in progress_log/attempts.jsonl, with the drill of {last.exercise}.")
    return 0
