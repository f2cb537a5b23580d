"""Read the cells of a submission, whatever it looks like: a notebook, a percent script or a plain script."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

Kind = Literal["code", "markdown", "raw"]
_T = TypeVar("_T")

MAX_BYTES = 20_000_000
MAX_CELLS = 5_000
SAVING = (0.005, 0.015, 0.03)  # seconds to wait, one after the other, for a save in progress to end

_CONFLICT = (re.compile(r'^[ \t]*"?<{7} ', re.MULTILINE), re.compile(r'^[ \t]*"?>{7} ', re.MULTILINE))
_GRADE_ID = re.compile(r"[\w.: -]{1,100}")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class Unreadable(Exception):
    """One sentence: what was attempted, on which file, and what to do about it."""


class _Broken(Unreadable):
    """Unreadable in a way that an unfinished save would explain."""


@dataclass(frozen=True)
class Cell:
    """One cell of a submission; `metadata` and `id` are what the file says, never trusted."""

    kind: Kind
    source: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    id: str | None = None
    index: int = 0

    @property
    def grade_id(self) -> str | None:
        """nbgrader's name of the cell, if it has a usable one."""
        return grade_id(self.metadata)

    @property
    def label(self) -> str:
        """What a message calls this cell: its grade_id, else its place."""
        return self.grade_id or f"cell {self.index + 1}"


def grade_id(metadata: object) -> str | None:
    """The grade_id inside a cell's metadata, or None for anything that is no short name."""
    block = metadata.get("nbgrader") if isinstance(metadata, Mapping) else None
    name = block.get("grade_id") if isinstance(block, Mapping) else None
    return name if isinstance(name, str) and _GRADE_ID.fullmatch(name) else None


def read(path: Path | str, *, max_bytes: int = MAX_BYTES, max_cells: int = MAX_CELLS) -> tuple[Cell, ...]:
    """Read a notebook or a script into cells; raises Unreadable for anything that is neither."""
    path = Path(path) if isinstance(path, str) else path
    if path.suffix == ".py":
        return _script(path, max_bytes, max_cells)
    document = load(path, max_bytes=max_bytes, max_cells=max_cells)
    return tuple(_cell(path, index, cell) for index, cell in enumerate(document["cells"]))


def load(path: Path | str, *, max_bytes: int = MAX_BYTES, max_cells: int = MAX_CELLS) -> dict[str, Any]:
    """Read a notebook as the JSON document it is, with every cell checked; raises Unreadable."""
    path = Path(path)
    if path.suffix == ".py":
        raise Unreadable(f"{path} is a script, and a notebook was expected: give the .ipynb file.")
    return _patiently(lambda: _document(path, max_bytes, max_cells))


def text(source: object) -> str | None:
    """The text of a source as nbformat stores it, a string or a list of strings; None for anything else."""
    if isinstance(source, str):
        return source
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return None


def source_hash(source: str) -> str:
    """A short hash of a cell's text, which tells whether somebody has edited it."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _patiently(attempt: Callable[[], _T]) -> _T:
    """Try again for a moment where a save in progress would explain the failure."""
    for wait in SAVING:
        try:
            return attempt()
        except _Broken:
            time.sleep(wait)
    return attempt()


def _document(path: Path, max_bytes: int, max_cells: int) -> dict[str, Any]:
    content = _decoded(path, _raw(path, max_bytes))
    try:
        document = json.loads(content)
        if _ESCAPED_SURROGATE.search(content):
            document = _without_surrogates(document)
    except json.JSONDecodeError as error:
        raise _not_json(path, content, error) from None
    except (ValueError, RecursionError, MemoryError):
        raise Unreadable(f"{path} could not be read: its JSON is not that of a notebook. {_RESTORE}") from None
    return _checked(path, document, max_cells)


_CONFLICTS = "{} holds git conflict markers: resolve the merge (git mergetool), then try again."
_RESTORE = "Restore it from a backup or a checkpoint (`fathom reset` keeps backups in .fathom/backups)."


def _not_json(path: Path, content: str, error: json.JSONDecodeError) -> Unreadable:
    if _in_conflict(content):
        return Unreadable(_CONFLICTS.format(path))
    if error.pos >= len(content.rstrip()) or "Unterminated string" in error.msg:
        return _Broken(f"{path} ends in the middle, as if a save or a download was cut off. {_RESTORE}")
    return _Broken(f"{path} is not a notebook: its JSON breaks at line {error.lineno}. {_RESTORE}")


def _in_conflict(content: str) -> bool:
    begin, end = _CONFLICT
    found = begin.search(content)
    return found is not None and end.search(content, found.end()) is not None


def _checked(path: Path, document: object, max_cells: int) -> dict[str, Any]:
    """The document, once it is known to be a notebook of format 4 whose cells all have text."""
    if not isinstance(document, dict) or "nbformat" not in document:
        raise Unreadable(f"{path} is JSON but not a notebook: submit the .ipynb file that Jupyter saved.")
    version = document["nbformat"]
    if version in (1, 2, 3):
        raise Unreadable(
            f"{path} is in notebook format {version}, and format 4 is needed: open it in JupyterLab and save it, "
            "or run `jupyter nbconvert --to notebook --inplace` on it."
        )
    if type(version) is not int or version != 4:
        raise Unreadable(f"{path} claims a notebook format that is not known here; format 4 is needed: save it again.")
    cells = document.get("cells")
    if not isinstance(cells, list):
        raise Unreadable(f"{path} is a notebook without cells. {_RESTORE}")
    if len(cells) > max_cells:
        raise Unreadable(f"{path} has {len(cells)} cells, and at most {max_cells} are read: remove what is not yours.")
    for index, cell in enumerate(cells):
        if not isinstance(cell, dict) or text(cell.get("source", "")) is None:
            raise Unreadable(f"{path}: cell {index + 1} is damaged, it holds no text. {_RESTORE}")
    return document


def _cell(path: Path, index: int, raw: dict[str, Any]) -> Cell:
    kind, metadata, identity = raw.get("cell_type"), raw.get("metadata"), raw.get("id")
    return Cell(
        kind=kind if kind in ("code", "markdown") else "raw",
        source=text(raw.get("source", "")) or "",
        metadata=metadata if isinstance(metadata, dict) else {},
        id=identity if isinstance(identity, str) else None,
        index=index,
    )


def _script(path: Path, max_bytes: int, max_cells: int) -> tuple[Cell, ...]:
    # percent.py builds Cells, so it imports this module: the import waits until a script is read
    from autograder.notebook import percent

    content = _patiently(lambda: _decoded(path, _raw(path, max_bytes)))
    if _in_conflict(content):
        raise Unreadable(_CONFLICTS.format(path))
    cells = percent.cells(content)
    if len(cells) > max_cells:
        raise Unreadable(f"{path} has {len(cells)} cells, and at most {max_cells} are read: remove what is not yours.")
    return cells


def _raw(path: Path, max_bytes: int) -> bytes:
    if not isinstance(path, os.PathLike):
        return path.read_bytes()  # inside a release's data file: our own
    try:
        # a pipe or a device would block: look before opening, and never wait for a writer
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise Unreadable(f"{path} does not exist: check the path, or run `fathom build` for a new notebook.") from None
    except (OSError, ValueError) as error:
        if _is_folder(path):  # opening a folder fails on some systems
            raise Unreadable(f"{path} is a folder: give the notebook inside it.") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise Unreadable(
            f"{str(path)!r:.300} could not be opened ({reason}): check the path and its permissions."
        ) from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        if stat.S_ISDIR(mode):
            raise Unreadable(f"{path} is a folder: give the notebook inside it.")
        raise Unreadable(f"{path} is not a regular file: give a notebook or a Python script.")
    with open(descriptor, "rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise Unreadable(
            f"{path} is larger than {max_bytes / 1e6:g} MB, more than is read: "
            "clear its outputs (Kernel, Restart and Clear Outputs) and save it."
        )
    return content


def _decoded(path: Path, content: bytes) -> str:
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{path} is not UTF-8 text (byte {error.start}): save it again with the encoding UTF-8."
        cut = error.reason == "unexpected end of data"
        raise (_Broken if cut else Unreadable)(message) from None
    if not decoded.strip():
        raise _Broken(f"{path} is empty: a save may have failed. {_RESTORE}")
    return decoded


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _without_surrogates(value: Any) -> Any:
    """The document with half characters replaced: they cannot be hashed, printed or written as UTF-8."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
