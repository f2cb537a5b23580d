"""Find the submissions of a class, however they lie: in nbgrader's tree, in a folder a student, or as files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.curriculum import Exercise

SUFFIXES = (".ipynb", ".py")
DEPTH = 4  # folders below the one that was given
SUBMITTED = "submitted"  # where nbgrader collects: submitted/<student>/<assignment>/<notebook>
LINK = "is a symbolic link, and what it leads to is somebody else's: hand in the file itself"


@dataclass(frozen=True)
class Handed:
    """One submission: whose, for which exercise, where; with the reason where it is refused unread."""

    student: str
    exercise: Exercise
    path: Path
    refused: str | None = None


@dataclass(frozen=True)
class Collected:
    """The submissions of a folder in a fixed order, and a sentence for each file that belongs to no exercise."""

    handed: tuple[Handed, ...]
    passed_over: tuple[str, ...]


def collect(folder: Path, known: Sequence[Exercise], wanted: Sequence[Exercise]) -> Collected:
    """Every submission for the wanted exercises in a folder; links are never followed. OSError: no such folder.

    A file belongs to the known exercise that it or its folder is named after, else to the only one that is wanted.
    """
    base = folder / SUBMITTED if (folder / SUBMITTED).is_dir() else folder
    found: list[Handed] = []
    strays: list[str] = []
    for path, kind in _walk(base, DEPTH):
        within = path.relative_to(base)
        exercise = _exercise_of(within, known) or (wanted[0] if len(wanted) == 1 else None)
        if exercise is None:
            strays.append(f"{path} names no exercise in its file name or folder; name one with --exercise")
            continue
        if exercise not in wanted:
            continue
        refused = LINK if kind == "link" else None
        found.append(Handed(_student_of(within, exercise), exercise, path, refused))
    return Collected(tuple(_without_copies(found)), tuple(strays))


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, str]]:
    """Files and links that could be submissions, sorted by name; hidden ones are passed over."""
    with os.scandir(folder) as listing:
        entries = sorted(listing, key=lambda entry: entry.name)
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_symlink():
            if path.suffix in SUFFIXES or entry.is_dir():
                yield path, "link"
        elif entry.is_dir(follow_symlinks=False):
            if depth:
                yield from _walk(path, depth - 1)
        elif path.suffix in SUFFIXES and stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            yield path, "file"


def _exercise_of(within: Path, exercises: Sequence[Exercise]) -> Exercise | None:
    """The exercise that a file's name carries, else that of the nearest folder."""
    for word in (within.stem, *reversed(within.parts[:-1])):
        named = [exercise for exercise in exercises if exercise.name in word]
        if named:
            return max(named, key=lambda exercise: len(exercise.name))
    return None


def _student_of(within: Path, exercise: Exercise) -> str:
    """The outermost folder's name; of a lone file its name without the exercise's."""
    if len(within.parts) > 1:
        return within.parts[0]
    name = re.sub(rf"(\d+_)?{re.escape(exercise.name)}", "", within.stem).strip("_- .")
    return name or within.stem


def _without_copies(found: Sequence[Handed]) -> Iterator[Handed]:
    """Of several files of one student for one exercise, those that carry its name, or the one named as it was given."""
    groups: dict[tuple[str, str, bool], list[Handed]] = {}
    for one in found:
        groups.setdefault((one.student, one.exercise.name, len(one.path.parts) > 1), []).append(one)
    for group in groups.values():
        exercise = group[0].exercise
        original = [one for one in group if one.path.name == exercise.notebook.name]
        named = [one for one in group if exercise.name in one.path.stem]
        yield from original or named or group
