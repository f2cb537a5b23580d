"""Keep what a long log came to in `.fathom/practice.json`, for the lines that are known by the hash of their bytes.

It is made anew where the lines, or the way they are counted, are others; nothing but time is lost with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path

from autograder.journal import Log
from autograder.practice import outcomes
from autograder.practice.outcomes import Fold

CACHE = Path(".fathom", "practice.json")


def folded(root: Path, log: Log) -> Fold:
    """The fold over a log."""
    count, lines = log.base
    if not count:
        return Fold().add(log.events)
    key = hashlib.sha256(lines.encode() + Path(outcomes.__file__).read_bytes()).hexdigest()
    found = kept(root, key)
    if found is None:
        found = Fold().add(log.events[:count])
        keep(root, key, found)
    return found.add(log.events[count:])


def kept(root: Path, key: str) -> Fold | None:
    """The fold from the cache; None where it is of other lines."""
    try:
        data = json.loads((root / CACHE).read_bytes())
        return Fold.from_data(data) if data["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


def keep(root: Path, key: str, fold: Fold) -> None:
    """Write the cache, whole or not at all; a disk that refuses only costs time next time."""
    path = root / CACHE
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        try:
            draft.write_text(json.dumps({"key": key, **fold.as_data()}), encoding="ascii")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
