"""Clocks that jump: the order of writing stays, the times that cannot be are named, and everything counted is right."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from autograder import journal
from autograder.journal.activity import hours_of_week, sessions_of, streak, times_of
from autograder.journal.clock import longest

HOUR, DAY = 3600.0, 86_400.0
NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC).timestamp()


def write(root: Any, times: list[float]) -> None:
    for number, at in enumerate(times):
        assert journal.append(root, {"kind": "aha", "file": f"{number}.md"}, at) is None


def read(root: Any, now: float = NOON + DAY) -> journal.Log:
    return journal.read(root, now)


def order(log: journal.Log) -> list[int]:
    return [int(event.said["file"][:-3]) for event in log.events]


@pytest.mark.parametrize("jump", [400 * DAY, 3 * DAY, -3 * DAY, -400 * DAY], ids=["years", "days", "back", "far-back"])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_stretch_of_wrong_times_is_named_once_and_counts_at_the_time_before(
    tmp_path: Any, jump: float, length: int
) -> None:
    times = [NOON + 60 * number for number in range(30)]
    for place in range(8, 8 + length):
        times[place] += jump
    write(tmp_path, times)
    log = read(tmp_path, NOON + 1000 * DAY)  # long after: a year ahead lies in the past by now
    assert order(log) == list(range(30))
    (mark,) = log.doubted
    assert mark.where == 9
    assert "a clock had jumped" in mark.reason
    assert (f"and {length - 1} more" in mark.reason) == (length > 1)
    believed = [event.at for event in log.events]
    assert believed == sorted(believed)
    assert set(believed[8 : 8 + length]) == {NOON + 60 * 7}
    assert log.concerns()[0].startswith("progress_log/attempts.jsonl, line 9: says 20")


def test_a_clock_that_stays_right_is_doubted_nowhere(tmp_path: Any) -> None:
    chance = random.Random(1)
    times = [NOON - 30 * DAY]
    for _ in range(200):
        times.append(times[-1] + chance.expovariate(1 / 3000) - 30)  # with steps back of less than minutes
    write(tmp_path, times)
    log = read(tmp_path)
    assert log.doubted == ()
    assert [event.at for event in log.events] == pytest.approx(times, abs=0.001)


def test_a_clock_that_was_never_set_is_not_believed(tmp_path: Any) -> None:
    write(tmp_path, [0.0, 60.0, NOON, NOON + 60])
    log = read(tmp_path)
    assert order(log) == [0, 1, 2, 3]
    assert [event.at for event in log.events] == [NOON, NOON, NOON, NOON + 60]
    assert [mark.where for mark in log.doubted] == [1]


def test_nothing_but_wrong_times_is_still_read(tmp_path: Any) -> None:
    write(tmp_path, [NOON + 900 * DAY, NOON + 901 * DAY])
    log = read(tmp_path)
    assert order(log) == [0, 1]
    assert all(event.at <= NOON + 2 * DAY for event in log.events)
    assert len(log.doubted) == 1


@pytest.mark.parametrize("jump", [300 * DAY, -300 * DAY], ids=["ahead", "back"])
def test_hours_and_days_in_a_row_are_those_of_a_right_clock(tmp_path: Any, jump: float) -> None:
    right = [NOON - day * DAY + minute * 60 for day in (2, 1, 0) for minute in (0, 5, 10, 15)]
    wrong = [*right[:6], right[5] + jump, right[5] + jump + 60, *right[6:]]
    write(tmp_path / "right", right)
    write(tmp_path / "wrong", wrong)
    now = datetime.fromtimestamp(NOON, UTC) + timedelta(hours=1)
    found = []
    for name in ("right", "wrong"):
        events = read(tmp_path / name, now.timestamp()).events
        times = times_of(events, now)
        found.append((hours_of_week(times, sessions_of(events, now), now), streak(times, now)))
    assert found[0] == found[1]
    assert found[0][1] == 3


def test_two_machines_of_which_one_was_wrong(tmp_path: Any) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write(first, [NOON, NOON + HOUR, NOON + 2 * HOUR])
    from autograder.journal.log import place

    place(second).parent.mkdir(parents=True)
    place(second).write_bytes(place(first).read_bytes())
    common = len(place(first).read_bytes())
    for number, at in ((3, NOON + 500 * DAY), (4, NOON + 4 * HOUR)):
        journal.append(first, {"kind": "aha", "file": f"{number}.md"}, at)
    for number, at in ((5, NOON + 3 * HOUR), (6, NOON + 5 * HOUR)):
        journal.append(second, {"kind": "aha", "file": f"{number}.md"}, at)
    place(first).write_bytes(place(first).read_bytes() + place(second).read_bytes()[common:])
    log = read(first, NOON + 600 * DAY)
    assert order(log) == [0, 1, 2, 3, 5, 4, 6]
    assert [mark.where for mark in log.doubted] == [4]


def test_the_map_says_it(tmp_path: Any) -> None:
    write(tmp_path, [NOON, NOON + 500 * DAY, NOON + 60, NOON + 120])
    standing = journal.standing(tmp_path, datetime.fromtimestamp(NOON + HOUR, UTC))
    assert ["line 2: says 2027" in clock for clock in standing.clocks] == [True]


def test_the_longest_run_is_found() -> None:
    chance = random.Random(2)
    for _ in range(300):
        values = [float(chance.randrange(9)) for _ in range(chance.randrange(9))]
        kept = longest(list(range(len(values))), values)
        picked = [values[place] for place in kept]
        assert picked == sorted(picked)
        assert kept == sorted(kept)
        best = max(
            (
                bin(mask).count("1")
                for mask in range(2 ** len(values))
                if rising([value for place, value in enumerate(values) if mask >> place & 1])
            ),
            default=0,
        )
        assert len(kept) == best


def rising(values: list[float]) -> bool:
    return all(before <= after for before, after in pairwise(values))
