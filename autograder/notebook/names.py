"""What a statement defines: plain names, and qualified ones such as `Value.__mul__`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

_FILLING = frozenset({"append", "extend", "insert", "add", "update", "setdefault"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def defined_names(node: ast.stmt) -> tuple[str, ...]:
    """The names that a statement binds; a function under `@method(Value)` binds `Value.name`.

    Attributes set on a name count, by `setattr` too; subscripts do not, and no function or class is looked into.
    """
    return tuple(dict.fromkeys(_bound(node)))


def definitions_in(node: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """Pairs (qualified name, statement) of all that a statement defines, the members of classes included."""
    for name in defined_names(node):
        yield name, node
    if isinstance(node, ast.ClassDef):
        yield from ((f"{node.name}.{name}", inner) for name, inner in _members(node.body))
    elif isinstance(node, ast.If | ast.Try):
        for inner in _block(node):
            yield from ((name, found) for name, found in definitions_in(inner) if "." in name)


def made_names(node: ast.stmt) -> Iterator[str]:
    """Every name that a statement binds or fills when it runs, at any depth, outside functions and comprehensions."""
    waiting: list[ast.AST] = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, ast.stmt):
            yield from (name for name in _bound(found) if "." not in name)
        if isinstance(found, ast.Name) and isinstance(found.ctx, ast.Store | ast.Del):
            yield found.id
        elif isinstance(found, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and found.name:
            yield found.name
        elif isinstance(found, ast.MatchMapping) and found.rest:
            yield found.rest
        if not isinstance(found, Function | ast.ClassDef | ast.Lambda | ast.comprehension):
            waiting.extend(ast.iter_child_nodes(found))


def filled_names(node: ast.stmt) -> Iterator[str]:
    """Names of containers that a statement fills: `counts[key] = 1`, `losses.append(loss)`."""
    waiting: list[ast.AST] = [node]
    while waiting:
        found = waiting.pop()
        if isinstance(found, ast.Subscript) and isinstance(found.ctx, ast.Store) and isinstance(found.value, ast.Name):
            yield found.value.id
        call = found.func if isinstance(found, ast.Call) else None
        if isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.attr in _FILLING:
            yield call.value.id
        if not isinstance(found, Function | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(found))


def dotted(node: ast.AST) -> str | None:
    """`a.b.c` as text, or None for anything that is not a chain of attributes of a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def set_attribute(node: ast.expr) -> str | None:
    """`Value.relu` for the call `setattr(Value, "relu", …)`, else None."""
    if not isinstance(node, ast.Call) or len(node.args) != 3 or node.keywords or dotted(node.func) != "setattr":
        return None
    owner, attribute = dotted(node.args[0]), node.args[1]
    if owner and isinstance(attribute, ast.Constant) and isinstance(attribute.value, str):
        return f"{owner}.{attribute.value}"
    return None


def _members(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        yield from definitions_in(node)
        if isinstance(node, ast.If | ast.Try):
            yield from ((name, inner) for name, inner in _members(_block(node)) if "." not in name)


def _bound(node: ast.AST) -> Iterator[str]:
    if isinstance(node, Function):
        yield _owner(node) + node.name
    elif isinstance(node, ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        switches = (
            isinstance(node, ast.ImportFrom) and node.module == "__future__"
        )  # how the rest is read: for all of it
        for alias in node.names:
            if alias.name != "*" and not switches:
                yield alias.asname or alias.name.split(".")[0]
    elif isinstance(node, ast.Assign):
        for target in node.targets:
            yield from _targets(target)
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        yield from _targets(node.target)
    elif hasattr(ast, "TypeAlias") and isinstance(node, ast.TypeAlias):
        yield node.name.id
    elif isinstance(node, ast.Expr):
        name = set_attribute(node.value)
        if name:
            yield name
    elif isinstance(node, ast.If | ast.Try):
        for inner in _block(node):
            yield from _bound(inner)


def _targets(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        name = dotted(node)
        if name:
            yield name
    elif isinstance(node, ast.Tuple | ast.List):
        for element in node.elts:
            yield from _targets(element)
    elif isinstance(node, ast.Starred):
        yield from _targets(node.value)


def _block(node: ast.If | ast.Try) -> Iterator[ast.stmt]:
    """The statements in all branches of a compound statement."""
    yield from node.body
    if isinstance(node, ast.Try):
        for handler in node.handlers:
            yield from handler.body
        yield from node.finalbody
    yield from node.orelse


def _owner(node: Function) -> str:
    """`Value.` for a function under `@method(Value)`, else nothing."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and len(decorator.args) == 1:
            name = dotted(decorator.func)
            owner = dotted(decorator.args[0])
            if owner and name and name.rpartition(".")[2] == "method":
                return owner + "."
    return ""
