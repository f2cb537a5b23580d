"""What a planted bug does, as the checks saw it: no line, no name, no advice. Pure."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from autograder.judge.picture import Picture
from autograder.judge.report import Report

WORDS = {"crashed": "it crashes", "timed_out": "it does not end", "not_started": "it never gets there"}


@dataclass(frozen=True)
class Symptom:
    """One check that fails: its sentence, how it ended, what came and what should have come, and both as numbers."""

    check: str
    outcome: str
    got: str = ""
    want: str = ""
    picture: Picture | None = None

    @property
    def numbers(self) -> tuple[float, float] | None:
        """Got and wanted where both are single finite numbers, alone or the only one in a list."""
        with contextlib.suppress(ValueError):
            pair = float(self.got.strip("[]")), float(self.want.strip("[]"))
            if all(map(math.isfinite, pair)):
                return pair
        return None

    def as_json(self) -> dict[str, Any]:
        """The symptom as the machine interface has it; the numbers of the picture come as they are."""
        return asdict(self)


def symptoms(report: Report) -> tuple[Symptom, ...]:
    """The failing checks of a report; what would give the bug away (messages, places, names) is left out."""
    return tuple(found(report))


def drawable(got: str, want: str) -> Picture | None:
    """The numbers of two small arrays that a report has written out; None where it is something else."""
    try:
        pair = json.loads(got), json.loads(want)
    except ValueError:
        return None
    rows = [value if value and isinstance(value[0], list) else [value] for value in pair if isinstance(value, list)]
    if len(rows) < 2 or not all(map(even, rows)):
        return None
    return rows[0], rows[1]


def even(rows: Any) -> bool:
    """Whether rows are equally long lists of two numbers or more in all."""
    long = len(rows[0]) if isinstance(rows[0], list) else 0
    return len(rows) * long > 1 and all(
        isinstance(row, list) and len(row) == long and all(type(value) in (int, float) for value in row) for row in rows
    )


def grouped(seen: Sequence[Symptom]) -> list[tuple[Symptom, int]]:
    """Symptoms with how many checks show them; checks that end by one and the same error are one."""
    counts: dict[tuple[str, ...], int] = {}
    first: dict[tuple[str, ...], Symptom] = {}
    for one in seen:
        key = (one.outcome, one.got, one.want, "" if one.outcome != "failed" else one.check)
        first.setdefault(key, one)
        counts[key] = counts.get(key, 0) + 1
    return [(first[key], count) for key, count in counts.items()]


def found(report: Report) -> Iterable[Symptom]:
    for part in report.parts:
        for check in part.checks:
            if check.outcome == "failed":
                picture = check.picture or drawable(check.got, check.want)
                yield Symptom(check.name, check.outcome, check.got, check.want, picture)
            elif check.outcome == "crashed":
                yield Symptom(check.name, check.outcome, check.message.partition("\n")[0])
            elif check.outcome == "timed_out":
                yield Symptom(check.name, check.outcome, WORDS["timed_out"])
