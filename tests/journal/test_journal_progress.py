"""Where somebody is: parts, hours, streak, the next step; clocks may jump and days may have 23 hours."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import journal
from autograder.journal.activity import PAUSE, hours, hours_of_week, sessions_of, streak, times_of
from autograder.journal.progress import Standing, Work

ORDER = [("backprop_engine", ("add", "mul")), ("bigram_lm", ("nll",))]
NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
START = NOW.timestamp()
quick = settings(max_examples=200, deadline=None, derandomize=True, database=None)


def standing(learner, noon, minutes: float = 1000) -> Standing:
    return journal.standing(learner.root, noon + timedelta(minutes=minutes))


def test_nothing_yet(tmp_path):
    got = journal.standing(tmp_path)
    assert got == Standing()
    assert (got.passed("gpt"), got.work("gpt"), got.next_step(ORDER)) == (
        frozenset(),
        Work(),
        ("backprop_engine", "add"),
    )
    assert got.next_step([]) is None


def test_parts_that_pass_now_and_parts_that_ever_passed(learner, noon):
    learner.tries(0, "a", add="passed", mul="failed")
    learner.tries(1, "b", add="failed", mul="passed")
    learner.tries(2, "c", mul="passed", pow="crashed")
    work = standing(learner, noon).work("backprop_engine")
    assert work.outcomes == {"add": "failed", "mul": "passed", "pow": "crashed"}
    assert (work.passed, work.ever) == ({"mul"}, {"add", "mul"})
    assert work.last == learner.at(2)


def test_outcomes_that_come_back_are_the_last_ones(learner, noon):
    for minute, said in enumerate(["failed", "passed", "failed", "passed", "failed"]):
        learner.tries(minute, f"d{minute}", add=said)
    work = standing(learner, noon).work("backprop_engine")
    assert (work.outcomes, work.ever, work.attempts) == ({"add": "failed"}, {"add"}, 5)


def test_a_new_verdict_on_the_same_statements_counts_but_is_no_new_attempt(learner, noon):
    learner.tries(0, "a", add="timed_out")
    learner.tries(1, "a", add="passed")
    work = standing(learner, noon).work("backprop_engine")
    assert (work.outcomes, work.attempts) == ({"add": "passed"}, 1)


def test_attempts_are_states_and_a_blank_is_none(learner, noon):
    learner.tries(0, "blank", add="not_started", mul="not_started")
    learner.tries(1, "a", add="failed")
    learner.tries(2, "a", add="failed", mul="not_started")
    learner.tries(3, "b", add="passed")
    learner.tries(4, "a", add="failed")
    assert standing(learner, noon).work("backprop_engine").attempts == 3


def test_hints_by_part(learner, noon):
    for part in ("add", "mul", "add"):
        journal.hint(learner.root, "backprop_engine", part, now=learner.at(1))
    work = standing(learner, noon).work("backprop_engine")
    assert (work.hints, work.attempts, work.last) == ({"add": 2, "mul": 1}, 0, None)


def test_of_two_machines_hints_the_highest_counts(learner, noon):
    for level in (1, 2, 1):
        event = {"kind": "hint", "exercise": "gpt", "part": "block", "level": level}
        journal.append(learner.root, event, learner.at(level))
    assert standing(learner, noon).work("gpt").hints == {"block": 2}
    assert journal.hint(learner.root, "gpt", "block").level == 3


def test_the_next_step_is_the_first_part_that_does_not_pass(learner, noon):
    learner.tries(0, "a", exercise="bigram_lm", nll="passed")
    assert standing(learner, noon).next_step(ORDER) == ("backprop_engine", "add")
    learner.tries(1, "b", add="passed", mul="timed_out")
    assert standing(learner, noon).next_step(ORDER) == ("backprop_engine", "mul")
    learner.tries(2, "c", add="passed", mul="passed")
    assert standing(learner, noon).next_step(ORDER) is None


def test_broken_lines_are_counted(learner, noon):
    learner.tries(0, "a", add="passed")
    with (learner.root / "progress_log" / "attempts.jsonl").open("a") as file:
        file.write("rubbish\n")
    got = standing(learner, noon)
    assert (got.broken, got.passed("backprop_engine")) == (1, {"add"})


# Hours


def worked(*minutes: float, sessions: list[tuple[float, float]] | None = None) -> float:
    """Minutes of work, from noon, around events at these minutes."""
    times = sorted(START + 60 * minute for minute in minutes)
    spans = [(START + 60 * a, START + 60 * b) for a, b in sessions or []]
    return round(60 * hours(times, spans, START, START + 86_400), 6)


def test_gaps_under_a_quarter_of_an_hour_are_work():
    assert worked() == worked(5) == 0
    assert worked(0, 10, 20, 34.9) == 34.9
    assert worked(0, 15) == 0
    assert worked(0, 10, 60, 65) == 15


def test_sessions_count_and_nothing_counts_twice():
    assert worked(sessions=[(0, 30)]) == 30
    assert worked(0, 10, 20, sessions=[(5, 30)]) == 30
    assert worked(sessions=[(0, 30), (10, 20), (25, 40)]) == 40
    assert worked(100, 105, sessions=[(0, 30)]) == 35


def test_only_what_lies_inside_counts():
    assert worked(-10, 2) == 2
    assert worked(sessions=[(-30, 10)]) == 10
    assert worked(24 * 60 - 5, 24 * 60 + 5) == 5
    assert worked(-60, -50) == 0


MINUTES = st.lists(st.floats(-3000, 3000), max_size=30)
SPANS = st.lists(st.tuples(st.floats(-3000, 3000), st.floats(0, 700)).map(lambda s: (s[0], s[0] + s[1])), max_size=5)


@quick
@given(MINUTES, SPANS)
def test_hours_are_those_of_a_slow_count(minutes, sessions):
    times = sorted(minutes)
    gaps = [(a, b) for a, b in pairwise(times) if b - a < PAUSE / 60]
    edges = sorted({0.0, 1440.0, *(edge for span in [*gaps, *sessions] for edge in span)})
    inside = [(a, b) for a, b in pairwise(edges) if a >= 0 and b <= 1440]
    slow = sum(b - a for a, b in inside if any(x <= a and b <= y for x, y in [*gaps, *sessions]))
    assert worked(*minutes, sessions=sessions) == pytest.approx(slow, abs=1e-3)


def test_a_week_begins_on_monday_where_the_learner_is():
    zone = ZoneInfo("Asia/Kolkata")
    now = datetime(2026, 3, 4, 12, 0, tzinfo=zone)
    monday = datetime(2026, 3, 2, 0, 0, tzinfo=zone).timestamp()
    times = [monday - 300, monday + 300, monday + 600]
    assert hours_of_week(times, [], now) * 60 == pytest.approx(10)
    assert hours_of_week(times, [], now, ago=1) * 60 == pytest.approx(5)


def test_a_clock_that_jumps_makes_no_hours_and_no_streak(learner, noon):
    for number, minute in enumerate([0, 5, 60 * 24 * 365, -60 * 24 * 20000, 10, 9, 12]):
        learner.tries(minute, str(number), add="failed")
    got = standing(learner, noon, 20)
    assert got.hours_this_week * 60 == pytest.approx(12)
    assert got.streak == 1


def test_a_session_that_was_left_running_is_capped(learner, noon):
    journal.session(learner.root, 100_000, now=learner.at(0))
    journal.session(learner.root, 30, now=learner.at(5000))
    events = learner.log(6000).events
    assert [end - start for start, end in sessions_of(events, noon)] == [12 * 3600]
    assert times_of(events, noon) == [learner.at(0)]


@pytest.mark.parametrize(
    ("days", "count"),
    [([], 0), ([0], 1), ([1], 1), ([2], 0), ([0, 1, 2], 3), ([1, 2, 4], 2), ([0, 2], 1), ([-1, 0], 1)],
)
def test_streaks_are_days_in_a_row_up_to_today(days, count):
    assert streak(sorted(START - 86_400 * ago for ago in days), NOW) == count


def test_days_with_23_hours_are_days():
    zone = ZoneInfo("Europe/Berlin")
    times = [datetime(2026, 3, day, 0, 5, tzinfo=zone).timestamp() for day in (28, 29, 30, 31)]
    assert streak(times, datetime(2026, 3, 31, 23, 0, tzinfo=zone)) == 4


def test_local_time_serves_as_now(monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        evening = datetime(2026, 3, 4, 3, 0, tzinfo=UTC).timestamp()  # 3 March, ten in the evening, in New York
        assert streak([evening], datetime(2026, 3, 4, 9, 0)) == 1
        assert streak([evening], datetime(2026, 3, 5, 9, 0)) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
