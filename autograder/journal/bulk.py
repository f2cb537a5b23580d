"""Many lines of the log at once, where all are as `event.encode` writes them: in a third of the time.

No step of Python is made for each line. What is kept of an attempt is parsed once for all that say the same, whatever
seconds they took; what another event says from its kind on, likewise.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime

from autograder.journal.event import OUTCOMES, VERSION, BrokenLine, Event, Said, checked, kept, parse

TEXT = r'[^"\\\x00-\x1f]'
AMOUNT = r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:e-[0-9]{2})?"
LINE = re.compile(
    rf'^\{{"v":{VERSION},"id":"({TEXT}+)","after":"({TEXT}*)","at":"(.{{23}}Z)"(?:,"digest":"({TEXT}+)")?,"kind":'
    rf'(?:"attempt","exercise":"({TEXT}*)",([^{{]+)(\{{[^}}]*\}},"bugs":\{{[^}}]*\}})\}}|(.*))$',
    re.MULTILINE,
)
NUMBERS = re.compile(
    rf'^"source":"{TEXT}*","seconds":{AMOUNT},"points":{AMOUNT},"out_of":{AMOUNT},"parts":$', re.MULTILINE
)
BEFORE_KIND = frozenset({"v", "id", "after", "at", "digest"})

Key = tuple[str, str, str]  # of an attempt its exercise and the text of its tables; of another event its text


class Reader:
    """Reads blocks of lines, and remembers what lines said: events that say the same share it."""

    def __init__(self) -> None:
        self.saids: dict[Key, Said] = {}
        self.numbers = {""}  # texts between the exercise and the tables of attempts that are right

    def events(self, lines: str) -> list[Event] | None:
        """The events on lines, exactly as `event.decode` has each; None where one is broken or written otherwise."""
        found = LINE.findall(lines)
        if not found or len(found) != lines.count("\n") + (not lines.endswith("\n")):
            return None
        names, afters, ats, digests, exercises, numbers, tables, rests = zip(*found, strict=True)
        try:
            self.learn_numbers(set(numbers).difference(self.numbers))
            keys = list(zip(exercises, tables, rests, strict=True))
            self.learn(set(keys).difference(self.saids))
            times = map(datetime.timestamp, map(datetime.fromisoformat, ats))
            saids = list(map(self.saids.__getitem__, keys))
            events = list(map(Event._make, zip(names, afters, times, digests, saids, strict=True)))
        except (ValueError, TypeError, KeyError, AttributeError):  # whatever is wrong, `decode` says it
            return None
        if not all(digests) and any(event.kind == "attempt" and not event.digest for event in events):
            return None
        return events

    def learn_numbers(self, new: Collection[str]) -> None:
        """Check what stands between exercise and tables, and is let go; BrokenLine where it is written otherwise."""
        if len(NUMBERS.findall("\n".join(new))) != len(new):
            raise BrokenLine("is no attempt as it is written")
        self.numbers.update(new)

    def learn(self, new: Collection[Key]) -> None:
        """Parse and check what nobody has said before; BrokenLine where that is to be done line by line."""
        tables = {tables for _, tables, _ in new if tables}
        known = dict(zip(tables, parsed(tables), strict=True))
        for key in new:
            exercise, text, rest = key
            if text:
                self.saids[key] = {"kind": "attempt", "exercise": exercise, **known[text]}
                continue
            said = checked(parse('{"kind":' + rest))
            if not BEFORE_KIND.isdisjoint(said):
                raise BrokenLine("says something twice")
            self.saids[key] = kept(said)


def parsed(tables: Collection[str]) -> list[Said]:
    """The parts and bugs of attempts, from texts such as `{"add":"failed"},"bugs":{"add":"sign"}`.

    They are parsed as one list. Each text has two closing braces and gets a third. So if as many objects come out, each
    of which holds two, every brace was one: no text has swallowed the beginning of the next in an open string.
    """
    joined = '},{"parts":'.join(tables)
    found: list[Said] = parse('{"all":[{"parts":' + joined + "}]}")["all"] if tables else []
    if len(found) != len(tables):
        raise BrokenLine("is not a JSON object")
    for said in found:
        parts, bugs = said["parts"], said["bugs"]
        if len(said) != 2 or not OUTCOMES.issuperset(parts.values()) or set(map(type, bugs.values())) - {str}:
            raise BrokenLine("has impossible parts or bugs")
    return found
