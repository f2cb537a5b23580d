"""Which definitions lean on which: names that a submission's statements use, and what can be reached from a stub."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autograder.notebook import Statement

OBSERVED = re.compile(r"\blearner\.(\w+)")


@dataclass(frozen=True)
class Definition:
    """One definition: its qualified name, and the dotted names it reads (`.attr` for attributes of values)."""

    name: str
    reads: frozenset[str]
    local: Mapping[str, str] = field(default_factory=dict, compare=False)  # names it binds itself → what they import


def graph(statements: Sequence[Statement]) -> tuple[Definition, ...]:
    """Every definition of a submission, methods apart from the class that holds them; imports are left out."""
    return tuple(d for statement in statements for d in definitions_of(statement.names, statement.source))


@functools.lru_cache(maxsize=8192)
def definitions_of(names: tuple[str, ...], source: str) -> tuple[Definition, ...]:
    """The definitions in one statement; most statements of most submissions have been seen before."""
    return tuple(
        Definition(name, frozenset(dotted_names(tree)), bound_in(tree)) for name, tree in members(names, parse(source))
    )


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


def bound_in(tree: ast.AST) -> dict[str, str]:
    """Names that a function binds itself, with the dotted name behind those it imports and "" behind the others."""
    if not isinstance(tree, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return {}
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            found[node.arg] = ""
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, "")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update(imports_of(node))
    return found


def roots(names: Iterable[str]) -> set[str]:
    """The first words of dotted names."""
    return {name.split(".")[0] for name in names} - {""}


def reach(start: Iterable[str], found: Sequence[Definition], whole: bool = False) -> set[str]:
    """Names reached from `start`: qualified names of definitions, and the bare names that they read.

    With `whole`, a class that is reached brings all its methods; else only those that are called by their names.
    """
    by_name: dict[str, list[Definition]] = {}
    methods: dict[str, set[str]] = {}
    for definition in found:
        owner, _, attribute = definition.name.rpartition(".")
        by_name.setdefault(definition.name, []).append(definition)
        if owner:
            methods.setdefault(owner if whole else f".{attribute}", set()).add(definition.name)
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += methods.get(name, ())
        for definition in by_name.get(name, ()):
            waiting += roots(definition.reads)
            waiting += (read for read in definition.reads if read in methods)
    return seen


def needed(statements: Sequence[Statement], wanted: Iterable[str]) -> tuple[Statement, ...]:
    """The statements that `wanted` names can reach; plots and what only they import need not run in a worker."""
    found = graph(statements)
    own = roots(definition.name for definition in found)
    seen: set[str] = set()
    more = {name.split(".")[0] for name in wanted}
    while more - seen:
        seen |= reach(more, found, whole=True)
        # A registry: decorating a definition, or deriving from it, may change what is needed.
        hooked = ((s, hooks(s.source) & own) for s in statements)
        more = {name for s, by in hooked if by and reach(by, found) & own & seen for name in s.names}
    return tuple(s for s in statements if not s.names or any(n in seen or n.split(".")[0] in seen for n in s.names))


@functools.lru_cache(maxsize=8192)
def hooks(source: str) -> frozenset[str]:
    """First words of the decorators and bases of a statement: what else runs when it is defined."""
    found: set[str] = set()
    for node in parse(source).body:
        for inner in (*getattr(node, "decorator_list", ()), *getattr(node, "bases", ())):
            found |= roots(dotted_names(inner))
    return frozenset(found)


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
    """Global names of imports with the full dotted names behind them, unless something else takes the name later."""
    found: dict[str, str] = {}
    for statement in statements:
        for name in statement.names:
            found.pop(name, None)
        if "import" in statement.source:
            found.update(imported_by(statement.source))
    return found


@functools.lru_cache(maxsize=8192)
def imported_by(source: str) -> tuple[tuple[str, str], ...]:
    """Pairs (global name, full dotted name) of the imports in a statement, but for those inside functions."""
    found: list[tuple[str, str]] = []
    waiting: list[ast.AST] = [parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += imports_of(node)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    return tuple(found)


def imports_of(node: ast.Import | ast.ImportFrom) -> list[tuple[str, str]]:
    """Pairs (local name, full dotted name) of an import."""
    if isinstance(node, ast.ImportFrom):
        return [(alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names if node.module]
    return [
        (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0], alias.name.split(".")[0])
        for alias in node.names
    ]
