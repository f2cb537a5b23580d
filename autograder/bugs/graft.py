"""Blame by grafting: put the learner's parts into the reference one at a time, and see with which the failure comes.

Only what the stubs promise is exchanged. A graft that crashes, or meets attributes that the reference does not know,
proves nothing and is not reported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace

from autograder.curriculum import Exercise
from autograder.judge.examine import Request
from autograder.judge.report import PartReport, Report
from autograder.judge.session import Judge
from autograder.judge.submission import resolve
from autograder.notebook import Cell, Definitions, Statement, blank_of, definitions, read
from autograder.notebook.names import definitions_in


def blame(judge: Judge, request: Request, report: Report) -> Report:
    """Say of each failed, unnamed part which of the parts it builds on brings the failure, where one alone does."""
    exercise = request.exercise
    if report.error is not None or exercise.released:
        return report
    cells = request.cells if request.cells is not None else read(resolve(request.path, exercise))
    mine = definitions(cells, blank_of(exercise))
    parts = []
    for part in report.parts:
        if part.outcome == "failed" and not part.bugs and part.checks:
            culprit = culprit_of(judge, exercise, mine, part)
            if culprit is not None:
                part = replace(part, message=f"{part.message} {sentence(part.part, culprit)}".strip())
        parts.append(part)
    return replace(report, parts=tuple(parts))


def sentence(part: str, culprit: str) -> str:
    """What a graft has shown."""
    if part == culprit:
        return "The parts it builds on work in the reference's place; look here first."
    return f"Your {culprit} alone, put into the reference, brings this failure about: look there first."


def culprit_of(judge: Judge, exercise: Exercise, mine: Definitions, part: PartReport) -> str | None:
    """The one part whose stubs, grafted alone, make the failed part fail; None where none or several do."""
    suspects = [name for name in building(exercise, part.part) if exercise.part(name).stubs]
    if len(suspects) < 2:
        return None
    requests = [
        Request(exercise, f"graft {name}", grafted(exercise, mine, exercise.part(name).stubs), (part.part,))
        for name in suspects
    ]
    guilty = []
    for index, graded in judge.grade(requests):
        outcome = graded.report.part(part.part).outcome
        if outcome == "failed":
            guilty.append(suspects[index])
        elif outcome != "passed" and suspects[index] != part.part:
            return None
    return guilty[0] if len(guilty) == 1 else None


def building(exercise: Exercise, part: str) -> list[str]:
    """A part and all that it needs, itself first."""
    found = [part]
    for name in found:
        found += [needed for needed in exercise.part(name).needs if needed not in found]
    return found


def grafted(exercise: Exercise, mine: Definitions, stubs: Sequence[str]) -> tuple[Cell, ...]:
    """The reference with some stubs, and the helpers they may use, taken from the learner."""
    theirs = definitions(read(exercise.source), blank_of(exercise))
    known = {name for statement in theirs.statements for name in statement.names} | set(blank_of(exercise).owners)
    helpers = [s for s in mine.statements if not set(s.names) & known]
    sources = [statement.source for statement in (*theirs.statements, *helpers)]
    sources += [source for statement in mine.statements for source in taken(statement, stubs)]
    return tuple(Cell("code", source, index=index) for index, source in enumerate(sources))


def taken(statement: Statement, stubs: Sequence[str]) -> Iterator[str]:
    """What a statement contributes to a graft: all of it, or the methods of a class that belong to the stubs."""
    if set(statement.names) & set(stubs):
        yield statement.source
        return
    for node in ast.parse(statement.source).body:
        for name, inner in definitions_in(node):
            owner, dot, _ = name.partition(".")
            if dot and name in stubs and isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"from autograder import method\n@method({owner})\n{ast.unparse(inner)}"
