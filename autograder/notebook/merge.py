"""Bring a learner's notebook up to date with a lesson: new prose and checks come in, what the learner wrote stays."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autograder.notebook.cells import grade_id, source_hash, text

Json = dict[str, Any]

_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LOCKS = ("deletable", "editable")


def update(mine: Json, fresh: Json) -> tuple[Json, list[str]]:
    """Merge a fresh notebook into the learner's; returns the result and what changed, a sentence each.

    Solution cells keep the learner's text. Other cells take the new text, unless the learner edited them: then the
    learner's stays alone where ours did not change, and below the new one where it did. Cells of the learner's own
    stay behind the cell they followed. Without changes the result equals `mine`, and a second update changes nothing.
    """
    old, new = _cells(mine), _cells(fresh)
    pairs = _pairs(old, new)
    merge = _Merge()
    behind = _own_cells(old, new, pairs, merge)
    merge.cells += behind.get(-1, [])
    for index, cell in enumerate(new):
        merge.bring(old[pairs[index]] if index in pairs else None, cell)
        merge.cells += behind.get(index, [])
    _give_ids(merge.cells, new)
    taken = [pairs[index] for index in sorted(pairs)]
    if taken != sorted(taken):
        merge.changes.append("put the lesson's cells back in their order")
    result = _around(mine, fresh, merge.cells)
    if result == mine:
        return mine, []
    return result, merge.changes or ["the notebook's own data (versions and cell ids), nothing that you see"]


def place_of(cells: Sequence[Json], fresh: Json, wanted: Json) -> int:
    """Where a cell of the fresh notebook belongs among the learner's cells: after the nearest one before it."""
    new = _cells(fresh)
    position = next(index for index, cell in enumerate(new) if cell["id"] == wanted["id"])
    pairs = _pairs(cells, new)
    for index in range(position - 1, -1, -1):
        if index in pairs:
            return pairs[index] + 1
    return 0


@dataclass
class _Merge:
    """The cells of the result so far, and what changed."""

    cells: list[Json] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)

    def bring(self, old: Json | None, new: Json) -> None:
        """Add the outcome of one cell of the lesson."""
        name = new["id"]
        if old is None:
            self.cells.append(copy.deepcopy(new))
            self.changes.append(f"added {name}")
            return
        same = _text(old) == _text(new) and old.get("cell_type") == new["cell_type"]
        touched, renewed = _touched(old, new), recorded(old) != recorded(new)
        if not same and not touched:
            self.cells.append(_refreshed(old, new, replaced=True))
            self.changes.append(f"new text in {name}")
        elif same or not renewed or is_solution(new):
            self.cells.append(_refreshed(old, new, replaced=False))
            if not same and renewed:
                self.changes.append(f"the stub of {name} has changed; what you wrote there is kept as it is")
        else:
            self.cells += [_refreshed(old, new, replaced=True), _as_own(old)]
            self.changes.append(f"new text in {name}; yours is kept in the cell below it")


def _around(mine: Json, fresh: Json, cells: list[Json]) -> Json:
    """The learner's notebook around new cells."""
    result = {key: value for key, value in mine.items() if key != "cells"}
    metadata = mine.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    for key in ("kernelspec", "language_info"):
        if not isinstance(metadata.get(key), dict):
            metadata[key] = fresh["metadata"][key]
    metadata["fathom"] = fresh["metadata"]["fathom"]
    minor = mine.get("nbformat_minor")
    minor = max(minor, fresh["nbformat_minor"]) if type(minor) is int else fresh["nbformat_minor"]
    return copy.deepcopy({**result, "metadata": metadata, "nbformat": 4, "nbformat_minor": minor, "cells": cells})


def _pairs(old: Sequence[Json], new: Sequence[Json]) -> dict[int, int]:
    """Index of each fresh cell → index of the learner's cell that it became; several signs, the surest first."""
    pairs: dict[int, int] = {}
    free = dict.fromkeys(range(len(old)))

    def match(sign: Callable[[Json], object], among: Callable[[Json], bool] = lambda cell: True) -> None:
        places: dict[object, list[int]] = {}
        for index in free:
            if among(old[index]) and (found := sign(old[index])) is not None:
                places.setdefault(found, []).append(index)
        for index, cell in enumerate(new):
            candidates = places.get(sign(cell), []) if index not in pairs and sign(cell) is not None else []
            if candidates:
                # of copies the one with the cell's own id is ours; else the last one is what the learner works in
                best = next((i for i in candidates if old[i].get("id") == cell["id"]), candidates[-1])
                pairs[index] = best
                del free[best]
                candidates.remove(best)

    match(_grade_id)
    match(lambda cell: (_name(cell), recorded(cell)) if _is_prose(cell) and recorded(cell) else None)
    match(lambda cell: recorded(cell) if _is_prose(cell) else None)
    match(lambda cell: _name(cell) if _is_prose(cell) else None)
    match(lambda cell: cell.get("id") if isinstance(cell.get("id"), str) else None)
    match(lambda cell: (cell.get("cell_type"), _text(cell)) if _text(cell) else None, lambda cell: not recorded(cell))
    return pairs


def _own_cells(
    old: Sequence[Json], new: Sequence[Json], pairs: Mapping[int, int], merge: _Merge
) -> dict[int, list[Json]]:
    """The cells that are not the lesson's, by the index of the fresh cell that they follow (-1: none)."""
    lesson = {index: position for position, index in pairs.items()}
    known = {cell["id"] for cell in new}
    behind: dict[int, list[Json]] = {}
    position = -1
    for index, cell in enumerate(old):
        if index in lesson:
            position = lesson[index]
            continue
        ours_once = recorded(cell) is not None and _name(cell) not in known
        if ours_once and not _edited(cell):
            merge.changes.append(f"removed {_name(cell)}, which the lesson no longer has")
            continue
        if ours_once:
            merge.changes.append(f"kept your {_name(cell)}, which the lesson no longer has")
        kept = _as_own(cell) if ours_once else copy.deepcopy(cell)
        if kept.get("id") in known:  # this id is that of a cell of the lesson
            kept.pop("id")
        behind.setdefault(position, []).append(kept)
    return behind


def _refreshed(old: Json, new: Json, *, replaced: bool) -> Json:
    """The learner's cell with the lesson's metadata, and its text where it is replaced."""
    cell = copy.deepcopy(old)
    metadata = dict(_metadata(cell))
    was_locked = "nbgrader" in metadata and "nbgrader" not in _metadata(new)
    for key in ("nbgrader", "fathom", *_LOCKS):
        if key in _metadata(new):
            metadata[key] = copy.deepcopy(_metadata(new)[key])
        elif key not in _LOCKS or was_locked:
            metadata.pop(key, None)
    tags = metadata.get("tags")
    missing = [tag for tag in _metadata(new).get("tags", []) if not isinstance(tags, list) or tag not in tags]
    if missing:
        metadata["tags"] = [*(tags if isinstance(tags, list) else []), *missing]
    cell["metadata"] = metadata
    cell["id"] = new["id"]
    if replaced:
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
        cell.update({key: copy.deepcopy(new[key]) for key in new if key not in ("metadata", "id")})
    return cell


def _as_own(old: Json) -> Json:
    """A cell of the lesson that the learner edited, as a cell of the learner's own."""
    cell = copy.deepcopy(old)
    metadata = _metadata(cell)
    cell["metadata"] = {key: value for key, value in metadata.items() if key not in ("nbgrader", "fathom", *_LOCKS)}
    cell.pop("id", None)
    return cell


def _give_ids(cells: Sequence[Json], fresh: Sequence[Json]) -> None:
    """Give an id to every cell without a usable one, and a new one to a cell whose id another has first."""
    ours = {cell["id"] for cell in fresh}
    seen: set[str] = set()
    for cell in cells:
        name = cell.get("id")
        if not isinstance(name, str) or not _ID.fullmatch(name) or name in seen:
            name = cell["id"] = next(_new_ids(_text(cell), seen | ours))
        seen.add(name)


def _new_ids(source: str, taken: set[str]) -> Iterator[str]:
    stem = "own-" + hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    number = 1
    while True:
        name = stem if number == 1 else f"{stem}-{number}"
        if name not in taken:
            yield name
        number += 1


def recorded(cell: Json) -> str | None:
    """The hash of the text that the build gave this cell."""
    stamp = _stamp(cell).get("source")
    return stamp if isinstance(stamp, str) and stamp else None


def is_solution(cell: Json) -> bool:
    """Whether the learner writes this cell."""
    block = _metadata(cell).get("nbgrader")
    return isinstance(block, dict) and block.get("solution") is True


def _touched(old: Json, new: Json) -> bool:
    """Whether the learner edited a cell of the lesson; without a record any difference counts as an edit."""
    if recorded(old) is None:
        return _text(old) != _text(new)
    return _edited(old) or old.get("cell_type") != new["cell_type"]


def _edited(cell: Json) -> bool:
    return source_hash(_text(cell)) != recorded(cell)


def _is_prose(cell: Json) -> bool:
    return not is_solution(cell)


def _grade_id(cell: Json) -> str | None:
    return grade_id(_metadata(cell))


def _name(cell: Json) -> str | None:
    """The derived id that the build gave a cell; it survives tools that give cells new ids."""
    name = _stamp(cell).get("cell", cell.get("id"))
    return name if isinstance(name, str) else None


def _stamp(cell: Json) -> Mapping[str, Any]:
    stamp = _metadata(cell).get("fathom")
    return stamp if isinstance(stamp, dict) else {}


def _metadata(cell: Json) -> Json:
    metadata = cell.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _text(cell: Json) -> str:
    return text(cell.get("source", "")) or ""


def _cells(notebook: Json) -> list[Json]:
    return [cell for cell in notebook["cells"] if isinstance(cell, dict)]
