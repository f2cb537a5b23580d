"""Give back the stubs of one part, and leave the learner's other answers in the same cell alone."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from typing import Any

from autograder.notebook.cells import grade_id, text
from autograder.notebook.merge import Json, is_solution, place_of
from autograder.notebook.names import Function
from autograder.notebook.syntax import parsed


def reset(mine: Json, fresh: Json, part: str | None) -> tuple[Json, list[str]]:
    """Put the stubs of a part (None: of all parts) into the learner's notebook; returns it and what changed.

    A cell that holds other parts too keeps what is written for them. Raises LookupError for an unknown part.
    """
    wanted = [cell for cell in fresh["cells"] if is_solution(cell) and (part is None or part in _parts(cell))]
    if not wanted:
        raise LookupError(f"There is no part {part!r} in the notebook: nothing was reset.")
    result = copy.deepcopy(mine)
    cells: list[Any] = result["cells"]
    changes: list[str] = []
    for stub in wanted:
        name = stub["id"]
        copies = [cell for cell in cells if isinstance(cell, dict) and _is_copy(cell, stub)]
        if not copies:
            cells.insert(place_of([cell for cell in cells if isinstance(cell, dict)], fresh, stub), copy.deepcopy(stub))
            changes.append(f"cell {name} is back")
        for cell in copies:
            before = text(cell.get("source", "")) or ""
            after, others = _given_back(before, stub, part)
            if after == before:
                continue
            cell["source"] = after
            if cell.get("cell_type") == "code":
                cell.update(outputs=[], execution_count=None)
            changes.append(f"cell {name} is blank again" + (f", and with it {', '.join(others)}" if others else ""))
    return (result, changes) if changes else (mine, [])


def _given_back(source: str, stub: Json, part: str | None) -> tuple[str, list[str]]:
    """The cell's text with the part's stubs in it, and the other parts that could not be kept."""
    parts, blank = _parts(stub), text(stub["source"]) or ""
    others = [name for name in parts if name != part]
    if part is None or not others:
        return blank, []
    patched = exchanged(source, blank, parts[part])
    return (blank, others) if patched is None else (patched, [])


def exchanged(source: str, blank: str, names: Sequence[str]) -> str | None:
    """The source with the blank's functions of these names in it; None where one cannot be found in both."""
    lines, from_lines = _lines(source), _lines(blank)
    spans, from_spans = _spans(source), _spans(blank)
    if not all(name in spans and name in from_spans for name in names):
        return None
    for name in sorted(names, key=lambda name: spans[name], reverse=True):
        (first, last), (from_first, from_last) = spans[name], from_spans[name]
        lines[first - 1 : last] = _indented(from_lines[from_first - 1 : from_last], lines[first - 1])
    changed = "\n".join(lines)
    return changed if parsed(changed).error is None else None


def _spans(source: str) -> Mapping[str, tuple[int, int]]:
    """First and last line of every function, decorators included; the last definition of a name counts."""
    found: dict[str, tuple[int, int]] = {}
    for statement in parsed(source).statements:
        for name, node in statement.definitions:
            if isinstance(node, Function):
                found[name] = _span(node)
    return found


def _span(node: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[int, int]:
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first, node.end_lineno or node.lineno


def _indented(lines: Sequence[str], like: str) -> list[str]:
    """Lines moved to the indentation of another line."""
    margin = len(lines[0]) - len(lines[0].lstrip())
    space = like[: len(like) - len(like.lstrip())]
    return [space + line[margin:] if line.strip() else line for line in lines]


def _lines(source: str) -> list[str]:
    return source.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _is_copy(cell: Json, stub: Json) -> bool:
    own = grade_id(cell.get("metadata"))
    return own == grade_id(stub["metadata"]) or (own is None and cell.get("id") == stub["id"])


def _parts(stub: Json) -> Mapping[str, Sequence[str]]:
    parts: Mapping[str, Sequence[str]] = stub["metadata"]["fathom"]["parts"]
    return parts
