"""The solutions of a lesson, cut out of its source part by part."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence

from autograder.lesson import is_check, part_of_check
from autograder.notebook import Cell
from autograder.notebook.names import Function
from autograder.notebook.regions import BEGIN, END, Region, regions

_GAPS = re.compile(r"\n{4,}")


def answer(cells: Sequence[Cell], part: str) -> str:
    """One solution of a part: the functions of its regions, without docstrings, as the stub above shows them."""
    found = []
    for cell, owned in _owned(cells):
        mine = [region for region, owner in owned if owner == part]
        if len(mine) == len(owned):
            found.append(bare(cell.source))
        else:
            found += [bare(cell.source, first, last) for first, last in _around(cell.source, mine)]
    return "\n\n\n".join(filter(None, found))


def _owned(cells: Sequence[Cell]) -> Iterator[tuple[Cell, list[tuple[Region, str]]]]:
    """Cells with solution regions, and the part of each: the one it names, else that of the next check cell."""
    checks = [(cell.index, part_of_check(cell) or "") for cell in cells if is_check(cell)]
    for cell in cells:
        found = regions(cell.source) if cell.kind == "code" else ()
        if found:
            below = next((part for index, part in checks if index > cell.index), "")
            yield cell, [(region, region.part or below) for region in found]


def _around(source: str, wanted: Sequence[Region]) -> Iterator[tuple[int, int]]:
    """First and last line of the innermost function around each region, each once."""
    spans = sorted(_span(node) for node in ast.walk(_tree(source)) if isinstance(node, Function))
    seen = set()
    for region in wanted:
        inside = [(first, last) for first, last in spans if first < region.first <= last]
        if inside and inside[-1] not in seen:
            seen.add(inside[-1])
            yield inside[-1]


def _span(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, int]:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first, node.end_lineno or node.lineno


def bare(source: str, first: int = 1, last: int | None = None) -> str:
    """These lines of a cell without delimiters, and without the docstrings that the stub shows already."""
    lines = source.split("\n")
    dropped = {number for number, line in enumerate(lines, 1) if BEGIN in line or END in line}
    for node in ast.walk(_tree(source)):
        if isinstance(node, Function | ast.ClassDef) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            if len(node.body) > 1:
                dropped.update(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    kept = [line for number, line in enumerate(lines[:last], 1) if first <= number and number not in dropped]
    return _GAPS.sub("\n\n\n", textwrap.dedent("\n".join(kept)).strip("\n"))


def _tree(source: str) -> ast.AST:
    """The cell's tree; an empty one for a bug that Python cannot parse."""
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])
