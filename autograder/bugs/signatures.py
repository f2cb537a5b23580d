"""Signatures: what every bug of a catalogue makes each check see, recorded by running it, kept by content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.bugs.catalogue import Bug, catalogue, mutated, root
from autograder.caching import store
from autograder.curriculum import Curriculum, Exercise
from autograder.judge.examine import Request
from autograder.judge.grading import Record
from autograder.judge.report import CheckReport
from autograder.judge.session import Judge, record_from_data, record_to_data
from autograder.judge.submission import SOLUTIONS
from autograder.observe import wire

FORMAT = 5

RELEASED = "signatures.bin"

Tick = Callable[[int, int], None]  # done, of how many
Signature = tuple[Record, ...]  # for one bug, the records of its part's checks and of those that build on it


@dataclass(frozen=True)
class Signatures:
    """What a catalogue was seen to do: records by the id of a bug or slip, and what its checks make a worker import."""

    bugs: Mapping[str, Signature]
    imported: tuple[str, ...] = ()

    def of(self, bug: str) -> Iterator[Signature]:
        """What the bug of that id was seen to do, and then each of its slips."""
        return (signature for name, signature in self.bugs.items() if root(name) == bug)


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


def kept(exercise: Exercise, course: Curriculum) -> Signatures | None:
    """Signatures from the cache, or None where there are none for the present content."""
    try:
        return unpack(place(exercise, course).read_bytes())
    except (OSError, wire.WireError, KeyError, TypeError, AttributeError):
        return None


def keep(exercise: Exercise, course: Curriculum, signatures: Signatures) -> None:
    """Write signatures to the cache and drop older ones; a disk that refuses only costs time next time."""
    path = place(exercise, course)
    try:
        store(path, pack(signatures))
        for old in path.parent.glob(f"{exercise.name}-*.bin"):
            if old != path:
                old.unlink(missing_ok=True)
    except (OSError, wire.WireError):
        return


def pack(signatures: Signatures) -> bytes:
    """Signatures as a file holds them."""
    bugs = {bug: to_data(signature) for bug, signature in signatures.bugs.items()}
    return wire.encode({"bugs": bugs, "imported": list(signatures.imported)})


def unpack(data: bytes) -> Signatures:
    """Rebuild signatures; WireError, KeyError, TypeError or AttributeError for what is none."""
    found = wire.decode(data)
    bugs = {bug: from_data(signature) for bug, signature in found["bugs"].items()}
    return Signatures(bugs, tuple(found["imported"]))


def to_data(signature: Signature) -> dict[str, Any]:
    """A signature as plain data, without what diagnosis never reads: words of reports, and values that were right."""
    passed = [(record.part, record.report.name) for record in signature if record.outcome == "passed"]
    return {
        "passed": passed,
        "records": [record_to_data(slim(record)) for record in signature if record.outcome != "passed"],
    }


def from_data(data: Mapping[str, Any]) -> Signature:
    """Rebuild a signature."""
    passed = tuple(Record(CheckReport(name, "passed"), part) for part, name in data["passed"])
    return passed + tuple(record_from_data(record) for record in data["records"])


def slim(record: Record) -> Record:
    """A record without the words of its report, and without what was got where that was right."""
    comparisons = tuple(replace(each, got=None) if each.ok else each for each in record.comparisons)
    report = CheckReport(record.report.name, record.report.outcome)
    return replace(record, report=report, comparisons=comparisons)


def shows_in(exercise: Exercise, bug: Bug) -> tuple[str, ...]:
    """The parts whose checks tell what a bug does: its own and all built on it; for a slip, its own alone."""
    return exercise.built_on(bug.part) if bug.id == root(bug.id) else (bug.part,)


def run_catalogue(judge: Judge, exercise: Exercise, tick: Tick = lambda done, total: None) -> Signatures:
    """Run the reference and every bug of an exercise, and keep what was seen; `tick(done, total)` follows it."""
    listing = catalogue(exercise)
    bugs = (*listing.bugs, *listing.slips)
    requests = [Request(exercise, SOLUTIONS)]
    requests += [Request(exercise, f"bug {bug.id}", mutated(exercise, bug), shows_in(exercise, bug)) for bug in bugs]
    runs = {}
    for index, graded in judge.grade(requests, keep=True):
        runs[index] = graded
        tick(len(runs), len(requests))
    found = Signatures({bug.id: runs[i].records for i, bug in enumerate(bugs, 1)}, runs[0].imported)
    keep(exercise, judge.curriculum, found)
    return found


def signatures(judge: Judge, exercise: Exercise, tick: Tick = lambda done, total: None) -> Signatures:
    """Signatures from the cache, or by running the catalogue once and caching the result."""
    found = kept(exercise, judge.curriculum)
    if found is None:
        found = Signatures({}) if exercise.released else run_catalogue(judge, exercise, tick)
    return found


def preloads(course: Curriculum, exercises: Iterable[Exercise]) -> tuple[str, ...]:
    """The modules that the checks of these exercises are known to import, so that a zygote can do it ahead."""
    found = (kept(exercise, course) for exercise in exercises)
    return tuple(dict.fromkeys(name for signature in found if signature for name in signature.imported))


def by_check(records: Sequence[Record], part: str) -> dict[str, Record]:
    """The records of one part by the check's name."""
    return {record.report.name: record for record in records if record.part == part}
