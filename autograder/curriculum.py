"""The curriculum: phases, exercises and parts, read from the folders of solutions/ or from a release's data files."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import cast

from autograder import kept
from autograder.lesson import CurriculumError, Part

__all__ = ["Curriculum", "CurriculumError", "Exercise", "Part", "Phase", "UnknownExercise", "find_root", "load"]

CHECKS = Path("autograder", "checks")
LESSONS = "lessons"  # what a release has in the place of solutions
ROOT_VARIABLE = "FATHOM_ROOT"

_ACRONYMS = {"llm": "LLM"}


class UnknownExercise(LookupError):
    """No exercise has this name."""


@dataclass(frozen=True)
class Exercise:
    """One exercise: its front matter, and its parts, which are read when they are first asked for."""

    name: str
    phase: str
    number: int
    title: str
    question: str
    hours: float
    track: str
    week: int
    needs: tuple[str, ...]
    sources: tuple[str, ...]
    alone: tuple[str, ...]
    from_scratch: tuple[str, ...]
    root: Path
    folder: Path = field(repr=False, compare=False)  # where it is written; in a release, inside its one data file
    read_parts: Callable[[], tuple[Part, ...]] = field(repr=False, compare=False)

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The parts in the order of their check cells; raises CurriculumError."""
        return self.read_parts()

    @property
    def released(self) -> bool:
        """Whether this copy has the exercise without its solutions."""
        return not isinstance(self.folder, Path)

    @property
    def source(self) -> Path:
        """The lesson with its solutions."""
        return self.folder / "exercise.py"

    @property
    def checks(self) -> Path:
        """The file of its checks."""
        return self.root / CHECKS / self.phase / f"test_{self.name}.py"

    @property
    def notebook(self) -> Path:
        """The learner's notebook."""
        return self.root / self.phase / f"{self.number:02d}_{self.name}.ipynb"

    @property
    def points(self) -> int:
        """What all parts are worth together."""
        return sum(part.points for part in self.parts)

    def part(self, name: str) -> Part:
        """The part of this name; raises LookupError with the nearest one."""
        for part in self.parts:
            if part.name == name:
                return part
        names = [part.name for part in self.parts]
        raise LookupError(f"{self.name} has no part {name!r}{_nearest(name, names)}. Its parts: {', '.join(names)}.")

    def built_on(self, name: str) -> tuple[str, ...]:
        """A part and all that need it, directly or not, in the order of the lesson: where a bug of it can show."""
        found = {name}
        while further := {part.name for part in self.parts if not found.isdisjoint(part.needs)} - found:
            found |= further
        return tuple(part.name for part in self.parts if part.name in found)


@dataclass(frozen=True)
class Phase:
    """A phase, with its exercises in the order of their numbers."""

    name: str
    title: str
    exercises: tuple[Exercise, ...]


@dataclass(frozen=True)
class Curriculum:
    """All phases of one repository."""

    root: Path
    phases: tuple[Phase, ...]

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """Every exercise in the order of its number."""
        return tuple(sorted((e for phase in self.phases for e in phase.exercises), key=lambda e: e.number))

    def exercise(self, name: str | Path) -> Exercise:
        """Find an exercise by name, number, the beginning of its name, or the path of one of its files."""
        text = str(name).strip()
        for matches in (self._exactly(text), self._like(text)):
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise UnknownExercise(
                    f"{text!r} could be any of: {', '.join(e.name for e in matches)}. Write one of them."
                )
        names = [exercise.name for exercise in self.exercises]
        known = f"The exercises: {', '.join(names)}." if names else f"There are no exercises in {self.root}."
        raise UnknownExercise(f"There is no exercise {text!r:.200}{_nearest(text, names)}. {known}")

    def _exactly(self, text: str) -> list[Exercise]:
        if text.isdecimal() and text.isascii():
            return [e for e in self.exercises if text.lstrip("0") == str(e.number)]
        path = Path(text)
        for word in (text, path.stem, *reversed(path.parts)):
            names = {word, re.sub(r"^(\d+_|test_)", "", word)}
            found = [e for e in self.exercises if e.name in names]
            if found:
                return found
        return []

    def _like(self, text: str) -> list[Exercise]:
        wanted = re.sub(r"[\W_]+", "_", text.lower()).strip("_")
        if not wanted:
            return []
        begin = [e for e in self.exercises if e.name.startswith(wanted)]
        return begin or [e for e in self.exercises if f"_{wanted}" in e.name]


def find_root(start: Path | None = None) -> Path:
    """The repository to work in: $FATHOM_ROOT, else around `start` (the current folder), else the package's own.

    Raises CurriculumError where none of them is one.
    """
    chosen = os.environ.get(ROOT_VARIABLE)
    if chosen:
        root = Path(chosen).expanduser()
        if not (root / CHECKS).is_dir():
            raise CurriculumError(
                f"{ROOT_VARIABLE}={chosen}: there is no {CHECKS} in it. Correct the variable or unset it."
            )
        return root.resolve()
    for folder in (*_around(start), Path(__file__).resolve().parents[1]):
        if (folder / CHECKS).is_dir():
            return folder
    raise CurriculumError(f"No Fathom repository around {start or 'here'}. Change into one, or set {ROOT_VARIABLE}.")


def load(root: Path) -> Curriculum:
    """Read the front matter of all exercises; raises CurriculumError."""
    folders = _folders(root / "solutions") or _folders(root / LESSONS)
    curriculum = Curriculum(root, tuple(_phase(root, folder) for folder in folders if folder.name.startswith("phase")))
    numbers: dict[int, Exercise] = {}
    names: dict[str, Exercise] = {}
    for exercise in curriculum.exercises:
        other = numbers.setdefault(exercise.number, exercise)
        if other is not exercise:
            raise CurriculumError(
                f"{exercise.source}: number {exercise.number} is also that of {other.name}. Renumber one of them."
            )
        other = names.setdefault(exercise.name, exercise)
        if other is not exercise:
            raise CurriculumError(f"{exercise.folder}: {other.folder} has the same name. Rename one of them.")
    for exercise in curriculum.exercises:
        for need in exercise.needs:
            if need not in names or names[need].number >= exercise.number:
                raise CurriculumError(
                    f"{exercise.source}: it needs {need!r}, which is no earlier exercise"
                    f"{_nearest(need, list(names))}. Correct `needs`."
                )
    return curriculum


def _phase(root: Path, folder: Path) -> Phase:
    found = [_exercise(root, folder.name, child) for child in _folders(folder) if (child / "exercise.py").is_file()]
    found += [_exercise(root, folder.name, inside(file)) for file in sorted(folder.glob("*.zip"))]
    return Phase(folder.name, _title(folder.name), tuple(sorted(found, key=lambda exercise: exercise.number)))


def inside(file: Path) -> Path:
    """The folder in a released exercise's data file, which reads like any other."""
    import io
    import zipfile

    archive = zipfile.ZipFile(io.BytesIO(file.read_bytes()), "r")  # in memory: forks would share a file's position
    return cast(Path, zipfile.Path(archive, f"{file.stem}/"))


def _exercise(root: Path, phase: str, folder: Path) -> Exercise:
    file = folder / "exercise.py"
    return Exercise(
        name=folder.name,
        phase=phase,
        root=root,
        folder=folder,
        read_parts=partial(kept.parts, root, folder.name, file, folder / "parts.toml"),
        **kept.front_matter(root, folder.name, file),
    )


def _folders(folder: Path) -> list[Path]:
    try:
        children = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [child for child in children if child.is_dir() and not child.name.startswith((".", "_"))]


def _around(start: Path | None) -> Iterator[Path]:
    try:
        here = (start or Path.cwd()).resolve()
    except OSError:  # the current folder has been removed
        return
    yield here
    yield from here.parents


def _title(name: str) -> str:
    """`phase2_llm_projects` → "LLM projects"."""
    words = [_ACRONYMS.get(word, word) for word in name.split("_")[1:]] or [name]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _nearest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
