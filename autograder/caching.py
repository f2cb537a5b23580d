"""Files that only save time: written whole or not at all, and missed by nobody where the disk refuses."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def store(path: Path, data: bytes) -> None:
    """Write a cache's file; a disk that refuses only costs time next time."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
