"""Aha entries: `progress_log/<date>-<exercise>-<first words>-<hex>.md`, YAML front matter, then the learner's Markdown.

The random end of the name keeps two machines from writing one name on the same day, which git could not merge.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autograder.journal.log import FOLDER, Broken, flush_folder

if TYPE_CHECKING:
    from autograder.journal.story import Story

LIMIT = 1_000_000  # bytes; far above any thought, below what bloats a repository
SAFE = 1000  # characters of front matter; no nesting in so few is deep
FRONT = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class AhaRefused(ValueError):
    """An aha that is not kept; the message says what to do."""


class EmptyAha(AhaRefused):
    """Nothing to read in it."""


class LongAha(AhaRefused):
    """Too long for a file that commands write."""


class UnsavedAha(AhaRefused):
    """The disk refuses."""


@dataclass(frozen=True)
class Aha:
    """One entry; `failing` and `passing` are ids of attempts in the log, `attempts` counts the failing states."""

    name: str
    date: datetime.date
    text: str
    exercise: str | None = None
    part: str | None = None
    minutes: float = 0
    bug: str | None = None
    attempts: int = 0
    failing: str | None = None
    passing: str | None = None


@dataclass(frozen=True)
class Ahas:
    """The entries, oldest first, and the files that are none."""

    entries: tuple[Aha, ...] = ()
    broken: tuple[Broken, ...] = ()


def write(
    root: Path,
    text: str,
    exercise: str | None = None,
    part: str | None = None,
    story: Story | None = None,
    now: datetime.datetime | None = None,
) -> Path:
    """Keep an aha in a file of its own, whole or not at all; never over another one.

    EmptyAha, LongAha, UnsavedAha where it is not kept.
    """
    if not any(character.isprintable() and not character.isspace() for character in text):
        raise EmptyAha('an aha needs a sentence, as in: fathom aha "both paths lead back, so gradients add up"')
    now = now or datetime.datetime.now()
    front = front_matter(exercise, part, story, now.date())
    body = storable(text).encode()
    path = root / FOLDER / file_name(exercise, text, now.date())
    if len(body) > LIMIT:
        raise LongAha(
            f"an aha of {len(body):,} bytes is too long for this command (at most {LIMIT:,}). To keep it, save it as "
            f"{FOLDER}/{path.name} below these lines:\n{front}"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        publish(path, front.encode() + b"\n" + body + b"\n")
    except OSError as error:
        why = error.strerror or str(error)
        raise UnsavedAha(
            f"your aha is not saved: {FOLDER} cannot be written ({why}); keep the text and try again"
        ) from error
    return path


def front_matter(exercise: str | None, part: str | None, story: Story | None, date: datetime.date) -> str:
    """The YAML between its two lines of dashes."""
    import yaml  # 30 ms that the map does without

    fields: dict[str, Any] = {"exercise": exercise, "part": part, "date": date}
    if story is not None:
        fields |= {"minutes": round(story.minutes), "bug": story.bug, "attempts": story.attempts}
        ends = {"failing": story.failed_last, "passing": story.passed}
        fields |= {name: event.id for name, event in ends.items() if event is not None}
    else:
        fields |= {"minutes": 0, "bug": None}
    fields = {name: storable(value) if isinstance(value, str) else value for name, value in fields.items()}
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n"


def storable(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates (bytes a terminal could not decode) are spelt out, as in `\\udce9`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def file_name(exercise: str | None, text: str, date: datetime.date) -> str:
    """A name that says what is inside, of plain letters only, and that nothing else has."""
    topic = re.sub(r"[^A-Za-z0-9_]+", "-", exercise or "").strip("-")[:60] or "general"
    plain = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().lower()
    words = "-".join(re.findall("[a-z0-9]+", plain)[:6])[:40].strip("-") or "aha"
    return f"{date.isoformat()}-{topic}-{words}-{os.urandom(3).hex()}.md"


def publish(path: Path, data: bytes) -> None:
    """Make a file appear complete under its name; FileExistsError where one has it."""
    draft = path.with_name(f".{path.name}.tmp")
    try:
        with draft.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except OSError:
            if path.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from None
            os.replace(draft, path)  # a file system without hard links
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    flush_folder(path.parent)


def read_all(root: Path) -> Ahas:
    """Every entry, oldest first; files that are none are named with the reason, and stay where they are."""
    entries: list[Aha] = []
    broken: list[Broken] = []
    try:
        names = sorted(name for name in os.listdir(root / FOLDER) if name.endswith(".md") and name[0] != ".")
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        return Ahas(broken=() if missing else (Broken(FOLDER, f"cannot be read: {error.strerror or error}"),))
    for name in names:
        if name.lower() == "readme.md":
            continue
        try:
            entries.append(parse(name, (root / FOLDER / name).read_bytes().decode("utf-8")))
        except OSError as error:
            broken.append(Broken(name, f"cannot be read: {error.strerror or error}"))
        except UnicodeDecodeError:
            broken.append(Broken(name, "is not UTF-8 text"))
        except ValueError as error:
            broken.append(Broken(name, str(error)))
    return Ahas(tuple(sorted(entries, key=lambda entry: entry.date)), tuple(broken))


def parse(name: str, content: str) -> Aha:
    """The entry in a file; ValueError says why there is none."""
    found = FRONT.match(content)
    if found is None:
        raise ValueError("has no front matter: it begins with a line ---, fields, and a line --- again")
    fields = load(found[1])
    text = content[found.end() :]
    text = re.sub(r"\A\r?\n", "", text)
    text = re.sub(r"\r?\n\Z", "", text)
    if not text.strip():
        raise ValueError("is empty below its front matter")
    return Aha(
        name=name,
        date=day(fields.get("date"), name),
        text=text,
        exercise=words(fields, "exercise"),
        part=words(fields, "part"),
        minutes=amount(fields, "minutes"),
        bug=words(fields, "bug"),
        attempts=int(amount(fields, "attempts")),
        failing=words(fields, "failing"),
        passing=words(fields, "passing"),
    )


def load(front: str) -> dict[str, Any]:
    """The fields of a front matter; ValueError where it is not YAML with fields."""
    import yaml

    try:
        # The loader in C takes a seventh of the time, but text nested deeply enough crashes it, and Python with it.
        quick = yaml.CSafeLoader if yaml.__with_libyaml__ and len(front) < SAFE else yaml.SafeLoader
        fields = yaml.load(front, Loader=quick)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 2})" if mark is not None else ""
        raise ValueError(f"has front matter that is not YAML{where}") from None
    if isinstance(fields, dict):
        return fields
    raise ValueError("has front matter without fields, as in `exercise: backprop_engine`")


def day(value: object, name: str) -> datetime.date:
    """The date of an entry, from its front matter or else from its file's name."""
    if isinstance(value, datetime.datetime):
        return value.date()
    if isinstance(value, datetime.date):
        return value
    try:
        return datetime.date.fromisoformat(str(value or name)[:10])
    except ValueError:
        raise ValueError("has no date, as in `date: 2026-01-05`") from None


def words(fields: dict[str, Any], name: str) -> str | None:
    """A field as text; an exercise may well be given by its number."""
    value = fields.get(name)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"has an impossible {name}")


def amount(fields: dict[str, Any], name: str) -> float:
    """A field as a number, 0 where it is left out."""
    value = fields.get(name) or 0
    if isinstance(value, int | float) and 0 <= value < 1e9:
        return value
    raise ValueError(f"has impossible {name}")
