"""Make the learner's notebook from a lesson, with jupytext and nbgrader's own preprocessors."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from autograder.notebook.blank import HasSource, stubs_in
from autograder.notebook.cells import grade_id, source_hash
from autograder.notebook.regions import STUB

FORMAT = {"extension": ".py", "format_name": "percent", "comment_magics": False}  # every cell is Python already
SCHEMA = 3  # of nbgrader's cell metadata
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
RAISES = "raises-exception"  # Run All goes on after a failed check
KEPT = {"tags", "jupyter"}  # what a lesson may say of a cell besides its nbgrader options
ID_LENGTH = 64

_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)


class Lesson(HasSource, Protocol):
    """What is needed of an exercise: its name, its exercise.py and its parts."""

    @property
    def name(self) -> str: ...

    @property
    def parts(self) -> Iterable[Any]: ...


def build(exercise: Lesson) -> dict[str, Any]:
    """The blank notebook, nbformat 4.5, with stubs in the place of solutions; the same bytes every time."""
    from nbgrader.preprocessors import (  # type: ignore[import-untyped]
        ClearOutput,
        ClearSolutions,
        ComputeChecksums,
        LockCells,
    )
    from traitlets.config import Config

    config = Config({"ClearSolutions": {"code_stub": {"python": STUB}}})
    notebook = _marked(exercise)
    for preprocessor in (ClearSolutions, ClearOutput, LockCells, ComputeChecksums):
        notebook, _ = preprocessor(config=config).preprocess(notebook, {})
    return _finished(exercise, notebook)


def solved(exercise: Lesson) -> dict[str, Any]:
    """The same notebook with the solutions kept, to be executed."""
    return _finished(exercise, _marked(exercise))


def _marked(exercise: Lesson) -> Any:
    """The lesson as a NotebookNode with complete nbgrader metadata."""
    import jupytext  # type: ignore[import-untyped]

    notebook = jupytext.reads(exercise.source.read_text(encoding="utf-8"), fmt=FORMAT)
    parts_of = _parts_by_cell(exercise, notebook.cells)
    for cell in notebook.cells:
        given = cell.metadata.get("nbgrader", {})
        tags = list(cell.metadata.get("tags", []))
        for key in set(cell.metadata) - KEPT:
            del cell.metadata[key]
        grade, solution = given.get("grade") is True, given.get("solution") is True
        if grade or solution:
            name = given["grade_id"]
            cell.metadata["nbgrader"] = {
                **{"grade": grade, "grade_id": name, "locked": not solution, "schema_version": SCHEMA},
                **{"solution": solution, "task": False},
                **({"points": given["points"]} if grade else {}),
            }
            if solution:
                cell.metadata["fathom"] = {"parts": parts_of.get(name, {})}
        if grade and RAISES not in tags:
            tags.append(RAISES)
        if tags:
            cell.metadata["tags"] = tags
    notebook.metadata.clear()
    notebook.metadata.update({"kernelspec": dict(KERNEL), "language_info": {"name": "python"}})
    return notebook


def _parts_by_cell(exercise: Lesson, cells: Iterable[Any]) -> dict[str, dict[str, list[str]]]:
    """For each solution cell its parts, each with the stubs of it that stand there: what a reset gives back."""
    part_of = {stub: part.name for part in exercise.parts for stub in part.stubs}
    found: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if name is None or cell.cell_type != "code":
            continue
        for stub, _ in stubs_in(cell.source):
            stubs = found.setdefault(name, {}).setdefault(part_of[stub], [])
            if stub not in stubs:
                stubs.append(stub)
    return found


def _finished(exercise: Lesson, notebook: Any) -> dict[str, Any]:
    """Plain JSON data with derived ids, a hash of every cell, and a version of the whole."""
    document: dict[str, Any] = json.loads(json.dumps(notebook))
    document.update(nbformat=4, nbformat_minor=5)
    for cell, name in zip(document["cells"], cell_ids(document["cells"]), strict=True):
        cell["id"] = name
        cell["metadata"].setdefault("fathom", {}).update(cell=name, source=source_hash(cell["source"]))
    content = json.dumps(document, sort_keys=True)
    document["metadata"]["fathom"] = {"exercise": exercise.name, "version": source_hash(content)}
    return document


def cell_ids(cells: Iterable[Mapping[str, Any]]) -> list[str]:
    """An id for every cell that stays while the text around it changes: the grade_id, else heading and ordinal."""
    cells = list(cells)
    taken = {name for cell in cells if (name := grade_id(cell["metadata"]))}
    ordinals: dict[str, int] = {}
    heading = "start"
    ids = []
    for cell in cells:
        match = _HEADING.search(cell["source"]) if cell["cell_type"] == "markdown" else None
        heading = slug(match[1]) if match else heading
        name = grade_id(cell["metadata"])
        while name is None:
            ordinals[heading] = ordinals.get(heading, 0) + 1
            candidate = f"{heading}-{ordinals[heading]}"
            name = candidate if candidate not in taken else None
        ids.append(name)
    return ids


def slug(heading: str) -> str:
    """A heading as part of an id: lower-case ASCII letters and digits, joined by hyphens."""
    plain = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[: ID_LENGTH - 8].strip("-") or "cell"
