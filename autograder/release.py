"""The repository for a class: everything but the solutions, with one data file an exercise in their place.

The file holds the lesson with its stubs, the parts with their hints, the catalogue without what would write or undo a
bug, and what each bug makes every check see, without the values that were right.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from autograder import curriculum
from autograder.bugs.catalogue import Bug, catalogue
from autograder.bugs.signatures import RELEASED, Signatures, everything, pack, signatures
from autograder.curriculum import LESSONS, Curriculum, Exercise
from autograder.judge.session import Judge, with_judge
from autograder.notebook import publish
from autograder.notebook.regions import STUB, regions

ROOT_FILES = ("pyproject.toml", "constraints.txt", "Makefile", "README.md", "LICENSE", ".gitignore")
FOLDERS = ("autograder", "scripts")
CACHES = ("__pycache__", ".*", "*.pyc", "*.egg-info")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same course gives the same bytes
Progress = Callable[[int, int], None]


class NotReleased(RuntimeError):
    """The release could not be made; the sentence says why."""


def release(course: Curriculum, target: Path, tick: Progress = lambda done, total: None) -> list[str]:
    """Write the repository for a class into a folder of its own; returns the exercises in it.

    Raises NotReleased where the folder is taken, where this is a release itself, or where a solution would travel.
    """
    if any(exercise.released for exercise in course.exercises):
        raise NotReleased(f"{course.root} is a release itself: make it where the solutions are")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise NotReleased(f"{target} is there already: name a new folder, or remove it first")

    def body(judge: Judge) -> dict[str, bytes]:
        files = {}
        for number, exercise in enumerate(course.exercises):
            tick(number, len(course.exercises))
            files[exercise.name] = data_file(exercise, signatures(judge, exercise, everything(exercise)))
        return files

    files = with_judge(course, course.exercises, body)
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        write(course, draft, files)
        leaks = list(spoilers(course, draft))
        if leaks:
            raise NotReleased(f"a solution would travel: {'; '.join(leaks)}")
        if target.exists():
            target.rmdir()
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return list(files)


def write(course: Curriculum, root: Path, files: Mapping[str, bytes]) -> None:
    """Copy what a class gets, and write the lessons and their blank notebooks."""
    notebooks = {exercise.notebook for exercise in course.exercises}
    unwanted = shutil.ignore_patterns(*CACHES)
    root.mkdir(parents=True)
    for name in ROOT_FILES:
        if (course.root / name).is_file():
            shutil.copy2(course.root / name, root / name)
    for name in (*FOLDERS, *(phase.name for phase in course.phases)):

        def ignore(folder: str, names: Sequence[str]) -> set[str]:
            own = {name for name in names if Path(folder, name) in notebooks}
            return own | set(unwanted(folder, list(names)))

        if (course.root / name).is_dir():
            shutil.copytree(course.root / name, root / name, ignore=ignore)
    (root / "progress_log").mkdir(exist_ok=True)
    for exercise in course.exercises:
        place = root / LESSONS / exercise.phase / f"{exercise.name}.zip"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(files[exercise.name])
    for exercise in curriculum.load(root).exercises:
        publish(exercise)


def data_file(exercise: Exercise, found: Signatures) -> bytes:
    """One exercise as a class gets it: a zip of texts, and of what diagnosis compares with."""
    texts = {
        "exercise.py": blanked(exercise.source.read_text(encoding="utf-8")).encode(),
        "parts.toml": (exercise.folder / "parts.toml").read_bytes(),
        "bugs.toml": "\n".join(entry(bug) for bug in catalogue(exercise).bugs).encode(),
        RELEASED: pack(found),
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in texts.items():
            archive.writestr(zipfile.ZipInfo(f"{exercise.name}/{name}", EPOCH), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def blanked(lesson: str) -> str:
    """A lesson with the stub inside every solution region; the delimiters stay, for they say what belongs to a part."""
    lines = lesson.split("\n")
    for region in reversed(regions(lesson)):
        indent = re.match(r"\s*", lines[region.first - 1])
        space = indent[0] if indent else ""
        lines[region.first : region.last - 1] = [space + line for line in STUB.split("\n")]
    return "\n".join(lines)


def entry(bug: Bug) -> str:
    """A bug's row without the change that makes it."""
    lines = ["[[bug]]"]
    for key, value in asdict(replace(bug, find="", replace="")).items():
        if key != "also":
            lines.append(f"{key} = {quoted(value)}")
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A TOML string."""
    escaped = "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text)
    return f'"{escaped}"'


def spoilers(course: Curriculum, root: Path) -> Iterator[str]:
    """Sentences about files of a release that hold a solution, or the change that makes a bug."""
    secrets = [(exercise.name, text) for exercise in course.exercises for text in solutions(exercise)]
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        for name, text in contents(file):
            for exercise, secret in secrets:
                if secret in text:
                    yield f"{name} holds a solution of {exercise}"


def solutions(exercise: Exercise) -> Iterator[str]:
    """The text of each solution region of three lines or more, which nothing else holds by chance."""
    source = exercise.source.read_text(encoding="utf-8")
    lines = source.split("\n")
    for region in regions(source):
        if region.last - region.first > 3:
            yield "\n".join(lines[region.first : region.last - 1])


def contents(file: Path) -> Iterator[tuple[str, str]]:
    """The texts in a file, those in an archive or a notebook too, with their names."""
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                yield f"{file.name}/{name}", archive.read(name).decode(errors="replace")
    else:
        text = file.read_text(encoding="utf-8", errors="replace")
        yield str(file), text.replace("\\n", "\n") if file.suffix == ".ipynb" else text
