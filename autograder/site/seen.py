"""What each bug makes the checks see, as a figure: run once per content, kept, and shown in the gallery."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from autograder.bugs.catalogue import catalogue, mutated
from autograder.bugs.signatures import digest, preloads
from autograder.curriculum import Curriculum, Exercise

if TYPE_CHECKING:
    from autograder.judge.session import Judge

Progress = Callable[[str], None]

KEPT = Path(".fathom", "site", "seen")
DRAWS = ("practice/symptoms.py", "render/symptoms.py", "render/colours.py")  # how a figure looks


def figures(course: Curriculum, progress: Progress) -> dict[str, Mapping[str, bytes]]:
    """PNGs by exercise and bug; a bug whose symptoms hold no number has none. Raises JudgeError."""
    exercises = [exercise for exercise in course.exercises if exercise.checks.is_file() and not exercise.released]
    places = {exercise: folder(course, exercise) for exercise in exercises}
    missing = {exercise: place for exercise, place in places.items() if not place.is_dir()}
    if missing:
        run(course, missing, progress)
    return {exercise.name: kept(place) for exercise, place in places.items()}


def folder(course: Curriculum, exercise: Exercise) -> Path:
    """Where the figures of an exercise are kept, by all that they depend on."""
    package = Path(__file__).resolve().parents[1]
    state = hashlib.sha256(digest(exercise, course).encode())
    for name in DRAWS:
        state.update((package / name).read_bytes())
    return course.root / KEPT / f"{exercise.name}-{state.hexdigest()[:16]}"


def kept(place: Path) -> dict[str, bytes]:
    """The figures in a folder by their bugs."""
    return {path.stem: path.read_bytes() for path in sorted(place.glob("*.png"))}


def run(course: Curriculum, places: Mapping[Exercise, Path], progress: Progress) -> None:
    """Grade every bug in its own part, and draw what the failing checks got beside what they wanted."""
    from autograder.judge.session import with_judge

    def body(judge: Judge) -> None:
        for exercise, place in places.items():
            progress(f"meeting every bug of {exercise.name}")
            keep(place, dict(drawn(judge, exercise)))

    with_judge(course, list(places), body, preloads(course, places))


def drawn(judge: Judge, exercise: Exercise) -> Iterator[tuple[str, bytes]]:
    """The figures of an exercise's bugs, as they are ready."""
    from autograder.judge.examine import Request
    from autograder.practice.symptoms import symptoms
    from autograder.render.symptoms import symptoms_png

    bugs = catalogue(exercise).bugs
    requests = [Request(exercise, bug.id, mutated(exercise, bug), (bug.part,)) for bug in bugs]
    for index, graded in judge.grade(requests):
        picture = symptoms_png(symptoms(graded.report))
        if picture is not None:
            yield bugs[index].id, picture


def keep(place: Path, found: Mapping[str, bytes]) -> None:
    """Write the figures, whole or not at all, and drop those of older versions."""
    draft = place.with_name(f"{place.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for bug, picture in found.items():
        (draft / f"{bug}.png").write_bytes(picture)
    name = place.name.rpartition("-")[0]
    for old in place.parent.glob(f"{name}-*"):
        if old != draft and old.name.rpartition("-")[0] == name:
            shutil.rmtree(old, ignore_errors=True)
    draft.replace(place)
