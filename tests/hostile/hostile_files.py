"""Hostile files: what is wrong with them is not the code in them but what they are, how large, and what they are called."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

BROKEN = "could not be read"
# Student → whether the file is refused as a whole; the others are read, and earn nothing.
REFUSED = {
    "huge-notebook": True,
    "ten-thousand-cells": True,
    "deep-json": True,
    "not-json": True,
    "empty": True,
    "binary": True,
    "link-to-the-solution": True,
    "hostile-metadata": False,
    "claims-points": False,
    "deep-expression": False,
    "null-bytes": False,
    "long-line": False,
    "<script>alert(1)<script>": False,
    "=HYPERLINK(1)": False,
    ";\x1b[31mred\n# pwned": False,
    "x" * 200: False,
}
STUB = "class Tally:\n    def add(self, x): return 0\ndef running(values): return 0\ndef halvings(n): return -1\n"


def write(folder: Path, root: Path) -> None:
    """Write them all below a folder, each for a student of its own."""
    for student in REFUSED:
        (folder / student).mkdir()
    notebook(folder / "huge-notebook", [code(STUB)])
    with (folder / "huge-notebook" / "tally.ipynb").open("ab") as file:
        file.truncate(200 * 10**6)
    notebook(folder / "ten-thousand-cells", [code(f"x{n} = {n}") for n in range(10_000)])
    (folder / "deep-json" / "tally.ipynb").write_text("[" * 10**6 + "]" * 10**6)
    (folder / "not-json" / "tally.ipynb").write_text("{")
    (folder / "empty" / "tally.ipynb").write_text("")
    (folder / "binary" / "tally.ipynb").write_bytes(bytes(range(256)) * 100)
    (folder / "link-to-the-solution" / "tally.py").symlink_to(root / "solutions/phase1_foundations/tally/exercise.py")
    (folder / "link-to-a-neighbour").symlink_to(folder / "honest-reference")
    os.mkfifo(folder / "empty" / "tally_pipe.ipynb")
    names = ["../../../../tmp/pwned", "a\x00b", "x" * 10**5, {"a": []}, ["b"], None, 7, "check-add"]
    cells = [code(STUB, {"nbgrader": {"grade_id": name, "grade": True, "points": 10**9}}) for name in names]
    notebook(
        folder / "hostile-metadata", [*cells, code(STUB, ["not", "a", "mapping"]), {"cell_type": 3, "source": STUB}]
    )
    claims = {
        "nbgrader": {"grade": True, "points": 1000, "grade_id": "check-running", "locked": False, "schema_version": 99}
    }
    notebook(folder / "claims-points", [code(STUB), code("print(1)", claims), code('check("running")', claims)])
    script(folder / "deep-expression", STUB + "\n\n# %%\ndef mean(self): return " + "(" * 5000 + "1" + ")" * 5000)
    script(folder / "null-bytes", STUB + "\n\n# %%\nx = '\x00'\n")
    script(folder / "long-line", STUB + f"\nDATA = '{'x' * 10**7}'\n")
    for student in list(REFUSED)[-4:]:
        script(folder / student, STUB)


def code(source: str, metadata: Any = None) -> dict[str, Any]:
    """A code cell."""
    return {"cell_type": "code", "source": source, "metadata": metadata or {}, "outputs": [], "execution_count": None}


def notebook(folder: Path, cells: list[dict[str, Any]]) -> None:
    """Write a notebook."""
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (folder / "tally.ipynb").write_text(json.dumps(document))


def script(folder: Path, source: str) -> None:
    """Write a plain script."""
    (folder / "tally.py").write_text(source)
