"""Where somebody is: parts passed, hours of this week, the next step. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from autograder.journal.activity import hours_of_week, sessions_of, streak, times_of
from autograder.journal.event import Event
from autograder.journal.log import Log, where

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
        kind = event.said["kind"]
        if kind != "attempt" and kind != "hint":
            continue
        exercise = event.said["exercise"]
        tally = tallies.get(exercise)
        if tally is None:
            tally = tallies[exercise] = Tally()
        if kind == "hint":
            tally.hint(event)
        elif event.digest != tally.digest or event.said is not tally.said:
            tally.attempt(event)
    return {exercise: tally.work() for exercise, tally in tallies.items()}


class Tally:
    """One exercise while its events are counted; what attempts share, their `said`, is looked into once."""

    def __init__(self) -> None:
        self.saids: dict[int, Mapping[str, Any]] = {}  # by identity, in the order of their last appearance
        self.states: dict[int, int] = {}  # by identity: how many states of the statements got that verdict
        self.hints: dict[str, int] = {}
        self.last: Event | None = None
        self.digest = ""
        self.said: Mapping[str, Any] | None = None

    def attempt(self, event: Event) -> None:
        """Count an attempt; the same statements again are the same one."""
        said = self.said = event.said
        key = id(said)
        self.saids.pop(key, None)
        self.saids[key] = said
        if event.digest != self.digest:
            self.digest = event.digest
            self.states[key] = self.states.get(key, 0) + 1
        self.last = event

    def hint(self, event: Event) -> None:
        """Count a hint."""
        part, level = event.said["part"], event.said["level"]
        self.hints[part] = max(level, self.hints.get(part, 0))

    def work(self) -> Work:
        """What was counted; a blank notebook is no attempt."""
        outcomes: dict[str, str] = {}
        ever: set[str] = set()
        attempts = 0
        for key, said in self.saids.items():
            outcomes |= said["parts"]
            ever.update(part for part, outcome in said["parts"].items() if outcome == "passed")
            if any(outcome != "not_started" for outcome in said["parts"].values()):
                attempts += self.states.get(key, 0)
        return Work(outcomes, frozenset(ever), attempts, self.hints, self.last.at if self.last else None)
