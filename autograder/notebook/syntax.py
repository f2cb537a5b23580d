"""One code cell as Python: IPython's own lines set aside, errors told in a sentence."""

from __future__ import annotations

import ast
import functools
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from autograder.notebook.names import Function, defined_names, definitions_in, filled_names, made_names

MAX_CHARACTERS = 200_000
LONGEST_HELP = 1_000  # characters of a line such as `torch.nn.Linear?`
MAX_REPAIRS = 50  # magic lines set aside one at a time before all that look like one go at once

_TIMED = ("time", "timeit", "capture", "prun")  # cell magics whose body is ordinary Python
_CELL_MAGIC = re.compile(r"\s*%%(\w*)")
_LINE_MAGIC = re.compile(
    r"""\s*(?:
        [%!?]                                              # %timeit, !ls, ?help
      | [,;/][A-Za-z_]                                     # IPython's quoting and calling prefixes
      | (?P<names>[A-Za-z_][\w.,\s\[\]*]*)=\s*[%!]         # files = !ls
      | (?:pip|conda|mamba|uv|cd|ls|cat|cp|mv|rm|mkdir|time|timeit|matplotlib|load_ext|run|env|who|whos)
        \s+(?:[\w./~$]|-\w)                               # the same without its %
    )""",
    re.VERBOSE,
)
_HELP = re.compile(r"[^#'\"]*\?{1,2}\s*(?:#.*)?$")
_INDENT = re.compile(r"\s*")


@dataclass(frozen=True)
class Statement:
    """A top-level statement: its tree, its text with decorators, and the line of its cell that it begins at."""

    node: ast.stmt
    source: str
    line: int

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What it defines; a function under `@method(Value)` defines `Value.name`."""
        return defined_names(self.node)

    @cached_property
    def definitions(self) -> tuple[tuple[str, ast.stmt], ...]:
        """What it defines with the statement that does, the members of classes included."""
        return tuple(definitions_in(self.node))

    @cached_property
    def made(self) -> tuple[str, ...]:
        """Every name that it binds when it runs, at any depth."""
        return tuple(dict.fromkeys(made_names(self.node)))

    @cached_property
    def filled(self) -> tuple[str, ...]:
        """Names of the containers that it fills."""
        return tuple(dict.fromkeys(filled_names(self.node)))


@dataclass(frozen=True)
class Parsed:
    """A cell's statements, with the line numbers of the cell.

    `error` is (message, line) where the cell cannot be parsed, and then there are no statements.
    `magics` are the names that a line such as `files = !ls` would bind.
    """

    statements: tuple[Statement, ...] = ()
    magics: tuple[str, ...] = ()
    error: tuple[str, int] | None = None


def parsed(source: str) -> Parsed:
    """Parse a cell; never raises. The trees are shared between calls: do not change them."""
    if len(source) > MAX_CHARACTERS:
        return Parsed(error=(f"{len(source):,} characters are more than is read", 1))
    return _parsed(source)


@functools.lru_cache(maxsize=1024)
def _parsed(source: str) -> Parsed:
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if not _without_cell_magics(lines):
        return Parsed()
    names: list[str] = []
    for _ in range(MAX_REPAIRS):
        tree, error = _tree("\n".join(lines))
        if tree is not None:
            return Parsed(tuple(_statements(tree, lines)), tuple(names))
        number = error[1]
        if not (0 < number <= len(lines) and _set_aside(lines, number - 1, names)):
            break
    first = error
    for index in range(len(lines)):
        _set_aside(lines, index, names)
    tree, _ = _tree("\n".join(lines))
    if tree is not None:
        return Parsed(tuple(_statements(tree, lines)), tuple(names))
    return Parsed(error=first)


def _statements(tree: ast.Module, lines: Sequence[str]) -> Iterator[Statement]:
    body = tree.body
    encoded = functools.cache(lambda number: lines[number - 1].encode())  # columns count bytes
    for index, node in enumerate(body):
        decorators = node.decorator_list if isinstance(node, Function | ast.ClassDef) else []
        first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
        last = node.end_lineno or node.lineno
        text = list(lines[first - 1 : last])
        if any(other.lineno == last for other in body[index + 1 : index + 2]):  # a; b
            text[-1] = encoded(last)[: node.end_col_offset].decode()
        if index and body[index - 1].end_lineno == first:
            text[0] = encoded(first)[node.col_offset : node.end_col_offset if first == last else None].decode()
        yield Statement(node, "\n".join(text), first)


def _without_cell_magics(lines: list[str]) -> bool:
    """Blank a leading %%time and its like; False where the whole cell is in another language."""
    for index, line in enumerate(lines):
        magic = _CELL_MAGIC.match(line)
        if magic:
            if magic[1] not in _TIMED:
                return False
            lines[index] = ""
        elif line.strip():
            break
    return True


def _set_aside(lines: list[str], index: int, names: list[str]) -> bool:
    """Put `pass` where a magic, shell or help line stands, with the lines that continue it."""
    line = lines[index]
    magic = _LINE_MAGIC.match(line)
    if not magic and not (len(line) < LONGEST_HELP and _HELP.match(line)):
        return False
    if magic and magic["names"]:
        names += re.findall(r"[A-Za-z_]\w*", magic["names"])
    indent = _INDENT.match(line)
    lines[index] = (indent[0] if indent else "") + "pass"
    while line.rstrip().endswith("\\") and index + 1 < len(lines):
        index += 1
        line = lines[index]
        lines[index] = ""
    return True


def _tree(text: str) -> tuple[ast.Module | None, tuple[str, int]]:
    """The text's tree, or None with what is wrong and where."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            # compiling finds what parsing lets through: `return` outside a function, an argument given twice
            compile(tree, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        return tree, ("", 0)
    except SyntaxError as error:
        return None, (error.msg or "invalid syntax", error.lineno or 1)
    except (RecursionError, MemoryError):
        return None, ("nested too deeply to be read", 1)
    except (ValueError, OverflowError, SystemError) as error:
        return None, (str(error) or type(error).__name__, 1)
