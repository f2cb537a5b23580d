"""Read the file of events: every line checked, in the order things happened, quickly where the file is long."""

from __future__ import annotations

import contextlib
import gc
import stat
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.journal.bulk import Reader
from autograder.journal.clock import SKEW, believed, told
from autograder.journal.event import BrokenLine, Event, decode
from autograder.journal.log import Broken, Log, place

BLOCKS = (1 << 18, 1 << 13)  # bytes that are read at once: the first stays in the processor's cache


@dataclass
class Lines:
    """What the lines of a file say, in their order, each id once; `skipped` are the numbers of the others."""

    events: list[Event] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    count: int = 0

    def number(self, index: int) -> int:
        """The number of the line that an event stands on."""
        number = index + 1
        while (further := index + 1 + bisect_right(self.skipped, number)) != number:
            number = further
        return number


def read(root: Path, now: float | None = None) -> Log:
    """Every event of a repository in order, and what is broken; a missing or unreadable file is never an exception."""
    horizon = (time.time() if now is None else now) + SKEW
    try:
        with without_collection():
            return ordered(parsed(root), horizon)
    except FileNotFoundError:
        return Log()
    except OSError as error:
        return Log(broken=(Broken(0, f"cannot be read: {error.strerror or error}"),))


def parsed(root: Path) -> Lines:
    """The lines of a repository's log; OSError where the file cannot be read."""
    path = place(root)
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        raise OSError("it is not a regular file")
    lines, reader = Lines(), Reader()
    seen: set[str] = set()
    for block in cut(path.read_bytes(), BLOCKS[0]):
        add(lines, block, reader, seen, BLOCKS[1:])
    return lines


def add(lines: Lines, block: bytes, reader: Reader, seen: set[str], smaller: Sequence[int]) -> None:
    """Add the lines of a block at once; where one is broken, odd or known already, in smaller blocks, then one by one."""
    text = block.decode("utf-8", "replace")
    events = reader.events(text) or []
    names = {event.id for event in events}
    if events and len(names) == len(events) and seen.isdisjoint(names):
        seen |= names
        lines.events += events
        lines.count += len(events)
    elif smaller:
        for piece in cut(block, smaller[0]):
            add(lines, piece, reader, seen, smaller[1:])
    else:
        for line in text.removesuffix("\n").split("\n"):
            add_line(lines, line, seen)


def add_line(lines: Lines, text: str, seen: set[str]) -> None:
    """Add a line, or say why it is skipped."""
    lines.count += 1
    try:
        event = decode(text)
    except BrokenLine as error:
        lines.skipped.append(lines.count)
        if text and not text.isspace():
            lines.broken.append(Broken(lines.count, str(error)))
        return
    if event.id in seen:
        lines.skipped.append(lines.count)
        return
    seen.add(event.id)
    lines.events.append(event)


def cut(content: bytes, size: int) -> Iterator[bytes]:
    """Content cut where lines end, into blocks of about so many bytes."""
    start = 0
    while start < len(content):
        end = content.find(b"\n", start + size) + 1 or len(content)
        yield content[start:end]
        start = end


def ordered(lines: Lines, horizon: float) -> Log:
    """The events in the order they happened; a time that cannot be is replaced and told of.

    On one machine the order of writing counts, whatever the clock says; between machines only the clock can tell. So
    an event is never earlier than the one it was written below.
    """
    events = lines.events
    corrected = believed(events, horizon)
    doubted = tuple(Broken(lines.number(index), reason) for index, reason in told(events, corrected))
    if corrected:
        events = [
            event._replace(at=corrected[index]) if index in corrected else event for index, event in enumerate(events)
        ]
    times = [event.at for event in events]
    if times != sorted(times):
        order: dict[str, float] = {}  # id → time in that order
        for index, event in enumerate(events):
            times[index] = order[event.id] = max(event.at, order.get(event.after, event.at))
        events = [events[index] for index in sorted(range(len(times)), key=times.__getitem__)]
    return Log(tuple(events), tuple(lines.broken), doubted)


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """No garbage collection while a hundred thousand objects are made that all stay."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
