"""Drills and reviews as the log tells them: one run each, from its start to how it ended."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder import journal
from autograder.journal.event import Event

KINDS = frozenset({"drill", "review", "explanation", "hint"})
ENDED = frozenset({"solved", "given_up"})
LONGEST = 12 * 60.0  # minutes; what took longer was left lying
WORDS = 4_000  # characters of an explanation


@dataclass(frozen=True)
class Run:
    """One drill or review; `result` is the last that counts, `failed` how often the checks said no."""

    id: str
    kind: str
    exercise: str
    began: float
    last: float
    file: str = ""
    part: str = ""
    planted: tuple[str, ...] = ()
    limit: float | None = None
    result: str = "started"
    failed: int = 0
    hints: int = 0
    minutes: float = 0.0
    explanation: str = ""
    exam: str = ""  # the one that it is a round of
    round: int = 0

    @property
    def open(self) -> bool:
        """Whether it still waits to be solved."""
        return self.result not in ENDED

    @property
    def late(self) -> bool:
        """Whether it took longer than it was given."""
        return self.limit is not None and self.minutes > self.limit

    def elapsed(self, now: float) -> float:
        """Minutes since it began: none where the clock went back since then, and never more than `LONGEST`."""
        return round(min(max(0.0, now - self.began) / 60, LONGEST), 1)


def runs_of(events: Iterable[Event]) -> list[Run]:
    """Every run of a log, in the order in which they began."""
    found: dict[str, Run] = {}
    reviews: dict[tuple[str, str], str] = {}  # exercise and part → the review that is open
    for event in events:
        kind = event.said["kind"]
        if kind not in KINDS:
            continue
        said = event.said
        if kind == "hint":
            name = reviews.get((said["exercise"], said["part"]), "")
            if name in found and found[name].open:
                found[name] = replace(found[name], hints=max(found[name].hints, said["level"]), last=event.at)
            continue
        name = said["run"]
        if kind == "explanation":
            if name in found:
                found[name] = replace(found[name], explanation=said["text"])
        elif said["result"] == "started":
            found.setdefault(name, begun(event))
            if kind == "review":
                reviews[found[name].exercise, found[name].part] = name
        elif name in found:
            found[name] = gone_on(found[name], event)
    return list(found.values())


def begun(event: Event) -> Run:
    """A run at its start; what a line leaves out or gets wrong is left out."""
    said = event.said
    planted = said.get("planted")
    limit = said.get("limit")
    round_ = said.get("round")
    return Run(
        id=said["run"],
        kind=said["kind"],
        exercise=said["exercise"],
        began=event.at,
        last=event.at,
        file=text(said, "file"),
        part=text(said, "part"),
        planted=tuple(name for name in planted if isinstance(name, str)) if isinstance(planted, list) else (),
        limit=float(limit) if isinstance(limit, int | float) and 0 < limit < 1e6 else None,
        exam=text(said, "exam"),
        round=round_ if isinstance(round_, int) else 0,
    )


def gone_on(run: Run, event: Event) -> Run:
    """A run after one more event of it; once it has ended nothing changes it."""
    if not run.open:
        return run
    said = event.said
    minutes = said.get("minutes")
    if isinstance(minutes, int | float) and 0 <= minutes <= LONGEST:
        run = replace(run, minutes=float(minutes))
    if said["result"] == "hint":
        level = said.get("level")
        return replace(run, hints=max(run.hints, level if isinstance(level, int) else 1), last=event.at)
    return replace(run, result=said["result"], failed=run.failed + (said["result"] == "failed"), last=event.at)


def text(said: Mapping[str, Any], name: str) -> str:
    """A field of an event as text."""
    value = said.get(name)
    return value if isinstance(value, str) else ""


def latest(runs: Iterable[Run], kind: str, exercise: str | None = None) -> Run | None:
    """The run of a kind that began last, of one exercise where it is given."""
    found = [run for run in runs if run.kind == kind and exercise in (None, run.exercise)]
    return found[-1] if found else None


def fresh() -> str:
    """The name of a new run."""
    return secrets.token_hex(4)


def start(root: Path, run: Run) -> str | None:
    """Log that a run begins; a warning where the disk refuses."""
    event: dict[str, Any] = {"kind": run.kind, "exercise": run.exercise, "run": run.id, "result": "started"}
    event |= {"planted": list(run.planted)} if run.kind == "drill" else {"part": run.part}
    event |= {"file": run.file} | ({"limit": run.limit} if run.limit is not None else {})
    event |= {"exam": run.exam, "round": run.round} if run.exam else {}
    return journal.append(root, event, run.began)


def went(root: Path, run: Run, result: str, now: float, level: int | None = None) -> str | None:
    """Log what came of a run: `hint`, `failed`, `solved` or `given_up`; a warning where the disk refuses."""
    event: dict[str, Any] = {"kind": run.kind, "exercise": run.exercise, "run": run.id, "result": result}
    event |= {"minutes": run.elapsed(now)} | ({"level": level} if level is not None else {})
    return journal.append(root, event, now)


def after(run: Run, result: str, now: float, level: int | None = None) -> Run:
    """A run as `runs_of` will read it, once `went` has logged this."""
    hints = run.hints if level is None else max(run.hints, level)
    result_now = run.result if result == "hint" else result
    failed = run.failed + (result == "failed")
    return replace(run, result=result_now, failed=failed, hints=hints, minutes=run.elapsed(now), last=now)


def explain(root: Path, run: Run, words: str, now: float | None = None) -> str | None:
    """Keep what somebody wrote about a drill; a warning where the disk refuses."""
    event = {"kind": "explanation", "exercise": run.exercise, "run": run.id, "text": words.strip()}
    return journal.append(root, event, now)
