"""Execute a notebook's statements one by one, each with its cell's name and lines in any traceback."""

from __future__ import annotations
import __future__

import linecache
from collections.abc import Mapping
from typing import Any

LASTING = __future__.annotations.compiler_flag  # what an import from __future__ changes for all that comes after it


class Runner:
    """Executes statements in one namespace, as if they stood in one file."""

    def __init__(self, namespace: dict[str, Any], prefix: str = "") -> None:
        """`prefix` stands before the cell's name in tracebacks."""
        self.namespace, self.prefix, self.flags = namespace, prefix, 0

    def run(self, statement: Mapping[str, Any], index: int) -> None:
        """Execute one statement; raises whatever it raises."""
        file = f"<{self.prefix}{statement['cell']} #{index}>"
        source = "\n" * (statement["line"] - 1) + statement["source"]
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        code = compile(source, file, "exec", flags=self.flags, dont_inherit=True)
        self.flags |= code.co_flags & LASTING
        exec(code, self.namespace)
