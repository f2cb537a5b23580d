"""Reading logs: files or folders, in whatever encoding, as records in the order of the files."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phase3_apply.anomaly.formats import Format, are_keys, detected, guessed_session, named
from phase3_apply.anomaly.problems import BadLog, Warnings

BACK = 60.0  # seconds by which a clock may go back before it is said: threads write a little out of order
AHEAD = 60 * 86400.0
YEAR = 366 * 86400.0


@dataclass(frozen=True)
class Record:
    """One line: what it says, its time in seconds or None, its session or None, and whether the log calls it a fault."""

    text: str
    time: float | None
    session: str | None
    fault: bool


@dataclass
class Log:
    """What was read: records, or, for files of keys, sessions as they are."""

    records: list[Record] = field(default_factory=list)
    keyed: list[list[int]] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    labelled: bool = False


def read_log(place: Path, session: str, form: str, warnings: Warnings) -> Log:
    """Read a log file, or all log files below a folder; raises BadLog.

    session  pattern of a session's id, "" to find one; form  name of a format, "" to detect it for each file
    """
    if not place.exists():
        raise BadLog(f"{place} does not exist; give a log file, or a folder of log files.")
    log = Log()
    read: list[tuple[Path, list[str], Format]] = []
    for file in files_in(place, warnings):
        lines = lines_of(file, warnings)
        if not any(line.strip() for line in lines):
            warnings.warn("empty", f"{file} has no lines and is left out")
            continue
        log.files.append(file)
        if form == "keys" or (not form and are_keys(lines) and len(lines) > 1):
            log.keyed += keys_of(lines, file)
            log.formats.append("keys")
            continue
        chosen = named(form) if form else detected(lines)
        log.formats.append(chosen.name)
        log.labelled |= "label" in chosen.head.groupindex
        read.append((file, lines, chosen))
    free = [line for _, lines, chosen in read if not chosen.session and not in_head(chosen) for line in lines]
    guess = "" if session else guessed_session([line for line in free if line.strip()])
    for file, lines, chosen in read:
        log.records += records_of(lines, file, chosen, session, guess, warnings)
    if log.records and log.keyed:
        raise BadLog(f"{place} holds log lines and sessions of keys; give one or the other.")
    count = len(log.records) or len(log.keyed)
    if not count:
        raise BadLog(f"{place} is empty: there is no line to read. Is it the right file, and has it been rotated away?")
    if count == 1:
        raise BadLog(f"{place} has one line: what is normal shows in repetition, and there is none. Give a longer log.")
    return log


def in_head(form: Format) -> bool:
    """Whether a format names the session in the head of a line."""
    return "session" in form.head.groupindex


def files_in(place: Path, warnings: Warnings) -> Iterator[Path]:
    """The files of a log, by name; tables, pictures and hidden files in a folder are none."""
    if place.is_file():
        yield place
        return
    for file in sorted(place.rglob("*")):
        hidden = any(piece.startswith(".") for piece in file.relative_to(place).parts)
        if not file.is_file() or hidden or file.suffix in (".csv", ".json", ".md", ".png", ".html", ".py", ".zip"):
            continue
        if file.name.isupper():  # LICENSE, README
            continue
        with file.open("rb") as stream:
            if file.suffix != ".gz" and b"\0" in stream.read(4096):
                warnings.warn("skipped", f"{file} is not text and is left out")
                continue
        yield file


def lines_of(file: Path, warnings: Warnings) -> list[str]:
    """The lines of a file: UTF-8, else Latin-1, which takes every byte and says so; raises BadLog."""
    try:
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise BadLog(f"{file} could not be read ({error}). Check the file and its permissions.") from None
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if content.startswith(mark):
            return split(content.decode(encoding, errors="replace"))
    try:
        return split(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = content[error.start]
        text = f"{file} is not UTF-8 (byte 0x{byte:02x} in line {line:,}); it is read as Latin-1, so some letters may be wrong"
        warnings.warn("encoding", text)
        return split(content.decode("latin-1"))


def split(text: str) -> list[str]:
    """Lines without their ends; only line feeds end a line, since other signs may stand in a message."""
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]


def keys_of(lines: Sequence[str], file: Path) -> list[list[int]]:
    """Sessions from a file that has one a line, as whole numbers; raises BadLog."""
    try:
        return [[int(word) for word in line.split()] for line in lines if line.strip()]
    except ValueError:
        number = next(n for n, line in enumerate(lines, 1) if not re.fullmatch(r"[\d\s]*", line))
        raise BadLog(f"{file}, line {number}: a file of keys has nothing but whole numbers.") from None


def records_of(
    lines: Sequence[str], file: Path, form: Format, session: str, guess: str, warnings: Warnings
) -> list[Record]:
    """Records of one file; a line that the format does not fit goes with the time and session before it.

    session  pattern that was asked for, which may fit anywhere in a line; guess  for formats that have none of their own
    """
    found: list[Record] = []
    strange: list[int] = []
    time: float | None = None
    heads = [(number, line, form.head.match(line)) for number, line in enumerate(lines, 1) if line.strip()]
    texts = [match["text"] if match else line for _, line, match in heads]
    pattern = session or form.session or ("" if in_head(form) else guess)
    clock = Clock(file, warnings)
    last: str | None = None
    for (number, line, match), text in zip(heads, texts, strict=True):
        if match is None:
            strange.append(number)
        elif form.clock is not None:
            time = clock.read(form, match["time"], number, time)
        searched = re.search(pattern, line if session else text) if pattern else None
        if searched is not None:
            last = searched[searched.lastindex or 0]
        elif pattern and match is not None:
            last = None
        elif in_head(form) and match is not None:
            last = match["session"]
        fault = match is not None and "label" in form.head.groupindex and match["label"] != "-"
        found.append(Record(text, time, last, fault))
    clock.report()
    if len(strange) > 0.05 * len(found):
        first = f"{file}: {len(strange):,} of {len(found):,} lines do not look like {form.name} (the first is {strange[0]:,})"
        warnings.warn("unparsed", first + "; they are read as they are")
    return found


class Clock:
    """Reads the times of one file, and notes where the clock jumps."""

    def __init__(self, file: Path, warnings: Warnings) -> None:
        self.file, self.warnings = file, warnings
        self.jumps: list[tuple[int, float]] = []
        self.shift = 0.0

    def read(self, form: Format, text: str, number: int, before: float | None) -> float | None:
        """The time of a line, in seconds; what cannot be read has the time before it."""
        assert form.clock is not None
        try:
            time = form.clock(text) + self.shift
        except ValueError:
            return before
        if before is None:
            return time
        if form.name == "syslog" and time < before - YEAR / 2:  # December is over, and syslog knows no years
            self.shift += YEAR
            time += YEAR
        if time < before - BACK or time > before + AHEAD:
            self.jumps.append((number, time - before))
        return time

    def report(self) -> None:
        """Warn of jumps, if there are any."""
        if self.jumps:
            number, by = self.jumps[0]
            way = "back" if by < 0 else "ahead"
            more = f", and {len(self.jumps) - 1:,} more times" if len(self.jumps) > 1 else ""
            self.warnings.warn(
                "clock",
                f"{self.file}: the clock jumps {way} by {duration(abs(by))} at line {number:,}{more}; lines keep the order "
                "of the file, and drift is shown over lines instead of days",
            )


def duration(seconds: float) -> str:
    """A length of time, in the unit that suits it."""
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
