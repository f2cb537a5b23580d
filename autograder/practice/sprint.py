"""A sprint: pick one thing to do, keep the time, and say afterwards what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autograder.curriculum import Exercise
from autograder.journal.event import Event
from autograder.practice.runs import Run, runs_of
from autograder.practice.schedule import Card
from autograder.practice.standing import Practice

STEP = 1.0  # seconds between looks at the clock


@dataclass(frozen=True)
class Task:
    """What a sprint is for: an open run, a card that is due, or the next part of the plan (`what` says which)."""

    what: str  # run, card, part or nothing
    exercise: Exercise | None = None
    part: str = ""
    run: Run | None = None
    card: Card | None = None


def pick(at: Practice) -> Task:
    """What was begun, else what is most forgotten, else the next open part, else nothing."""
    for kind in ("review", "drill"):
        open_run = at.open_run(kind)
        if open_run is not None:
            return Task("run", at.exercises[open_run.exercise], open_run.part, open_run)
    for card in at.due():
        exercise = at.exercises[card.exercise]
        if not exercise.released:
            return Task("card", exercise, card.name if card.kind == "part" else "", card=card)
    for exercise in at.course.exercises:
        done = at.passing(exercise.name)
        for part in exercise.parts:
            if part.name not in done:
                return Task("part", exercise, part.name)
    return Task("nothing")


def wait(minutes: float, tick: Callable[[int, int], None] = lambda done, total: None) -> float:
    """Let minutes pass; returns those that did, fewer where it is interrupted. Steps of the clock change nothing."""
    began = time.monotonic()
    total = 60.0 * minutes
    try:
        while (done := time.monotonic() - began) < total:
            tick(int(done), round(total))
            time.sleep(min(STEP, total - done))
    except KeyboardInterrupt:
        pass
    return (time.monotonic() - began) / 60


def done_since(events: Sequence[Event], known: frozenset[str]) -> list[str]:
    """What happened in events that were not known before, in a few words each."""
    fresh = [event for event in events if event.id not in known]
    attempts = [event for event in fresh if event.kind == "attempt"]
    found = [f"{len(attempts)} {'attempt' if len(attempts) == 1 else 'attempts'}"] if attempts else []
    passed = {f"{e.exercise} {part}" for e in attempts for part, outcome in e.parts.items() if outcome == "passed"}
    before = {
        f"{e.exercise} {part}"
        for e in events
        if e.id in known and e.kind == "attempt"
        for part, outcome in e.parts.items()
        if outcome == "passed"
    }
    found += [f"{name} passes" for name in sorted(passed - before)]
    new = {event.said["run"] for event in fresh if event.kind in ("drill", "review")}
    found += [
        f"a {run.kind} of {run.exercise} solved" for run in runs_of(events) if run.id in new and run.result == "solved"
    ]
    ahas = sum(event.kind == "aha" for event in fresh)
    return found + ([f"{ahas} {'aha' if ahas == 1 else 'ahas'}"] if ahas else [])
