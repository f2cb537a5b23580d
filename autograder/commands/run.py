"""`fathom run EXERCISE …`: the program beside an exercise's notebook."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from autograder.commands.course import chosen, fail, load


def run(words: Sequence[str]) -> int:
    """Replace this process by the exercise's program, with the words after the exercise's name as its own."""
    course = load()
    programs = {exercise.name: place for exercise in course.exercises if (place := program(exercise.notebook))}
    listing = "\n".join(f"  fathom run {name} …" for name in programs) or "  (none yet)"
    if not words or words[0] in ("-h", "--help"):
        print("Usage: fathom run EXERCISE [OPTIONS]…\n\nThe program of an exercise, on your own code where it passes.")
        print(f"`fathom run EXERCISE --help` lists its options.\n\n{listing}")
        return 0 if words else 2
    (exercise,) = chosen(course, words[:1])
    if exercise.name not in programs:
        fail(f"{exercise.name} has no program; those that have one:\n{listing}")
    environment = {**os.environ, "FATHOM_ROOT": str(course.root)}
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, str(programs[exercise.name]), *words[1:]], environment)


def program(notebook: Path) -> Path | None:
    """The program beside a notebook: `train_gpt.py` beside `16_train_gpt.ipynb`."""
    place = notebook.with_name(notebook.stem.split("_", 1)[1] + ".py")
    return place if place.exists() else None
