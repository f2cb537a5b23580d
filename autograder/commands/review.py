"""`fathom review`: what is due again, and one part of it written anew from blank."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from autograder.commands.course import chosen, fail, load
from autograder.commands.practising import Session, failures, logged, warn
from autograder.commands.work import known_part

if TYPE_CHECKING:
    from autograder.practice.review import Begun
    from autograder.practice.runs import Run
    from autograder.practice.standing import Practice


@dataclass(frozen=True)
class Asked:
    """What the command line said."""

    exercise: str | None
    part: str | None
    start: bool
    check: bool
    hint: bool
    give_up: bool
    script: bool
    as_json: bool


def run(asked: Asked) -> int:
    """List what is due, or begin or go on with a review; returns the exit code."""
    from autograder.practice.standing import practice

    course = load()
    exercise = chosen(course, [asked.exercise])[0] if asked.exercise else None
    if asked.part and exercise is None:
        fail("--part names a part of an exercise: name that first, as in `fathom review backprop_engine --part mul`")
    part = known_part(exercise, asked.part).name if exercise is not None and asked.part else None
    at = practice(course, time.time())
    warn(at.log.concerns())
    name = exercise.name if exercise is not None else None
    if asked.start or part is not None:
        logged("A review")
        return start(at, name, part, asked)
    if asked.check or asked.hint or asked.give_up:
        logged("A review")
        open_run = at.open_run("review", name)
        if open_run is None:
            fail("no review is open: `fathom review --start` begins one")
        session = Session(at, open_run, asked.as_json)
        if asked.check:
            return check(session)
        return hint(session) if asked.hint else give_up(session)
    return listing(at, asked.as_json)


def listing(at: Practice, as_json: bool) -> int:
    """Everything that is due."""
    if as_json:
        print(json.dumps({"due": [asdict(card) for card in at.due()]}))
        return 0
    from autograder.render.practice import due_view
    from autograder.render.terminal import console

    screen = console()
    for kind in ("review", "drill"):
        open_run = at.open_run(kind)
        if open_run is not None:
            screen.print(f"Open: {open_run.file} (`fathom {kind} --check` grades it)", soft_wrap=True)
    screen.print(due_view(at))
    return 0


def start(at: Practice, name: str | None, part: str | None, asked: Asked) -> int:
    """Begin a review; one that is open already goes on, unless another part is asked for."""

    open_run = at.open_run("review", name)
    if open_run is not None and part in (None, open_run.part):
        going = f"A review is open: {open_run.file} (`fathom review --check` grades it, `--give-up` ends it)"
        print(json.dumps(as_json(open_run)) if asked.as_json else going)
        return 0
    begun = begin(at, name, part, asked.script)
    if asked.as_json:
        print(json.dumps(as_json(begun.run)))
    else:
        from autograder.render.practice import review_view
        from autograder.render.terminal import console

        console().print(review_view(begun, at.exercises[begun.run.exercise]))
    warn([begun.warning])
    return 0


def begin(at: Practice, name: str | None, part: str | None, script: bool = False) -> Begun:
    """Choose a part and write its file; exits with 2 where that cannot be."""
    from autograder.practice import review

    with failures():
        return review.begin(at, *review.choose(at, name, part), script)


def as_json(run: Run, **more: Any) -> dict[str, Any]:
    """A review as the machine interface has it."""
    told = {"review": run.id, "exercise": run.exercise, "part": run.part, "file": run.file, "state": run.result}
    return told | {"failed": run.failed, "hints": run.hints, "minutes": run.minutes} | more


def check(session: Session) -> int:
    """Grade the open review; 0 where it passes."""
    from autograder.practice import review
    from autograder.render.practice import again_view, clock

    with failures():
        report = review.grade(session.at.course, session.run)
    if report.error is not None:
        fail(report.error)
    (verdict,) = report.parts
    if verdict.outcome == "not_started":
        if session.as_json:
            print(json.dumps(as_json(session.run, report=report.as_json())))
        else:
            session.print(again_view(session.run, report))
        return 1
    ended = session.went("solved" if report.passed else "failed")
    if session.as_json:
        print(json.dumps(as_json(ended, report=report.as_json())))
    elif report.passed:
        session.print(f"✓ {ended.part} of {ended.exercise}, from blank: {clock(ended)}.")
    else:
        session.print(again_view(ended, report))
    return 0 if report.passed else 1


def hint(session: Session) -> int:
    """Show the next of the part's hints."""
    part = session.at.exercises[session.run.exercise].part(session.run.part)
    level = min(session.run.hints + 1, len(part.hints))
    ended = session.went("hint", level)
    if session.as_json:
        print(json.dumps(as_json(ended, hint=part.hints[level - 1])))
    else:
        session.print("\n".join(f"{number}. {words}" for number, words in enumerate(part.hints[:level], 1)))
    return 0


def give_up(session: Session) -> int:
    """End the open review and show one solution."""
    from autograder.notebook import read
    from autograder.site.answers import answer

    exercise = session.at.exercises[session.run.exercise]
    ended = session.went("given_up")
    if session.as_json:
        print(json.dumps(as_json(ended)))
    else:
        session.print(f"One way to write it:\n\n{answer(read(exercise.source), ended.part)}\n")
        session.print("It comes back in a day or two.")
    return 0
