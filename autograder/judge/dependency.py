"""Which definitions lean on which: names that a submission's statements use, and what can be reached from a stub."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autograder.notebook import Statement

OBSERVED = re.compile(r"\blearner\.(\w+)")


@dataclass(frozen=True)
class Definition:
    """One definition: its qualified name, and the dotted names it reads (`.attr` for attributes of values)."""

    name: str
    reads: frozenset[str]


def graph(statements: Sequence[Statement]) -> tuple[Definition, ...]:
    """Every definition of a submission, methods apart from the class that holds them; imports are left out."""
    return tuple(d for statement in statements for d in definitions_of(statement.names, statement.source))


@functools.lru_cache(maxsize=8192)
def definitions_of(names: tuple[str, ...], source: str) -> tuple[Definition, ...]:
    """The definitions in one statement; most statements of most submissions have been seen before."""
    return tuple(Definition(name, frozenset(dotted_names(tree))) for name, tree in members(names, parse(source)))


def parse(source: str) -> ast.Module:
    """A statement's tree; an empty one where it does not parse."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def members(names: Iterable[str], tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Pairs (qualified name, tree) of one statement."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            for inner in (*node.bases, *node.keywords, *node.decorator_list):
                yield node.name, inner
            for part in node.body:
                named = isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
                yield f"{node.name}.{part.name}" if named else node.name, part  # type: ignore[attr-defined]
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            for name in names:
                yield name, node


def dotted_names(tree: ast.AST) -> set[str]:
    """Every name and dotted chain that a tree reads; attributes of anything else as `.name`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            chain = [node.attr]
            value = node.value
            while isinstance(value, ast.Attribute):
                chain.append(value.attr)
                value = value.value
            found.add(f".{node.attr}")
            if isinstance(value, ast.Name):
                found.add(".".join([value.id, *reversed(chain)]))
    return found


def roots(names: Iterable[str]) -> set[str]:
    """The first words of dotted names."""
    return {name.split(".")[0] for name in names} - {""}


def reach(start: Iterable[str], found: Sequence[Definition], whole: bool = False) -> set[str]:
    """Names reached from `start`: qualified names of definitions, and the bare names that they read.

    With `whole`, a class that is reached brings all its methods.
    """
    by_name: dict[str, list[Definition]] = {}
    methods: dict[str, set[str]] = {}
    for definition in found:
        by_name.setdefault(definition.name, []).append(definition)
        methods.setdefault(definition.name.split(".")[0], set()).add(definition.name)
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += methods.get(name, ()) if whole else ()
        for definition in by_name.get(name, ()):
            waiting += roots(definition.reads)
    return seen


def needed(statements: Sequence[Statement], wanted: Iterable[str]) -> tuple[Statement, ...]:
    """The statements that `wanted` names can reach; plots and what only they import need not run in a worker."""
    found = graph(statements)
    seen = reach({name.split(".")[0] for name in wanted}, found, whole=True)
    return tuple(s for s in statements if not s.names or any(n in seen or n.split(".")[0] in seen for n in s.names))


def observed(sources: Iterable[str]) -> frozenset[str] | None:
    """Names that observations ask a learner for; None where one hands the learner on, so that any name may be asked."""
    names: set[str] = set()
    for source in sources:
        tree = parse(source)
        owners = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == "learner" and id(node) not in owners:
                return None
        names.update(OBSERVED.findall(source))
    return frozenset(names)


def aliases(statements: Iterable[Statement]) -> Mapping[str, str]:
    """Local names of imports with the full dotted names behind them."""
    found: dict[str, str] = {}
    for statement in statements:
        if "import" in statement.source:
            found.update(imported_by(statement.source))
    return found


@functools.lru_cache(maxsize=8192)
def imported_by(source: str) -> tuple[tuple[str, str], ...]:
    """Pairs (local name, full dotted name) of the imports in a statement, those inside functions too."""
    found = []
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                local = alias.asname or alias.name.split(".")[0]
                found.append((local, alias.name if alias.asname else local))
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names]
    return tuple(found)
