"""What the log says about how well something went: parts built, rebuilt and reviewed, bugs drilled. Pure.

Every outcome has a rating as FSRS wants it:

    again   given up, or left after the checks said no
    hard    with hints, after more than `TRIES` failing states, or a drill over its time
    good    alone, after some failing states
    easy    alone, at the first check
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from autograder.journal.event import Event
from autograder.journal.progress import BLANK
from autograder.practice.runs import Run

AGAIN, HARD, GOOD, EASY = 1, 2, 3, 4
TRIES = 8  # failing states of one part beyond which a pass was found rather than understood
LOOKS = 2  # failing checks of a drill or a review that a careful person may need
DAY = 86_400.0

Names = frozenset[str]


class Outcome(NamedTuple):
    """How one thing went; `kind` is built, rebuilt, review, drill or slip, and `card` is ("part", name) or ("bug", …).

    A slip is the misconception that the code showed last before a part first passed: one to come back to.
    """

    at: float
    exercise: str
    card: tuple[str, str]
    kind: str
    rating: int
    failed: int = 0
    hints: int = 0
    minutes: float = 0.0


def outcomes_of(fold: Fold, runs: Iterable[Run]) -> list[Outcome]:
    """Every outcome, by time."""
    found = list(fold.outcomes)
    for run in runs:
        found += outcomes_of_run(run)
    return sorted(found, key=lambda outcome: outcome.at)


def outcomes_of_run(run: Run) -> Iterable[Outcome]:
    """What a drill or a review says about what it was about; nothing where it was never checked."""
    if run.result not in ("solved", "given_up", "failed"):
        return
    rating = rate(run.failed, run.hints, LOOKS) if run.result == "solved" else AGAIN
    if run.late:
        rating = min(rating, HARD)
    cards = [("bug", name) for name in run.planted] if run.kind == "drill" else [("part", run.part)]
    for card in cards:
        yield Outcome(run.last, run.exercise, card, run.kind, rating, run.failed, run.hints, run.minutes)


def rate(failed: int, hints: int, tries: int) -> int:
    """The rating of something that succeeded."""
    if hints or failed > tries:
        return HARD
    return GOOD if failed else EASY


class Part:
    """One part while its attempts are counted."""

    __slots__ = ("bug", "built", "day", "done", "failed", "hints")

    def __init__(self) -> None:
        self.failed = self.hints = 0  # since it was last blank
        self.bug = ""
        self.done = False  # passed since it was last blank
        self.built = False  # passed ever
        self.day = -1.0  # of the last outcome


class Topic:
    """One exercise while its attempts are counted."""

    __slots__ = ("attempts", "digest", "hints", "parts")

    def __init__(self) -> None:
        self.parts: defaultdict[str, Part] = defaultdict(Part)  # one that only waits is known too
        self.attempts = 0  # states of the statements in which something was written
        self.digest = ""
        self.hints: dict[str, int] = {}  # the highest level seen of each part


class Fold:
    """Attempts and hints, event after event: the outcomes of building, and what each exercise came to.

    First passes of parts, and passes of parts that had been blank again, count at most once a day.
    """

    def __init__(self) -> None:
        self.topics: defaultdict[str, Topic] = defaultdict(Topic)
        self.outcomes: list[Outcome] = []

    def add(self, events: Iterable[Event]) -> Fold:
        """Go on with further events; returns itself."""
        for event in events:
            said = event.said
            if said["kind"] == "attempt":
                self.tried(event, said["exercise"], said["parts"])
            elif said["kind"] == "hint":
                self.hinted(said["exercise"], said["part"], said["level"])
        return self

    def hinted(self, exercise: str, part: str, level: int) -> None:
        """Count a hint."""
        topic = self.topics[exercise]
        topic.parts[part].hints = max(topic.parts[part].hints, level)
        topic.hints[part] = max(topic.hints.get(part, 0), level)

    def tried(self, event: Event, exercise: str, outcomes: Mapping[str, str]) -> None:
        """Count an attempt."""
        topic = self.topics[exercise]
        parts = topic.parts
        if event.digest != topic.digest:
            topic.digest = event.digest
            topic.attempts += not BLANK.issuperset(outcomes.values())
        for name, outcome in outcomes.items():
            part = parts[name]
            if outcome == "passed":
                if not part.done:
                    self.passed(part, event.at, exercise, name)
            elif outcome == "not_started":
                if part.done:
                    part.done = False
                    part.failed = part.hints = 0
            elif not part.done:
                part.failed += 1
                part.bug = event.bugs.get(name, part.bug)

    def passed(self, part: Part, at: float, exercise: str, name: str) -> None:
        """Count a pass of what was blank or failed."""
        day = at // DAY
        if not part.built or day > part.day:
            rating = rate(part.failed, part.hints, TRIES)
            kind = "rebuilt" if part.built else "built"
            self.outcomes.append(Outcome(at, exercise, ("part", name), kind, rating, part.failed, part.hints))
            if part.bug and not part.built:
                self.outcomes.append(Outcome(at, exercise, ("bug", part.bug), "slip", AGAIN))
            part.day = day
        part.done = part.built = True
        part.failed = part.hints = 0

    def built(self, exercise: str) -> frozenset[str]:
        """The parts of an exercise that ever passed."""
        parts = self.topics[exercise].parts if exercise in self.topics else {}
        return frozenset(name for name, part in parts.items() if part.built)
