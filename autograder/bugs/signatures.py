"""Signatures: what every bug of a catalogue makes each check see, recorded by running it, kept by content."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.bugs.catalogue import Bug, Slip, catalogue, mutated, root
from autograder.caching import store
from autograder.curriculum import Curriculum, Exercise
from autograder.judge.examine import Request
from autograder.judge.grading import Record
from autograder.judge.report import CheckReport
from autograder.judge.session import Judge, record_from_data, record_to_data
from autograder.observe import wire

FORMAT = 6

RELEASED = "signatures.bin"

Tick = Callable[[int, int], None]  # done, of how many
Checks = Mapping[str, Record]  # one part's, by name
Signature = Mapping[str, Checks]  # what one bug was seen to do: by part, of those that were run
Wanted = Mapping[str, Collection[str]]  # parts by the id of a bug or slip


@dataclass(frozen=True)
class Signatures:
    """What a catalogue was seen to do, by the id of a bug or slip, and what its checks make a worker import."""

    bugs: Mapping[str, Signature]
    imported: tuple[str, ...] = ()

    def of(self, bug: str) -> Sequence[Signature]:
        """What the bug of that id was seen to do, and its slips."""
        return self.families.get(bug, ())

    @functools.cached_property
    def families(self) -> Mapping[str, Sequence[Signature]]:
        """Signatures of each bug and its slips together, by the bug's id."""
        found: dict[str, list[Signature]] = {}
        for name, signature in self.bugs.items():
            found.setdefault(root(name), []).append(signature)
        return found

    def lacking(self, wanted: Wanted) -> Wanted:
        """What is not known of what is wanted."""
        seen = {bug: set(parts).difference(self.bugs.get(bug, {})) for bug, parts in wanted.items()}
        return {bug: parts for bug, parts in seen.items() if parts}

    def joined(self, more: Signatures) -> Signatures:
        """These and more of the same catalogue."""
        bugs = {bug: {**self.bugs.get(bug, {}), **more.bugs.get(bug, {})} for bug in {**self.bugs, **more.bugs}}
        return Signatures(bugs, tuple(dict.fromkeys((*self.imported, *more.imported))))


def digest(exercise: Exercise, course: Curriculum) -> str:
    """A hash of everything that a signature depends on."""
    state = hashlib.sha256(f"{FORMAT}".encode())
    package = Path(__file__).resolve().parents[1]
    files = [exercise.source, exercise.folder / "bugs.toml", exercise.checks]
    files += [course.exercise(name).source for name in needed(exercise, course)]
    files += sorted([*package.glob("observe/*.py"), *package.glob("judge/*.py")])
    for file in files:
        data = file.read_bytes()
        state.update(len(data).to_bytes(8, "big") + data)
    return state.hexdigest()[:16]


def needed(exercise: Exercise, course: Curriculum) -> tuple[str, ...]:
    """Every exercise that this one builds on, in a fixed order."""
    found: dict[str, None] = {}
    for name in exercise.needs:
        found.update(dict.fromkeys([*needed(course.exercise(name), course), name]))
    return tuple(found)


def place(exercise: Exercise, course: Curriculum) -> Path:
    """The file of an exercise's signatures: a cache, or in a release the one that came with it."""
    if exercise.released:
        return exercise.folder / RELEASED
    return course.root / ".fathom" / "signatures" / f"{exercise.name}-{digest(exercise, course)}.bin"


def kept(exercise: Exercise, course: Curriculum) -> Signatures:
    """What the cache holds of the present content: all, some or nothing."""
    try:
        return unpack(place(exercise, course).read_bytes())
    except (OSError, wire.WireError, KeyError, TypeError, AttributeError, ValueError):
        return Signatures({})


def keep(exercise: Exercise, course: Curriculum, found: Signatures) -> None:
    """Write signatures to the cache and drop older ones; a disk that refuses only costs time next time."""
    path = place(exercise, course)
    try:
        store(path, pack(found))
        for old in path.parent.glob(f"{exercise.name}-*.bin"):
            if old != path:
                old.unlink(missing_ok=True)
    except (OSError, wire.WireError):
        return


def pack(found: Signatures) -> bytes:
    """Signatures as a file holds them."""
    bugs = {bug: [(part, *to_data(checks)) for part, checks in seen.items()] for bug, seen in found.bugs.items()}
    return wire.encode({"bugs": bugs, "imported": list(found.imported)})


def unpack(data: bytes) -> Signatures:
    """Rebuild signatures; WireError, KeyError, TypeError, ValueError or AttributeError for what is none."""
    found = wire.decode(data)
    bugs = {bug: {part: from_data(part, *checks) for part, *checks in seen} for bug, seen in found["bugs"].items()}
    return Signatures(bugs, tuple(found["imported"]))


def to_data(checks: Checks) -> tuple[list[str], list[dict[str, Any]]]:
    """A part's checks as plain data, without what diagnosis never reads: words of reports, and values that were right.

    -> the names of those that passed, and the records of the others.
    """
    passed = [name for name, record in checks.items() if record.outcome == "passed"]
    return passed, [record_to_data(slim(record)) for record in checks.values() if record.outcome != "passed"]


def from_data(part: str, passed: Sequence[str], others: Sequence[Mapping[str, Any]]) -> Checks:
    """Rebuild a part's checks."""
    records = [Record(CheckReport(name, "passed"), part) for name in passed] + [record_from_data(r) for r in others]
    return {record.report.name: record for record in records}


def slim(record: Record) -> Record:
    """A record without the words of its report, and without what was got where that was right."""
    comparisons = tuple(replace(each, got=None) if each.ok else each for each in record.comparisons)
    report = CheckReport(record.report.name, record.report.outcome)
    return replace(record, report=report, comparisons=comparisons)


def by_part(records: Iterable[Record], parts: Iterable[str] = ()) -> Signature:
    """Records by part and by the check's name; `parts` were run, even if no check of theirs left a record."""
    found: dict[str, dict[str, Record]] = {part: {} for part in parts}
    for record in records:
        found.setdefault(record.part, {})[record.report.name] = record
    return found


def shows_in(exercise: Exercise, bug: Bug | Slip) -> tuple[str, ...]:
    """The parts whose checks tell what a bug does: its own and all built on it; for a slip, its own alone."""
    return exercise.built_on(bug.part) if isinstance(bug, Bug) else (bug.part,)


def everything(exercise: Exercise) -> Wanted:
    """All that there is to know of an exercise's bugs and slips."""
    return {bug.id: shows_in(exercise, bug) for bug in catalogue(exercise).wrong}


def signatures(judge: Judge, exercise: Exercise, wanted: Wanted, tick: Tick = lambda done, total: None) -> Signatures:
    """Signatures from the cache, what it lacks of the `wanted` by running it, and kept then.

    `tick(done, total)` follows the runs.
    """
    course = judge.curriculum
    lacking = kept(exercise, course).lacking(wanted)
    bugs = [bug for bug in catalogue(exercise).wrong if bug.id in lacking]
    requests = [Request(exercise, f"bug {bug.id}", mutated(exercise, bug), tuple(lacking[bug.id])) for bug in bugs]
    runs = {}
    for index, graded in judge.grade(requests, keep=True):
        runs[index] = graded
        tick(len(runs), len(requests))
    new = {bug.id: by_part(runs[i].records, lacking[bug.id]) for i, bug in enumerate(bugs)}
    imported = tuple(dict.fromkeys(name for i in range(len(bugs)) for name in runs[i].imported))
    found = kept(exercise, course).joined(Signatures(new, imported))  # others may have learnt meanwhile
    if new:
        keep(exercise, course, found)
    return found


def preloads(course: Curriculum, exercises: Iterable[Exercise]) -> tuple[str, ...]:
    """The modules that the checks of these exercises are known to import, so that a zygote can do it ahead."""
    return tuple(dict.fromkeys(name for exercise in exercises for name in kept(exercise, course).imported))
