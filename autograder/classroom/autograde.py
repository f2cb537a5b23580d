"""nbgrader's `autograde`, made safe: nothing of a submission runs in a kernel, and the check cells get our verdicts.

`nbgrader_config.py` of a course holds two lines, which `fathom build --nbgrader` writes:

    from autograder.classroom.autograde import configure
    configure(get_config())
"""

from __future__ import annotations

import json
from typing import Any

import nbformat
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader.preprocessors import (  # type: ignore[import-untyped]
    AssignLatePenalties,
    CheckCellMetadata,
    IgnorePattern,
    LimitOutput,
    NbGraderPreprocessor,
    SaveAutoGrades,
)
from nbgrader.utils import is_grade, is_solution  # type: ignore[import-untyped]

from autograder import curriculum
from autograder.classroom import apart, feedback
from autograder.judge.report import PartReport, Report
from autograder.lesson import part_of_check
from autograder.render.text import words

NOT_OURS = "This cell belongs to no part of the exercise, so nothing has graded it."


def configure(config: Any) -> None:
    """Put the locked grading in the place of nbgrader's execution."""
    config.Autograde.autograde_preprocessors = [
        GradeLocked,
        IgnorePattern,
        ClearMetadataPreprocessor,
        LimitOutput,
        SaveAutoGrades,
        AssignLatePenalties,
        CheckCellMetadata,
    ]


class GradeLocked(NbGraderPreprocessor):  # type: ignore[misc]
    """Clear what a submission claims to have printed, grade it locked in, and write each verdict into its cell."""

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        """Grade one notebook; raises UnknownExercise or NotGraded, and then nbgrader says that this one failed."""
        course = curriculum.load(curriculum.find_root())
        exercise = course.exercise(resources["nbgrader"]["notebook"])
        content = json.dumps(nb).encode()
        (report,) = apart.grade(course.root, exercise.name, [(".ipynb", content)])
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                if is_grade(cell) and not is_solution(cell):
                    cell.outputs = [verdict(report, part_of_check(cell))]
        return nb, resources


def verdict(report: Report, name: str | None) -> Any:
    """The output that a check cell gets: an error unless its part has passed, which is nbgrader's rule for points."""
    part = next((part for part in report.parts if part.part == name), None)
    if part is not None and part.outcome == "passed":
        shown = {"text/plain": f"{part.part}: passed"}
        return nbformat.from_dict({"output_type": "display_data", "data": shown, "metadata": {}})  # type: ignore[no-untyped-call]
    lines = list(explained(part)) if part is not None else [report.error or NOT_OURS]
    headline = f"{name}: {words(part.outcome)}" if part is not None else "not graded"
    told = {"ename": "CheckFailed", "evalue": headline, "traceback": [headline, *lines]}
    return nbformat.from_dict({"output_type": "error", **told})  # type: ignore[no-untyped-call]


def explained(part: PartReport) -> list[str]:
    """What there is to say about a part, a line each, without codes that a terminal would obey."""
    return [f"{label}: {feedback.one_line(text)}" for label, text in feedback.facts(part)] or [part.message]
