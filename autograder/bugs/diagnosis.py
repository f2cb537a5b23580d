"""Name the misconception: the bug whose every failing observation is the learner's, or no bug at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from autograder.bugs.catalogue import Catalogue, catalogue
from autograder.bugs.signatures import Signatures, Tick, by_check, kept, signatures
from autograder.curriculum import Exercise
from autograder.judge.compare import agree
from autograder.judge.examine import Diagnose, Graded, Named, Request, name_bugs
from autograder.judge.grading import Record
from autograder.judge.plugin import SEED
from autograder.judge.report import PartReport
from autograder.judge.session import Judge

NOT_PASSED = ("failed", "crashed", "timed_out")


def explains(bug: Mapping[str, Record], seen: Mapping[str, Record]) -> bool:
    """Whether a bug behaves on every check of a part as the learner's code does.

    Where nothing but the deadline has spoken there is nothing to tell one endless loop from another, so no name.
    """
    failing = [record for record in seen.values() if record.outcome in NOT_PASSED]
    silent = all(record.outcome == "timed_out" and not record.comparisons for record in seen.values())
    if not failing or silent or any(name not in bug or bug[name].outcome != seen[name].outcome for name in seen):
        return False  # nearly always so, and known without a look at the values
    return all(same(bug[name], seen[name]) for name in seen)


def same(bug: Record, learner: Record) -> bool:
    """Whether two runs of one check with one outcome are alike: passed, or wrong in the same places and values."""
    if learner.outcome == "passed":
        return True
    if bug.raised != learner.raised or len(bug.comparisons) != len(learner.comparisons):
        return False
    return all(
        ours.ok == theirs.ok and (theirs.ok or agree(ours.got, theirs.got, ours.rtol, ours.atol))
        for ours, theirs in zip(bug.comparisons, learner.comparisons, strict=True)
    )


def candidates(exercise: Exercise, part: str) -> Iterator[str]:
    """The part itself, then the parts it needs, nearest first."""
    seen: dict[str, None] = {part: None}
    for name in list_needs(exercise, part):
        seen.setdefault(name)
    yield from seen


def list_needs(exercise: Exercise, part: str) -> Iterator[str]:
    """Needed parts, breadth first."""
    level = list(exercise.part(part).needs)
    while level:
        yield from level
        level = [needed for name in level for needed in exercise.part(name).needs]


def matches(exercise: Exercise, found: Signatures, part: str, records: Sequence[Record]) -> list[str]:
    """Ids of the bugs that explain a part's records, twins together.

    `records` may hold those of other parts too. Where a needed part passed, none of its bugs is at work; where it
    failed, one that explains both failures comes before the part's own.
    """
    listing = catalogue(exercise)
    seen = {name: by_check(records, name) for name in {record.part for record in records}}
    failed = {name for name, checks in seen.items() if any(record.outcome != "passed" for record in checks.values())}

    def explained(bug: str, origin: str) -> bool:
        """Whether the bug behaves as the learner's code does, in this part and in its own."""
        wanted = {part, origin} if origin in seen else {part}
        return any(all(explains(by_check(each, name), seen.get(name, {})) for name in wanted) for each in found.of(bug))

    origins = [name for name in candidates(exercise, part) if name in failed or name not in seen]
    origins.sort(key=lambda name: (name not in failed, name == part))
    return [bug.id for name in origins for bug in listing.bugs if bug.part == name and explained(bug.id, name)]


def words(listing: Catalogue, bugs: Sequence[str]) -> Iterator[Named]:
    """What to say about the first bug and its twins."""
    for name in bugs:
        if name in listing.twins(bugs[0]):
            bug = listing.bug(name)
            yield Named(name, f"{bug.misconception} {bug.question}")


def diagnose_with(found: Mapping[str, Signatures]) -> Diagnose:
    """A diagnosis from signatures at hand, by exercise."""

    def diagnose(exercise: Exercise, part: str, records: Sequence[Record]) -> Sequence[Named]:
        if exercise.name not in found:
            return ()
        return tuple(words(catalogue(exercise), matches(exercise, found[exercise.name], part, records)))

    return diagnose


Progress = Callable[[str], AbstractContextManager[Tick]]


def silent(what: str) -> AbstractContextManager[Tick]:
    """Progress that nobody watches."""
    return contextlib.nullcontext(lambda done, total: None)


class Diagnostician:
    """Signatures as they are needed: from the cache at once, by running the catalogue when something first fails."""

    def __init__(self, judge: Judge, progress: Progress = silent) -> None:
        """`progress` shows how far the running of a catalogue is, which can take longer than a second."""
        self.judge, self.progress = judge, progress
        self.found: dict[str, Signatures] = {}

    def prepare(self, exercise: Exercise) -> bool:
        """Load cached signatures of an exercise; False where there are none."""
        if exercise.name not in self.found:
            cached = kept(exercise, self.judge.curriculum)
            if cached is None:
                return False
            self.found[exercise.name] = cached
        return True

    def learn(self, exercise: Exercise) -> None:
        """Run an exercise's catalogue, so that its bugs can be recognised."""
        with self.progress(f"meeting every bug of {exercise.name}, once") as tick:
            self.found[exercise.name] = signatures(self.judge, exercise, tick)

    def one(self, request: Request) -> Graded:
        """Grade a single request in this process, with bugs named."""
        ready = self.ready(request)
        graded = self.judge.here(request, diagnose_with(self.found))
        return graded if ready else self.named(request, graded)

    def grade(
        self, requests: Sequence[Request], jobs: int | None = None, lenient: bool = False
    ) -> Iterator[tuple[int, Graded]]:
        """Grade requests with bugs named; yields (index, graded) as they finish. `lenient`: see `Judge.grade`."""
        unready = {request.exercise.name for request in requests if not self.ready(request)}
        later = []
        for index, graded in self.judge.grade(requests, diagnose_with(self.found), jobs, bool(unready), lenient):
            if requests[index].exercise.name in unready:
                later.append((index, graded))
            else:
                yield index, graded
        for index, graded in later:
            yield index, self.named(requests[index], graded)

    def ready(self, request: Request) -> bool:
        """Whether signatures are at hand; secret inputs need them from the start, for they leave no public records."""
        if self.prepare(request.exercise) or request.seed == SEED:
            return request.exercise.name in self.found
        self.learn(request.exercise)
        return True

    def named(self, request: Request, graded: Graded) -> Graded:
        """A graded submission with its bugs named afterwards, by what its records say."""
        if not any(map(unnamed, graded.report.parts)):
            return graded
        if not self.prepare(request.exercise):
            self.learn(request.exercise)
        diagnose = diagnose_with(self.found)
        parts = tuple(
            name_bugs(part, diagnose(request.exercise, part.part, graded.records)) if unnamed(part) else part
            for part in graded.report.parts
        )
        return replace(graded, report=replace(graded.report, parts=parts))


def unnamed(part: PartReport) -> bool:
    """Whether a part failed in a way that a catalogue could explain."""
    return part.outcome in NOT_PASSED and bool(part.checks)
