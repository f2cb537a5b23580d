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
from typing import Any, NamedTuple

from autograder.journal.event import FAILING, Event
from autograder.practice.runs import Run

AGAIN, HARD, GOOD, EASY = 1, 2, 3, 4
TRIES = 8  # failing states of one part beyond which a pass was found rather than understood
LOOKS = 2  # failing checks of a drill or a review that a careful person may need
DAY = 86_400.0

Names = frozenset[str]
Shape = tuple[Names, Names, Names]  # parts that pass, fail and are blank


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

    __slots__ = ("bug", "built", "day", "failed", "hints")

    def __init__(self, failed: int = 0, hints: int = 0, bug: str = "", built: bool = False, day: float = -1.0) -> None:
        self.failed, self.hints, self.bug, self.built = failed, hints, bug, built
        self.day = day  # of the last outcome


class Topic:
    """One exercise while its attempts are counted: its parts, and those that passed since they were last blank."""

    __slots__ = ("attempts", "digest", "done", "hints", "parts")

    def __init__(self) -> None:
        self.parts: defaultdict[str, Part] = defaultdict(Part)
        self.done: set[str] = set()
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
        shapes: dict[int, Shape] = {}
        for event in events:
            said = event.said
            kind = said["kind"]
            if kind == "hint":
                self.hinted(said["exercise"], said["part"], said["level"])
            elif kind == "attempt":
                shape = shapes.get(id(said))
                if shape is None:
                    shape = shapes[id(said)] = shaped(said["parts"])
                    known = self.topics[said["exercise"]].parts
                    for name in said["parts"]:
                        known.setdefault(name, Part())  # one that only waits is known too
                self.tried(event, said["exercise"], *shape)
        return self

    def hinted(self, exercise: str, part: str, level: int) -> None:
        """Count a hint."""
        topic = self.topics[exercise]
        topic.parts[part].hints = max(topic.parts[part].hints, level)
        topic.hints[part] = max(topic.hints.get(part, 0), level)

    def tried(self, event: Event, exercise: str, passes: Names, fails: Names, blanks: Names) -> None:
        """Count an attempt."""
        topic = self.topics[exercise]
        done, parts = topic.done, topic.parts
        if event.digest != topic.digest:
            topic.digest = event.digest
            topic.attempts += bool(passes or fails)
        for name in fails - done:
            part = parts[name]
            part.failed += 1
            part.bug = event.bugs.get(name, part.bug)
        if not blanks.isdisjoint(done):
            for name in blanks & done:
                parts[name].failed = parts[name].hints = 0
            done -= blanks
        if not passes <= done:
            day = event.at // DAY
            for name in sorted(passes - done):
                part = parts[name]
                if not part.built or day > part.day:
                    self.outcomes += passed(part, event.at, exercise, name)
                    part.built, part.day = True, day
                part.failed = part.hints = 0
            done |= passes

    def built(self, exercise: str) -> frozenset[str]:
        """The parts of an exercise that ever passed."""
        parts = self.topics[exercise].parts if exercise in self.topics else {}
        return frozenset(name for name, part in parts.items() if part.built)

    def as_data(self) -> dict[str, Any]:
        """All of it as plain data, for `from_data`."""
        topics = {
            name: {
                "done": sorted(topic.done),
                "attempts": topic.attempts,
                "digest": topic.digest,
                "hints": topic.hints,
                "parts": {key: [p.failed, p.hints, p.bug, p.built, p.day] for key, p in topic.parts.items()},
            }
            for name, topic in self.topics.items()
        }
        return {"topics": topics, "outcomes": self.outcomes}

    @staticmethod
    def from_data(data: Mapping[str, Any]) -> Fold:
        """A fold as it was; KeyError, TypeError or ValueError for what is none."""
        fold = Fold()
        for name, told in data["topics"].items():
            topic = fold.topics[name]
            topic.done, topic.attempts, topic.digest = set(told["done"]), told["attempts"], told["digest"]
            topic.hints = told["hints"]
            topic.parts.update({key: Part(*values) for key, values in told["parts"].items()})
        for at, exercise, card, *rest in data["outcomes"]:
            fold.outcomes.append(Outcome(at, exercise, (card[0], card[1]), *rest))
        return fold


def passed(part: Part, at: float, exercise: str, name: str) -> Iterable[Outcome]:
    """The outcome of a pass, and the slip before the first one."""
    rating = rate(part.failed, part.hints, TRIES)
    kind = "rebuilt" if part.built else "built"
    yield Outcome(at, exercise, ("part", name), kind, rating, part.failed, part.hints)
    if part.bug and not part.built:
        yield Outcome(at, exercise, ("bug", part.bug), "slip", AGAIN)


def shaped(parts: Mapping[str, str]) -> Shape:
    """The parts of an attempt that pass, fail and are blank."""
    return (
        frozenset(name for name, outcome in parts.items() if outcome == "passed"),
        frozenset(name for name, outcome in parts.items() if outcome in FAILING),
        frozenset(name for name, outcome in parts.items() if outcome == "not_started"),
    )
