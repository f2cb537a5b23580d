"""How one part went from failing to passing: what stands behind an aha. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from autograder.journal.event import FAILING, Event

THINKING = 60 * 60.0  # a longer gap between two events was an absence, not thought


@dataclass(frozen=True)
class Story:
    """The last run of failing attempts at a part and the pass that ended it, as far as the log knows them.

    `failed` and `failed_last` are its ends, `attempts` its failing states; `bug` is the last one named on the way (a
    crash after it does not hide it); `minutes` run from the first failure to the pass, absences left out.
    """

    exercise: str
    part: str
    failed: Event | None = None
    failed_last: Event | None = None
    passed: Event | None = None
    bug: str | None = None
    attempts: int = 0
    minutes: float = 0.0


def story(events: Iterable[Event], exercise: str, part: str) -> Story:
    """The story of a part: the last one with a turn, else the failures so far, else the pass at first sight."""
    own = [event for event in events if event.exercise == exercise]
    failures, end = last_run(own, part)
    passed = own[end] if end is not None else None
    if not failures:
        return Story(exercise, part, passed=passed)
    states = [own[index] for index in failures]
    named = [event.bugs[part] for event in states if part in event.bugs]
    return Story(
        exercise,
        part,
        failed=states[0],
        failed_last=states[-1],
        passed=passed,
        bug=named[-1] if named else None,
        attempts=count_states(states),
        minutes=minutes_of(own[failures[0] : (failures[-1] if end is None else end) + 1]),
    )


def last_run(own: Sequence[Event], part: str) -> tuple[list[int], int | None]:
    """Where an exercise's events fail at a part, and where the pass after that is."""
    failures: list[int] = []
    turned: tuple[list[int], int | None] = ([], None)
    for index, event in enumerate(own):
        outcome = event.parts.get(part) if event.kind == "attempt" else None
        if outcome in FAILING:
            failures.append(index)
        elif outcome == "passed" and (failures or turned[1] is None):
            turned, failures = (failures, index), []
    return turned if turned[0] or not failures else (failures, None)


def count_states(attempts: Iterable[Event]) -> int:
    """How many attempts there are where consecutive ones at the same statements are one."""
    count, last = 0, ""
    for attempt in attempts:
        count += attempt.digest != last
        last = attempt.digest
    return count


def minutes_of(events: Sequence[Event]) -> float:
    """Minutes from the first event to the last, without absences and without what a jumping clock made of them."""
    gaps = [after.at - before.at for before, after in pairwise(events)]
    return sum(gap for gap in gaps if 0 < gap < THINKING) / 60


def latest_turn(events: Iterable[Event], exercise: str | None = None) -> tuple[str | None, str | None]:
    """The exercise and part that last went from failing to passing; without one, the exercise last attempted."""
    failing: set[tuple[str, str]] = set()
    turned: tuple[str, str] | None = None
    latest: str | None = None
    seen: dict[str, object] = {}  # exercise → what its last attempt said
    for event in events:
        name = event.exercise
        if event.kind != "attempt" or name is None or (exercise is not None and name != exercise):
            continue
        latest = name
        if seen.get(name) is event.said:
            continue
        seen[name] = event.said
        for part, outcome in event.parts.items():
            if outcome in FAILING:
                failing.add((name, part))
            elif outcome == "passed" and (name, part) in failing:
                failing.remove((name, part))
                turned = (name, part)
    return turned or (latest, None)
