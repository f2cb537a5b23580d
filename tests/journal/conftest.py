"""Journals to test with: reports as the judge makes them, and a clock that tests set."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from autograder import journal

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
Report = dict[str, Any]


def report_of(exercise: str = "backprop_engine", **parts: str) -> Report:
    """A report in the form of `Report.as_json`: parts by outcome, a bug after a colon, as in "failed:sign"."""
    told = [
        {
            "part": part,
            "outcome": said.partition(":")[0],
            "points": 2 * (said == "passed"),
            "out_of": 2,
            "bug": said.partition(":")[2] or None,
            "message": "",
            "checks": [],
        }
        for part, said in parts.items()
    ]
    return {
        "path": f"{exercise}.ipynb",
        "exercise": exercise,
        "error": None,
        "seconds": 0.1234567,
        "points": sum(part["points"] for part in told),
        "out_of": 2 * len(told),
        "parts": told,
    }


class Learner:
    """Somebody at work in a repository; `minute` counts from noon."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def at(self, minute: float) -> float:
        return NOON.timestamp() + 60 * minute

    def tries(self, minute: float, digest: str, exercise: str = "backprop_engine", **parts: str) -> str | None:
        """An attempt; the id of its event, None where nothing was logged."""
        told = journal.attempt(self.root, report_of(exercise, **parts), digest, "check", self.at(minute))
        assert told.warning is None
        return told.event

    def log(self, minute: float = 60 * 24 * 365) -> journal.Log:
        return journal.read(self.root, self.at(minute))


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path)


@pytest.fixture
def at_work() -> type[Learner]:
    return Learner


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def report() -> Callable[..., Report]:
    return report_of
