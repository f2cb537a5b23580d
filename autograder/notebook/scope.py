"""Which top-level statements are definitions, and which are scratch: decided in notebook order, name by name."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from autograder.notebook.names import Function, defined_names, dotted, set_attribute

_BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("__"))
_CONSTRUCTORS = (
    "float int bool str complex bytes set frozenset dict list tuple range len min max abs sum round sorted "
    "property staticmethod classmethod"
)
PURE_CALLS = frozenset(
    [f"builtins.{name}" for name in _CONSTRUCTORS.split()]
    + ["functools.partial", "functools.partialmethod", "collections.namedtuple", "re.compile", "autograder.carry"]
    + [
        f"{module}.{name}"
        for module in ("typing", "typing_extensions")
        for name in ("NamedTuple", "TypeVar", "NewType")
    ]
)
PURE_MODULES = ("math.",)
TEXT_METHODS = frozenset({"split", "splitlines", "join", "lower", "upper", "strip", "replace", "encode", "format"})
# What makes the table beside an answer, and in any other cell is somebody's experiment.
TABLE_CALLS = frozenset(
    [f"builtins.{name}" for name in "zip map enumerate reversed any all ord chr divmod pow".split()]
    + ["builtins.str.maketrans", "builtins.dict.fromkeys", "operator.itemgetter", "operator.attrgetter"]
    + ["torch.tensor", "torch.finfo", "torch.iinfo"]
)
TABLE_METHODS = frozenset({"items", "keys", "values", "bit_length"}) | TEXT_METHODS
RECORDS = frozenset({"dataclass", "NamedTuple", "Enum", "IntEnum", "StrEnum"})
_TRANSPARENT = (
    *(ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Tuple, ast.List, ast.Set, ast.Dict),
    *(ast.Starred, ast.Subscript, ast.Slice, ast.JoinedStr, ast.FormattedValue, ast.keyword),
)
_COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_INERT = (ast.Constant, ast.Lambda, ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context)


@dataclass
class Scope:
    """The names that a notebook's statements have bound so far."""

    aliases: dict[str, str] = field(default_factory=lambda: {"carry": "autograder.carry"})  # name → what it imports
    kept: set[str] = field(default_factory=set)
    classes: set[str] = field(default_factory=set)
    records: set[str] = field(default_factory=set)  # classes that only hold what they are given
    lost: set[str] = field(default_factory=set)  # bound last by a scratch statement
    starred: bool = False  # after `from x import *` any name may exist
    answering: bool = False  # in a cell that answers a stub: tables made of constants are definitions too

    def keeps(self, node: ast.stmt) -> bool:
        """Whether a statement is a definition, to be run by the grader."""
        try:
            return self._keeps(node)
        except RecursionError:
            return False

    def bind(self, node: ast.stmt) -> None:
        """Record what a kept statement binds."""
        names = defined_names(node)
        self.kept.update(names)
        self.lost.difference_update(names)
        for name in names:
            self.aliases.pop(name, None)
        if isinstance(node, ast.ClassDef):
            self.classes.add(node.name)
            if self._is_record(node):
                self.records.add(node.name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                self.aliases[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            self.starred |= any(alias.name == "*" for alias in node.names)
            self.aliases.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Assign) and self._makes_class(node.value):
            self.classes.update(names)
            if not isinstance(node.value, ast.Name) or node.value.id in self.records:
                self.records.update(names)
        elif isinstance(node, ast.If | ast.Try):
            for inner in ast.iter_child_nodes(node):
                for statement in inner.body if isinstance(inner, ast.ExceptHandler) else [inner]:
                    if isinstance(statement, ast.stmt):
                        self.bind(statement)

    def lose(self, names: Iterable[str]) -> None:
        """Record what a scratch statement binds."""
        self.lost.update(names)

    def constant(self, node: ast.AST) -> bool:
        """Whether an expression is made of literals, kept names and pure constructors only."""
        if isinstance(node, _INERT):
            return True
        if isinstance(node, ast.Name):
            return self._known(node.id)
        if isinstance(node, ast.Attribute):
            return self.constant(node.value)
        if isinstance(node, ast.Call):
            return self._pure(node.func) and all(map(self.constant, [*node.args, *node.keywords]))
        if isinstance(node, _COMPREHENSIONS) and self.answering:
            loops = node.generators
            inner = replace(
                self,
                kept=self.kept
                | {name.id for loop in loops for name in ast.walk(loop.target) if isinstance(name, ast.Name)},
            )
            made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            return all(map(inner.constant, [*made, *(part for loop in loops for part in (loop.iter, *loop.ifs))]))
        return isinstance(node, _TRANSPARENT) and all(map(self.constant, ast.iter_child_nodes(node)))

    def _keeps(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Import | ast.ImportFrom | Function | ast.ClassDef):
            return True
        if isinstance(node, ast.Assign):
            return all(map(self._settable, node.targets)) and self.constant(node.value)
        if isinstance(node, ast.AnnAssign):
            value = node.value is None or self.constant(node.value)
            return value and self._settable(node.target) and self.constant(node.annotation)
        if isinstance(node, ast.AugAssign):
            return self._extendable(node.target) and self.constant(node.value)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            name = set_attribute(node.value)
            return name is not None and self._owns(name) and self.constant(node.value.args[2])
        if isinstance(node, ast.If):
            return self.constant(node.test) and self._keeps_block(node.body) and self._keeps_block(node.orelse)
        if isinstance(node, ast.Try):
            blocks = [[*node.body, *node.orelse], node.finalbody, *(handler.body for handler in node.handlers)]
            types = [handler.type for handler in node.handlers if handler.type is not None]
            return all(map(self.constant, types)) and all(map(self._keeps_block, blocks))
        return hasattr(ast, "TypeAlias") and isinstance(node, ast.TypeAlias)

    def _keeps_block(self, block: list[ast.stmt]) -> bool:
        inner = replace(
            self, aliases=dict(self.aliases), kept=set(self.kept), classes=set(self.classes), lost=set(self.lost)
        )
        for node in block:
            if isinstance(node, ast.Pass):
                continue
            if not inner._keeps(node):
                return False
            inner.bind(node)
        return True

    def _settable(self, target: ast.expr) -> bool:
        """A name, several names, or an attribute of one's own class."""
        if isinstance(target, ast.Tuple | ast.List):
            return all(map(self._settable, target.elts))
        if isinstance(target, ast.Starred):
            return self._settable(target.value)
        return isinstance(target, ast.Name) or self._own_attribute(target)

    def _extendable(self, target: ast.expr) -> bool:
        if isinstance(target, ast.Name):
            return target.id in self.kept and target.id not in self.lost
        return self._own_attribute(target)

    def _own_attribute(self, target: ast.expr) -> bool:
        name = dotted(target) if isinstance(target, ast.Attribute) else None
        return name is not None and self._owns(name)

    def _owns(self, name: str) -> bool:
        return name.split(".")[0] in self.classes - self.lost

    def _known(self, name: str) -> bool:
        return name not in self.lost and (name in self.kept or name in _BUILTINS or self.starred)

    def _pure(self, function: ast.expr) -> bool:
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant):
            return isinstance(function.value.value, str) and function.attr in TEXT_METHODS
        name = self._resolved(function)
        if self.answering and (name in TABLE_CALLS or dotted(function) in self.records - self.lost):
            return True
        if self.answering and isinstance(function, ast.Attribute) and function.attr in TABLE_METHODS:
            return self.constant(function.value)
        return name in PURE_CALLS or name.startswith(PURE_MODULES)

    def _resolved(self, function: ast.expr) -> str:
        """The full name of what an expression calls, through import aliases; "" where that cannot be told."""
        name = dotted(function) or ""
        first, dot, rest = name.partition(".")
        if first in self.lost:
            return ""
        if first in self.aliases:
            return self.aliases[first] + dot + rest
        return f"builtins.{name}" if first in _BUILTINS and first not in self.kept else ""

    def _is_record(self, node: ast.ClassDef) -> bool:
        """Whether a class is a dataclass, a NamedTuple or an Enum that computes nothing when it is called."""
        marks = [mark.func if isinstance(mark, ast.Call) else mark for mark in node.decorator_list]
        kinds = {self._resolved(mark).split(".")[-1] for mark in [*marks, *node.bases]}
        own = {child.name for child in node.body if isinstance(child, Function)}
        return bool(kinds & RECORDS) and not own & {"__init__", "__post_init__", "__new__"}

    def _makes_class(self, value: ast.expr) -> bool:
        if isinstance(value, ast.Call):
            return self._resolved(value.func).endswith(("namedtuple", "NamedTuple"))
        return isinstance(value, ast.Name) and value.id in self.classes
