"""A submission made ready for grading: its graded statements, what they build on, and what is still blank."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.curriculum import Curriculum, Exercise, Part
from autograder.judge.dependency import needed
from autograder.judge.from_scratch import offences
from autograder.notebook import Cell, Definitions, Statement, Unreadable, blank_of, definitions, read

SOLUTIONS = "solutions"  # the path that stands for the reference


@dataclass(frozen=True)
class Submission:
    """What the judge needs to know of one submission before any of it runs."""

    exercise: Exercise
    definitions: Definitions
    statements: Sequence[Mapping[str, Any]]  # those that the checks can reach
    carried: Mapping[str, Sequence[Mapping[str, Any]]]
    offences: Mapping[str, str]  # part → the ready-made thing it uses
    lacking: str | None = None  # what it builds on and is not there yet

    @property
    def owners(self) -> dict[str, str]:
        """The part of each stub, by the stub's qualified name."""
        return {stub: part.name for part in self.exercise.parts for stub in part.stubs}

    def spoiled(self, part: Part) -> str | None:
        """Why a part's stubs cannot even be read, or None."""
        return next((self.definitions.lost[stub] for stub in part.stubs if stub in self.definitions.lost), None)

    def waits_for(self, part: Part) -> str | None:
        """Why a part cannot be graded yet, or None: its own stubs, or those of a part it needs, are blank."""
        if self.lacking is not None:
            return self.lacking
        if part.stubs and set(part.stubs) <= self.definitions.blank:
            return "still to be written"
        for name in part.needs:
            other = self.exercise.part(name)
            if set(other.stubs) & self.definitions.blank:
                return f"waits for {name}"
            further = self.waits_for(other)
            if further is not None and further.startswith("waits"):
                return further
        return None


def as_data(statements: Iterable[Statement]) -> list[dict[str, Any]]:
    """Graded statements as the wire carries them."""
    return [{"source": s.source, "names": list(s.names), "cell": s.cell, "line": s.line} for s in statements]


def resolve(path: str, exercise: Exercise) -> Path:
    """The file behind a path on the command line: `solutions` is the reference; Unreadable where there is none."""
    if path == SOLUTIONS and exercise.released:
        raise Unreadable("this copy of the repository was released without solutions: give a notebook or a script.")
    return exercise.source if path == SOLUTIONS else Path(path)


def expand(path: str, exercise: Exercise) -> list[str]:
    """The submissions at a path: itself, or the notebooks and scripts of a folder.

    Where a folder holds files that carry the exercise's name, the others belong to other exercises.
    """
    place = Path(path)
    if path == SOLUTIONS or not place.is_dir():
        return [path]
    kinds = (".ipynb", ".py")
    files = sorted(f for f in place.iterdir() if f.suffix in kinds and not f.name.startswith(".") and f.is_file())
    own = [file for file in files if exercise.name in file.stem]
    return [str(file) for file in own or files] or [path]


def prepare(
    exercise: Exercise, curriculum: Curriculum, cells: Sequence[Cell], asked: frozenset[str] | None = None
) -> Submission:
    """Extract what is graded from a submission's cells.

    `asked` are the names that observations ask for; definitions that neither they nor the stubs reach are left out,
    so that no worker imports what only a plot needs. With None everything is kept.
    """
    found = definitions(cells, blank_of(exercise))
    kept = found.statements
    if asked is not None:
        kept = needed(kept, {*asked, *blank_of(exercise).owners})
    builds = any("carry" in statement.source for statement in kept)
    lacking, carried = None, {}
    try:
        carried = references(exercise, curriculum) if builds else {}
    except NotYet as error:
        lacking = str(error)
    return Submission(exercise, found, as_data(kept), carried, offences(found, exercise), lacking)


class NotYet(LookupError):
    """An earlier exercise is not written yet, in a copy that has no solutions to take its place."""


def references(exercise: Exercise, curriculum: Curriculum) -> dict[str, list[dict[str, Any]]]:
    """Statements of the reference solutions an exercise builds on, each after those that it needs itself.

    In a release they are the learner's own; raises NotYet where those are not there.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for name in exercise.needs:
        earlier = curriculum.exercise(name)
        for further, statements in references(earlier, curriculum).items():
            found.setdefault(further, statements)
        found.setdefault(name, own(earlier) if earlier.released else reference(earlier))
    return found


def own(exercise: Exercise) -> list[dict[str, Any]]:
    """The learner's own statements for an exercise; raises NotYet while a stub of it is blank."""
    blank = blank_of(exercise)
    try:
        found = definitions(read(exercise.notebook), blank)
    except Unreadable as error:
        raise NotYet(f"waits for {exercise.name}: {error}") from None
    missing = [part.name for part in exercise.parts if set(part.stubs) & found.blank]
    if missing:
        raise NotYet(
            f"waits for your own {exercise.name}: {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} blank"
        )
    return as_data(needed(found.statements, blank.owners))


@functools.lru_cache(maxsize=64)
def reference(exercise: Exercise) -> list[dict[str, Any]]:
    """The reference solution's own statements, without what only its figures need."""
    blank = blank_of(exercise)
    return as_data(needed(definitions(read(exercise.source), blank).statements, blank.owners))
