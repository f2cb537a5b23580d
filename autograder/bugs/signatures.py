"""Signatures: what every bug of a catalogue makes each check see, recorded by running it, kept by content."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.bugs.catalogue import catalogue, mutated
from autograder.curriculum import Curriculum, Exercise
from autograder.judge.examine import Request
from autograder.judge.grading import Record
from autograder.judge.session import Judge, record_from_data, record_to_data
from autograder.judge.submission import SOLUTIONS
from autograder.observe import wire

FORMAT = 2

RELEASED = "signatures.bin"

Signature = tuple[Record, ...]  # every check's record, for one bug


@dataclass(frozen=True)
class Signatures:
    """What a catalogue was seen to do: the records of each bug by its id, and what checks make a worker import."""

    bugs: Mapping[str, Signature]
    imported: tuple[str, ...] = ()


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
        data = wire.decode(place(exercise, course).read_bytes())
        bugs = {bug: tuple(record_from_data(record) for record in records) for bug, records in data["bugs"].items()}
        return Signatures(bugs, tuple(data["imported"]))
    except (OSError, wire.WireError, KeyError, TypeError, AttributeError):
        return None


def keep(exercise: Exercise, course: Curriculum, signatures: Signatures) -> None:
    """Write signatures to the cache and drop older ones; a disk that refuses only costs time next time."""
    path = place(exercise, course)
    bugs = {bug: [record_to_data(record) for record in records] for bug, records in signatures.bugs.items()}
    data = {"bugs": bugs, "imported": list(signatures.imported)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(wire.encode(data))
        draft.replace(path)
        for old in path.parent.glob(f"{exercise.name}-*.bin"):
            if old != path:
                old.unlink(missing_ok=True)
    except (OSError, wire.WireError):
        return


def run_catalogue(judge: Judge, exercise: Exercise) -> Signatures:
    """Run the reference and every bug of an exercise, and keep what was seen."""
    bugs = catalogue(exercise).bugs
    requests = [Request(exercise, SOLUTIONS)]
    requests += [Request(exercise, f"bug {bug.id}", cells=mutated(exercise, bug)) for bug in bugs]
    runs = dict(judge.grade(requests, keep=True))
    found = Signatures({bug.id: runs[i].records for i, bug in enumerate(bugs, 1)}, runs[0].imported)
    keep(exercise, judge.curriculum, found)
    return found


def signatures(judge: Judge, exercise: Exercise) -> Signatures:
    """Signatures from the cache, or by running the catalogue once and caching the result."""
    found = kept(exercise, judge.curriculum)
    if found is None:
        found = Signatures({}) if exercise.released else run_catalogue(judge, exercise)
    return found


def preloads(course: Curriculum, exercises: Iterable[Exercise]) -> tuple[str, ...]:
    """The modules that the checks of these exercises are known to import, so that a zygote can do it ahead."""
    found = (kept(exercise, course) for exercise in exercises)
    return tuple(dict.fromkeys(name for signature in found if signature for name in signature.imported))


def by_check(records: Sequence[Record], part: str) -> dict[str, Record]:
    """The records of one part by the check's name."""
    return {record.report.name: record for record in records if record.part == part}
