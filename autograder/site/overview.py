"""The map of the curriculum as tables, for the site and for the README; generated, so never out of step."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from autograder.curriculum import Curriculum, Exercise, Phase
from autograder.site.markdown import cell_text

BEGIN, END = "<!-- map:begin -->", "<!-- map:end -->"

Link = Callable[[Exercise], str]

_MARKED = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
_HEAD = ("#", "exercise", "the question", "hours", "track", "week", "points", "needs")
_RULE = ("--:", "---", "---", "--:", "---", "--:", "--:", "---")


class NoMarkers(Exception):
    """A README without the two lines that the map goes between."""


def course_map(course: Curriculum, link: Link) -> str:
    """A table for every phase that has exercises, and the hours of the whole."""
    phases = [phase for phase in course.phases if phase.exercises]
    tables = [f"**{heading(phase)}**\n\n{_table(course, phase, link)}" for phase in phases]
    return "\n\n".join([*tables, hours(course)])


def heading(phase: Phase) -> str:
    """`Phase 1 · Foundations`."""
    number = re.match(r"phase(\d+)", phase.name)
    return f"Phase {number[1]} · {phase.title}" if number else phase.title


def hours(course: Curriculum) -> str:
    """How long all of it takes, and the core path alone."""
    every = sum(exercise.hours for exercise in course.exercises)
    core = sum(exercise.hours for exercise in course.exercises if exercise.track == "core")
    count = len(course.exercises)
    return (
        f"{count} {'exercise' if count == 1 else 'exercises'}, {every:g} hours; the core path takes {core:g} of them."
    )


def readme_map(course: Curriculum) -> str:
    """The map with links to the learner's notebooks, as the README has it."""
    return course_map(course, lambda exercise: f"{exercise.phase}/{exercise.notebook.name}")


def refreshed(readme: str, course: Curriculum) -> str:
    """The README's text with the map as it is now between its markers; raises NoMarkers."""
    if not _MARKED.search(readme):
        raise NoMarkers(f"The README has no place for the map: put the lines {BEGIN} and {END} where it belongs.")
    return _MARKED.sub(lambda _: f"{BEGIN}\n\n{readme_map(course)}\n\n{END}", readme, count=1)


def refresh_readme(course: Curriculum) -> bool:
    """Bring the map in the repository's README, if it has one, up to date; whether anything changed. Raises NoMarkers."""
    path: Path = course.root / "README.md"
    if not path.exists():
        return False
    before = path.read_text(encoding="utf-8")
    after = refreshed(before, course)
    if after != before:
        path.write_text(after, encoding="utf-8")
    return after != before


def _table(course: Curriculum, phase: Phase, link: Link) -> str:
    rows = [_HEAD, _RULE, *(_row(course, exercise, link) for exercise in phase.exercises)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(course: Curriculum, exercise: Exercise, link: Link) -> tuple[str, ...]:
    needs = ", ".join(str(number) for number in sorted(course.exercise(name).number for name in exercise.needs))
    return (
        str(exercise.number),
        f"[{cell_text(exercise.title)}]({link(exercise)})",
        cell_text(exercise.question),
        f"{exercise.hours:g}",
        exercise.track,
        str(exercise.week),
        str(exercise.points),
        needs or "–",
    )
