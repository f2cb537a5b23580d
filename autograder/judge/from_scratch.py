"""From scratch means from scratch: find the ready-made things that an exercise is about writing oneself.

A lint over the definitions with import aliases resolved; it keeps honest people honest and is no lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from autograder.curriculum import Exercise
from autograder.judge.dependency import aliases, graph, reach
from autograder.notebook import Definitions

# Doors through which anything can come in unseen; who writes a layer from scratch needs none of them.
DOORS = frozenset(
    {
        *("__builtins__", "__import__", "__loader__", "builtins", "compile", "eval", "exec", "gc", "importlib"),
        *("inspect", "pkgutil", "runpy", "sys._current_frames", "sys._getframe", "sys.meta_path", "sys.modules"),
        *(".__globals__", ".__subclasses__", ".f_back", ".f_globals", ".f_locals", ".gi_frame", ".tb_frame"),
    }
)


def offences(found: Definitions, exercise: Exercise) -> dict[str, str]:
    """Parts that reach a forbidden name, each with the name; an import alone is no offence."""
    if not exercise.from_scratch:
        return {}
    definitions = graph(found.statements)
    imported = aliases(found.statements)
    mine = {definition.name for definition in definitions}
    bad: dict[str, str] = {}
    ready_made = frozenset(exercise.from_scratch)
    for definition in definitions:
        known = {**imported, **definition.local}
        for name in sorted(resolved(name, known) for name in definition.reads):
            if matches(name, ready_made) or (matches(name, DOORS) and name not in mine):
                bad.setdefault(definition.name, name)
    result: dict[str, str] = {}
    for part in exercise.parts if bad else ():
        others = {stub for other in exercise.parts if other is not part for stub in other.stubs}
        own = [definition for definition in definitions if definition.name not in others]
        for name in sorted(reach(part.stubs, own) & bad.keys() - others):
            result.setdefault(part.name, bad[name])
    return result


def resolved(name: str, known: Mapping[str, str]) -> str:
    """A dotted name with its first word replaced by what was imported under it; "" for a local variable's."""
    first, dot, rest = name.partition(".")
    module = known.get(first, first)
    return module + dot + rest if module else name if not first else ""


def matches(name: str, forbidden: Set[str]) -> bool:
    """Whether a name is a forbidden one or lies below it."""
    return name in forbidden or any(name[:at] in forbidden for at, letter in enumerate(name) if letter == ".")
