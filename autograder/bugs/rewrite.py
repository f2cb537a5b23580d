"""Edit a solution's cells: one replacement inside its regions, or definitions exchanged for others of the same name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from autograder.notebook import Cell
from autograder.notebook.graded import defined_names

REGION = re.compile(r"(?ms)^[ \t]*### BEGIN SOLUTION[^\n]*\n(.*?)^[ \t]*### END SOLUTION")


class BadEdit(ValueError):
    """An edit that does not fit the source it was written for."""


def regions(source: str) -> Iterator[tuple[int, int]]:
    """Start and end offsets of the solution regions in a cell."""
    for match in REGION.finditer(source):
        yield match.span(1)


def substitute(cells: Sequence[Cell], find: str, new: str) -> tuple[Cell, ...]:
    """Replace `find`, which must occur exactly once inside the solution regions of all cells together."""
    index, offset = locate(cells, find)
    source = cells[index].source
    changed = replace(cells[index], source=source[:offset] + new + source[offset + len(find) :])
    return (*cells[:index], changed, *cells[index + 1 :])


def locate(cells: Sequence[Cell], find: str) -> tuple[int, int]:
    """The cell and the offset in it at which `find` stands, once in all solution regions together; BadEdit if not."""
    if not find:
        raise BadEdit("has neither `code` nor a `find` that says what to replace")
    places = [
        (index, start + match.start())
        for index, cell in enumerate(cells)
        if cell.kind == "code"
        for start, end in regions(cell.source)
        for match in re.finditer(re.escape(find), cell.source[start:end])
    ]
    if len(places) != 1:
        raise BadEdit(f"has a `find` that occurs {len(places)} times inside the solution regions; it must occur once")
    return places[0]


@dataclass(frozen=True)
class Place:
    """Where a top-level statement stands: cell index and its lines, 1-based and inclusive."""

    cell: int
    first: int
    last: int


def transplant(cells: Sequence[Cell], code: str) -> tuple[Cell, ...]:
    """Exchange the definitions in `code` for those of the same names; new names go before the first exchanged one.

    A class also takes the place of the methods that it defines itself and that cells below teach one by one.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        raise BadEdit(f"has `code` that is not Python: {error}") from error
    where = places(cells)
    sources = [cell.source.split("\n") for cell in cells]
    lines = code.split("\n")
    helpers: list[str] = []
    target: Place | None = None
    removed: list[tuple[Place, list[str]]] = []
    for node in tree.body:
        text = lines[first_line(node) - 1 : node.end_lineno]
        names = defined_names(node)
        here = next((where[name] for name in names if name in where), None)
        if here is None:
            helpers += text
            continue
        target = target or here
        removed.append((here, text))
        if isinstance(node, ast.ClassDef):
            inner = [f"{node.name}.{name}" for child in node.body for name in defined_names(child)]
            removed += [(where[name], []) for name in inner if name in where]
    if target is None:
        raise BadEdit("has `code` that defines no name of the reference")
    edits = dict(removed)
    edits[target] = [*helpers, *edits[target]]
    for place in sorted(edits, key=lambda place: (place.cell, place.first), reverse=True):
        sources[place.cell][place.first - 1 : place.last] = edits[place]
    return tuple(replace(cell, source="\n".join(source)) for cell, source in zip(cells, sources, strict=True))


def places(cells: Sequence[Cell]) -> dict[str, Place]:
    """Where each name is defined; the last definition of a name counts."""
    found: dict[str, Place] = {}
    for index, cell in enumerate(cells):
        if cell.kind != "code" or cell.grade_id is None:
            continue
        try:
            body = ast.parse(cell.source).body
        except SyntaxError:
            continue
        for node in body:
            for name in defined_names(node):
                found[name] = Place(index, first_line(node), node.end_lineno or node.lineno)
    return found


def first_line(node: ast.stmt) -> int:
    """A statement's first line, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])
