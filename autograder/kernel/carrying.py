"""`carry("attention")`: build on an earlier exercise, with the learner's own parts where they pass."""

from __future__ import annotations

import linecache
import types
from collections.abc import Mapping, Sequence
from typing import Any


def carry(name: str) -> types.ModuleType:
    """Return an earlier exercise's definitions as a module: yours where they pass, the reference elsewhere.

    What is the reference's is said in print. Raises LookupError for an exercise that does not exist.
    """
    from autograder.kernel.checking import Desk

    return carried(Desk.here(), name)


def carried(desk: Any, name: str) -> types.ModuleType:
    """Load the learner's passing statements over the reference's."""
    from autograder.judge.submission import reference
    from autograder.notebook import Unreadable, blank_of, definitions, read

    exercise = desk.course.exercise(name)
    module = types.ModuleType(exercise.name)
    run(reference(exercise), module)
    passed = desk.passed(exercise)
    stubs = {stub for part in exercise.parts if part.name in passed for stub in part.stubs}
    try:
        mine = definitions(read(exercise.notebook), blank_of(exercise))
    except Unreadable:
        stubs = set()
    else:
        if stubs:
            own = [s for s in mine.statements if not set(s.names) & set(blank_of(exercise).stubs) - stubs]
            run([vars(statement) for statement in own], module)
    theirs = [part.name for part in exercise.parts if part.name not in passed]
    if theirs:
        print(f"carry: {exercise.name} uses the reference for {', '.join(theirs)}; the rest is yours.")
    return module


def run(statements: Sequence[Mapping[str, Any]], module: types.ModuleType) -> None:
    """Execute statements in a module, with their cells in any traceback."""
    for index, statement in enumerate(statements):
        name = f"<{module.__name__} {statement['cell']} #{index}>"
        source = "\n" * (statement["line"] - 1) + statement["source"]
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
