"""The cells of a submission that hold its answers: one for each solution cell of the exercise."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from autograder.notebook.blank import Blank
from autograder.notebook.cells import Cell
from autograder.notebook.syntax import Parsed, parsed

MAX_CHARACTERS = 2_000_000  # of code in one submission


@dataclass(frozen=True)
class Code:
    """A code cell, parsed."""

    cell: Cell
    parsed: Parsed

    def defines(self) -> Iterator[tuple[str, ast.stmt]]:
        """What its statements define, the members of classes included."""
        for statement in self.parsed.statements:
            yield from statement.definitions


def parsed_cells(cells: Iterable[Cell]) -> Iterator[Code]:
    """The code cells, parsed; no more of them than a lesson could ever need, since each takes time."""
    left = MAX_CHARACTERS
    for cell in cells:
        if cell.kind == "code":
            left -= len(cell.source)
            yield Code(cell, parsed(cell.source) if left >= 0 else Parsed(error=("more code than is read", 1)))


def answer_cells(code: Sequence[Code], blank: Blank) -> tuple[dict[str, Code], list[str]]:
    """For every grade_id of the exercise the cell that counts: the last that is not blank; and notes on duplicates."""
    found: dict[str, list[Code]] = {}
    for cell in code:
        if cell.cell.grade_id in blank.cells:
            found.setdefault(cell.cell.grade_id or "", []).append(cell)
    answers, notes = {}, []
    for name, copies in found.items():
        written = [copy for copy in copies if _is_written(copy, blank)]
        answers[name] = (written or copies)[-1]
        if len(copies) > 1:
            place = answers[name].cell.index + 1
            notes.append(f"{len(copies)} cells are named {name}; the last one that is written counts, cell {place}")
    return answers, notes


def _is_written(code: Code, blank: Blank) -> bool:
    if code.parsed.error:
        return True
    stubs = [(name, node) for name, node in code.defines() if name in blank.stubs]
    return any(not blank.still(name, node) for name, node in stubs) if stubs else bool(code.parsed.statements)
