"""What is graded: a submission's definitions, statement by statement, and what else in it is worth a word."""

from __future__ import annotations

import ast
import functools
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autograder.notebook import syntax
from autograder.notebook.answers import Code, answer_cells, parsed_cells
from autograder.notebook.blank import Blank
from autograder.notebook.cells import Cell
from autograder.notebook.names import defined_names
from autograder.notebook.scope import Scope

__all__ = ["Definitions", "Statement", "defined_names", "definitions"]


@dataclass(frozen=True)
class Statement:
    """A graded top-level statement, with the names it defines and where it stands (line 1 is a cell's first)."""

    source: str
    names: tuple[str, ...]
    cell: str
    line: int


@dataclass(frozen=True)
class Definitions:
    """What a submission defines.

    scratch  names that only scratch cells make, with where
    blank    qualified names of stubs that are still unwritten
    spoiled  a sentence for each cell that cannot be parsed
    notes    sentences about definitions that do not count, or are gone
    lost     stubs that stand in a spoiled cell, with the sentence about it
    missing  stubs that nothing defines; they are in `blank` too
    """

    statements: tuple[Statement, ...]
    scratch: Mapping[str, str]
    blank: frozenset[str]
    spoiled: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    def digest(self) -> str:
        """A hash of the graded statements that neither comments nor formatting nor places change."""
        whole = hashlib.sha256()
        for statement in self.statements:
            whole.update(_fingerprint(statement.source))
        return whole.hexdigest()


def definitions(cells: Iterable[Cell], blank: Blank) -> Definitions:
    """Pick the graded statements out of a submission's cells; never raises, whatever the cells hold."""
    code = list(parsed_cells(cells))
    answers, notes = answer_cells(code, blank)
    reading = _Reading(blank, answers, notes)
    for cell in code:
        reading.read(cell)
    return reading.result()


@dataclass(frozen=True)
class _Kept:
    """A statement that is kept so far."""

    top: syntax.Statement
    statement: Statement

    @property
    def node(self) -> ast.stmt:
        return self.top.node


class _Reading:
    """One pass over the cells, in order."""

    def __init__(self, blank: Blank, answers: Mapping[str, Code], notes: list[str]) -> None:
        self.blank, self.answers, self.notes = blank, answers, notes
        self.scope = Scope()
        self.first: list[_Kept] = []  # what must stand before everything else: __future__ and star imports
        self.kept: list[_Kept] = []
        self.scratch: dict[str, str] = {}
        self.filled: dict[str, str] = {}
        self.spoiled: dict[str, Code] = {}  # sentence → cell
        self.claimed: dict[str, Code] = {}  # names that an answer cell defined, the learner's own ones included
        self.answered = self._answered()

    def _answered(self) -> dict[str, tuple[Code, bool]]:
        """For each name of the exercise the cell that answers it, and whether it is written there."""
        found: dict[str, tuple[Code, bool]] = {}
        for name, owner in self.blank.owners.items():
            code = self.answers.get(owner)
            if code is None:
                continue
            nodes = [node for defined, node in code.defines() if defined == name]
            if code.parsed.error:
                found[name] = (code, True)
            elif nodes:
                found[name] = (code, not self.blank.still(name, nodes[-1]))
        return found

    def read(self, code: Code) -> None:
        """Take in one cell."""
        label = code.cell.label
        if code.parsed.error:
            message, line = code.parsed.error
            sentence = (
                f"{_named(code.cell)}: {message} at line {line}; nothing in this cell is graded until it is mended"
            )
            self.spoiled[sentence] = code
            return
        self._note_scratch(code.parsed.magics, label)
        self.scope.answering = any(name in self.blank.owners for name, _ in code.defines())
        for found in code.parsed.statements:
            top = self._own_part(found, code)
            if top is None:
                continue
            if not self.scope.keeps(top.node):
                self._note_scratch([name for name in top.made if self._elsewhere(name, code) is None], label)
                self.filled.update(dict.fromkeys(top.filled, label))
                continue
            self.scope.bind(top.node)
            kept = _Kept(top, Statement(top.source, top.names, label, top.line))
            (self.first if _comes_first(top.node) else self.kept).append(kept)
            if self._is_answer(code) and not isinstance(top.node, ast.Import | ast.ImportFrom):
                self.claimed.update((name, code) for name, _ in top.definitions)

    def result(self) -> Definitions:
        """What the cells defined, once all are read."""
        kept, state = _without_blank_repeats(self.kept, self.blank)
        kept = self._without_filled(kept)
        lost = {name: sentence for name in self.blank.stubs if (sentence := self._sentence(name, state))}
        missing = tuple(self._missing(state, lost, kept))
        if missing:
            self.notes.append(f"defined nowhere: {', '.join(missing)}; `fathom update` brings missing cells back")
        return Definitions(
            statements=tuple(item.statement for item in self.first + kept),
            scratch=self.scratch,
            blank=frozenset(name for name in state if not state[name]).union(missing),
            spoiled=tuple(self.spoiled),
            notes=tuple(dict.fromkeys(self.notes)),
            lost=lost,
            missing=missing,
        )

    def _is_answer(self, code: Code) -> bool:
        return any(code is answer for answer in self.answers.values())

    def _elsewhere(self, name: str, code: Code) -> Code | None:
        """The other cell whose definition of this name is the one that counts, if there is one."""
        if name in self.answered:
            owner, written = self.answered[name]
            return owner if owner is not code and (written or not self._is_answer(code)) else None
        owner = self.claimed.get(name, code)
        return owner if owner is not code and not self._is_answer(code) else None

    def _own_part(self, top: syntax.Statement, code: Code) -> syntax.Statement | None:
        """The statement without what another cell answers: None, itself, or an import of fewer names."""
        others = {name: owner for name in top.names if (owner := self._elsewhere(name, code))}
        node = top.node
        if isinstance(node, ast.Import | ast.ImportFrom):  # importing the same thing twice replaces nothing
            others = {name: owner for name, owner in others.items() if name in self.blank.owners}
        if not others:
            return top
        for name, owner in others.items():
            if owner.cell.grade_id == code.cell.grade_id:
                continue  # a copy of the same cell, of which there is a note already
            self.notes.append(
                f"`{name:.80}` is defined in {_named(code.cell)} too, but only {_named(owner.cell)} counts for it"
            )
        if not isinstance(node, ast.Import | ast.ImportFrom):
            return None
        rest = [alias for alias in node.names if (alias.asname or alias.name.split(".")[0]) not in others]
        if not rest:
            return None
        fewer = type(node)(**{**dict(ast.iter_fields(node)), "names": rest})
        return syntax.Statement(fewer, ast.unparse(fewer), top.line)

    def _note_scratch(self, names: Iterable[str], label: str) -> None:
        names = list(names)
        self.scratch.update(dict.fromkeys(names, label))
        self.scope.lose(names)

    def _without_filled(self, kept: list[_Kept]) -> list[_Kept]:
        """Drop empty containers that scratch code fills: run alone they would stay empty, and mislead."""
        rest = []
        for item in kept:
            names = item.statement.names
            if (
                len(names) == 1
                and names[0] in self.filled
                and names[0] not in self.blank.owners
                and _is_empty(item.node)
            ):
                self.scratch[names[0]] = self.filled[names[0]]
            else:
                rest.append(item)
        return rest

    def _sentence(self, name: str, state: Mapping[str, bool]) -> str | None:
        """What spoiled the cell that holds a stub, where nothing else defines it."""
        if name in state:
            return None
        pattern = re.compile(rf"\b(?:def|class)\s+{re.escape(name.rpartition('.')[2])}\b")
        for sentence, code in self.spoiled.items():
            if self.blank.owners.get(name) == code.cell.grade_id or pattern.search(code.cell.source):
                return sentence
        return None

    def _missing(self, state: Mapping[str, bool], lost: Mapping[str, str], kept: Sequence[_Kept]) -> Iterator[str]:
        """The stubs that nothing defines, now that their cells or they themselves are gone."""
        classes = {item.node.name: item.node for item in kept if isinstance(item.node, ast.ClassDef)}
        names = {name for item in kept for name in item.statement.names}
        for name in self.blank.stubs:
            owner = name.rpartition(".")[0]
            dynamic = owner in names and (owner not in classes or not self.blank.same_class(owner, classes[owner]))
            dynamic = dynamic or name in self.scratch or owner in self.scratch
            if name not in state and name not in lost and owner not in lost and not dynamic:
                yield name


def _without_blank_repeats(kept: Sequence[_Kept], blank: Blank) -> tuple[list[_Kept], dict[str, bool]]:
    """Drop blank stubs that would replace something written; and say of each stub whether it ended up written."""
    rest: list[_Kept] = []
    state: dict[str, bool] = {}
    for item in kept:
        stubs = {name: not blank.still(name, node) for name, node in item.top.definitions if name in blank.stubs}
        if stubs and not any(stubs.values()) and any(state.get(name) for name in stubs):
            continue
        rest.append(item)
        if isinstance(item.node, ast.ClassDef):
            for name in [name for name in state if name.startswith(f"{item.node.name}.")]:
                del state[name]
        state.update(stubs)
    return rest, state


def _comes_first(node: ast.stmt) -> bool:
    if not isinstance(node, ast.ImportFrom):
        return False
    return node.module == "__future__" or any(alias.name == "*" for alias in node.names)


def _is_empty(node: ast.stmt) -> bool:
    """Whether an assignment makes an empty container."""
    value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.List):
        return not value.elts
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Name) or value.args or value.keywords:
        return False
    return value.func.id in ("dict", "list", "set")


def _named(cell: Cell) -> str:
    return f"cell {cell.grade_id}" if cell.grade_id else cell.label


@functools.lru_cache(maxsize=4096)
def _fingerprint(source: str) -> bytes:
    try:
        canonical = ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        canonical = source
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()
