"""When somebody worked, from nothing but the times of events. Pure; clocks may jump.

`now` is an aware datetime, or a naive one in local time: days and weeks begin at midnight where the learner is.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock
from itertools import pairwise

from autograder.journal.event import Event

PAUSE = 15 * 60.0  # a longer gap between two events was a break
PLAN = (5.0, 10.0)  # hours a week
LONGEST = 12 * 3600.0  # no session is longer; one that says so was left running

Span = tuple[float, float]


def times_of(events: Iterable[Event], now: datetime) -> list[float]:
    """The times of events, sorted; what lies in the future is a clock that was wrong."""
    limit = now.timestamp()
    return sorted([event.at for event in events if event.at <= limit])


def sessions_of(events: Iterable[Event], now: datetime) -> list[Span]:
    """The timed sessions among events, as spans of epoch seconds."""
    limit = now.timestamp()
    ends = [(e.at, min(60.0 * e.said["minutes"], LONGEST)) for e in events if e.said["kind"] == "session"]
    return [(end - length, end) for end, length in ends if end <= limit]


def hours(times: Sequence[float], sessions: Sequence[Span], start: float, end: float) -> float:
    """Hours of work between two moments: gaps under `PAUSE` between sorted times, and sessions; overlap counts once."""
    near = times[bisect_left(times, start - PAUSE) : bisect_right(times, end + PAUSE)]
    spans = [(a, b) for a, b in pairwise(near) if b - a < PAUSE]
    total, reached = 0.0, start
    for a, b in sorted([*spans, *sessions]):
        b = min(b, end)
        total += max(0.0, b - max(a, reached))
        reached = max(reached, b)
    return total / 3600


def midnight(day: date, now: datetime) -> float:
    """Epoch seconds at which a day begins where `now` is."""
    return datetime.combine(day, clock(), now.tzinfo).timestamp()


def hours_of_week(times: Sequence[float], sessions: Sequence[Span], now: datetime, ago: int = 0) -> float:
    """Hours in this week, Monday to Sunday, or in one `ago` weeks before it."""
    monday = now.date() - timedelta(days=now.weekday() + 7 * ago)
    return hours(times, sessions, midnight(monday, now), midnight(monday + timedelta(days=7), now))


def streak(times: Sequence[float], now: datetime) -> int:
    """Days in a row with something done, up to today; a today that is still empty does not break it."""

    def busy(day: date) -> bool:
        return bisect_left(times, midnight(day, now)) < bisect_left(times, midnight(day + timedelta(days=1), now))

    day = now.date()
    count = int(busy(day))
    while busy(day := day - timedelta(days=1)):
        count += 1
    return count
