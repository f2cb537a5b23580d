"""What can be said of an exercise without running it: bars, spoilers, stray files, notebooks that are out of date."""

from __future__ import annotations

import io
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autograder.bugs.catalogue import catalogue
from autograder.bugs.rewrite import regions
from autograder.curriculum import Exercise
from autograder.notebook import read
from autograder.notebook.versions import blank_cells

FRAGMENT = 12
FILES = {"exercise.py", "parts.toml", "bugs.toml", "variants.toml"}
PARTS, CHECKS, VARIANTS = 4, 2, 2
BUGS = {"phase1_foundations": 8}
BUGS_ELSEWHERE = 6

Json = dict[str, Any]


def lint(exercise: Exercise, checks: dict[str, int]) -> list[str]:
    """Every finding about one exercise; `checks` counts the collected checks by part."""
    return [*bars(exercise, checks), *spoilers(exercise), *stray(exercise), *stale(exercise)]


def bars(exercise: Exercise, checks: dict[str, int]) -> Iterator[str]:
    """The least that every exercise holds."""
    listing = catalogue(exercise)
    if len(exercise.parts) < PARTS:
        yield f"{exercise.name} has {len(exercise.parts)} parts; at least {PARTS} are wanted"
    least = BUGS.get(exercise.phase, BUGS_ELSEWHERE)
    if len(listing.bugs) < least:
        yield f"{exercise.name} has {len(listing.bugs)} bugs; at least {least} are wanted in {exercise.phase}"
    retold = {entry.bug for entry in listing.other_words}
    if 3 * len(retold) < len(listing.bugs):
        yield f"{len(retold)} of {len(listing.bugs)} bugs are told in other words; a third is wanted"
    if len(listing.variants) < VARIANTS:
        yield f"{exercise.name} has {len(listing.variants)} right variants; at least {VARIANTS} are wanted"
    for part in exercise.parts:
        if checks.get(part.name, 0) < CHECKS:
            yield f"part {part.name} has {checks.get(part.name, 0)} checks; at least {CHECKS} are wanted"
        if not any(bug.part == part.name for bug in listing.bugs):
            yield f"part {part.name} has no bug in bugs.toml"
    known = {part.name for part in exercise.parts}
    for name in sorted(set(checks) - known):
        yield f"checks are declared for {name!r}, which is no part of {exercise.name}"
    for bug in listing.bugs:
        if bug.part not in known:
            yield f"bug {bug.id} is declared for part {bug.part!r}, which does not exist"


def spoilers(exercise: Exercise) -> Iterator[str]:
    """Hints and questions that share a code fragment with a solution or a fix."""
    listing = catalogue(exercise)
    open_text = squeeze("".join(cell.source for cell in blank_cells(exercise)))
    secret = [
        code_only(cell.source[start:end]) for cell in read(exercise.source) for start, end in regions(cell.source)
    ]
    secret += [code_only(bug.find) for bug in listing.bugs]
    windows = {text[i : i + FRAGMENT] for text in secret for i in range(len(text) - FRAGMENT + 1)}
    windows = {window for window in windows if window not in open_text}
    told = [(f"hint {i + 1} of part {part.name}", hint) for part in exercise.parts for i, hint in enumerate(part.hints)]
    told += [(f"the question of bug {bug.id}", bug.question) for bug in listing.bugs]
    told += [(f"the misconception of bug {bug.id}", bug.misconception) for bug in listing.bugs]
    for where, text in told:
        tight = squeeze(text)
        for i in range(len(tight) - FRAGMENT + 1):
            if tight[i : i + FRAGMENT] in windows:
                yield f"{where} gives the code {tight[i : i + FRAGMENT]!r} away; say it in words"
                break


def squeeze(text: str) -> str:
    """Text without white space."""
    return re.sub(r"\s", "", text)


def code_only(source: str) -> str:
    """Code without comments, strings and white space; the text as it is where it does not tokenize."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source.strip() + "\n").readline))
    except (tokenize.TokenError, SyntaxError):
        return squeeze(source)
    dropped = (tokenize.COMMENT, tokenize.STRING)
    return squeeze("".join(token.string for token in tokens if token.type not in dropped))


def stray(exercise: Exercise) -> Iterator[str]:
    """Files in an exercise's folder that nothing reads, and files that are missing."""
    present = {path.name for path in exercise.folder.iterdir() if path.name != "__pycache__"}
    for name in sorted(present - FILES):
        yield f"{exercise.folder / name} is read by nothing; move it or remove it"
    for name in sorted(FILES - present):
        yield f"{exercise.folder / name} is missing"


def stale(exercise: Exercise) -> Iterator[str]:
    """Locked and prose cells of the learner's notebook that are no longer what the build makes."""
    from autograder.notebook.build import build

    place = exercise.notebook
    if not place.exists():
        yield f"{place} is missing; run `fathom build {exercise.name}`"
        return
    fresh = {cell["id"]: cell for cell in build(exercise)["cells"]}
    mine = {cell.get("id"): cell for cell in notebook_cells(place)}
    troubles = {name: trouble for name, cell in fresh.items() if (trouble := trouble_of(cell, mine.get(name)))}
    if troubles:
        (name, trouble), more = next(iter(troubles.items())), len(troubles) - 1
        others = f" ({more} more cells are out of date)" if more else ""
        yield f"{place}: cell {name} {trouble}{others}; run `fathom update {exercise.name}`"


def trouble_of(fresh: Json, old: Json | None) -> str | None:
    """What is wrong with a cell on disk, or None; what a learner wrote in a cell that is theirs to write in is not."""
    if old is None:
        return "is missing"
    metadata = old.get("metadata", {})
    if metadata.get("fathom", {}).get("source") != fresh["metadata"].get("fathom", {}).get("source"):
        return "is not what the build makes"
    locked = fresh["metadata"].get("nbgrader", {}).get("locked", False)
    if locked and "".join(old.get("source", "")) != "".join(fresh["source"]):
        return "is locked and was changed"
    return None


def notebook_cells(place: Path) -> list[Json]:
    """A notebook's cells, as they lie on disk."""
    cells = json.loads(place.read_text(encoding="utf-8")).get("cells", [])
    return [cell for cell in cells if isinstance(cell, dict)]
