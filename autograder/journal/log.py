"""The file of events, `progress_log/attempts.jsonl`: append-only, safe among several writers and after a crash.

A line is one write under a lock, then fsync. Where the last line has no newline (its writer was killed), the next
one starts on a line of its own: the torn text stays where it is, and reading names it. Git merges two machines'
files by `merge=union` (in .gitattributes): both sides' lines stay, and `reading` puts them in order.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.journal.event import BrokenLine, Event, decode, encode

try:
    import fcntl
except ImportError:  # not on Windows: there a line is still one write at the end of the file
    fcntl = None  # type: ignore[assignment]

FOLDER = "progress_log"
FILE = "attempts.jsonl"

BLOCK = 1 << 18
LOCK_SECONDS = 1.0  # longer than any write takes; a stopped holder must not hold up a verdict
ID = re.compile(rb'\{"v":\d+,"id":"([^"\\]+)"')


@dataclass(frozen=True)
class Broken:
    """What was skipped: a line number of the log (0: the file) or the name of an aha entry, and why."""

    where: int | str
    reason: str


@dataclass(frozen=True)
class Log:
    """The events in the order they happened, the lines that are none, and those whose time could not be."""

    events: tuple[Event, ...] = ()
    broken: tuple[Broken, ...] = ()
    doubted: tuple[Broken, ...] = ()

    def concerns(self) -> list[str]:
        """A sentence for each line that is skipped, and for each stretch of lines whose clock had jumped."""
        skipped = [f"{where(mark)} {mark.reason}; it is skipped, and stays in the file" for mark in self.broken]
        return skipped + [f"{where(mark)} {mark.reason}" for mark in self.doubted]


def where(mark: Broken) -> str:
    """What a mark of the log is about, in words."""
    return f"{FOLDER}/{FILE}, line {mark.where}:" if mark.where else f"{FOLDER}/{FILE}"


def place(root: Path) -> Path:
    """The log of a repository."""
    return root / FOLDER / FILE


def append(root: Path, event: Mapping[str, Any], now: float | None = None) -> str | None:
    """Write one event (its fields but v, id, after, at); a warning where the disk refuses. ValueError for no event."""
    try:
        with writing(root) as log:
            log.append(event, now)
    except OSError as error:
        return warning(error)
    return None


def warning(error: OSError) -> str:
    """What a learner is told when the log cannot be written."""
    why = error.strerror or str(error)
    return (
        f"not recorded: {FOLDER}/{FILE} cannot be written ({why}). Verdicts are not affected; "
        "free some space or make the folder writable, and the next event is recorded again."
    )


@contextlib.contextmanager
def writing(root: Path) -> Iterator[Writer]:
    """The log, open and locked; OSError where that is impossible."""
    path = place(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = open_locked(path)
    try:
        yield Writer(fd, path)
    finally:
        os.close(fd)  # and with it the lock


@dataclass(frozen=True)
class Writer:
    """The log while we hold it."""

    fd: int
    path: Path

    def append(self, event: Mapping[str, Any], now: float | None = None) -> str:
        """Write one event and return its id; OSError where the disk refuses, and then the file is as it was."""
        size = os.fstat(self.fd).st_size
        end = read_at(self.fd, max(0, size - BLOCK), BLOCK)
        name = os.urandom(8).hex()
        line = encode(event, name, last_id(end), time.time() if now is None else now)
        data = b"\n" + line if end and not end.endswith(b"\n") else line
        try:
            if os.write(self.fd, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush(self.fd)
        except OSError:
            self.take_back(size, len(data))
            raise
        if size == 0:
            flush_folder(self.path.parent)
        return name

    def take_back(self, size: int, most: int) -> None:
        """Remove what a failing disk let through of our own line, if nobody wrote after it."""
        with contextlib.suppress(OSError):
            if size < os.fstat(self.fd).st_size <= size + most:
                os.ftruncate(self.fd, size)

    def newest(self, text: str) -> Iterator[Event]:
        """The events on the lines that contain `text`, the last line first."""
        for line in lines_backwards(self.fd, text.encode()):
            with contextlib.suppress(BrokenLine):
                yield decode(line.decode("utf-8", "replace"))


def open_locked(path: Path) -> int:
    """A descriptor of the log, locked where the system can."""
    for _ in range(5):
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file")
            lock(fd)
            if os.path.samestat(status, path.stat()):
                return fd
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)  # git replaced the file meanwhile: what we would write goes nowhere
    raise OSError(errno.EBUSY, "another program keeps replacing it")


def lock(fd: int) -> None:
    """Wait for our turn, but not for ever: without the lock a line is still a single write at the end."""
    if fcntl is None:
        return
    deadline = time.monotonic() + LOCK_SECONDS
    while time.monotonic() < deadline:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.002)
        except OSError:
            return  # a file system without locks


def read_at(fd: int, offset: int, size: int) -> bytes:
    """At most `size` bytes from `offset`."""
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, size)


def last_id(end: bytes) -> str:
    """The id on the last whole line; "" where there is none."""
    for line in reversed(end.split(b"\n")):
        found = ID.match(line)
        if found and line.rstrip().endswith(b"}"):
            return found[1].decode("ascii", "replace")
    return ""


def lines_backwards(fd: int, text: bytes) -> Iterator[bytes]:
    """The lines that contain `text`, the last one first, reading no more of the file than is asked for."""
    position, rest = os.fstat(fd).st_size, b""
    while position > 0:
        start = max(0, position - BLOCK)
        data = read_at(fd, start, position - start) + rest
        position = start
        whole = data.find(b"\n") + 1 if start else 0  # where whole lines begin: the first one may begin further up
        if start and not whole:
            rest = data
            continue
        if text in data[whole:]:
            yield from (line for line in reversed(data[whole:].split(b"\n")) if text in line)
        rest = data[:whole]


def flush(fd: int) -> None:
    """On to the disk, where the file system knows how."""
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def flush_folder(folder: Path) -> None:
    """Make a new file's name survive a power cut, where folders can be opened."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            flush(fd)
        finally:
            os.close(fd)
