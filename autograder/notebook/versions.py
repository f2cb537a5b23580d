"""Versions of a submission compared: the lesson without its answers, and what changed from one save to the next."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from dataclasses import replace

from autograder.notebook.blank import HasSource, blank_of
from autograder.notebook.cells import Cell, read
from autograder.notebook.graded import Definitions
from autograder.notebook.names import definitions_in


def blank_cells(exercise: HasSource) -> tuple[Cell, ...]:
    """The lesson's cells with every solution replaced by its stub."""
    blank = blank_of(exercise)
    return tuple(
        replace(cell, source=blank.cells.get(cell.grade_id or "", cell.source)) for cell in read(exercise.source)
    )


def fingerprints(found: Definitions) -> Mapping[str, str]:
    """Every definition by its qualified name, as text that comments and formatting do not change."""
    return {name: dump for statement in found.statements for name, dump in _dumps(statement.source, statement.names)}


@functools.lru_cache(maxsize=4096)  # a save changes one statement, and this runs on every save
def _dumps(source: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    try:
        body = ast.parse(source).body
        return tuple((name, ast.dump(inner)) for node in body for name, inner in definitions_in(node))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return tuple((name, source) for name in names)
