"""`fathom exam`: failing models to explain and fix, then a fine-tune from blank; closed book, against the clock."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autograder.commands.course import fail, load
from autograder.commands.practising import Session, failures, logged, warn

if TYPE_CHECKING:
    from autograder.practice.exam import Exam, Round
    from autograder.practice.standing import Practice

EXPLAIN = 'What was it, in your own words? fathom exam --explain "…"'


@dataclass(frozen=True)
class Asked:
    """What the command line said."""

    check: bool
    give_up: bool
    explain: str | None
    new: bool
    script: bool
    seed: int | None
    as_json: bool


def run(asked: Asked) -> int:
    """Begin an exam, go on with the one that is open, or say where it stands; returns the exit code."""
    from autograder.practice import exam

    logged("An exam")
    at = standing()
    warn(at.log.concerns())
    found = exam.exams(at)
    last = found[-1] if found else None
    if asked.explain is not None:
        return explain(at, last, sys.stdin.read() if asked.explain == "-" else asked.explain, asked.as_json)
    this = last.open if last is not None else None
    if asked.check or asked.give_up:
        if last is None or this is None:
            fail("no round of an exam is open: `fathom exam` begins one")
        if not at.here(this.first):
            fail(f"the open round, {this.first.file}, is not in this copy of the repository: go on where it is")
        return check(at, this, asked) if asked.check else give_up(at, this, asked)
    if last is None or asked.new:
        return begin(at, None, exam.named(asked.seed), asked)
    if this is None and last.follows(at.course, at.now) is not None:
        return begin(at, last, last.name, asked)
    return told(at, asked.as_json)


def standing() -> Practice:
    """The log as it is now."""
    from autograder.practice.standing import practice

    return practice(load(), time.time())


def begin(at: Practice, last: Exam | None, name: str, asked: Asked) -> int:
    """Write the next round's file, and say where it is."""
    from autograder.practice import exam
    from autograder.render.progress import progress

    number = (last.follows(at.course, at.now) if last is not None else 1) or 1
    with failures(), progress("planting", quiet=asked.as_json):
        _, warning = exam.begin(at, last, name, number, asked.script)
    warn([warning])
    return told(standing(), asked.as_json)


def told(at: Practice, as_json: bool) -> int:
    """The exam that was begun last, as a table or as JSON."""
    from autograder.practice import exam
    from autograder.render.terminal import console

    last = exam.exams(at)[-1]
    if as_json:
        print(json.dumps(last.as_json(at.course, at.now)))
    else:
        screen = console()
        screen.print(table(last))
        for line in remarks(last, at):
            screen.print(line, soft_wrap=True, highlight=False)
    return 0


def table(last: Exam) -> Any:
    """The rounds of an exam, with time, attempts and points."""
    from rich.table import Table

    from autograder.practice.exam import WORTH

    rows = Table(box=None, pad_edge=False)
    for heading in ("round", "what", "state", "minutes", "failing checks", "explained", "points"):
        rows.add_column(heading, justify="left" if heading in ("what", "state", "explained") else "right")
    for one in last.rounds:
        first = one.first
        count = len(first.planted)
        what = (
            f"{count} {'bug' if count == 1 else 'bugs'} in {first.exercise}" if first.kind == "drill" else "fine-tune"
        )
        state = ("open" if one.open else one.state.replace("_", " ")) + (", late" if first.late else "")
        minutes = f"{one.minutes:g}" if one.state != "started" else "-"
        said = "yes" if one.explanation else "no"
        points = f"{one.score:g} of {WORTH.get(one.number, 0)}"
        rows.add_row(str(one.number), what, state, minutes, str(one.failed), said, points)
    rows.add_row("", "all", "", "", "", "", f"{last.score:g} of {sum(WORTH.values())}")
    return rows


def remarks(last: Exam, at: Practice) -> list[str]:
    """Sentences about what is open, what comes next, and what is waited for."""
    from autograder.practice import exam

    this, number = last.open, last.follows(at.course, at.now)
    if this is not None:
        left = (this.first.limit or 0.0) - this.first.elapsed(at.now)
        clock = f"{left:.0f} minutes left" if left > 0 else "the time is over; a solution still counts, for less"
        return [f"Open: {this.first.file} ({clock}).", "`fathom exam --check` grades it; no hints, this is an exam."]
    rest = [] if number is not None or exam.waits_for(at.course) is None else [exam.waits_for(at.course)]
    said = [f"`fathom exam` begins round {number}, with a clock of its own."] if number == exam.LAST else []
    said += [f"The fine-tune waits for the exercise {name}, which this copy does not have." for name in rest]
    said += ["`fathom exam --new` begins another exam."] if number is None else []
    return said + [EXPLAIN for one in last.rounds[-1:] if not one.explanation]


def check(at: Practice, this: Round, asked: Asked) -> int:
    """Grade the open round; 0 where it is solved. A failing model that is solved makes room for the next."""
    from autograder.practice import exam
    from autograder.render.practice import again_view, clock

    with failures():
        report = exam.grade(at.course, this)
    if report.error is not None:
        fail(report.error)
    outcomes = exam.results(this, report)
    sessions = {one.id: Session(at, one, asked.as_json) for one in this.runs}
    ended = [sessions[name].went(result) for name, result in outcomes.items()]
    if not asked.as_json:
        about = ended[0] if ended else this.first
        said = f"✓ Round {this.number} is solved: {clock(about)}. {EXPLAIN}"
        sessions[this.first.id].print(said if report.passed else again_view(about, report))
    goes_on(this, asked)
    return 0 if report.passed else 1


def give_up(at: Practice, this: Round, asked: Asked) -> int:
    """End the open round and show what was planted; the next failing model begins."""
    from autograder.practice import drill
    from autograder.render.practice import diff_view

    for one in this.runs:
        if one.open:
            Session(at, one, asked.as_json).went("given_up")
    if this.first.kind == "drill" and not asked.as_json:
        with failures():
            made = drill.planted(at.course, this.first)
        session = Session(at, this.first, False)
        for bug in made.bugs:
            session.print(f"It was this: {bug.misconception}")
            session.print(diff_view(bug.replace, bug.find))
    goes_on(this, asked)
    return 0


def goes_on(this: Round, asked: Asked) -> None:
    """Begin the next failing model where this one has ended and the clock still runs; then say how it stands."""
    from autograder.practice import exam

    at = standing()
    last = next(one for one in exam.exams(at) if one.name == this.first.exam)
    if last.open is None and (last.follows(at.course, at.now) or exam.LAST) < exam.LAST:
        begin(at, last, last.name, asked)
    else:
        told(at, asked.as_json)


def explain(at: Practice, last: Exam | None, words: str, as_json: bool) -> int:
    """Keep what somebody wrote about the round that ended last and has no explanation, else about the open one."""
    from autograder.practice import runs

    if last is None:
        fail("there is no exam to explain yet: `fathom exam` begins one")
    if not any(character.isprintable() and not character.isspace() for character in words):
        fail('an explanation needs a sentence, as in: fathom exam --explain "the mask was added after the softmax"')
    if len(words) > runs.WORDS:
        fail(f"an explanation of {len(words):,} characters is too long (at most {runs.WORDS:,}): say it shorter")
    unsaid = [one for one in last.rounds if not one.open and not one.explanation]
    about = unsaid[0] if unsaid else last.open or last.rounds[-1]
    warning = runs.explain(at.course.root, about.first, words)
    if warning is not None:
        fail(f"your explanation is {warning}")
    if as_json:
        return told(standing(), True)
    print(f"Kept in progress_log/attempts.jsonl, with round {about.number} of the exam.")
    return 0
