"""`fathom watch`: one at a time, a verdict on every save that says something, and an end that leaves nobody."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.watching import alone

WAIT = 60.0


SLEEPER = """
class Tally:
    def __init__(self):
        import subprocess
        subprocess.Popen(['sleep', '1000'], start_new_session=True)
        time.sleep(1000)

    def add(self, x):
        return self
"""


class Watching:
    """A watch, and what it has said so far."""

    def __init__(self, process: subprocess.Popen[str], notebook: Path, made: Any) -> None:
        self.process, self.notebook, self.made = process, notebook, made
        self.lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip())

    def says(self, *words: str) -> list[str]:
        """Wait for a line with these words; returns the lines up to it."""
        deadline, seen = time.monotonic() + WAIT, []
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                seen.append(self.lines.get(timeout=1.0))
                if all(word in seen[-1] for word in words):
                    return seen
        pytest.fail(f"no {words} in {seen[-20:]}")

    def listens(self) -> None:
        """Save something new every second until there is a verdict: what is saved before it listens is not seen."""
        self.says("Watching")
        for number in range(int(WAIT)):
            self.save(halvings=f"def halvings(n):\n    return n.bit_length() - {number + 2}")
            with contextlib.suppress(queue.Empty):
                self.lines.get(timeout=1.0)
                self.save(running="def running(values):\n    return values")
                self.says("tally: 4 of 7 points")
                self.says("after the save")
                return
        pytest.fail("no save was seen")

    def save(self, **cells: str) -> None:
        """Save answers, as Jupyter does."""
        self.notebook.write_text(json.dumps(self.made.notebook(self.made.answers(**cells))), encoding="utf-8")

    def ends(self, code: int) -> str:
        """Wait for its end; returns what it said on stderr."""
        assert self.process.wait(WAIT) == code
        assert self.process.stderr is not None
        return self.process.stderr.read()


@pytest.fixture
def watch(fathom: Any, made: Any, own_course: Path) -> Iterator[Watching]:
    """A watch over a course of our own."""
    process = made.fathom(own_course, fathom.family).start("watch")
    found = Watching(process, own_course / "phase1_foundations" / "01_tally.ipynb", made)
    found.listens()
    yield found
    if process.poll() is None:
        process.kill()
    process.wait()


def test_every_save_has_its_verdict_until_the_zygote_is_killed_and_a_second_watch_is_refused(
    watch: Watching, fathom: Any, made: Any, own_course: Path
) -> None:
    second = made.fathom(own_course, fathom.family)("watch")
    assert (second.code, second.out) == (2, "")
    assert f"is running here already (process {watch.process.pid})" in second.err

    watch.save()
    watch.says("tally: 7 of 7 points")
    watch.says("after the save")
    watch.save(halvings="def halvings(n):\n    return n.bit_length()")
    told = watch.says("halvings", "failed", "looks like: starts-at-one")
    assert told[0].startswith("tally: 0 of 1 point ")  # the edited part comes first, alone
    watch.says("tally: 6 of 7 points")
    watch.notebook.write_text("{", encoding="utf-8")
    watch.says("ends in the middle")
    watch.save(halvings="def halvings(n):\n    while True: pass")
    watch.says("halvings", "timed out")
    watch.save()
    watch.says("tally: 7 of 7 points")

    (zygote,) = fathom.family.zygotes()
    os.kill(zygote, signal.SIGKILL)
    watch.save(running="def running(values):\n    return -values")
    said = watch.ends(2)
    assert "the process that runs learners' code is gone" in said and "Traceback" not in said
    assert not fathom.family.settle()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 0)])
def test_a_watch_that_ends_while_it_grades_leaves_nobody_and_no_lock(
    number: int, code: int, watch: Watching, fathom: Any, own_course: Path
) -> None:
    watch.save(tally=SLEEPER)
    deadline = time.monotonic() + WAIT
    while "sleep 1000" not in fathom.family.alive().values():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(watch.process.pid, number)
    assert watch.ends(code) == ""
    assert not fathom.family.settle()
    with alone(own_course):  # as another watch would
        pass
