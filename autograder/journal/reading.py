"""Read the file of events: every line checked, in the order things happened, quickly where the file is long.

A long file's lines are kept parsed in `.fathom/journal.json` with the hash of the bytes they were parsed from; lines
added since are parsed anew. What does not fit the file's content is never used.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
import stat
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.caching import store
from autograder.journal.clock import SKEW, believed, told
from autograder.journal.event import VERSION, BrokenLine, Event, Said, decode
from autograder.journal.log import Broken, Log, place

CACHE = Path(".fathom", "journal.json")
FORMAT = 2  # of the cache; a change of what `decode` takes or makes needs a new one
MICRO = 1e6  # what times are counted in there: whole numbers are written and read in less time, and are exact
WORTH = 2_000  # lines that are not in the cache yet, before it is written


@dataclass
class Lines:
    """What the lines of a file say, in their order, each id once; `skipped` are the numbers of the others."""

    events: list[Event] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    count: int = 0
    base: tuple[int, str] = (0, "")  # as in Log

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
    """The lines of a repository's log, through the cache; OSError where the file cannot be read."""
    path = place(root)
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
        raise OSError("it is not a regular file")
    content = path.read_bytes()
    lines, size = kept(root, content)
    start = lines.count
    extend(lines, content[size:])
    whole = content.rfind(b"\n") + 1
    if lines.count - start >= WORTH and whole == len(content):
        lines.base = (len(lines.events), hashlib.sha256(content).hexdigest())
        keep(root, lines, len(content))
    return lines


def extend(lines: Lines, content: bytes) -> None:
    """Add the lines of more content, of which the first begins a line."""
    known: dict[str, Said] = {}
    seen = {event.id for event in lines.events} if content else set()
    texts = content.decode("utf-8", "replace").split("\n")
    if not texts[-1]:
        texts.pop()
    number = lines.count
    for number, text in enumerate(texts, lines.count + 1):
        try:
            event = decode(text, known)
        except BrokenLine as error:
            lines.skipped.append(number)
            if text and not text.isspace():
                lines.broken.append(Broken(number, str(error)))
            continue
        if event.id in seen:
            lines.skipped.append(number)
            continue
        seen.add(event.id)
        lines.events.append(event)
    lines.count = number


def ordered(lines: Lines, horizon: float) -> Log:
    """The events in the order they happened; a time that cannot be is replaced and told of.

    On one machine the order of writing counts, whatever the clock says; between machines only the clock can tell. So
    an event is never earlier than the one it was written below.
    """
    events = lines.events
    count, known = lines.base
    corrected = believed(events, horizon)
    doubted = tuple(Broken(lines.number(index), reason) for index, reason in told(events, corrected))
    if corrected:
        known += "".join(f" {index}:{at}" for index, at in sorted(corrected.items()) if index < count)
        events = [
            event._replace(at=corrected[index]) if index in corrected else event for index, event in enumerate(events)
        ]
    times = [event.at for event in events]
    if times != sorted(times):
        count, known = 0, ""
        order: dict[str, float] = {}  # id → time in that order
        for index, event in enumerate(events):
            times[index] = order[event.id] = max(event.at, order.get(event.after, event.at))
        events = [events[index] for index in sorted(range(len(times)), key=times.__getitem__)]
    return Log(tuple(events), tuple(lines.broken), doubted, (count, known))


def kept(root: Path, content: bytes) -> tuple[Lines, int]:
    """Lines from the cache, and how many bytes of the content they are; none where it does not fit."""
    try:
        raw = (root / CACHE).read_bytes() if content else b""
        if not raw:
            return Lines(), 0
        data = json.loads(raw)
        size = data["size"]
        if data["format"] != [FORMAT, VERSION] or size > len(content):
            return Lines(), 0
        if hashlib.sha256(memoryview(content)[:size]).hexdigest() != data["sha256"]:
            return Lines(), 0
        saids, ids = data["saids"], data["ids"]
        afters = ["", *ids[:-1]]
        for index, after in data["afters"]:
            afters[index] = after
        ats = [at / MICRO for at in data["ats"]]
        events = list(map(Event, ids, afters, ats, data["digests"], map(saids.__getitem__, data["said"])))
        broken = [Broken(where, reason) for where, reason in data["broken"]]
        return Lines(events, data["skipped"], broken, data["count"], (len(events), data["sha256"])), size
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return Lines(), 0


def keep(root: Path, lines: Lines, size: int) -> None:
    """Write the cache."""
    events = lines.events
    ids = [event.id for event in events]
    saids: dict[int, tuple[int, Any]] = {}
    for event in events:
        saids.setdefault(id(event.said), (len(saids), event.said))
    data = {
        "format": [FORMAT, VERSION],
        "size": size,
        "sha256": lines.base[1],
        "count": lines.count,
        "skipped": lines.skipped,
        "broken": [[mark.where, mark.reason] for mark in lines.broken],
        "ids": ids,
        "afters": [
            [index, event.after]
            for index, (event, before) in enumerate(zip(events, ["", *ids], strict=False))
            if event.after != before
        ],
        "ats": [round(MICRO * event.at) for event in events],
        "digests": [event.digest for event in events],
        "said": [saids[id(event.said)][0] for event in events],
        "saids": [said for _, said in saids.values()],
    }
    store(root / CACHE, json.dumps(data, separators=(",", ":")).encode("ascii"))


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
