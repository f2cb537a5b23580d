"""Detecting: baselines without a model, the LSTM on keys, the leak beside the honest split, values, drift."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from phase3_apply.anomaly.problems import BadLog
from phase3_apply.anomaly.sessions import Sessions

MOST = 30_000  # windows that are drawn for an epoch, however long the log is
BATCH = 256
USUAL = 0.05
PAPER = 9  # DeepLog's g

Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class Detector:
    """A trained model of keys, and how it judges: `edge` is the number of keys."""

    lesson: ModuleType
    model: Any
    trained: Tensor
    h: int

    @property
    def edge(self) -> int:
        return len(self.trained) - 1

    def judge(self, keys: Sequence[list[int]], open: Sequence[bool]) -> Judged:
        """Surprise and rank of every line, and the worst of each session."""
        histories, targets, owners = rows(self.lesson, keys, open, self.h, self.edge)
        surprises, ranks = [], []
        with torch.no_grad():
            for part in torch.split(torch.arange(len(targets)), 8192):
                logits = self.model(histories[part])
                surprises.append(self.lesson.surprise(logits, targets[part], self.trained))
                ranks.append(self.lesson.ranks(logits, targets[part], self.trained))
        surprise, rank = torch.cat(surprises), torch.cat(ranks)
        worst = torch.full((len(keys),), -1.0).scatter_reduce(0, owners, surprise, "amax")
        worst_rank = torch.full((len(keys),), -1).scatter_reduce(0, owners, rank, "amax")
        return Judged(surprise, rank, owners, worst, worst_rank)

    def explain(self, keys: list[int], open: bool, threshold: float) -> dict[str, Any] | None:
        """The alarm of one session, as the lesson explains it."""
        histories, targets, _ = rows(self.lesson, [keys], [open], self.h, self.edge)
        with torch.no_grad():
            logits = self.model(histories)
        found: dict[str, Any] | None = self.lesson.explain(
            logits, targets, self.trained, threshold, min(3, int(self.trained.sum()))
        )
        return found


@dataclass(frozen=True)
class Judged:
    """Judgements by line, and by session the worst of its lines."""

    surprise: Tensor
    rank: Tensor
    owners: Tensor
    worst: Tensor
    worst_rank: Tensor

    @property
    def loss(self) -> float:
        """The mean surprise, of those keys that have one."""
        return float(self.surprise[self.surprise.isfinite()].mean())

    @property
    def first(self) -> float:
        """How often the favourite came."""
        return float((self.rank == 0).float().mean())


def rows(
    lesson: ModuleType, keys: Sequence[list[int]], open: Sequence[bool], h: int, edge: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The questions of sessions, without the one for the end of a session whose end is not known."""
    histories, targets, owners = lesson.windows([list(session) for session in keys], h, edge)
    asked = ~((targets == edge) & torch.tensor(list(open), dtype=torch.bool)[owners])
    return histories[asked], targets[asked], owners[asked]


def train(
    lesson: ModuleType,
    keys: Sequence[list[int]],
    open: Sequence[bool],
    K: int,
    h: int,
    epochs: int,
    seed: int,
    tick: Tick,
) -> Detector:
    """Train the lesson's model; `tick` is told the steps done, and of how many."""
    torch.manual_seed(seed)
    histories, targets, _ = rows(lesson, keys, open, h, K)
    trained = torch.bincount(targets, minlength=K + 1) > 0
    model = lesson.KeyModel(K)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    steps = -(-min(len(targets), MOST) // BATCH)
    for epoch in range(epochs):
        for step, part in enumerate(torch.split(torch.randperm(len(targets))[:MOST], BATCH)):
            loss = F.cross_entropy(model(histories[part]), targets[part])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            tick(epoch * steps + step + 1, epochs * steps)
    return Detector(lesson, model.eval(), trained, h)


@dataclass(frozen=True)
class Sides:
    """Numbers of the sessions on each side; `odd` are known to be faulty, and `usual` kinds were not dealt out."""

    train: list[int]
    valid: list[int]
    test: list[int]
    odd: list[int]
    usual: int


def dealt(lesson: ModuleType, sessions: Sessions, seed: int) -> Sides:
    """Deal out the good sessions by distinct session, a fifth each for validation and test; raises BadLog.

    A kind that makes up more than USUAL of them is trained on in any case.
    """
    good = [i for i, fault in enumerate(sessions.faults) if not fault]
    kinds = Counter(tuple(sessions.keys[i]) for i in good)
    usual = {kind for kind, count in kinds.items() if count > USUAL * len(good)}
    rest = [i for i in good if tuple(sessions.keys[i]) not in usual]
    distinct = len(kinds) - len(usual)
    if distinct < 5:
        rest, usual, distinct = good, set(), len(kinds)
    if distinct < 5:
        raise BadLog(
            f"{len(good):,} good sessions, {distinct} of them distinct: at least 5 are needed to train on some and to try it on "
            "others. Give a longer log, or another --session PATTERN."
        )
    fifth = max(1, round(distinct / 5))
    sides = lesson.split([sessions.keys[i] for i in rest], fifth, fifth, torch.Generator().manual_seed(seed))
    train, valid, test = ([rest[int(i)] for i in side] for side in sides)
    train = sorted({*train, *good} - {*valid, *test})
    return Sides(train, valid, test, [i for i, fault in enumerate(sessions.faults) if fault], len(usual))


@dataclass(frozen=True)
class Leak:
    """What a split by single sessions makes of a model: all sessions held out, and those of them without a twin."""

    held_out: int
    twins: int
    all: tuple[float, float, float]  # loss, share of favourites, share of sessions with a key beyond the top 9
    new: tuple[float, float, float] | None


def leaked(lesson: ModuleType, sessions: Sessions, K: int, h: int, epochs: int, seed: int, tick: Tick) -> Leak:
    """Train once more, on sessions that are held out one by one, whatever copies there are."""
    good = [i for i, fault in enumerate(sessions.faults) if not fault]
    random.Random(seed).shuffle(good)
    cut = len(good) - max(1, round(len(good) / 5))
    kept, out = good[:cut], good[cut:]
    seen = {tuple(sessions.keys[i]) for i in kept}
    new = [i for i in out if tuple(sessions.keys[i]) not in seen]
    detector = train(lesson, *side(sessions, kept), K, h, epochs, seed, tick)

    def measured(numbers: list[int]) -> tuple[float, float, float]:
        found = detector.judge(*side(sessions, numbers))
        return found.loss, found.first, float((found.worst_rank >= PAPER).float().mean())

    return Leak(len(out), len(out) - len(new), measured(out), measured(new) if new else None)


def side(sessions: Sessions, numbers: Sequence[int]) -> tuple[list[list[int]], list[bool]]:
    """The keys of some sessions, and which of them are open."""
    return [sessions.keys[i] for i in numbers], [sessions.open[i] for i in numbers]


Alarm = Callable[[int], bool]


def without_model(lesson: ModuleType, sessions: Sessions, numbers: Sequence[int], K: int, h: int) -> dict[str, Alarm]:
    """Detectors that need no model: by name, functions that say of a session's number whether it rings."""
    keys = sessions.keys
    trained = {key for i in numbers for key in keys[i]}
    shortest = min(len(keys[i]) for i in numbers)
    steps = lesson.known_steps([keys[i] for i in numbers], K)
    top = {key for key, _ in Counter(key for i in numbers for key in keys[i]).most_common(PAPER)}

    def unseen(i: int) -> bool:
        return not trained.issuperset(keys[i])

    def strange_step(i: int) -> bool:
        found = lesson.unknown_steps(keys[i], steps, K)
        return any(found[1:-1] if sessions.windows else found[:-1] if sessions.open[i] else found)

    least = min(shortest, h)
    short: dict[str, Alarm] = {f"… or fewer than {least} lines": lambda i: unseen(i) or len(keys[i]) < least}
    return {
        "a template that training never saw": unseen,
        **(short if least > 1 else {}),
        "a step that training never saw": strange_step,
        f"constant top {PAPER}, padding counts": lambda i: len(keys[i]) < h or not top.issuperset(keys[i][h:]),
    }


@dataclass(frozen=True)
class OddValue:
    """A value far from what the one before it foretold: the record, the template's key, what was expected, how far off."""

    record: int
    key: int
    value: float
    expected: float
    z: float


def odd_values(lesson: ModuleType, keys: Sequence[int], values: Sequence[Sequence[str]]) -> list[OddValue]:
    """Judge every value that is a number: a line for each hole of each template, fitted on its first half.

    The spread is measured on the next quarter, and the last quarter is judged; more than 6 sigmas are odd. A hole with fewer
    than 80 values, or one that holds numbers of other things than amounts (nearly all different whole numbers of great size, or all
    the same), is left out.
    """
    series: dict[tuple[int, int, int], list[tuple[int, float]]] = defaultdict(list)
    for record, (key, found) in enumerate(zip(keys, values, strict=True)):
        for hole, text in enumerate(found):
            if text.replace(".", "", 1).isdigit() and len(text) < 10:
                series[key, len(found), hole].append((record, float(text)))
    odd: list[OddValue] = []
    for (key, _, _), pairs in series.items():
        if len(pairs) < 80:
            continue
        numbers = torch.tensor([value for _, value in pairs], dtype=torch.float64)
        half, quarter = len(pairs) // 2, len(pairs) * 3 // 4
        if min(len(set(part.tolist())) for part in (numbers[:half], numbers[half:quarter])) < 3:
            continue
        model = lesson.value_model(numbers[:half], numbers[half:quarter])
        z = lesson.value_scores(model, numbers)
        for place in (z.abs() > 6).nonzero()[:, 0].tolist():
            if place >= quarter:
                a, b, mu, _ = model
                expected = a + b * float(numbers[place - 1]) + mu
                odd.append(OddValue(pairs[place][0], key, float(numbers[place]), expected, float(z[place])))
    return sorted(odd, key=lambda value: -abs(value.z))
