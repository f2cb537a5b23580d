"""Times that cannot be: a clock that was ahead, behind or never set. Pure.

Lines of one machine are written one below the other, so their times may only grow. Where they do not, the longest
run of lines that agree with each other is believed, and the rest counts at the time of the line above it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from autograder.journal.event import Event, stamp

SKEW = 600.0  # clocks of two machines differ by less; what lies further ahead is a clock that jumped
EARLIEST = 1_577_836_800.0  # 2020: a clock that says less was never set


def believed(events: Sequence[Event], horizon: float) -> Mapping[int, float]:
    """Times to count for the events, by their place in the file, whose own cannot be; nearly always none.

    `horizon` is the latest time that can be.
    """
    if not events or plausible(events, horizon):
        return {}
    found: dict[int, float] = {}
    for base, chain in chains(events):
        known = [index for index in chain if EARLIEST <= events[index].at <= horizon]
        kept = set(longest(known, [events[index].at for index in known]))
        last = None if base is None else found.get(base, events[base].at)
        if last is None or not EARLIEST <= last <= horizon:
            last = next((events[index].at for index in chain if index in kept), None)
        for index in chain:
            at = events[index].at
            if index in kept:
                last = at
            elif last is None:
                found[index] = min(at, horizon)
            elif abs(at - last) > SKEW:
                found[index] = last
    return {index: at for index, at in found.items() if at != events[index].at}


def plausible(events: Sequence[Event], horizon: float) -> bool:
    """Whether no line is far earlier than the one it was written below, and none lies in the future."""
    times = [event.at for event in events]
    if min(times) < EARLIEST or max(times) > horizon:
        return False
    if times == sorted(times):
        return True
    at = {event.id: event.at for event in events}
    return all(event.at > at.get(event.after, event.at) - SKEW for event in events)


def chains(events: Sequence[Event]) -> list[tuple[int | None, list[int]]]:
    """Lines written one below the other, by their places; each chain with the line that it was begun below."""
    found: list[tuple[int | None, list[int]]] = []
    place: dict[str, int] = {}
    tail: dict[int, list[int]] = {}  # place of a last line → its chain
    for index, event in enumerate(events):
        before = place.get(event.after)
        chain = tail.pop(before, None) if before is not None else None
        if chain is None:
            chain = []
            found.append((before, chain))
        chain.append(index)
        tail[index] = chain
        place[event.id] = index
    return found


def longest(items: Sequence[int], values: Sequence[float]) -> list[int]:
    """The items of the longest subsequence whose values never fall."""
    ends: list[float] = []  # the smallest last value of a subsequence of each length
    last: list[int] = []  # and where it is
    before: list[int] = []
    for place, value in enumerate(values):
        length = bisect_right(ends, value)
        before.append(last[length - 1] if length else -1)
        if length == len(ends):
            ends.append(value)
            last.append(place)
        else:
            ends[length], last[length] = value, place
    found = []
    place = last[-1] if last else -1
    while place >= 0:
        found.append(items[place])
        place = before[place]
    return found[::-1]


def told(events: Sequence[Event], corrected: Mapping[int, float]) -> list[tuple[int, str]]:
    """For every stretch of corrected events, the place of its first and a sentence about it."""
    places = sorted(corrected)
    starts = [place for number, place in enumerate(places) if not number or places[number - 1] != place - 1]
    found = []
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(events)
        more = sum(start < place < end for place in places)
        rest = f" (and {more} more {'line' if more == 1 else 'lines'} like it)" if more else ""
        found.append(
            (
                start,
                f"says {stamp(events[start].at)}{rest}, which cannot be: a clock had jumped. "
                f"It counts as {stamp(corrected[start])}",
            )
        )
    return found
