"""One line of `progress_log/attempts.jsonl`: a JSON object in ASCII that says everything by itself.

Every event has
    v         version of this schema
    id        16 random hexadecimal digits; the same line met twice after a merge counts once
    after     id of the line it was written below, "" for the first: keeps the order where a clock jumps
    at        UTC time as the writer's clock had it, ISO 8601 with milliseconds
    kind      attempt, hint, aha, session, drill, review, explanation; further kinds need no new version
    exercise  its name, where the event belongs to one
and by kind
    attempt   digest (of the graded statements), source (check, watch, notebook), seconds (grading took, to a tenth),
              points, out_of, parts {part: outcome} for those that were graded, bugs {part: bug}
    hint      part, level (1 to 3)
    aha       file (its name in progress_log); part where known
    session   minutes (that ended at `at`)
    drill, review   run (8 hexadecimal digits, one for each drill or review), result (started, hint, failed, solved,
              given_up) and, but for the first, minutes since the start. Where it starts: file (in practice/), limit
              (minutes, where there is one), planted (the bugs of a drill) or part (of a review), and where it
              belongs to an exam: exam (its name), round (from 1). hint: level
    explanation   run, text (what somebody wrote about a drill)
Nothing names the machine, its user or a path outside the folder.

What is new in every line comes before `kind`, what repeats comes after it and is parsed once (see `bulk`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

VERSION = 1
OUTCOMES = frozenset({"passed", "failed", "crashed", "timed_out", "not_started"})
FAILING = frozenset({"failed", "crashed", "timed_out"})
HINTS = 3
ASKED = ("kind", "exercise", "parts", "bugs")
RESULTS = frozenset({"started", "hint", "failed", "solved", "given_up"})

Said = dict[str, Any]


class BrokenLine(ValueError):
    """A line that is no event; its message completes "line 7 …"."""


class Event(NamedTuple):
    """One event; a named tuple, because a hundred thousand frozen dataclasses take a quarter of a second."""

    id: str
    after: str  # id of the event it was written below
    at: float  # epoch seconds, as the writer's clock had it
    digest: str  # of an attempt, else ""
    said: Mapping[str, Any]  # the rest that is `kept`; events that say the same may share it

    @property
    def kind(self) -> str:
        return str(self.said["kind"])

    @property
    def exercise(self) -> str | None:
        return self.said.get("exercise")

    @property
    def parts(self) -> Mapping[str, str]:
        """Of an attempt: outcome by part."""
        parts: Mapping[str, str] = self.said["parts"]
        return parts

    @property
    def bugs(self) -> Mapping[str, str]:
        """Of an attempt: the bug that was named, by part."""
        bugs: Mapping[str, str] = self.said["bugs"]
        return bugs


def encode(event: Mapping[str, Any], name: str, after: str, at: float) -> bytes:
    """An event as a line with its newline; ValueError where it would not read back (a missing field, a NaN)."""
    own = {"digest": event["digest"]} if "digest" in event else {}
    rest = {key: value for key, value in event.items() if key not in ("digest", "kind")}
    body = {"v": VERSION, "id": name, "after": after, "at": stamp(at), **own, "kind": event.get("kind"), **rest}
    line = json.dumps(body, separators=(",", ":"), allow_nan=False)
    decode(line)
    return line.encode("ascii") + b"\n"


PARSE = json.JSONDecoder().raw_decode


def decode(line: str) -> Event:
    """The event on a line, checked; BrokenLine says what is wrong with it."""
    said = parse(line)
    version = said.pop("v", None)
    if version.__class__ is not int or version < 1:
        raise BrokenLine("has no version")
    if version > VERSION:
        raise BrokenLine(f"was written by a newer Fathom (schema {version}; this one reads {VERSION}): update it")
    name, at, after, digest = (said.pop(key, None) for key in ("id", "at", "after", "digest"))
    if not (is_text(name) and name):
        raise BrokenLine("has no id")
    if not is_text(at):
        raise BrokenLine("has no time")
    checked(said)
    if said["kind"] == "attempt" and not (is_text(digest) and digest):
        raise BrokenLine("has no digest")
    return Event(name, as_text(after), seconds_of(at), as_text(digest), kept(said))


def kept(said: Said) -> Said:
    """What is kept of what an event says: of attempts no more than is ever asked for, and so many say the same."""
    return {key: said[key] for key in ASKED} if said["kind"] == "attempt" else said


def parse(text: str) -> Said:
    """A JSON object; BrokenLine for anything else."""
    try:
        value, end = PARSE(text)
    except (ValueError, RecursionError):
        raise BrokenLine(reason(text)) from None
    if value.__class__ is not dict or text[end:].strip():
        raise BrokenLine(reason(text))
    return value


def reason(text: str) -> str:
    """Why a line that does not parse may look as it does."""
    if text.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
        return "is a marker of an unresolved merge"
    if text.startswith('{"v":') and not text.rstrip().endswith("}"):
        return "is cut short: the disk was full or the program was ended while it was written"
    return "is not a JSON object"


def checked(said: Said) -> Said:
    """What an event says, if its fields are there and possible."""
    kind = said.get("kind")
    if not is_text(kind):
        raise BrokenLine("has no kind")
    if not is_text(said.get("exercise", "")):
        raise BrokenLine("has an impossible exercise")
    for field, right in FIELDS.get(str(kind), {}).items():
        if field not in said:
            raise BrokenLine(f"has no {field}")
        if not right(said[field]):
            raise BrokenLine(f"has impossible {field}")
    return said


def is_text(value: object) -> bool:
    return value.__class__ is str


def as_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def is_amount(value: object) -> bool:
    """A finite number that is not negative."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15


def is_level(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= HINTS


def are_outcomes(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) and each in OUTCOMES for each in value.values())


def is_result(value: object) -> bool:
    return isinstance(value, str) and value in RESULTS


def are_names(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


FIELDS: Mapping[str, Mapping[str, Callable[[object], bool]]] = {
    "attempt": {
        "exercise": is_text,
        "source": is_text,
        "seconds": is_amount,
        "points": is_amount,
        "out_of": is_amount,
        "parts": are_outcomes,
        "bugs": are_names,
    },
    "hint": {"exercise": is_text, "part": is_text, "level": is_level},
    "aha": {"file": is_text},
    "session": {"minutes": is_amount},
    "drill": {"exercise": is_text, "run": is_text, "result": is_result},
    "review": {"exercise": is_text, "run": is_text, "result": is_result},
    "explanation": {"run": is_text, "text": is_text},
}


def stamp(at: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, milliseconds, `Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(at: str) -> float:
    """Epoch seconds of an ISO 8601 time that says its zone; BrokenLine for another."""
    try:
        time = datetime.fromisoformat(at)
        if time.tzinfo is not None:
            return time.timestamp()
    except ValueError:
        raise BrokenLine("has an impossible time") from None
    raise BrokenLine("has a time without a zone")
