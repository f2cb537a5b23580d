"""Log formats: how the head of a line looks, where its time stands, and what tells sessions apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

SAMPLE = 300  # lines that are enough to tell the format
ENOUGH = 0.8  # of them must fit


@dataclass(frozen=True)
class Format:
    """One format.

    head     pattern of a line; `time` and `text` are groups, `session` and `label` may be (a label "-" means normal)
    clock    what the group `time` says, in seconds
    session  pattern of a session's id in the text, "" where the head has it or nothing has
    """

    name: str
    head: re.Pattern[str]
    clock: Callable[[str], float] | None
    session: str = ""


def at(pattern: str, text: str) -> float:
    """A point in time as seconds; no time zone is known, and none is needed."""
    return datetime.strptime(text, pattern).replace(tzinfo=UTC).timestamp()


def iso(text: str) -> float:
    """Seconds of `2026-03-02 08:03:47,070` and its relatives; the time zone, if any, is left out."""
    day, clock = text[:10], text[11:]
    hours, minutes, seconds = clock.replace(",", ".").split(":")
    return at("%Y-%m-%d", day) + int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def syslog(text: str) -> float:
    """Seconds of `Dec 10 06:55:46`; syslog has no year, so all is in 2000, which has a 29th of February."""
    return at("%Y %b %d %H:%M:%S", "2000 " + " ".join(text.split()))


FORMATS = (
    Format(
        "HDFS",
        re.compile(r"(?P<time>\d{6} \d{6}) \d+ [A-Z]+ [^ :]+: (?P<text>.+)"),
        lambda text: at("%y%m%d %H%M%S", text),
        r"blk_-?\d+",
    ),
    Format(
        "BGL",
        re.compile(
            r"(?P<label>\S+) (?P<time>\d{9,10}) \d{4}\.\d\d\.\d\d (?P<session>\S+) \S+ \S+ \S+ \S+ \S+ (?P<text>.+)"
        ),
        float,
    ),
    Format(
        "syslog",
        re.compile(
            r"(?P<time>[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d) \S+ (?P<session>[^\s:]+?\[\d+\]|[^\s:]+): (?P<text>.+)"
        ),
        syslog,
    ),
    Format(
        "dated",
        re.compile(r"\W?(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?)\S* (?P<text>.+)"),
        iso,
    ),
    Format("plain", re.compile(r"(?P<text>.+)"), None),
)
NAMES = [*(each.name for each in FORMATS), "keys"]


def named(name: str) -> Format:
    """The format of this name."""
    return next(each for each in FORMATS if each.name == name)


def detected(lines: Sequence[str]) -> Format:
    """The first format that most lines fit."""
    sample = [line for line in lines if line.strip()][:SAMPLE]
    fits = (each for each in FORMATS if sum(bool(each.head.match(line)) for line in sample) >= ENOUGH * len(sample))
    return next(fits, FORMATS[-1])


def are_keys(lines: Sequence[str]) -> bool:
    """Whether lines are sessions already: nothing but small whole numbers, at least two in most of them."""
    sample = [line for line in lines if line.strip()][:SAMPLE]
    whole = all(re.fullmatch(r"(?:\d{1,6}\s*)+", line) for line in sample)
    return whole and sum(len(line.split()) > 1 for line in sample) >= ENOUGH * len(sample)


def guessed_session(texts: Sequence[str]) -> str:
    """A pattern of what looks like a session's id in free text, "" where nothing does.

    That is a name with a number (`rel-1042`, `job=77`) or a long hexadecimal name, with many values of several lines each.
    """
    sample = texts[:5000]
    words = {word for text in sample[:200] for word in re.findall(r"\b([A-Za-z]+[-_=#:])\d+\b", text)}
    candidates = [rf"\b{re.escape(word)}\d+\b" for word in sorted(words)]
    candidates.append(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
    best, most = "", 0
    for pattern in candidates:
        found = [match[0] for text in sample if (match := re.search(pattern, text))]
        distinct = len(set(found))
        if len(found) >= 0.6 * len(sample) and 10 <= distinct <= len(found) / 2 and len(found) > most:
            best, most = pattern, len(found)
    return best
