"""Observations travel to a worker as source, so they may not lean on anything that stays behind."""

from __future__ import annotations

import ast
import builtins
import dis
import functools
import linecache
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

FREE_NAMES = frozenset({"torch", "np", "math", "F", "nn", "probe"})

Test = TypeVar("Test", bound=Callable[..., Any])


class BadObservation(TypeError):
    """An observation that cannot travel, refused when the checks are collected."""


@dataclass(frozen=True)
class Observation:
    """A function that runs in the learner's worker, named and locatable in its file."""

    name: str
    file: str
    line: int

    @property
    def source(self) -> str:
        """The function's text without its decorators."""
        return _functions(self.file)[self.name]


def observation(function: types.FunctionType) -> Observation:
    """Declare a top-level function as an observation.

    Raises BadObservation, by line and name, for a closure, a method, a computed default or any free name besides
    torch, np, math, F, nn, probe and the builtins.
    """
    code = function.__code__
    here = f"{code.co_filename}:{code.co_firstlineno}: observation {function.__name__}"
    if code.co_freevars:
        raise BadObservation(f"{here} closes over {', '.join(code.co_freevars)}; pass it as an argument")
    if function.__qualname__ != function.__name__:
        raise BadObservation(f"{here} is not at the top level of its file")
    for name, line in free_names(code):
        if name not in FREE_NAMES and not hasattr(builtins, name):
            raise BadObservation(f"{here} uses {name!r} (line {line}); pass it as an argument")
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    if not all(isinstance(value, bool | int | float | str | None) for value in defaults):
        raise BadObservation(f"{here} has a default that is not a plain constant; pass it as an argument")
    return Observation(function.__name__, code.co_filename, code.co_firstlineno)


def free_names(code: types.CodeType) -> Iterator[tuple[str, int]]:
    """Global names that a code object and the functions inside it read or write, with their lines."""
    line = code.co_firstlineno
    instructions = list(dis.get_instructions(code))
    own = {i.argval for i in instructions if i.opname == "STORE_NAME"} | {"__name__"}  # a class body's names
    for instruction in instructions:
        if instruction.positions and instruction.positions.lineno:
            line = instruction.positions.lineno
        by_name = instruction.opname == "LOAD_NAME" and instruction.argval not in own
        if by_name or instruction.opname in ("LOAD_GLOBAL", "STORE_GLOBAL", "DELETE_GLOBAL"):
            yield str(instruction.argval), line
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from free_names(constant)


@functools.cache
def _functions(file: str) -> dict[str, str]:
    """Every top-level function of a file as text, decorators left out."""
    lines = linecache.getlines(file)
    tree = ast.parse("".join(lines))
    return {
        node.name: "".join(lines[node.lineno - 1 : node.end_lineno])
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


def part(name: str) -> Callable[[Test], Test]:
    """Declare which part of the exercise a check belongs to."""

    def mark(test: Test) -> Test:
        test.__fathom_part__ = name  # type: ignore[attr-defined]
        return test

    return mark
