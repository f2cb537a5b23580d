"""One exercise as its author writes it: the front matter and cells of exercise.py, and parts.toml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from autograder.notebook import percent
from autograder.notebook.blank import is_solution, stubs_in
from autograder.notebook.cells import Cell
from autograder.notebook.regions import BadRegion
from autograder.notebook.syntax import parsed

TRACKS = ("core", "breadth")
HINTS = 3

_CHECK = re.compile(r"\s*check\(\s*([\"'])([\w-]+)\1\s*\)\s*")
_GRADE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class CurriculumError(Exception):
    """An author's mistake: the file, what is wrong in it, and what to do."""


@dataclass(frozen=True)
class Part:
    """One graded part: a check cell, the stubs above it, and what parts.toml says of it."""

    name: str
    title: str
    points: int
    needs: tuple[str, ...]
    hints: tuple[str, ...]
    stubs: tuple[str, ...]


def front_matter(file: Path) -> dict[str, Any]:
    """The checked fields of the `fathom` block in a lesson's header, under their names; raises CurriculumError."""
    try:
        header = percent.header(_text(file))
    except percent.BadHeader as error:
        _wrong(file, f"the header is not YAML: {error}", "Compare it with another exercise's header.")
    jupyter = header.get("jupyter")
    block = jupyter.get("fathom") if isinstance(jupyter, dict) else None
    if not isinstance(block, dict):
        _wrong(file, "the header has no `fathom` block under `jupyter`", "Add it, with the keys of another exercise.")
    missing = [key for key in _FIELDS if key not in block]
    unknown = [str(key) for key in block if key not in _FIELDS]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has unknown keys: {', '.join(unknown)}"
        _wrong(file, f"the `fathom` block {what}", f"It holds exactly: {', '.join(_FIELDS)}.")
    fields = {}
    for key, (convert, kind) in _FIELDS.items():
        fields[key] = convert(block[key])
        if fields[key] is None:
            _wrong(file, f"`{key}` is {block[key]!r}", f"Make it {kind}.")
    return fields


def read_parts(file: Path, toml: Path) -> tuple[Part, ...]:
    """The parts of a lesson, in the order of their check cells; raises CurriculumError."""
    cells = percent.cells(_text(file))
    _check_options(file, cells)
    points = _points(file, cells)
    stubs = _stubs(file, cells, list(points))
    entries = _entries(toml, list(points))
    parts = []
    for name, worth in points.items():
        if not stubs[name]:
            _wrong(file, f"part {name!r} has no solution region", "Put one above its check cell, or name it in one.")
        entry = entries[name]
        title = entry.get("title")
        if not isinstance(title, str) or not title.strip():
            _wrong(toml, f"[{name}] has no title", 'Add `title = "…"`.')
        hints = _strings(entry.get("hints"))
        if hints is None or len(hints) != HINTS:
            _wrong(toml, f"[{name}] needs a list of {HINTS} hints", "Add them, from a first nudge to nearly there.")
        needs = _strings(entry.get("needs", []))
        unknown = [need for need in needs or () if need not in points or need == name]
        if needs is None or unknown:
            _wrong(toml, f"[{name}] needs {unknown or entry['needs']!r}", f"Other parts are: {_list(points, name)}.")
        parts.append(Part(name, title, worth, needs, hints, tuple(stubs[name])))
    _check_cycles(toml, {part.name: part.needs for part in parts})
    return tuple(parts)


def _check_options(file: Path, cells: Sequence[Cell]) -> None:
    """Refuse cell options that nobody could read: a typo there would silently unmark the cell."""
    seen: set[str] = set()
    for cell in cells:
        if percent.UNREADABLE_OPTIONS in cell.metadata:
            options = cell.metadata[percent.UNREADABLE_OPTIONS]
            _wrong(file, f"cell {cell.index + 1} has options that cannot be read: {options}", "Write key={JSON}.")
        if "nbgrader" not in cell.metadata:
            continue
        name = cell.grade_id
        if name is None or not _GRADE_ID.fullmatch(name):
            _wrong(file, f"cell {cell.index + 1} has the grade_id {name!r}", "Use 1 to 64 of a-z, A-Z, 0-9, _ and -.")
        if name in seen:
            _wrong(file, f"two cells have the grade_id {name!r}", "Rename one of them.")
        seen.add(name)


def _points(file: Path, cells: Sequence[Cell]) -> dict[str, int]:
    """Points of each part, in the order of the check cells."""
    points: dict[str, int] = {}
    for cell in cells:
        if not is_check(cell):
            continue
        name = part_of_check(cell)
        if name is None:
            _wrong(file, f'check cell {cell.grade_id!r} holds more than one `check("…")`', "Leave only that line.")
        if name in points:
            _wrong(file, f"part {name!r} has two check cells", "Rename one of them, or remove it.")
        worth = cell.metadata["nbgrader"].get("points")
        if type(worth) is not int or worth < 1:
            _wrong(file, f"check cell {cell.grade_id!r} has {worth!r} points", "Give a whole number from 1 up.")
        points[name] = worth
    if not points:
        _wrong(
            file, "no cell is a check cell", 'Mark one: nbgrader={"grade_id": "check-…", "grade": true, "points": 1}.'
        )
    return points


def _stubs(file: Path, cells: Sequence[Cell], parts: Sequence[str]) -> dict[str, list[str]]:
    """The stubs of each part: a region belongs to the part it names, else to the next check cell below."""
    found: dict[str, list[str]] = {part: [] for part in parts}
    below = list(parts)
    for cell in cells:
        if is_check(cell):
            below.remove(part_of_check(cell) or "")
        if cell.kind != "code":
            continue
        for stub, named in _regions(file, cell):
            part = named or (below[0] if below else None)
            where = f"cell {cell.label}"
            if part not in found:
                what = f"names part {part!r}" if part else "stands below the last check cell"
                _wrong(file, f"a solution region of {where} {what}", f"The parts are: {', '.join(parts)}.")
            if not stub:
                _wrong(file, f"a solution region of {where} is outside any function", "Put it into a function's body.")
            if stub not in found[part]:
                found[part].append(stub)
    return found


def _regions(file: Path, cell: Cell) -> list[tuple[str, str | None]]:
    try:
        found = list(stubs_in(cell.source))
    except BadRegion as error:
        _wrong(file, f"in cell {cell.label}, {error}", "Pair ### BEGIN SOLUTION with ### END SOLUTION.")
    if is_solution(cell) != bool(found):
        if found:
            _wrong(
                file,
                f"cell {cell.label} holds a solution region",
                'Mark it: nbgrader={"grade_id": "…", "solution": true}.',
            )
        _wrong(file, f"solution cell {cell.label} holds no solution region", "Add one, or unmark the cell.")
    broken = parsed(cell.source).error if found else None
    if broken:
        place = f"cell {cell.label}, line {broken[1]}"
        _wrong(file, f"{place}: {broken[0]}", "Every code cell is Python on its own: mend it.")
    return found


def _entries(toml: Path, parts: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    import tomllib  # only those who read parts pay for it

    try:
        entries = tomllib.loads(_text(toml))
    except tomllib.TOMLDecodeError as error:
        _wrong(toml, f"it is not TOML: {error}", "Mend that line.")
    for name, entry in entries.items():
        if name not in parts:
            _wrong(toml, f"[{name}] is no part of the lesson", f"Its check cells name: {', '.join(parts)}.")
        if not isinstance(entry, dict):
            _wrong(toml, f"{name!r} is not a table", f"Write [{name}] with title, needs and hints below it.")
        unknown = sorted(set(entry) - {"title", "needs", "hints"})
        if unknown:
            _wrong(toml, f"[{name}] has unknown keys: {', '.join(unknown)}", "It holds title, needs and hints.")
    for name in parts:
        if name not in entries:
            _wrong(toml, f"part {name!r} has a check cell but no entry", f"Add [{name}] with title, needs and hints.")
    return entries


def _check_cycles(toml: Path, needs: Mapping[str, Sequence[str]]) -> None:
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            _wrong(toml, f"parts need each other: {' → '.join([*above, name])}", "Remove one of these needs.")
        if name not in done:
            for need in needs[name]:
                visit(need, (*above, name))
            done.add(name)

    for name in needs:
        visit(name, ())


def is_check(cell: Cell) -> bool:
    """Whether a lesson's cell is marked as graded."""
    block = cell.metadata.get("nbgrader")
    return cell.kind == "code" and isinstance(block, Mapping) and block.get("grade") is True


def part_of_check(cell: Cell) -> str | None:
    """The part that a check cell names, or None where it holds anything but one `check("…")`."""
    match = _CHECK.fullmatch(cell.source)
    return match[2] if match else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        _wrong(file, "it is missing", "Write it, or remove the folder.")
    except (OSError, UnicodeDecodeError) as error:
        _wrong(file, f"it could not be read ({error})", "Check its permissions, and save it as UTF-8.")


def _wrong(file: Path, what: str, todo: str) -> NoReturn:
    raise CurriculumError(f"{file}: {what}. {todo}") from None


def _list(names: Mapping[str, Any], but: str) -> str:
    return ", ".join(name for name in names if name != but) or "none"


def _strings(value: object) -> tuple[str, ...] | None:
    good = isinstance(value, list) and all(isinstance(item, str) and item.strip() for item in value)
    return tuple(value) if good and isinstance(value, list) else None


def _string(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 1 else None


def _hours(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _track(value: object) -> str | None:
    return value if isinstance(value, str) and value in TRACKS else None


_LIST = (_strings, "a list of strings")
_FIELDS: Mapping[str, tuple[Callable[[object], Any], str]] = {
    "number": (_count, "a whole number from 1 up"),
    "title": (_string, "a text"),
    "question": (_string, "one sentence"),
    "hours": (_hours, "a number above 0"),
    "track": (_track, f"one of {', '.join(TRACKS)}"),
    "week": (_count, "a whole number from 1 up"),
    "needs": _LIST,
    "sources": _LIST,
    "alone": _LIST,
    "from_scratch": _LIST,
}
