"""Plant bugs of the catalogue into the reference, and take them out again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from autograder.bugs.catalogue import Bug, catalogue
from autograder.bugs.rewrite import BadEdit, locate
from autograder.curriculum import CurriculumError, Exercise
from autograder.notebook import Cell, read


@dataclass(frozen=True)
class Edit:
    """One change of a source: at this offset of a cell (by its place among the cells), `old` became `new`."""

    cell: int
    offset: int
    old: str
    new: str


@dataclass(frozen=True)
class Planted:
    """An exercise's reference with bugs in it; `edits` say where, with the offsets of the changed sources."""

    exercise: Exercise
    bugs: tuple[Bug, ...]
    cells: tuple[Cell, ...]
    edits: tuple[Edit, ...]

    @property
    def affected(self) -> tuple[Cell, ...]:
        """The cells that hold a bug, in the order of the lesson."""
        return tuple(self.cells[index] for index in sorted({edit.cell for edit in self.edits}))

    def reversed(self) -> tuple[Cell, ...]:
        """The cells with every bug taken out by its own reverse: the reference again."""
        return mended(self.cells, self.edits)


def plant(exercise: Exercise, bugs: Sequence[Bug]) -> Planted:
    """Put bugs into the reference; CurriculumError where one does not fit, or where two want the same lines."""
    if exercise.released:
        raise CurriculumError(f"{exercise.name} came without its solution, so there is nothing to plant a bug in")
    cells = read(exercise.source)
    spots = sorted((*spot(exercise, cells, bug), bug.find, bug.replace) for bug in bugs)
    for (cell, offset, find, _), (other, start, _, _) in pairwise(spots):
        if cell == other and start < offset + len(find):
            raise CurriculumError(f"{exercise.name}: {', '.join(bug.id for bug in bugs)} change the same lines")
    edits: list[Edit] = []
    sources = [cell.source for cell in cells]
    shift: dict[int, int] = {}
    for cell, offset, find, new in spots:
        at = offset + shift.get(cell, 0)
        sources[cell] = sources[cell][:at] + new + sources[cell][at + len(find) :]
        shift[cell] = shift.get(cell, 0) + len(new) - len(find)
        edits.append(Edit(cell, at, find, new))
    changed = tuple(replace(cell, source=source) for cell, source in zip(cells, sources, strict=True))
    return Planted(exercise, tuple(bugs), changed, tuple(edits))


def spot(exercise: Exercise, cells: Sequence[Cell], bug: Bug) -> tuple[int, int]:
    """Where a bug goes: cell and offset; CurriculumError where that cannot be told."""
    try:
        return locate(cells, bug.find)
    except BadEdit as error:
        raise CurriculumError(f"{exercise.folder}: {bug.id!r} {error}") from error


def mended(cells: Sequence[Cell], edits: Iterable[Edit]) -> tuple[Cell, ...]:
    """Cells with edits undone; ValueError where a cell no longer reads as an edit left it."""
    sources = [cell.source for cell in cells]
    for edit in sorted(edits, key=lambda edit: (edit.cell, edit.offset), reverse=True):
        end = edit.offset + len(edit.new)
        if sources[edit.cell][edit.offset : end] != edit.new:
            raise ValueError(f"cell {edit.cell + 1} no longer holds what was planted in it")
        sources[edit.cell] = sources[edit.cell][: edit.offset] + edit.old + sources[edit.cell][end:]
    return tuple(replace(cell, source=source) for cell, source in zip(cells, sources, strict=True))


def compatible(exercise: Exercise, bugs: Sequence[Bug]) -> bool:
    """Whether bugs can be planted together: other lines each, and no two that behave alike."""
    listing = catalogue(exercise)
    ids = [bug.id for bug in bugs]
    if any(other in listing.twins(name) for name in ids for other in ids if other != name):
        return False
    try:
        plant(exercise, bugs)
    except CurriculumError:
        return False
    return True
