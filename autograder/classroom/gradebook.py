"""Write points into an nbgrader gradebook, so that formgrader shows what `fathom grade` found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.classroom.grading import Result
from autograder.curriculum import Curriculum, Exercise
from autograder.lesson import part_of_check
from autograder.notebook import percent


def write(place: str, course: Curriculum, results: Sequence[Result]) -> Iterator[str]:
    """Write every result's points; yields a sentence for each result that the gradebook has no place for.

    `place` is the database's file or its URL. The assignment must have been generated: its check cells are known then.
    """
    from nbgrader.api import Gradebook, MissingEntry  # type: ignore[import-untyped]

    url = place if "://" in place else f"sqlite:///{Path(place).resolve()}"
    with Gradebook(url) as book:
        for result in results:
            if result.report.error is not None:
                yield f"{result.student}: not written into the gradebook, for it could not be graded"
                continue
            try:
                _write_one(book, course.exercise(result.report.exercise), result)
            except MissingEntry as error:
                yield f"{result.student}: not in the gradebook ({error}); run `nbgrader generate_assignment` first"


def _write_one(book: Any, exercise: Exercise, result: Result) -> None:
    """Write the points of one submission; MissingEntry where the gradebook does not know its assignment."""
    path = Path(result.report.path)
    assignment, notebook = path.parent.name, path.stem
    cells = check_cells(exercise)
    for name in cells.values():
        book.find_grade_cell(name, notebook, assignment)  # before a student is created for nothing
    book.update_or_create_student(result.student)
    book.update_or_create_submission(assignment, result.student)
    for part in result.report.parts:
        grade = book.find_grade(cells[part.part], notebook, assignment, result.student)
        grade.auto_score = float(part.points)
        grade.needs_manual_grade = grade.manual_score is not None
    book.db.commit()


def check_cells(exercise: Exercise) -> dict[str, str]:
    """The grade_id of each part's check cell."""
    cells = percent.cells(exercise.source.read_text(encoding="utf-8"))
    found = {part_of_check(cell): cell.grade_id for cell in cells if cell.kind == "code"}
    return {part: name for part, name in found.items() if part is not None and name is not None}
