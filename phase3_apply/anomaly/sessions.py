"""From records to sessions of keys, and what labels say about them."""

from __future__ import annotations

import csv
import itertools
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from phase3_apply.anomaly.formats import are_keys
from phase3_apply.anomaly.problems import BadLog, Warnings
from phase3_apply.anomaly.reading import Log, keys_of, lines_of

WINDOW = 20  # lines that make a session where nothing else does
NORMAL = {"", "-", "0", "normal", "false", "ok", "success", "well", "none"}

Tick = Callable[[int, int], None]


@dataclass
class Mined:
    """What the miner made of a log: a key for every record, the values of each, and the templates."""

    keys: list[int]
    values: list[list[str]]
    templates: list[str]


@dataclass
class Sessions:
    """Sessions of keys. `places` are the records of each; `open` says that its end is not known."""

    names: list[str]
    keys: list[list[int]]
    places: list[list[int]]
    open: list[bool]
    faults: list[bool] = field(default_factory=list)
    labelled: bool = False
    windows: bool = False  # pieces of the log in the place of sessions


@dataclass
class Labels:
    """What a file of labels says: faulty sessions by name, faulty lines, sessions of keys, the true group of each line."""

    sessions: dict[str, bool] = field(default_factory=dict)
    lines: list[bool] = field(default_factory=list)
    keyed: list[list[int]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def mined(lesson: ModuleType, texts: Sequence[str], tick: Tick) -> Mined:
    """Mask and mine every line."""
    miner = lesson.Miner(0.5, 2)
    keys, values = [], []
    for number, text in enumerate(texts):
        tokens, found = lesson.mask(text)
        keys.append(miner.key(tokens or ["(empty)"]))
        values.append(found)
        if number % 500 == 0:
            tick(number, len(texts))
    return Mined(keys, values, [" ".join(template) for template in miner.templates])


def grouped(lesson: ModuleType, log: Log, keys: Sequence[int], warnings: Warnings) -> Sessions:
    """Sort records into sessions by their ids, or into pieces of WINDOW lines where that makes no sessions."""
    ids = [record.session for record in log.records]
    found = lesson.by_session(ids, list(range(len(ids))))
    lines = sum(map(len, found.values())) / max(len(found), 1)
    if found and lines >= 3:
        left = ids.count(None)
        if left > 0.05 * len(ids):
            warnings.warn("left-out", f"{left:,} of {len(ids):,} lines belong to no session and are left out")
        places = list(found.values())
        return Sessions(list(found), [[keys[i] for i in p] for p in places], places, open_ends(log, places))
    if found:
        text = f"{len(found):,} sessions have {lines:.1f} lines on average, too few to show an order"
        warnings.warn("short-sessions", f"{text}; pieces of {WINDOW} lines are taken instead")
    else:
        text = f"nothing in the lines tells sessions apart, so pieces of {WINDOW} lines are taken"
        warnings.warn("no-sessions", f"{text}; --session PATTERN says what does")
    places = [list(range(first, min(first + WINDOW, len(ids)))) for first in range(0, len(ids), WINDOW)]
    names = [f"lines {p[0] + 1:,} to {p[-1] + 1:,}" for p in places]
    return Sessions(names, [[keys[i] for i in p] for p in places], places, [True] * len(places), windows=True)


def open_ends(log: Log, places: Sequence[Sequence[int]]) -> list[bool]:
    """Say which sessions may go on after the log's end: those that have been quiet for less long than is usual."""
    times = [[time for i in p if (time := log.records[i].time) is not None] for p in places]
    last = max((max(t) for t in times if t), default=None)
    pauses = [b - a for t in times for a, b in itertools.pairwise(t) if b >= a]
    if last is None or len(pauses) < 20:
        edge = len(log.records) - WINDOW
        return [p[-1] >= edge for p in places]
    usual = statistics.quantiles(pauses, n=100)[-1]
    return [bool(t) and last - t[-1] <= usual for t in times]


def of_keys(keyed: Sequence[list[int]]) -> tuple[list[list[int]], list[str]]:
    """Number the keys of sessions that come as keys: -> sessions from 0 on, and their names."""
    names = sorted({key for session in keyed for key in session})
    number = {key: i for i, key in enumerate(names)}
    return [[number[key] for key in session] for session in keyed], [f"key {key}" for key in names]


def read_labels(file: Path, log: Log, warnings: Warnings) -> Labels:
    """Read a file of labels; raises BadLog.

    It is a table of sessions (first column its name, last column its label), a table of lines in Loghub's form (LineId, EventId,
    perhaps Label), or, for a log of keys, more sessions of keys, all of them faulty.
    """
    if not file.is_file():
        raise BadLog(f"--labels {file}: there is no such file.")
    lines = [line for line in lines_of(file, warnings) if line.strip()]
    if log.keyed and lines and are_keys(lines):
        return Labels(keyed=keys_of(lines, file))
    rows = list(csv.DictReader(lines))
    names = list(rows[0]) if rows else []
    if "EventId" in names:
        if len(rows) != len(log.records):
            raise BadLog(
                f"--labels {file} has {len(rows):,} lines and the log has {len(log.records):,}; they must be the same."
            )
        faults = [str(row["Label"]).lower() not in NORMAL for row in rows] if "Label" in names else []
        return Labels(lines=faults, groups=[row["EventId"] for row in rows])
    if len(names) < 2:
        raise BadLog(
            f"--labels {file}: a table was expected whose first column names a session and whose last one says `normal`, or "
            "what is wrong with it."
        )
    return Labels(sessions={row[names[0]]: str(row[names[-1]]).strip().lower() not in NORMAL for row in rows})


def apply(labels: Labels, log: Log, sessions: Sessions, warnings: Warnings) -> None:
    """Say of each session whether it is faulty, as far as anything is known."""
    lines = labels.lines or ([record.fault for record in log.records] if log.labelled else [])
    if labels.sessions:
        known = sum(name in labels.sessions for name in sessions.names)
        if not known:
            raise BadLog(
                f"none of the {len(labels.sessions):,} labels belongs to any of the {len(sessions.names):,} sessions (such as "
                f"{sessions.names[0]!r}); --session PATTERN says what a session is."
            )
        if known < len(sessions.names):
            text = (
                f"{len(sessions.names) - known:,} of {len(sessions.names):,} sessions have no label and count as good"
            )
            warnings.warn("labels", text)
        sessions.faults = [labels.sessions.get(name, False) for name in sessions.names]
    elif lines:
        sessions.faults = [any(lines[i] for i in p) for p in sessions.places]
    sessions.labelled = bool(sessions.faults)
    sessions.faults = sessions.faults or [False] * len(sessions.names)


def grouping_accuracy(found: Sequence[int], true: Sequence[str]) -> float:
    """The share of lines whose group is exactly the group that they should be in (Zhu et al., 2019)."""
    mine, theirs = defaultdict(list), defaultdict(list)
    for i, (key, group) in enumerate(zip(found, true, strict=True)):
        mine[key].append(i)
        theirs[group].append(i)
    sizes = Counter({tuple(lines): len(lines) for lines in theirs.values()})
    return sum(sizes[tuple(lines)] for lines in mine.values()) / max(len(true), 1)
