"""The parts of a lesson, kept by content: `fathom` alone asks for all of them, and to parse takes ten times as long."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from pathlib import Path

from autograder.caching import store
from autograder.lesson import Part, read_parts

FOLDER = Path(".fathom", "parts")
READERS = ("lesson.py", "notebook/percent.py", "notebook/blank.py", "notebook/cells.py", "notebook/regions.py")


def parts(root: Path, name: str, file: Path, toml: Path) -> tuple[Part, ...]:
    """The parts of a lesson, from the last time that it was parsed if it is the same; raises CurriculumError."""
    place = root / FOLDER / f"{name}.json"
    try:
        key = digest(file.read_bytes(), toml.read_bytes())
    except OSError:
        return read_parts(file, toml)  # which says what is the matter
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(place.read_bytes())
        if kept["key"] == key:
            return tuple(
                Part(part, title, points, tuple(needs), tuple(hints), tuple(stubs))
                for part, title, points, needs, hints, stubs in kept["parts"]
            )
    found = read_parts(file, toml)
    rows = [(part.name, part.title, part.points, part.needs, part.hints, part.stubs) for part in found]
    store(place, json.dumps({"key": key, "parts": rows}).encode())
    return found


def digest(*contents: bytes) -> str:
    """A hash of a lesson's files and of what reads them."""
    state = hashlib.blake2b(reader(), digest_size=16)
    for content in contents:
        state.update(len(content).to_bytes(8, "big") + content)
    return state.hexdigest()


@functools.cache
def reader() -> bytes:
    """A hash of the code that parses lessons."""
    package = Path(__file__).parent
    return hashlib.blake2b(b"".join((package / name).read_bytes() for name in READERS), digest_size=16).digest()
