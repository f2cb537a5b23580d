"""Versions of a submission compared: the lesson without its answers, and what changed from one save to the next."""

from __future__ import annotations

import ast
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
    return {
        name: ast.dump(inner)
        for statement in found.statements
        for node in ast.parse(statement.source).body
        for name, inner in definitions_in(node)
    }
