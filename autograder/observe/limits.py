"""What a worker may use, and the quiet it works in."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import sys

GIB = 2**30
MEMORY = 4 * GIB  # on top of what the warm process holds already
STACK = 120 * 2**20  # the kernel leaves a gap of 128 MiB below a main thread's stack
FILE_SIZE = GIB
RECURSION = 10_000


class Printed(io.TextIOBase):
    """A text stream that keeps the first few thousand characters and counts nothing else."""

    LIMIT = 4_000

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.room = self.LIMIT

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.room > 0:
            self.kept.append(str(text)[: self.room])
            self.room -= len(self.kept[-1])
        return len(text)

    def take(self) -> str:
        """Return what was kept and start afresh."""
        text = "".join(self.kept)
        self.kept, self.room = [], self.LIMIT
        return text


def restrict() -> None:
    """Bound memory, stack, file size and core dumps of this process."""
    for kind, amount in (
        (resource.RLIMIT_AS, address_space() + MEMORY),
        (resource.RLIMIT_STACK, STACK),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        soft = amount if hard == resource.RLIM_INFINITY else min(amount, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (soft, hard))
    sys.setrecursionlimit(RECURSION)
    # Where the whole machine runs out of memory, this process goes, and not the judge.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def address_space() -> int:
    """Bytes of address space this process has mapped (0 where /proc does not tell)."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def silence() -> Printed:
    """Send file descriptors 1 and 2 nowhere, and keep the start of what Python prints."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    printed = Printed()
    sys.stdout = sys.stderr = printed
    return printed
