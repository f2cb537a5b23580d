"""What a grading says: plain frozen data, and its JSON form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from autograder.judge.picture import Picture

Outcome = Literal["passed", "failed", "crashed", "timed_out", "not_started"]

# A part shows the outcome that stands furthest to the left among its checks.
ORDER: tuple[Outcome, ...] = ("timed_out", "crashed", "failed", "not_started", "passed")


@dataclass(frozen=True)
class CheckReport:
    """One check: its sentence of a name, how it went, what came and what was wanted."""

    name: str
    outcome: Outcome
    got: str = ""
    want: str = ""
    message: str = ""
    where: str = ""
    printed: str = ""
    picture: Picture | None = None


@dataclass(frozen=True)
class PartReport:
    """One part: all or nothing."""

    part: str
    outcome: Outcome
    out_of: int
    message: str = ""
    checks: tuple[CheckReport, ...] = ()
    bugs: tuple[str, ...] = ()

    @property
    def points(self) -> int:
        return self.out_of if self.outcome == "passed" else 0

    def as_json(self) -> dict[str, Any]:
        """This part as the machine interface has it."""
        return {
            "part": self.part,
            "outcome": self.outcome,
            "points": self.points,
            "out_of": self.out_of,
            "bug": self.bugs[0] if self.bugs else None,
            "message": self.message,
            "checks": [
                {key: getattr(check, key) for key in ("name", "outcome", "got", "want")} for check in self.checks
            ],
        }


@dataclass(frozen=True)
class Report:
    """One submission, graded; with an error and no parts where it could not be read."""

    path: str
    exercise: str
    parts: tuple[PartReport, ...] = ()
    error: str | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = field(default=())

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def out_of(self) -> int:
        return sum(part.out_of for part in self.parts)

    @property
    def passed(self) -> bool:
        return self.error is None and all(part.outcome == "passed" for part in self.parts)

    def part(self, name: str) -> PartReport:
        """The report of one part; KeyError where it was not graded."""
        for part in self.parts:
            if part.part == name:
                return part
        raise KeyError(name)

    def as_json(self) -> dict[str, Any]:
        """This submission as the machine interface has it."""
        return {
            "path": self.path,
            "exercise": self.exercise,
            "error": self.error,
            "seconds": round(self.seconds, 4),
            "points": self.points,
            "out_of": self.out_of,
            "parts": [part.as_json() for part in self.parts],
        }


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The outcome a part shows for the outcomes of its checks."""
    seen = set(outcomes)
    return next((outcome for outcome in ORDER if outcome in seen), "not_started")


def to_data(report: Report) -> dict[str, Any]:
    """A report as nested plain data that `from_data` reads back."""
    return asdict(report)


def from_data(data: dict[str, Any]) -> Report:
    """Rebuild a report from `to_data`."""
    parts = tuple(
        PartReport(
            **{
                **part,
                "bugs": tuple(part["bugs"]),
                "checks": tuple(CheckReport(**check) for check in part["checks"]),
            }
        )
        for part in data["parts"]
    )
    return replace(Report(**{**data, "parts": ()}), parts=parts, notes=tuple(data["notes"]))
