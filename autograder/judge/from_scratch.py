"""From scratch means from scratch: find the ready-made things that an exercise is about writing oneself.

A lint over the definitions with import aliases resolved; it keeps honest people honest and is no lock.
"""

from __future__ import annotations

from collections.abc import Mapping

from autograder.curriculum import Exercise
from autograder.judge.dependency import aliases, graph, reach
from autograder.notebook import Definitions


def offences(found: Definitions, exercise: Exercise) -> dict[str, str]:
    """Parts that reach a forbidden name, each with the name; an import alone is no offence."""
    if not exercise.from_scratch:
        return {}
    definitions = graph(found.statements)
    imported = aliases(found.statements)
    bad: dict[str, str] = {}
    for definition in definitions:
        for name in sorted(resolved(name, imported) for name in definition.reads):
            if matches(name, exercise.from_scratch):
                bad.setdefault(definition.name, name)
    result: dict[str, str] = {}
    for part in exercise.parts if bad else ():
        for name in sorted(reach(part.stubs, definitions) & bad.keys()):
            result.setdefault(part.name, bad[name])
    return result


def resolved(name: str, imported: Mapping[str, str]) -> str:
    """A dotted name with its first word replaced by what was imported under it."""
    first, dot, rest = name.partition(".")
    return imported.get(first, first) + dot + rest if first else name


def matches(name: str, forbidden: tuple[str, ...]) -> bool:
    """Whether a name is a forbidden one or lies below it."""
    return any(name == entry or name.startswith(f"{entry}.") for entry in forbidden)
