"""Defaults that come with Python itself: its library's source is real code, its help topics are real prose."""

from __future__ import annotations

import ast
import importlib
import sysconfig
from collections.abc import Iterator
from pathlib import Path


def python_prose() -> str:
    """English prose, about 700,000 characters: the help topics of this Python, in the order of their names."""
    topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    return "\n\n".join(topics[name].strip() for name in sorted(topics)) + "\n"


def library_source(least: int = 0) -> str:
    """Python code: modules of the standard library in the order of their names, all or at least `least` characters."""
    texts: list[str] = []
    size = 0
    for text in modules():
        texts.append(text)
        size += len(text)
        if least and size >= least:
            break
    return "\n".join(texts)


def function_names() -> list[str]:
    """Names of functions in the standard library, each once, sorted: lower-case letters and underscores."""
    found = {
        node.name
        for text in modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name.replace("_", "").isalpha() and node.name.islower()
    }
    return sorted(found)


def modules() -> Iterator[str]:
    """The source of each single-file module of the standard library."""
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        yield file.read_text(encoding="utf-8", errors="replace")
