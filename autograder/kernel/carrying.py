"""`carry("attention")`: build on an earlier exercise, with the learner's own parts where they pass."""

from __future__ import annotations

import sys
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from autograder.curriculum import CurriculumError, Exercise, Part
from autograder.judge.submission import as_data, reference
from autograder.notebook import Unreadable, blank_of, definitions, read
from autograder.observe.statements import Runner

Statement = Mapping[str, Any]


def carry(name: str) -> types.ModuleType:
    """Return an earlier exercise's definitions as a module: yours where they pass, the reference elsewhere.

    What is the reference's is said in print. Raises NotJudged for an exercise that does not exist.
    """
    from autograder.kernel.desk import Desk
    from autograder.kernel.told import NotJudged

    try:
        return carried(Desk.here(), name)
    except (LookupError, CurriculumError) as error:
        raise NotJudged(str(error)) from None


def carried(desk: Any, name: str) -> types.ModuleType:
    """An exercise as a module; `desk` knows the course and which parts of an exercise pass."""
    exercise: Exercise = desk.course.exercise(name)
    if exercise.released:
        return made(name, own_passing(desk, exercise))
    theirs = reference(exercise)
    every = {owner for part in exercise.parts for owner in owners(part)}
    passed = desk.passed(exercise)
    own = every - {owner for part in exercise.parts if part.name not in passed for owner in owners(part)}
    trouble = ""
    if own:
        try:
            module = made(name, merged(statements(exercise), theirs, own, every - own))
        except Unreadable as error:
            own, trouble = set(), str(error)
        except Exception as error:  # the learner's statements may raise anything
            own, trouble = set(), f"Your notebook's definitions end in {type(error).__name__}: {error}"
    if not own:
        module = made(name, theirs)
    say(exercise, [part.name for part in exercise.parts if owners(part) <= own], trouble)
    return module


def own_passing(desk: Any, exercise: Exercise) -> list[dict[str, Any]]:
    """In a copy without solutions, the learner's own statements; LookupError says which parts must pass first."""
    passed = desk.passed(exercise)
    missing = [part.name for part in exercise.parts if part.name not in passed]
    if missing:
        raise LookupError(
            f"carry({exercise.name!r}) waits for your own {', '.join(missing)}: "
            f"`fathom check {exercise.name}` must say that {'it passes' if len(missing) == 1 else 'they pass'}"
        )
    try:
        return statements(exercise)
    except Unreadable as error:
        raise LookupError(str(error)) from None


def owners(part: Part) -> set[str]:
    """The functions and classes that a part's stubs belong to."""
    return {stub.split(".")[0] for stub in part.stubs}


def statements(exercise: Exercise) -> list[dict[str, Any]]:
    """The learner's own graded statements, from the notebook as it is saved."""
    return as_data(definitions(read(exercise.notebook), blank_of(exercise)).statements)


def merged(
    mine: Sequence[Statement], theirs: Sequence[Statement], own: Collection[str], others: Collection[str]
) -> list[Statement]:
    """My statements, with the reference's in the place of those that belong to `others`.

    Functions are taken one by one, a class with all of its methods or not at all: what stands between two methods of a
    class is nobody's contract. What only the reference defines comes along, before what needs it.
    """
    named = {name for statement in mine for name in roots(statement)}
    rest = [s for s in theirs if roots(s) & set(others) or not roots(s) & (named | set(own))]
    result: list[Statement] = []
    for statement in mine:
        if not roots(statement) & set(others):
            result.append(statement)
            continue
        result += rest
        rest = []
    return result + rest


def roots(statement: Statement) -> set[str]:
    """The top-level names that a statement defines or adds to: `Value` for `Value.__mul__`."""
    return {name.split(".")[0] for name in statement["names"]}


def made(name: str, listing: Iterable[Statement]) -> types.ModuleType:
    """Execute statements as a module, with their cells in any traceback."""
    module = types.ModuleType(f"carried_{name}")
    sys.modules[module.__name__] = module  # where dataclasses look for it
    execute(name, listing, module.__dict__)
    return module


def execute(name: str, listing: Iterable[Statement], namespace: dict[str, Any]) -> None:
    """Execute statements in a namespace, with their cells in any traceback."""
    runner = Runner(namespace, f"{name} ")
    for index, statement in enumerate(listing):
        runner.run(statement, index)


def say(exercise: Exercise, mine: Sequence[str], trouble: str) -> None:
    """Print whose code is carried."""
    theirs = [part.name for part in exercise.parts if part.name not in mine]
    if trouble:
        print(trouble)
    if not mine:
        how = f"`fathom check {exercise.name}` says what yours lacks"
        print(f"carry: {exercise.name} is the reference, all of it; {how}.")
    elif theirs:
        print(f"carry: {exercise.name} is yours for {', '.join(mine)}; the reference for {', '.join(theirs)}.")
    else:
        print(f"carry: {exercise.name} is yours, all of it.")
