"""Choose what to drill: what is due first, then what one has got wrong before, then what is new. Pure."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from autograder.bugs.catalogue import Bug, catalogue
from autograder.curriculum import Exercise
from autograder.practice.planting import compatible
from autograder.practice.schedule import Card

MOST = 3  # bugs in one drill


class NothingToDrill(LookupError):
    """No bug could be chosen; the sentence says what to do."""


@dataclass(frozen=True)
class Candidate:
    """A bug that may be planted, and how urgent it is: the smaller, the sooner."""

    exercise: Exercise
    bug: Bug
    urgency: float


def candidates(
    exercise: Exercise, cards: Iterable[Card], parts: Collection[str] | None = None, avoid: Collection[str] = ()
) -> list[Candidate]:
    """The bugs of an exercise, of some parts only where these are given, without those to `avoid` and their twins.

    Due ones have an urgency below 1 (how likely they are remembered), new ones 1, and those that are not due yet more.
    """
    known = {card.name: card for card in cards if card.exercise == exercise.name and card.kind == "bug"}
    listing = catalogue(exercise)
    barred = {twin for name in avoid if any(bug.id == name for bug in listing.bugs) for twin in listing.twins(name)}
    found = []
    for bug in listing.bugs:
        if bug.id in barred or (parts is not None and bug.part not in parts):
            continue
        card = known.get(bug.id)
        urgency = 1.0 if card is None else card.recall if card.is_due else 1.0 + card.recall
        found.append(Candidate(exercise, bug, urgency))
    return found


def draw(among: Sequence[Candidate], seed: int, count: int = 1) -> tuple[Exercise, tuple[Bug, ...]]:
    """An exercise and bugs of it, the most urgent first; chance decides between equals. NothingToDrill for none.

    Bugs of one drill change different lines. Fewer come where no more fit together.
    """
    if not among:
        raise NothingToDrill("no bug is left to draw")
    chance = random.Random(seed)
    drawn = sorted(among, key=lambda candidate: (candidate.urgency, chance.random()))
    exercise = drawn[0].exercise
    chosen: list[Bug] = []
    for candidate in drawn:
        if len(chosen) == min(count, MOST):
            break
        if candidate.exercise.name == exercise.name and compatible(exercise, [*chosen, candidate.bug]):
            chosen.append(candidate.bug)
    return exercise, tuple(chosen)
