"""How deep each topic sits, from the log alone. Pure.

A topic is an exercise. Its score is 100 times the weighted mean of three shares, of those that have evidence:

    alone (0.40)   how its parts first passed, over all parts known: 8 / (8 + failing states), times 1, 0.6, 0.4 or 0.2
                   after hints of level 0, 1, 2 or 3; a part that never passed counts as 0
    kept  (0.35)   how writing it again from blank went a week or more after it first passed: 1 at ease or alone, 0.5
                   with hints or many tries, 0 given up or left failing; the last time counts as much as all before it
    found (0.25)   how its drills went: 1 solved in time without hints, 0.5 solved otherwise, 0 given up or left failing

It is not enough for a score where fewer than half of the parts have passed, where fewer than `LEAST` outcomes are
known, or where only one of the three shares has evidence: whoever never came back cannot tell how deep it sits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from autograder.journal.event import Event
from autograder.practice.outcomes import AGAIN, HARD, Fold, Outcome, outcomes_of
from autograder.practice.outcomes import Topic as Tried
from autograder.practice.runs import Run, runs_of
from autograder.practice.schedule import cards_of

WEIGHTS = {"alone": 0.40, "kept": 0.35, "found": 0.25}
AIDED = (1.0, 0.6, 0.4, 0.2)  # what a pass is worth after hints of each level
PATIENCE = 8  # failing states after which a pass is worth half
LEAST = 3
WEEK = 7 * 86_400.0
SPANS = ((1, 2), (2, 5), (5, 13), (13, None))  # weeks since the first pass: from, to


@dataclass(frozen=True)
class Kept:
    """Rewriting from blank, so many weeks after the first pass: how often, and how well."""

    weeks: str
    times: int
    share: float


@dataclass(frozen=True)
class Topic:
    """One exercise in the log; shares and score are None where there is no evidence, `missing` says what of."""

    exercise: str
    parts: int
    passed: int
    unaided: int
    attempts: int
    hints: int
    reviews: int
    drills: int
    solved: int
    drill_minutes: float | None  # of a solved drill, in the middle
    recall: float | None  # the chance to still know a part now, on average
    retention: tuple[Kept, ...]
    alone: float | None
    kept: float | None
    found: float | None
    score: int | None
    missing: str

    def as_json(self) -> dict[str, Any]:
        """The topic as the machine interface has it."""
        return asdict(self)


def depth_of(events: Sequence[Event], now: float, parts: Mapping[str, Sequence[str]] | None = None) -> list[Topic]:
    """Every topic that the log knows, in the order in which it first came up.

    `parts` are an exercise's parts where the curriculum is at hand, else those that attempts have named.
    """
    runs = runs_of(events)
    fold = Fold().add(events)
    outcomes = outcomes_of(fold, runs)
    recalls: dict[str, list[float]] = {}
    for card in cards_of((outcome for outcome in outcomes if outcome.card[0] == "part"), now):
        recalls.setdefault(card.exercise, []).append(card.recall)
    mine = grouped(outcomes)
    names = dict.fromkeys([*fold.topics, *(run.exercise for run in runs)])
    if parts is not None:
        names = {name: None for name in parts if name in names}
    found = []
    for name in names:
        tried = fold.topics[name]
        known = tuple(parts[name]) if parts is not None else tuple(tried.parts)
        drills = [run for run in runs if run.exercise == name and run.kind == "drill" and run.result != "started"]
        found.append(topic(name, known, tried, mine.get(name, []), drills, recalls.get(name, [])))
    return found


def topic(
    name: str,
    parts: Sequence[str],
    tried: Tried,
    outcomes: Sequence[Outcome],
    drills: Sequence[Run],
    recalls: Sequence[float],
) -> Topic:
    """One topic from what belongs to it."""
    first = {outcome.card[1]: outcome for outcome in outcomes if outcome.kind == "built"}
    first = {part: first[part] for part in parts if part in first}
    later = [outcome for outcome in outcomes if outcome.kind in ("review", "rebuilt") and outcome.card[1] in first]
    delayed = [outcome for outcome in later if outcome.at - first[outcome.card[1]].at >= WEEK]
    finished = [run for run in drills if run.result in ("solved", "given_up", "failed")]
    solved = [run for run in finished if run.result == "solved"]
    shares = {
        "alone": sum(map(credit, first.values())) / len(parts) if first else None,
        "kept": recency([worth(outcome) for outcome in delayed]),
        "found": fmean(map(drilled, finished)) if finished else None,
    }
    count = len(first) + len(later) + len(finished)
    missing = lacking(len(first), len(parts), count, shares)
    return Topic(
        exercise=name,
        parts=len(parts),
        passed=len(first),
        unaided=sum(outcome.hints == 0 for outcome in first.values()),
        attempts=tried.attempts,
        hints=sum(tried.hints.values()) + sum(run.hints for run in drills),
        reviews=len(later),
        drills=len(finished),
        solved=len(solved),
        drill_minutes=round(median(run.minutes for run in solved), 1) if solved else None,
        recall=round(fmean(recalls), 3) if recalls else None,
        retention=tuple(spans(delayed, first)),
        score=None if missing else score(shares),
        missing=missing,
        **{share: None if value is None else round(value, 3) for share, value in shares.items()},
    )


def grouped(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """Outcomes by exercise."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.exercise, []).append(outcome)
    return found


def credit(outcome: Outcome) -> float:
    """What a first pass is worth."""
    return AIDED[min(outcome.hints, len(AIDED) - 1)] * PATIENCE / (PATIENCE + outcome.failed)


def worth(outcome: Outcome) -> float:
    """What writing a part again is worth."""
    return 0.0 if outcome.rating == AGAIN else 0.5 if outcome.rating == HARD else 1.0


def drilled(run: Run) -> float:
    """What a drill is worth."""
    if run.result != "solved":
        return 0.0
    return 0.5 if run.hints or run.late else 1.0


def recency(values: Sequence[float]) -> float | None:
    """A mean in which the last value weighs as much as all before it; None for none."""
    if len(values) < 2:
        return values[0] if values else None
    return (values[-1] + fmean(values[:-1])) / 2


def score(shares: Mapping[str, float | None]) -> int:
    """The weighted mean of the shares that have evidence, from 0 to 100."""
    known = {name: value for name, value in shares.items() if value is not None}
    total = sum(WEIGHTS[name] for name in known)
    return round(100 * sum(WEIGHTS[name] * value for name, value in known.items()) / total)


def lacking(passed: int, parts: int, outcomes: int, shares: Mapping[str, float | None]) -> str:
    """What there is not enough of for a score, or nothing."""
    if passed * 2 < parts or not passed:
        return "parts that pass"
    if shares["kept"] is None and shares["found"] is None:
        return "drills, or parts written again after a week"
    return "outcomes" if outcomes < LEAST else ""


def spans(delayed: Sequence[Outcome], first: Mapping[str, Outcome]) -> Iterable[Kept]:
    """How rewriting went by the weeks since the first pass."""
    for low, high in SPANS:
        values = [
            worth(outcome)
            for outcome in delayed
            if low <= (outcome.at - first[outcome.card[1]].at) / WEEK < (high or float("inf"))
        ]
        if values:
            yield Kept(f"{low}–{high}" if high else f"{low}+", len(values), round(fmean(values), 3))
