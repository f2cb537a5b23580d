"""An exercise's bugs, bugs in other words and right variants, and the sources they make."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from autograder.bugs.rewrite import BadEdit, substitute, transplant
from autograder.curriculum import CurriculumError, Exercise
from autograder.notebook import Cell, read

EFFECTS = ("", "crash", "hang")


@dataclass(frozen=True)
class Slip:
    """Another change that comes of a bug's misconception, and does something else than the bug's own.

    Its bug gives it a part and an id of its own: "id/1", "id/2" and so on.
    """

    find: str = ""
    replace: str = ""
    code: str = ""
    id: str = ""
    part: str = ""


@dataclass(frozen=True)
class Bug:
    """A small, realistic wrong version of the reference, with the misconception behind it."""

    id: str
    part: str
    misconception: str
    symptom: str
    find: str
    replace: str
    question: str
    effect: str = ""
    same_as: str = ""
    also: tuple[Slip, ...] = ()

    @property
    def slips(self) -> tuple[Slip, ...]:
        """The bug as made by each of its other changes."""
        return tuple(replace(slip, id=f"{self.id}/{n}", part=self.part) for n, slip in enumerate(self.also, 1))


def root(name: str) -> str:
    """The id of the bug itself, from its own or that of one of its slips."""
    return name.partition("/")[0]


@dataclass(frozen=True)
class Rewrite:
    """The reference with some definitions written otherwise: a right variant, or a bug in other words."""

    id: str
    note: str = ""
    bug: str = ""
    code: str = ""
    find: str = ""
    replace: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Everything that the folder of an exercise says about wrong and right versions of it."""

    bugs: tuple[Bug, ...]
    other_words: tuple[Rewrite, ...]
    variants: tuple[Rewrite, ...]

    @property
    def slips(self) -> tuple[Slip, ...]:
        """The slips of all bugs."""
        return tuple(slip for bug in self.bugs for slip in bug.slips)

    @property
    def wrong(self) -> tuple[Bug | Slip, ...]:
        """All bugs and all slips."""
        return (*self.bugs, *self.slips)

    def bug(self, name: str) -> Bug:
        """The bug of that id; KeyError where there is none."""
        for bug in self.bugs:
            if bug.id == name:
                return bug
        raise KeyError(name)

    def twins(self, name: str) -> tuple[str, ...]:
        """The bug and those that behave exactly like it."""
        root = self.bug(name).same_as or name
        return tuple(bug.id for bug in self.bugs if root in (bug.id, bug.same_as))


def catalogue(exercise: Exercise) -> Catalogue:
    """Read an exercise's catalogue; raises CurriculumError naming file and entry where one is not well formed."""
    stamps = tuple(stamp(exercise.folder / name) for name in ("bugs.toml", "variants.toml"))
    return _catalogue(exercise.folder, stamps)


def stamp(path: Path) -> tuple[int, int]:
    """What tells that a file has changed; zeros where it is missing."""
    try:
        status = path.stat()
    except (FileNotFoundError, AttributeError):  # the files in a release have no status, and do not change
        return 0, 0
    return status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=64)
def _catalogue(folder: Path, stamps: object) -> Catalogue:
    bugs, rest = tables(folder / "bugs.toml"), tables(folder / "variants.toml")
    found = Catalogue(
        tuple(entries(Bug, folder / "bugs.toml", with_slips(folder / "bugs.toml", bugs.get("bug", [])))),
        tuple(entries(Rewrite, folder / "variants.toml", rest.get("other_words", []))),
        tuple(entries(Rewrite, folder / "variants.toml", rest.get("variant", []))),
    )
    check(found, folder)
    return found


def tables(path: Path) -> dict[str, Any]:
    """A TOML file's tables; none where the file is missing."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except tomllib.TOMLDecodeError as error:
        raise CurriculumError(f"{path}: not valid TOML: {error}") from error


def with_slips(path: Path, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of bugs, their `also` tables read."""
    return [{**row, "also": tuple(entries(Slip, path, row.get("also", [])))} for row in rows]


Entry = TypeVar("Entry", Bug, Rewrite, Slip)


def entries(kind: type[Entry], path: Path, rows: Sequence[Mapping[str, Any]]) -> Iterator[Entry]:
    """Rows as dataclasses, with unknown and missing keys named."""
    known = {field.name for field in fields(kind)}
    for number, row in enumerate(rows, 1):
        extra = sorted(set(row) - known)
        if extra:
            raise CurriculumError(f"{path}: entry {number} ({row.get('id', '?')}) has an unknown key {extra[0]!r}")
        try:
            yield kind(**row)
        except TypeError as error:
            raise CurriculumError(f"{path}: entry {number} ({row.get('id', '?')}): {error}") from error


def check(found: Catalogue, folder: Path) -> None:
    """Raise for ids used twice or leading nowhere."""
    ids = [bug.id for bug in found.bugs] + [entry.id for entry in (*found.other_words, *found.variants)]
    for name in ids:
        if ids.count(name) > 1:
            raise CurriculumError(f"{folder}: the id {name!r} is used twice")
    known = {bug.id for bug in found.bugs}
    for target, holder in [
        *((bug.same_as, bug.id) for bug in found.bugs if bug.same_as),
        *((entry.bug, entry.id) for entry in found.other_words),
    ]:
        if target not in known:
            raise CurriculumError(f"{folder}: {holder!r} refers to {target!r}, which is no bug of this exercise")
    for bug in found.bugs:
        if bug.effect not in EFFECTS:
            raise CurriculumError(f"{folder}: bug {bug.id!r} has the effect {bug.effect!r}; known: crash, hang")


def mutated(exercise: Exercise, entry: Bug | Slip | Rewrite) -> tuple[Cell, ...]:
    """The reference's cells with one entry of the catalogue applied.

    Raises CurriculumError where `find` does not occur exactly once inside the solution regions.
    """
    cells = read(exercise.source)
    try:
        if not isinstance(entry, Bug) and entry.code:
            return transplant(cells, entry.code)
        return substitute(cells, entry.find, entry.replace)
    except BadEdit as error:
        raise CurriculumError(f"{exercise.folder}: {entry.id!r} {error}") from error


def with_source(cell: Cell, source: str) -> Cell:
    """The same cell with other text."""
    return replace(cell, source=source)
