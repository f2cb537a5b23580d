"""Minutes of practice by day, for a year that ends today. Pure; days begin at midnight where the learner is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from autograder.journal.activity import PAUSE, hours, midnight, sessions_of, times_of
from autograder.journal.event import Event

WEEKS = 53


@dataclass(frozen=True)
class Day:
    """One day: minutes of work, and how much was logged."""

    date: date
    minutes: float
    events: int


def year_of(events: Iterable[Event], now: datetime) -> list[Day]:
    """Every day from a Monday a year ago to today."""
    listed = list(events)
    times, sessions = times_of(listed, now), sessions_of(listed, now)
    first = now.date() - timedelta(days=now.weekday() + 7 * (WEEKS - 1))
    count = (now.date() - first).days + 1
    return [day_of(first + timedelta(days=number), times, sessions, now) for number in range(count)]


def day_of(day: date, times: Sequence[float], sessions: Sequence[tuple[float, float]], now: datetime) -> Day:
    """One day from the sorted times of all events."""
    start, end = midnight(day, now), midnight(day + timedelta(days=1), now)
    low, high = bisect_left(times, start), bisect_left(times, end)
    near = [span for span in sessions if span[1] > start - PAUSE and span[0] < end]
    worked = hours(times, near, start, end) if high > low or near else 0.0
    return Day(day, round(60 * worked, 1), high - low)
