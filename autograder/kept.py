"""What a lesson says of itself, kept by content: every command asks all lessons, and to parse takes ten times as long."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder import lesson
from autograder.caching import store
from autograder.lesson import Part

FOLDER = Path(".fathom", "lessons")
READERS = ("lesson.py", "notebook/percent.py", "notebook/blank.py", "notebook/cells.py", "notebook/regions.py")


def front_matter(root: Path, name: str, file: Path) -> dict[str, Any]:
    """As lesson.front_matter."""
    fields = remembered(root / FOLDER / f"{name}.front.json", (file,), lambda: lesson.front_matter(file))
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def parts(root: Path, name: str, file: Path, toml: Path) -> tuple[Part, ...]:
    """As lesson.read_parts."""

    def read() -> list[Any]:
        found = lesson.read_parts(file, toml)
        return [(part.name, part.title, part.points, part.needs, part.hints, part.stubs) for part in found]

    return tuple(
        Part(part, title, points, tuple(needs), tuple(hints), tuple(stubs))
        for part, title, points, needs, hints, stubs in remembered(
            root / FOLDER / f"{name}.parts.json", (file, toml), read
        )
    )


def remembered(place: Path, files: tuple[Path, ...], read: Callable[[], Any]) -> Any:
    """What `read` makes of files, as JSON has it: from the last time if they are the same."""
    try:
        key = digest(*(file.read_bytes() for file in files))
    except OSError:
        return read()  # which says what is the matter
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(place.read_bytes())
        if kept["key"] == key:
            return kept["said"]
    said = read()
    store(place, json.dumps({"key": key, "said": said}).encode())
    return said


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
