"""Several writers at once, kill -9 at any moment, a full and a read-only disk: with real processes and real mounts."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from autograder import journal
from autograder.journal import log

ROOT = Path(__file__).resolve().parents[2]


def fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
    finally:
        os._exit(0)


def write_for_ever(root: Path, told: int, name: str) -> None:
    number = 0
    while True:
        if journal.append(root, {"kind": "aha", "file": f"{name}-{number}"}) is None:
            os.write(told, f"{name}-{number}\n".encode())
        number += 1


def test_writers_that_are_killed_lose_nothing_they_were_told_is_written(tmp_path):
    chance = random.Random(5)
    reading, writing = os.pipe()
    for round_ in range(12):
        names = [f"{round_}-{number}" for number in range(3)]
        children = [fork(partial(write_for_ever, tmp_path, writing, name)) for name in names]
        time.sleep(chance.uniform(0.01, 0.06))
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            time.sleep(chance.uniform(0, 0.01))
    os.close(writing)
    with open(reading) as pipe:
        told = pipe.read().split()
    found = journal.read(tmp_path)
    written = [event.said["file"] for event in found.events]
    assert len(told) > 30
    assert set(told) <= set(written)
    assert len(written) == len(set(written))
    assert found.broken == ()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, 1.0])
def test_a_writer_killed_in_the_middle_of_a_line_leaves_the_lock_and_a_log_that_goes_on(tmp_path, share):
    journal.append(tmp_path, {"kind": "aha", "file": "first"})

    def die_in_mid_write() -> None:
        write = os.write

        def part(fd: int, data: bytes) -> int:
            write(fd, data[: int(share * len(data))])
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        log.os.write = part
        journal.append(tmp_path, {"kind": "aha", "file": "torn"})

    os.waitpid(fork(die_in_mid_write), 0)
    began = time.monotonic()
    assert journal.append(tmp_path, {"kind": "aha", "file": "last"}) is None
    assert time.monotonic() - began < log.LOCK_SECONDS
    found = journal.read(tmp_path)
    files = [event.said["file"] for event in found.events]
    assert files == (["first", "torn", "last"] if share == 1 else ["first", "last"])
    assert [mark.where for mark in found.broken] == ([2] if 0 < share < 1 else [])


def test_two_graders_of_one_save_log_it_once(tmp_path, report):
    def grade() -> None:
        for state in range(20):
            journal.attempt(tmp_path, report(add="failed", mul="not_started"), f"digest-{state // 4}", "watch")

    for child in [fork(grade), fork(grade)]:
        os.waitpid(child, 0)
    digests = [event.digest for event in journal.read(tmp_path).events]
    assert all(first != second for first, second in pairwise(digests))
    assert set(digests) == {f"digest-{number}" for number in range(5)}


SCRIPT = """
    import os, subprocess, sys
    from pathlib import Path
    from autograder import journal
    root = Path(sys.argv[1])
    report = {"error": None, "exercise": "gpt", "seconds": 0.1,
              "parts": [{"part": "block", "outcome": "failed", "points": 0, "out_of": 1, "bug": None}]}

    def attempt(digest):
        return journal.attempt(root, report, digest, "check")

    def aha():
        try:
            return journal.aha(root, "Residuals keep the gradient alive.", "gpt", "block")
        except journal.AhaRefused as error:
            return str(error)

    def mounted(*options):
        subprocess.run(["mount", *options, str(root)], check=True)

    mounted("-t", "tmpfs", "-o", "size=64k", "none")
    assert attempt("one").event
    filler = root / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 64)
        except OSError:
            pass
    digests = 0
    while attempt(f"fill-{digests}").event:
        digests += 1
    told = attempt("two")
    assert "No space left" in told.warning, told
    assert "No space left" in aha()
    assert not list((root / "progress_log").glob("*.md")) and not list((root / "progress_log").glob(".*"))
    assert journal.hint(root, "gpt", "block").level == 1
    before = journal.read(root)
    wanted = ["one", *(f"fill-{number}" for number in range(digests))]
    assert [event.digest for event in before.events if event.kind == "attempt"] == wanted and not before.broken, before
    filler.unlink()
    assert attempt("two").event and aha().exists()
    mounted("-o", "remount,ro")
    assert "Read-only" in attempt("three").warning
    assert "Read-only" in aha()
    hint = journal.hint(root, "gpt", "block", 3, 2)
    assert hint.level == 2 and "Read-only" in hint.warning
    assert journal.standing(root).work("gpt").outcomes == {"block": "failed"}
"""


def test_a_full_and_a_read_only_disk_cost_a_warning_each(tmp_path):
    own_mounts = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        subprocess.run([*own_mounts, "mount", "-t", "tmpfs", "none", str(tmp_path)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody mount a small disk")
    command = [*own_mounts, sys.executable, "-c", textwrap.dedent(SCRIPT), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
