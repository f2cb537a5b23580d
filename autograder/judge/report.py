"""What a grading says: plain frozen data, and its two machine-readable forms."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal
from xml.etree import ElementTree

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


def junit(reports: Sequence[Report]) -> str:
    """Reports as JUnit XML: a suite per submission, a case per check."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        suite = ElementTree.SubElement(root, "testsuite", name=clean(f"{report.exercise}: {report.path}"))
        counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
        if report.error is not None:
            counts["tests"] = counts["errors"] = 1
            case = ElementTree.SubElement(suite, "testcase", name="read", classname=report.exercise)
            ElementTree.SubElement(case, "error", message=clean(report.error))
        for part in report.parts:
            for check in part.checks or (CheckReport(part.part, part.outcome, message=part.message),):
                counts["tests"] += 1
                name = f"{report.exercise}.{part.part}"
                case = ElementTree.SubElement(suite, "testcase", name=clean(check.name), classname=name)
                add_outcome(case, check, counts)
        suite.attrib.update({key: str(value) for key, value in counts.items()}, time=f"{report.seconds:.4f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def add_outcome(case: ElementTree.Element, check: CheckReport, counts: dict[str, int]) -> None:
    """Describe a check that did not pass in JUnit's words."""
    kinds = {"failed": "failure", "crashed": "error", "timed_out": "error", "not_started": "skipped"}
    kind = kinds.get(check.outcome)
    if kind is None:
        return
    counts["failures" if kind == "failure" else "errors" if kind == "error" else "skipped"] += 1
    element = ElementTree.SubElement(case, kind, message=clean(check.message or check.outcome), type=check.outcome)
    if check.got or check.want:
        element.text = clean(f"got {check.got}\nwanted {check.want}")


def clean(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text)
