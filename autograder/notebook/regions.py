"""Solution regions: where a lesson's source holds its answers, and the stub that stands there for the learner."""

from __future__ import annotations

import re
from dataclasses import dataclass

BEGIN = "BEGIN SOLUTION"  # nbgrader's delimiters: any line that contains them
END = "END SOLUTION"
STUB = "# write your code here\nraise NotImplementedError"

_PART = re.compile(re.escape(BEGIN) + r"\s+([\w-]+)")
_INDENT = re.compile(r"\s*")


class BadRegion(ValueError):
    """A solution region that is nested, or never closed."""


@dataclass(frozen=True)
class Region:
    """One solution region: the lines of its delimiters, 1-based, and the part that its BEGIN line names."""

    first: int
    last: int
    part: str | None


def regions(source: str) -> tuple[Region, ...]:
    """The solution regions of a cell, in order; raises BadRegion."""
    if BEGIN not in source and END not in source:
        return ()
    found: list[Region] = []
    opened: int | None = None
    part: str | None = None
    for number, line in enumerate(source.split("\n"), start=1):
        if BEGIN in line:
            if opened is not None:
                raise BadRegion(f"line {number} begins a solution region inside the one that line {opened} began")
            named = _PART.search(line)
            opened, part = number, named[1] if named else None
        elif END in line:
            if opened is None:
                raise BadRegion(f"line {number} ends a solution region that no line began")
            found.append(Region(opened, number, part))
            opened = None
    if opened is not None:
        raise BadRegion(f"line {opened} begins a solution region that no line ends")
    return tuple(found)


def cleared(source: str) -> str:
    """The cell with a stub in the place of every solution region, as nbgrader's ClearSolutions makes it."""
    lines = source.split("\n")
    for region in reversed(regions(source)):
        indent = _INDENT.match(lines[region.first - 1])
        space = indent[0] if indent else ""
        lines[region.first - 1 : region.last] = [space + line for line in STUB.split("\n")]
    return "\n".join(lines)
