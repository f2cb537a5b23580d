"""Notebooks on disk: written whole or not at all, and never over somebody's work without a copy of it."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from autograder.notebook.build import Lesson, build
from autograder.notebook.cells import Unreadable, load, text
from autograder.notebook.merge import Json, update
from autograder.notebook.stubs import reset

BACKUPS = Path(".fathom", "backups")
_ATTEMPTS = 3  # how often to start again when somebody else saves in between


class Published(Lesson, Protocol):
    """A lesson that knows where its notebook lies."""

    @property
    def notebook(self) -> Path: ...


def publish(exercise: Published) -> str:
    """Write an exercise's notebook, or bring the one that is there up to date; returns what was done."""
    return _bring(exercise, build(exercise), "is what the build makes")


def bring_up_to_date(exercise: Published) -> str:
    """Bring the lesson's new prose and checks into the learner's notebook; returns what was done. Raises Unreadable."""
    return _bring(exercise, build(exercise), "is up to date")


def give_back(exercise: Published, part: str | None = None) -> str:
    """Give back the stubs of one part, or of all; returns what was done. Raises Unreadable and LookupError."""
    fresh = build(exercise)
    changes, kept = change(exercise.notebook, lambda mine: reset(mine, fresh, part))
    what = f"part {part}" if part else "the notebook"
    if not changes:
        return f"{exercise.notebook}: {what} is blank already."
    return f"{exercise.notebook}: {'; '.join(changes)}. What was there before is in {kept}."


def _bring(exercise: Published, fresh: Json, settled: str) -> str:
    place = exercise.notebook
    if not os.path.lexists(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(place, dumps(fresh))
        return f"{place} is written."
    changes, kept = change(place, lambda mine: update(mine, fresh))
    if not changes:
        return f"{place} {settled}."
    return f"{place}: {'; '.join(changes)}. The notebook as it was is in {kept}."


def change(path: Path, edit: Callable[[Json], tuple[Json, list[str]]]) -> tuple[list[str], Path | None]:
    """Apply an edit to a notebook on disk, after a backup; returns what changed and the backup.

    Raises Unreadable, and then the file stays as it is, for one that cannot be read or that is being saved meanwhile.
    """
    for _ in range(_ATTEMPTS):
        before = _stamp(path)
        result, changes = edit(load(path))
        if not changes:
            return [], None
        kept = backup(path)
        if _stamp(path) == before:
            write_atomic(path, dumps(result))
            return changes, kept
    raise Unreadable(
        f"{path} was not changed, because another program keeps saving it: close it there, then try again."
    )


def backup(path: Path) -> Path:
    """Copy a file to a new name with the time in it, under .fathom/backups of its repository; returns the copy."""
    path = Path(os.path.abspath(path))
    root = _home(path)
    folder = root / BACKUPS / path.parent.relative_to(root)
    folder.mkdir(parents=True, exist_ok=True)
    content = path.read_bytes()
    moment = datetime.now().strftime("%Y-%m-%dT%H-%M-%S-%f")
    number = 1
    while True:
        target = folder / f"{path.stem}.{moment}{f'-{number}' if number > 1 else ''}{path.suffix}"
        try:
            with target.open("xb") as file:  # never over an earlier copy
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            return target
        except FileExistsError:
            number += 1


def write_atomic(path: Path, content: str) -> None:
    """Write a text file so that a reader, a crash or a full disk sees the old text or the new, never half of one."""
    path = Path(os.path.realpath(path))  # through a link, so that the link stays
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}.tmp")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    with contextlib.suppress(OSError):  # not every system can sync a folder
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def dumps(notebook: Json) -> str:
    """A notebook as Jupyter saves it: sources as lists of lines, keys sorted, indented by one."""
    document = copy.copy(notebook)
    document["cells"] = [_on_disk(cell) for cell in notebook["cells"]]
    options: dict[str, Any] = {"indent": 1, "sort_keys": True, "separators": (",", ": ")}
    content = json.dumps(document, ensure_ascii=False, **options)
    try:
        content.encode("utf-8")
    except UnicodeEncodeError:  # half a character, which only an escape can hold
        content = json.dumps(document, **options)
    return content + "\n"


def _on_disk(cell: Json) -> Json:
    source = text(cell.get("source"))
    return {**cell, "source": source.splitlines(keepends=True)} if source is not None else cell


def _home(path: Path) -> Path:
    """The nearest folder above a file that is a Fathom repository, else the file's own folder."""
    for folder in path.parents:
        if (folder / "autograder" / "checks").is_dir() or (folder / BACKUPS.parts[0]).is_dir():
            return folder
    return path.parent


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
