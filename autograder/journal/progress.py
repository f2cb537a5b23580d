"""Where somebody is: parts passed, hours of this week, the next step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from autograder.journal.activity import hours_of_week, sessions_of, streak, times_of
from autograder.journal.event import Event
from autograder.journal.log import Log

Order = Sequence[tuple[str, Sequence[str]]]  # exercises and their parts, in the order of the plan


@dataclass(frozen=True)
class Work:
    """What the log knows of one exercise.

    The last known outcome of each part, the parts that ever passed, how many states were tried, the highest level of hint
    seen by part, and when the last attempt was (epoch seconds).
    """

    outcomes: Mapping[str, str] = field(default_factory=dict)
    ever: frozenset[str] = frozenset()
    attempts: int = 0
    hints: Mapping[str, int] = field(default_factory=dict)
    last: float | None = None

    @property
    def passed(self) -> frozenset[str]:
        """The parts that pass now."""
        return frozenset(part for part, outcome in self.outcomes.items() if outcome == "passed")


@dataclass(frozen=True)
class Standing:
    """The numbers of the map; `streak` in days, `broken` counts the lines of the log that were skipped."""

    works: Mapping[str, Work] = field(default_factory=dict)
    hours_this_week: float = 0.0
    streak: int = 0
    broken: int = 0

    def work(self, exercise: str) -> Work:
        """One exercise's, also where nothing was tried yet."""
        return self.works.get(exercise, Work())

    def passed(self, exercise: str) -> frozenset[str]:
        """The parts of an exercise that pass now."""
        return self.work(exercise).passed

    def next_step(self, order: Order) -> tuple[str, str] | None:
        """The first exercise and part in the order of the plan that does not pass now; None when all do."""
        for exercise, parts in order:
            done = self.passed(exercise)
            for part in parts:
                if part not in done:
                    return exercise, part
        return None


def standing_of(log: Log, now: datetime) -> Standing:
    """All of it from a log; `now` as in `activity`."""
    times = times_of(log.events, now)
    worked = hours_of_week(times, sessions_of(log.events, now), now)
    return Standing(works_of(log.events), worked, streak(times, now), len(log.broken))


def works_of(events: Iterable[Event]) -> dict[str, Work]:
    """What events, in their order, say about each exercise."""
    tallies: dict[str, Tally] = {}
    for event in events:
        kind = event.said["kind"]
        if kind not in COUNTED:
            continue
        exercise = event.said["exercise"]
        tally = tallies.get(exercise)
        if tally is None:
            tally = tallies[exercise] = Tally()
        if kind == "attempt":
            tally.attempt(event)
        else:
            tally.hint(event)
    return {exercise: tally.work() for exercise, tally in tallies.items()}


COUNTED = ("attempt", "hint")


class Tally:
    """One exercise while its events are counted."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.ever: set[str] = set()
        self.hints: dict[str, int] = {}
        self.attempts = 0
        self.last: float | None = None
        self.digest = ""
        self.said: Mapping[str, object] | None = None
        self.tried = False

    def attempt(self, event: Event) -> None:
        """Count an attempt; a blank notebook is none, and the same statements again are the same one."""
        if event.said is not self.said:  # most attempts repeat the outcomes of the one before
            self.said = event.said
            self.outcomes.update(event.parts)
            self.ever.update([part for part, outcome in event.parts.items() if outcome == "passed"])
            self.tried = any(outcome != "not_started" for outcome in event.parts.values())
        if event.digest != self.digest:
            self.digest = event.digest
            self.attempts += self.tried
        self.last = event.when

    def hint(self, event: Event) -> None:
        """Count a hint."""
        part, level = str(event.said["part"]), int(event.said["level"])
        self.hints[part] = max(level, self.hints.get(part, 0))

    def work(self) -> Work:
        """What was counted."""
        return Work(self.outcomes, frozenset(self.ever), self.attempts, self.hints, self.last)
