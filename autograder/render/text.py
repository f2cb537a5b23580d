"""Words that every form of a verdict shares."""

from __future__ import annotations

import re

from autograder.judge.report import CheckReport, Outcome, PartReport, Report

MARKS: dict[Outcome, str] = {"passed": "✓", "failed": "✗", "crashed": "!", "timed_out": "…", "not_started": "·"}
COLOURS: dict[Outcome, str] = {
    "passed": "green",
    "failed": "red",
    "crashed": "magenta",
    "timed_out": "yellow",
    "not_started": "bright_black",
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def tame(text: str) -> str:
    """Text from a submission without control characters, direction marks and lone surrogates."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def words(outcome: Outcome) -> str:
    """An outcome as people say it."""
    return outcome.replace("_", " ")


def points(number: int) -> str:
    """`1 point`, `2 points`."""
    return f"{number} point" if number == 1 else f"{number} points"


def first_trouble(part: PartReport) -> CheckReport | None:
    """The check that a part's verdict speaks of."""
    return next((check for check in part.checks if check.outcome == part.outcome != "passed"), None)


def passed_of(part: PartReport) -> str:
    """`2 of 3 checks pass`."""
    done = sum(check.outcome == "passed" for check in part.checks)
    return f"{done} of {len(part.checks)} checks pass"


def headline(report: Report) -> str:
    """Exercise, points and time in one line."""
    return f"{report.exercise}: {report.points} of {points(report.out_of)}"
