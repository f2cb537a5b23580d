"""What commands write: attempts, hints, sessions, ahas. A full or read-only disk costs a warning, never a verdict."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from autograder.journal import ahas
from autograder.journal.event import HINTS, Event
from autograder.journal.log import append, warning, writing
from autograder.journal.progress import Standing, standing_of
from autograder.journal.reading import read
from autograder.journal.story import latest_turn, story


@dataclass(frozen=True)
class Recorded:
    """The id of the event that was written, if one was; a warning where the disk refused."""

    event: str | None = None
    warning: str | None = None


class Hint(NamedTuple):
    """The level of hint to show now, with those below it; a warning where it could not be recorded."""

    level: int
    warning: str | None = None


def attempt(root: Path, report: Mapping[str, Any], digest: str, source: str, now: float | None = None) -> Recorded:
    """Log a report (as `Report.as_json`) on the learner's own work, if it is a new state of the graded statements.

    New is another digest than the last one logged for the exercise, or another outcome or bug for the same one. A
    report on some of the parts says nothing about the others. It waits for the disk: call it once the verdict is shown.
    """
    if report["error"] is not None or not report["parts"]:
        return Recorded()
    event = attempt_event(report, digest, source)
    try:
        with writing(root) as log:
            exercise = f'"exercise":{json.dumps(report["exercise"])}'
            if is_last_state(event, log.newest(exercise)):
                return Recorded()
            return Recorded(log.append(event, now))
    except OSError as error:
        return Recorded(warning=warning(error))


def attempt_event(report: Mapping[str, Any], digest: str, source: str) -> dict[str, Any]:
    """An attempt as the log has it."""
    parts = report["parts"]
    return {
        "kind": "attempt",
        "digest": digest,
        "exercise": report["exercise"],
        "source": source,
        "seconds": round(report["seconds"], 1),
        "points": sum(part["points"] for part in parts),
        "out_of": sum(part["out_of"] for part in parts),
        "parts": {part["part"]: part["outcome"] for part in parts},
        "bugs": {part["part"]: part["bug"] for part in parts if part["bug"]},
    }


def is_last_state(event: Mapping[str, Any], newest: Iterable[Event]) -> bool:
    """Whether events, the newest first, already say all that this attempt says."""
    open_parts = dict(event["parts"])
    for last in newest:
        if last.kind != "attempt" or last.exercise != event["exercise"]:
            continue
        if last.digest != event["digest"]:
            return False
        for part in open_parts.keys() & last.parts.keys():
            if last.parts[part] != open_parts.pop(part) or last.bugs.get(part) != event["bugs"].get(part):
                return False
        if not open_parts:
            return True
    return False


def hint(
    root: Path, exercise: str, part: str, most: int = HINTS, level: int | None = None, now: float | None = None
) -> Hint:
    """The next level of a part's hints, recorded; after the last one that one for ever, and nothing is recorded.

    `level` asks for one by its number: on a read-only disk nothing can remember which came before.
    """
    event = {"kind": "hint", "exercise": exercise, "part": part}
    most = min(most, HINTS)
    try:
        with writing(root) as log:
            levels = [e.said["level"] for e in log.newest('"kind":"hint"') if event.items() <= e.said.items()]
            seen = max(levels, default=0)
            chosen = min(max(level or seen + 1, 1), most)
            if chosen > seen:
                log.append({**event, "level": chosen}, now)
            return Hint(chosen)
    except OSError as error:
        return Hint(min(max(level or 1, 1), most), warning(error))


def session(root: Path, minutes: float, exercise: str | None = None, now: float | None = None) -> str | None:
    """Log a session that ends now; a warning where the disk refuses."""
    event = {"kind": "session", "minutes": round(minutes, 1)}
    return append(root, {**event, "exercise": exercise} if exercise else event, now)


def aha(
    root: Path, text: str, exercise: str | None = None, part: str | None = None, now: datetime | None = None
) -> Path:
    """Keep an aha with the attempts behind it; without a part, it belongs to the one that last began to pass.

    AhaRefused where it is empty, too long or the disk refuses, with a sentence that says what to do.
    """
    now = now or datetime.now()
    events = read(root, now.timestamp()).events
    if part is None:
        turned, part = latest_turn(events, exercise)
        exercise = exercise or turned
    behind = story(events, exercise, part) if exercise and part else None
    path = ahas.write(root, text, exercise, part, behind, now)
    event = {"kind": "aha", "file": path.name, "exercise": exercise, "part": part}
    # The file is what counts: where only the line in the log fails, nothing the learner wrote is missing.
    append(root, {key: value for key, value in event.items() if value is not None}, now.timestamp())
    return path


def standing(root: Path, now: datetime | None = None) -> Standing:
    """Where the learner of a repository is."""
    now = now or datetime.now()
    return standing_of(read(root, now.timestamp()), now)
