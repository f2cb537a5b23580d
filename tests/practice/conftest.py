"""Practice to test with: logs of learners who never were, and the small course with a log of its own."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autograder import curriculum, journal
from autograder.notebook.build import solved
from autograder.notebook.files import dumps

NOON = 1_772_625_600.0  # a Wednesday in March 2026
DAY = 86_400.0
PARTS = ("add", "mean", "running", "halvings")


@dataclass
class Learner:
    """Somebody whose log is written event by event; `day` counts from noon of a Wednesday."""

    root: Path
    exercise: str = "tally"
    done: dict[str, str] = field(default_factory=lambda: dict.fromkeys(PARTS, "not_started"))
    states: int = 0

    def at(self, day: float) -> float:
        return NOON + DAY * day

    def tries(self, day: float, part: str, outcome: str, bug: str = "") -> None:
        """A new state of the statements, in which one part has another outcome."""
        self.states += 1
        self.done = {**self.done, part: outcome}
        passed = sum(outcome == "passed" for outcome in self.done.values())
        event = {
            "kind": "attempt",
            "exercise": self.exercise,
            "digest": f"{self.exercise}-{self.states}",
            "source": "check",
            "seconds": 0.1,
            "points": passed,
            "out_of": len(self.done),
            "parts": self.done,
            "bugs": {part: bug} if bug else {},
        }
        assert journal.append(self.root, event, self.at(day)) is None

    def hints(self, day: float, part: str, level: int) -> None:
        event = {"kind": "hint", "exercise": self.exercise, "part": part, "level": level}
        assert journal.append(self.root, event, self.at(day)) is None

    def practises(self, day: float, about: str, *results: str, minutes: float = 5.0, limit: float = 15.0) -> None:
        """A review of a part, or a drill of a bug where `about` begins with `bug:`."""
        kind = "drill" if about.startswith("bug:") else "review"
        run = f"{about}-{day}"
        event: dict[str, Any] = {"kind": kind, "exercise": self.exercise, "run": run}
        first = {"planted": [about.removeprefix("bug:")], "limit": limit} if kind == "drill" else {"part": about}
        journal.append(self.root, {**event, "result": "started", "file": "practice/x.py", **first}, self.at(day))
        for number, result in enumerate(results, 1):
            later = self.at(day) + 60 * minutes * number / len(results)
            told = {"minutes": round(minutes * number / len(results), 1), **({"level": 1} if result == "hint" else {})}
            assert journal.append(self.root, {**event, "result": result, **told}, later) is None

    def events(self, day: float = 1000) -> Sequence[Any]:
        return journal.read(self.root, self.at(day)).events


@pytest.fixture
def learner(tmp_path: Path) -> Learner:
    return Learner(tmp_path)


@pytest.fixture
def learners() -> type[Learner]:
    return Learner


@dataclass
class Desk:
    """The command line in a course of its own, whose notebook is solved and logged as such."""

    fathom: Any
    root: Path

    def __call__(self, *words: object, **environment: str) -> Any:
        return self.fathom(*words, **environment)

    @property
    def log(self) -> list[dict[str, Any]]:
        path = self.root / "progress_log" / "attempts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def sheet(self, kind: str) -> Path:
        """The file that was written last for a drill or a review."""
        files = [event["file"] for event in self.log if event["kind"] == kind and event["result"] == "started"]
        return self.root / files[-1]

    def swap(self, path: Path, old: str, new: str) -> None:
        """Edit a script, as somebody would who sees it."""
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def words(self, text: str) -> str:
        return re.sub(r"\s+", " ", text)


@pytest.fixture
def desk(own_course: Path, made: Any, family: Any) -> Desk:
    shutil.rmtree(own_course / "progress_log", ignore_errors=True)
    (exercise,) = curriculum.load(own_course).exercises
    exercise.notebook.write_text(dumps(solved(exercise)), encoding="utf-8")
    return Desk(made.fathom(own_course, family), own_course)


@pytest.fixture
def passed_desk(desk: Desk) -> Desk:
    """The same, with every part passed a month ago."""
    learner = Learner(desk.root)
    for number, part in enumerate(PARTS):
        learner.tries(-30 + number / 100, part, "passed")
    return desk
