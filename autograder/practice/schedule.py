"""When what is due again: FSRS over the outcomes of the log. Pure, and the same on every machine that has the log."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from autograder.practice.outcomes import Outcome

if TYPE_CHECKING:
    import fsrs

RETENTION = 0.9  # due when the chance to still know it has fallen to this
FURTHEST = 365  # days between two looks, at most


@dataclass(frozen=True)
class Card:
    """One thing to keep: a part to write again from blank, or a bug to find; `recall` is the chance to know it now."""

    exercise: str
    kind: str  # part or bug
    name: str
    due: float
    last: float
    stability: float  # days until the chance to know it has fallen to 9 in 10
    recall: float
    rating: int  # of the last outcome
    outcomes: int
    is_due: bool


@functools.cache
def scheduler() -> fsrs.Scheduler:
    """FSRS in whole days: no steps of minutes, and no chance, so that two machines agree."""
    import fsrs

    return fsrs.Scheduler(
        desired_retention=RETENTION,
        learning_steps=(),
        relearning_steps=(),
        maximum_interval=FURTHEST,
        enable_fuzzing=False,
    )


def cards_of(outcomes: Iterable[Outcome], now: float) -> list[Card]:
    """A card for everything that ever had an outcome; the one most likely forgotten first.

    Outcomes come by time; what cannot be after `now` counts as now.
    """
    histories: dict[tuple[str, tuple[str, str]], list[Outcome]] = {}
    for outcome in outcomes:
        histories.setdefault((outcome.exercise, outcome.card), []).append(outcome)
    found = [card_of(history, now) for history in histories.values()]
    return sorted(found, key=lambda card: (not card.is_due, card.recall, card.due, card.exercise, card.name))


def card_of(history: list[Outcome], now: float) -> Card:
    """The card of one thing's outcomes."""
    import fsrs

    plan = scheduler()
    began = moment(min(history[0].at, now))
    card = fsrs.Card(card_id=0, due=began)
    for outcome in history:
        card, _ = plan.review_card(card, fsrs.Rating(outcome.rating), moment(min(outcome.at, now)))
    last = history[-1]
    present = moment(now)
    return Card(
        exercise=last.exercise,
        kind=last.card[0],
        name=last.card[1],
        due=card.due.timestamp(),
        last=min(last.at, now),
        stability=card.stability or 0.0,
        recall=plan.get_card_retrievability(card, present),
        rating=last.rating,
        outcomes=len(history),
        is_due=card.due <= present,
    )


def due(cards: Iterable[Card]) -> list[Card]:
    """The cards that are due, in their order."""
    return [card for card in cards if card.is_due]


def moment(at: float) -> datetime:
    """Epoch seconds as FSRS wants them."""
    return datetime.fromtimestamp(at, UTC)
