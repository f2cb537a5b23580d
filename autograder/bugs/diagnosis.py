"""Name the misconception: the bug whose every failing observation is the learner's, or no bug at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from autograder.bugs.catalogue import Catalogue, catalogue
from autograder.bugs.signatures import (
    Checks,
    Signature,
    Signatures,
    Tick,
    Wanted,
    by_part,
    everything,
    kept,
    shows_in,
    signatures,
)
from autograder.curriculum import Exercise
from autograder.judge.compare import agree
from autograder.judge.examine import Diagnose, Graded, Named, Request, name_bugs
from autograder.judge.grading import Record
from autograder.judge.plugin import SEED
from autograder.judge.report import PartReport
from autograder.judge.session import Judge

NOT_PASSED = ("failed", "crashed", "timed_out")


def explains(bug: Checks, seen: Checks) -> bool:
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


def origins(exercise: Exercise, part: str, seen: Signature) -> list[str]:
    """The parts whose bugs may be at work where a part failed, the likeliest first.

    Where a needed part passed, none of its bugs is; one that failed comes first, for its bugs explain both failures.
    """
    failed = {name for name, checks in seen.items() if any(record.outcome != "passed" for record in checks.values())}
    found = [name for name in candidates(exercise, part) if name in failed or name not in seen]
    return sorted(found, key=lambda name: (name not in failed, name == part))


def compared(part: str, origin: str, seen: Signature) -> set[str]:
    """The parts in which a bug of `origin` must behave as the learner's code does to explain the failure of `part`."""
    return {part, origin} if origin in seen else {part}


def matches(exercise: Exercise, found: Signatures, part: str, records: Sequence[Record]) -> list[str]:
    """Ids of the bugs that explain a part's records, twins together; `records` may hold those of other parts too."""
    seen = by_part(records)

    def explained(bug: str, origin: str) -> bool:
        parts = compared(part, origin, seen)
        return any(all(explains(each.get(name, {}), seen.get(name, {})) for name in parts) for each in found.of(bug))

    bugs = catalogue(exercise).bugs
    return [
        bug.id
        for origin in origins(exercise, part, seen)
        for bug in bugs
        if bug.part == origin and explained(bug.id, origin)
    ]


def telling(exercise: Exercise, parts: Sequence[str], records: Sequence[Record]) -> Wanted:
    """What must be known of which bugs to name the failure of some parts."""
    seen = by_part(records)
    wanted: dict[str, set[str]] = {}
    for part in parts:
        for origin in origins(exercise, part, seen):
            for bug in catalogue(exercise).wrong:
                if bug.part == origin and part in shows_in(exercise, bug):
                    wanted.setdefault(bug.id, set()).update(compared(part, origin, seen))
    return wanted


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
    """Signatures as they are needed: from the cache at once, and by running the bugs in question when something fails.

    A bug is run once in the life of a catalogue, on the parts whose failure it might explain.
    """

    def __init__(self, judge: Judge, progress: Progress = silent) -> None:
        """`progress` shows how far the running of bugs is, which can take longer than a second."""
        self.judge, self.progress = judge, progress
        self.found: dict[str, Signatures] = {}

    def prepare(self, exercise: Exercise) -> None:
        """Load what the cache holds of an exercise."""
        self.found[exercise.name] = kept(exercise, self.judge.curriculum)

    def learn(self, exercise: Exercise, wanted: Wanted | None = None) -> None:
        """Know what is wanted of an exercise's bugs, by default everything; what is not known yet is run."""
        lacking = self.lacking(exercise, wanted)
        if lacking:
            with self.progress(f"meeting bugs of {exercise.name}, once") as tick:
                more = signatures(self.judge, exercise, lacking, tick)
            self.found[exercise.name] = self.found[exercise.name].joined(more)

    def lacking(self, exercise: Exercise, wanted: Wanted | None = None) -> Wanted:
        """What is not known of what is wanted of an exercise's bugs, by default of everything.

        Nothing in a release: it came with all there is to know, and could not run a bug.
        """
        if exercise.name not in self.found:
            self.prepare(exercise)
        if exercise.released:
            return {}
        return self.found[exercise.name].lacking(everything(exercise) if wanted is None else wanted)

    def one(self, request: Request) -> Graded:
        """Grade a single request in this process, with bugs named."""
        if request.seed == SEED:
            return self.named(request, self.judge.here(request))
        self.learn(request.exercise)
        return self.judge.here(request, diagnose_with(self.found))

    def grade(
        self, requests: Sequence[Request], jobs: int | None = None, lenient: bool = False
    ) -> Iterator[tuple[int, Graded]]:
        """Grade requests with bugs named; yields (index, graded) as they finish. `lenient`: see `Judge.grade`.

        Names are found beside the grading where everything is known already, as it must be for secret inputs, whose
        records say nothing to a catalogue; else afterwards.
        """
        exercises = {request.exercise.name: request.exercise for request in requests}.values()
        if any(request.seed != SEED for request in requests):
            for exercise in exercises:
                self.learn(exercise)
        unknown = {exercise.name for exercise in exercises if self.lacking(exercise)}
        diagnose = diagnose_with({name: found for name, found in self.found.items() if name not in unknown})
        later = []
        for index, graded in self.judge.grade(requests, diagnose, jobs, bool(unknown), lenient):
            if requests[index].exercise.name in unknown:
                later.append((index, graded))
            else:
                yield index, graded
        for index, graded in later:
            yield index, self.named(requests[index], graded)

    def named(self, request: Request, graded: Graded) -> Graded:
        """A graded submission with its bugs named by what its records, of inputs that are no secret, say."""
        exercise = request.exercise
        failing = [part.part for part in graded.report.parts if unnamed(part)]
        if not failing:
            return graded
        self.learn(exercise, telling(exercise, failing, graded.records))
        diagnose = diagnose_with(self.found)
        parts = tuple(
            name_bugs(part, diagnose(exercise, part.part, graded.records)) if part.part in failing else part
            for part in graded.report.parts
        )
        return replace(graded, report=replace(graded.report, parts=parts))


def unnamed(part: PartReport) -> bool:
    """Whether a part failed in a way that a catalogue could explain."""
    return part.outcome in NOT_PASSED and bool(part.checks)
