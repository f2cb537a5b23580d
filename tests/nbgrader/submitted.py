"""Notebooks as learners hand them in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from autograder.curriculum import Exercise
from autograder.notebook.build import build, solved


def answered(exercise: Exercise, answers: dict[str, str] | None = None, right: bool = True) -> dict[str, Any]:
    """The learner's notebook: right answers or blank stubs, and other ones for some of its cells."""
    made = build(exercise)
    texts = {cell["id"]: cell["source"] for cell in solved(exercise)["cells"]} if right else {}
    for cell in made["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = (answers or {}).get(cell["id"], texts.get(cell["id"], cell["source"]))
    return made


def save(notebook: dict[str, Any], place: Path) -> Path:
    """Write a notebook."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(notebook), encoding="utf-8")
    return place
