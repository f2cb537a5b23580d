"""The files of practice/: a notebook or a script with the few cells of a lesson that a drill or a review is about.

The folder is seen (JupyterLab opens nothing in hidden ones) and ignored by git; every run has a file of its own, and none
is ever written over or removed. Grading puts the cells into the reference, so the lesson's own notebook stays out of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from autograder.curriculum import Exercise
from autograder.notebook import Cell, Unreadable, read, write_atomic
from autograder.notebook.blank import stubs_in
from autograder.notebook.build import KERNEL, SCHEMA
from autograder.notebook.files import dumps
from autograder.notebook.regions import BEGIN, END, cleared
from autograder.notebook.stubs import exchanged

FOLDER = Path("practice")
SETUP = "from autograder.practice import given"


@dataclass(frozen=True)
class Sheet:
    """What a file of practice/ holds: prose, perhaps a picture, and cells by their grade_id."""

    exercise: str
    run: str
    prose: str
    cells: Mapping[str, str]
    picture: bytes | None = None

    @property
    def setup(self) -> str:
        """The cell that makes the others run."""
        return f'{SETUP}\n\ngiven("{self.exercise}", globals())  # the rest of the lesson, as the reference has it'


def blank_cells(exercise: Exercise, part: str) -> dict[str, str]:
    """The lesson's cells with the stubs of one part blank again, and the reference everywhere else."""
    wanted = exercise.part(part).stubs
    found = {}
    for cell in read(exercise.source):
        names = [name for name, _ in stubs_in(cell.source)] if cell.kind == "code" and cell.grade_id else []
        mine = [name for name in wanted if name in names]
        if mine and cell.grade_id:
            blank = cleared(cell.source)
            others = set(names) - set(mine)
            found[cell.grade_id] = shown((exchanged(cell.source, blank, mine) if others else None) or blank)
    return found


def shown(source: str) -> str:
    """A cell without the lines that mark solutions."""
    return "\n".join(line for line in source.split("\n") if BEGIN not in line and END not in line)


def write(root: Path, name: str, sheet: Sheet) -> Path:
    """Write a sheet as practice/NAME, a notebook or a script by its ending; OSError where the disk refuses."""
    path = root / FOLDER / name
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        raise FileExistsError(f"{path} is there already")
    if path.suffix == ".py":
        if sheet.picture is not None:
            path.with_suffix(".png").write_bytes(sheet.picture)
        write_atomic(path, script(sheet, path.with_suffix(".png").name))
    else:
        write_atomic(path, dumps(notebook(sheet)))
    return path


def notebook(sheet: Sheet) -> dict[str, Any]:
    """A sheet as nbformat 4.5."""
    prose: dict[str, Any] = {"cell_type": "markdown", "id": "task", "metadata": {}, "source": sheet.prose}
    if sheet.picture is not None:
        prose["source"] += "\n\n![what came beside what should have come](attachment:symptoms.png)"
        prose["attachments"] = {"symptoms.png": {"image/png": base64.b64encode(sheet.picture).decode()}}
    cells = [prose, code("given", sheet.setup)]
    cells += [code(name, source, marks(name)) for name, source in sheet.cells.items()]
    cells.append(code("scratch", "# Room to try things; nothing here is graded.\n"))
    about = {"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}
    about["fathom"] = {"exercise": sheet.exercise, "run": sheet.run}
    return {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def code(name: str, source: str, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A code cell that has not run."""
    return {
        "cell_type": "code",
        "id": name,
        "metadata": dict(metadata or {}),
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def marks(name: str) -> dict[str, Any]:
    """nbgrader's metadata of a cell that somebody writes in."""
    block = {"grade": False, "grade_id": name, "locked": False, "schema_version": SCHEMA, "solution": True}
    return {"nbgrader": {**block, "task": False}}


def script(sheet: Sheet, picture: str) -> str:
    """A sheet as a percent script."""
    prose = sheet.prose + (f"\n\nThe picture is in {picture}." if sheet.picture is not None else "")
    blocks = ["# %% [markdown]\n" + "\n".join(f"# {line}".rstrip() for line in prose.split("\n"))]
    blocks.append(f"# %%\n{sheet.setup}")
    for name, source in sheet.cells.items():
        blocks.append(f"# %% nbgrader={json.dumps({'grade_id': name, 'solution': True})}\n{source}")
    return "\n\n".join(blocks) + "\n"


def submission(exercise: Exercise, path: Path, needed: Sequence[str]) -> tuple[Cell, ...]:
    """The reference with the cells of a file in the place of its own, and the file's other cells below.

    Raises Unreadable where the file cannot be read or no longer holds a cell that is needed.
    """
    mine = [cell for cell in read(path) if cell.kind == "code"]
    written = {cell.grade_id: cell for cell in mine if cell.grade_id}
    missing = [name for name in needed if name not in written]
    if missing:
        raise Unreadable(f"{path} no longer holds the cell {missing[0]}: undo that, or start anew with --new.")
    theirs = read(exercise.source)
    cells = [
        replace(cell, source=written[cell.grade_id].source) if cell.grade_id in written else cell for cell in theirs
    ]
    extra = [cell for cell in mine if cell.grade_id is None and not cell.source.lstrip().startswith(SETUP)]
    return (*cells, *(replace(cell, index=len(cells) + number) for number, cell in enumerate(extra)))
