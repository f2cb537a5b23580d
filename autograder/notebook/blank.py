"""The blank lesson: an exercise's solution cells as the learner gets them, and whether a stub is still unwritten."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from autograder.notebook import percent
from autograder.notebook.cells import Cell
from autograder.notebook.names import Function
from autograder.notebook.regions import cleared, regions
from autograder.notebook.syntax import parsed

# Our stubs raise the class, those that nbgrader makes an instance of it.
_CALLED = re.compile(r"Call\(func=(Name\(id='NotImplementedError', ctx=Load\(\)\))(?:, args=\[\], keywords=\[\])?\)")


class HasSource(Protocol):
    """What is needed of an exercise: the path of its exercise.py."""

    @property
    def source(self) -> Path: ...


@dataclass(frozen=True)
class Blank:
    """An exercise's solution cells without their solutions, by grade_id, and the names of its stubs."""

    cells: Mapping[str, str]
    stubs: tuple[str, ...]

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """The grade_id of the cell that defines each name, methods by their qualified name."""
        return {name: cell for cell, name, _ in self._definitions()}

    @cached_property
    def _bodies(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for _, name, node in self._definitions():
            if isinstance(node, Function):
                found.setdefault(name, set()).add(_body(node))
        return {name: frozenset(dumps) for name, dumps in found.items()}

    @cached_property
    def _headings(self) -> Mapping[str, str]:
        return {name: _heading(node) for _, name, node in self._definitions() if isinstance(node, ast.ClassDef)}

    def _definitions(self) -> Iterator[tuple[str, str, ast.stmt]]:
        for cell, source in self.cells.items():
            for statement in parsed(source).statements:
                for name, node in statement.definitions:
                    yield cell, name, node

    def still(self, name: str, node: ast.stmt) -> bool:
        """Whether a definition of a stub is the blank stub itself, whatever its comments, format and docstring."""
        if not isinstance(node, Function):
            return False
        body = _without_docstring(node)
        return (len(body) == 1 and _is_stub(body[0])) or _body(node) in self._bodies.get(name, ())

    def same_class(self, name: str, node: ast.ClassDef) -> bool:
        """Whether a class has the bases and decorators of the blank one, so that no method can come from elsewhere."""
        return _heading(node) == self._headings.get(name, _heading(ast.ClassDef(name, [], [], [], [])))


def blank_of(exercise: HasSource) -> Blank:
    """The blank of an exercise, from its exercise.py."""
    return blank_from(exercise.source.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=64)
def blank_from(source: str) -> Blank:
    """The blank of a lesson written as a percent script."""
    return blank_from_cells(percent.cells(source))


def blank_from_cells(cells: Iterable[Cell]) -> Blank:
    """The blank of a lesson's cells; a function that holds a solution region is a stub. Raises BadRegion."""
    found: dict[str, str] = {}
    stubs: dict[str, None] = {}
    for cell in cells:
        if is_solution(cell) and cell.grade_id is not None:
            found[cell.grade_id] = cleared(cell.source)
            stubs.update(dict.fromkeys(name for name, _ in stubs_in(cell.source)))
    return Blank(found, tuple(stubs))


def stubs_in(source: str) -> Iterator[tuple[str, str | None]]:
    """Pairs (qualified name of the function around it, part that it names) of a cell's solution regions.

    The name is "" for a region outside any function.
    """
    found = regions(source)
    if not found:
        return  # most cells: not even worth parsing
    spans = [
        (node.lineno, node.end_lineno or node.lineno, name)
        for statement in parsed(source).statements
        for name, node in statement.definitions
        if isinstance(node, Function)
    ]
    for region in found:
        inside = [name for first, last, name in spans if first < region.first <= last]
        yield (inside[-1] if inside else ""), region.part


def is_solution(cell: Cell) -> bool:
    """Whether a lesson's cell is marked as one that the learner writes."""
    block = cell.metadata.get("nbgrader")
    return cell.kind == "code" and isinstance(block, Mapping) and block.get("solution") is True


def _is_stub(node: ast.stmt) -> bool:
    if not isinstance(node, ast.Raise) or node.cause is not None or node.exc is None:
        return False
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def _without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    first = node.body[0]
    has_one = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return node.body[1:] if has_one else node.body


@functools.lru_cache(maxsize=1024)
def _body(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return _CALLED.sub(r"\1", _dump(_without_docstring(node)))


def _heading(node: ast.ClassDef) -> str:
    return _dump([*node.bases, *node.keywords, *node.decorator_list])


def _dump(nodes: Iterable[ast.AST]) -> str:
    try:
        return "\n".join(map(ast.dump, nodes))
    except RecursionError:
        return "nested too deeply to be compared"
