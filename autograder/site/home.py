"""The home page: what is written by hand, with the numbers, a few bugs and the map where it asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autograder.bugs.catalogue import Bug, Catalogue
from autograder.curriculum import Curriculum, Exercise
from autograder.site.gallery import told
from autograder.site.lesson import place
from autograder.site.markdown import box, strip
from autograder.site.overview import course_map

SHOWN = 3  # bugs on the home page


def page(template: str, course: Curriculum, catalogues: Mapping[str, Catalogue]) -> str:
    """The home page; every `<!-- fathom:name -->` of the template is filled in."""
    fills = {
        "numbers": numbers(course, catalogues),
        "bugs": "\n\n".join(bugs(course, catalogues)),
        "map": box("map", course_map(course, lambda exercise: place(exercise).as_posix())),
    }
    for name, text in fills.items():
        template = template.replace(f"<!-- fathom:{name} -->", text)
    return template


def numbers(course: Curriculum, catalogues: Mapping[str, Catalogue]) -> str:
    """How much there is, counted."""
    parts = sum(len(exercise.parts) for exercise in course.exercises)
    known = sum(len(catalogue.bugs) for catalogue in catalogues.values())
    exercises = len(course.exercises)
    words = [
        _count(exercises, "exercise"),
        _count(parts, "graded part"),
        f"{_count(known, 'bug')} the grader knows by name",
    ]
    return strip("facts", words)


def bugs(course: Curriculum, catalogues: Mapping[str, Catalogue]) -> Iterator[str]:
    """A few bugs without their changes, of exercises and parts as different as there are."""
    chosen = sorted(_choices(course, catalogues), key=lambda found: found[0])[:SHOWN]
    cards = [told(exercise, bug, f"{place(exercise).as_posix()}#gallery-of-bugs") for _, exercise, bug in chosen]
    if cards:
        yield box("gallery", "\n\n".join(cards))


def _choices(
    course: Curriculum, catalogues: Mapping[str, Catalogue]
) -> Iterator[tuple[tuple[int, int], Exercise, Bug]]:
    """Each part's first bug that runs without an error, ranked: one of every exercise before a second of any."""
    for exercise in course.exercises:
        found: dict[str, Bug] = {}
        for bug in catalogues[exercise.name].bugs:
            if not bug.effect:
                found.setdefault(bug.part, bug)
        for rank, bug in enumerate(found.values()):
            yield (rank, exercise.number), exercise, bug


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number:,} {what}s"
