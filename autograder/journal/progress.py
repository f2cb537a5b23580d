"""Where somebody is: parts passed, hours of this week, the next step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from autograder.journal.activity import hours_of_week, sessions_of, streak, times_of
from autograder.journal.event import Event
from autograder.journal.log import Log, where

BLANK = frozenset({"not_started"})
Order = Sequence[tuple[str, Sequence[str]]]  # exercises and their parts, in the order of the plan


@dataclass(frozen=True)
class Work:
    """What the log knows of one exercise.

    The last known outcome of each part, the parts that ever passed, how many states were tried, the highest level of
    hint seen by part, and when the last attempt was (epoch seconds).
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
    """The numbers of the map; `streak` in days, `broken` counts the lines of the log that were skipped.

    `clocks` are sentences about lines whose time could not be.
    """

    works: Mapping[str, Work] = field(default_factory=dict)
    hours_this_week: float = 0.0
    streak: int = 0
    broken: int = 0
    clocks: tuple[str, ...] = ()

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
    clocks = tuple(f"{where(mark)} {mark.reason}" for mark in log.doubted)
    return Standing(works_of(log.events), worked, streak(times, now), len(log.broken), clocks)


def works_of(events: Iterable[Event]) -> dict[str, Work]:
    """What events, in their order, say about each exercise."""
    tallies: dict[str, Tally] = {}
    for event in events:
        said = event.said
        kind = said["kind"]
        if kind != "attempt" and kind != "hint":
            continue
        tally = tallies.get(said["exercise"])
        if tally is None:
            tally = tallies[said["exercise"]] = Tally()
        if kind == "hint":
            tally.hints[said["part"]] = max(said["level"], tally.hints.get(said["part"], 0))
        else:
            tally.attempt(event)
    return {exercise: tally.work() for exercise, tally in tallies.items()}


class Tally:
    """One exercise while its events are counted; what many attempts share, their `said`, is looked into once."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.ever: set[str] = set()
        self.attempts = 0
        self.hints: dict[str, int] = {}
        self.last: float | None = None
        self.digest = ""
        self.seen: dict[int, Mapping[str, Any]] = {}  # by identity

    def attempt(self, event: Event) -> None:
        """Count an attempt; the same statements again are the same one, and a blank notebook is none."""
        said = event.said
        parts = said["parts"]
        if id(said) not in self.seen:
            self.seen[id(said)] = said
            self.ever.update([part for part, outcome in parts.items() if outcome == "passed"])
        self.outcomes.update(parts)
        if event.digest != self.digest:
            self.digest = event.digest
            self.attempts += not BLANK.issuperset(parts.values())
        self.last = event.at

    def work(self) -> Work:
        """What was counted."""
        return Work(self.outcomes, frozenset(self.ever), self.attempts, self.hints, self.last)
