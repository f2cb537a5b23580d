"""The learner's own data: a folder of scripts, of cases or of documents, in the place of the invented ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from phase2_llm_projects.bank.incidents import Incident
from phase2_llm_projects.bank.people import Labelled
from phase2_llm_projects.bank.runbooks import Runbook
from phase2_llm_projects.bank.scripts import Script

LANGUAGES = {".sh": "shell", ".bash": "shell", ".ksh": "shell", ".py": "python"}
PROSE = frozenset({".md", ".txt", ".rst"})
MOST = 2_000_000  # characters of one file; larger ones are logs or dumps


class BadData(ValueError):
    """A folder or file that cannot be used; the sentence says which, why, and what to do."""


def own_scripts(folder: str | Path) -> tuple[Script, ...]:
    """Every .sh, .bash, .ksh and .py file below a folder; the request is its first comment, or its name."""
    found = []
    for file, text in files(folder, "scripts", frozenset(LANGUAGES)):
        name = file.relative_to(folder).as_posix()
        request = first_comment(text) or f"Write {name}."
        found.append(Script(name, LANGUAGES[file.suffix.lower()], file.stem, file.parent.name, request, text))
    return tuple(found)


def own_docs(folder: str | Path) -> tuple[Runbook, ...]:
    """Every .md, .txt and .rst file below a folder; headings and list items are its notes."""
    found = []
    for file, text in files(folder, "docs", PROSE):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        title = lines[0].lstrip("# ")
        notes = tuple(line.lstrip("#*-0123456789. ") for line in lines[1:] if line[0] in "#*-0123456789") or (title,)
        found.append(Runbook(file.relative_to(folder).as_posix(), title, "", "", notes, text))
    return tuple(found)


def own_cases(folder: str | Path) -> tuple[Incident, ...]:
    """Cases from every .jsonl file below a folder: one object a line, with "report" and "root_cause".

    Optional are "id", "service" (texts) and "steps" (a list of texts).
    """
    found: list[Incident] = []
    for file, text in files(folder, "cases", frozenset({".jsonl"})):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                found.append(case(line, f"{file}, line {number}", f"CASE-{len(found) + 1:04}"))
    return tuple(found)


def case(line: str, where: str, name: str) -> Incident:
    """Read one case; raises BadData."""
    try:
        row = json.loads(line)
    except ValueError as error:
        raise BadData(f"{where}: this is no JSON ({error}). Write one object a line.") from None
    if not isinstance(row, dict):
        raise BadData(f"{where}: this is a {type(row).__name__}. Write an object with report and root_cause.")
    texts = {key: row.get(key, default) for key, default in {"id": name, "service": ""}.items()}
    texts |= {key: row.get(key) for key in ("report", "root_cause")}
    steps = row.get("steps", [])
    for key, value in texts.items():
        if not isinstance(value, str) or (key in ("report", "root_cause") and not value.strip()):
            raise BadData(f"{where}: {key!r} is missing or no text. A case needs report and root_cause.")
    if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
        raise BadData(f'{where}: \'steps\' is no list of texts. Write ["first", "second"] or leave it out.')
    report = Labelled(texts["report"], ())
    return Incident(texts["id"], texts["service"], report, "", texts["root_cause"], tuple(steps))


def files(folder: str | Path, what: str, endings: frozenset[str]) -> Iterator[tuple[Path, str]]:
    """The files below a folder with one of these endings, by name; hidden ones are left out. Raises BadData."""
    place, listing = Path(folder).expanduser(), ", ".join(sorted(endings))
    if not place.exists():
        raise BadData(f"{what}: there is no folder {place}. Check the path; it is read from {Path.cwd()}.")
    if not place.is_dir():
        raise BadData(f"{what}: {place} is a file. Name the folder that it lies in.")
    found = [
        file
        for file in sorted(place.rglob("*"))
        if file.suffix.lower() in endings and file.is_file() and not hidden(file.relative_to(place))
    ]
    if not found:
        raise BadData(
            f"{what}: {place} holds no file that ends in {listing}. Name another folder, or rename the files."
        )
    for file in found:
        yield file, content(file, what)


def hidden(path: Path) -> bool:
    """Whether a path or a folder on its way begins with a dot."""
    return any(part.startswith(".") for part in path.parts)


def content(file: Path, what: str) -> str:
    """A file's text; raises BadData where it cannot be read, is no UTF-8, is empty or is too large."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadData(
            f"{what}: {file} is not UTF-8 (byte {error.start}). Save it as UTF-8: iconv -f latin1 -t utf-8 {file.name}"
        ) from None
    except OSError as error:
        raise BadData(f"{what}: {file} cannot be read ({error.strerror}). Check its permissions.") from None
    if not text.strip():
        raise BadData(f"{what}: {file} is empty. Remove it or fill it.")
    if len(text) > MOST:
        raise BadData(f"{what}: {file} has {len(text):,} characters, at most {MOST:,} are read. Split or remove it.")
    return text


def first_comment(text: str) -> str:
    """The first line of words in a script: a comment, or the beginning of a docstring."""
    for line in text.splitlines()[:10]:
        words = line.strip().lstrip("#").strip("\"' ")
        if line.strip().startswith(("#", '"""', "'''")) and not line.startswith("#!") and words:
            return words
    return ""
