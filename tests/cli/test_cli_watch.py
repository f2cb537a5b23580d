"""`fathom watch`: one at a time, a verdict on every save that says something, and an end that leaves nobody."""

from __future__ import annotations

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
            try:
                seen.append(self.lines.get(timeout=1.0))
            except queue.Empty:
                self.save_again()
                continue
            if all(word in seen[-1] for word in words):
                return seen
        pytest.fail(f"no {words} in {seen}")

    def save_again(self) -> None:
        """Save what is there: a save before the watch has begun to listen is not seen."""
        self.notebook.write_bytes(self.notebook.read_bytes())

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
    found.says("Watching")
    yield found
    if process.poll() is None:
        process.kill()
    process.wait()


def test_every_save_has_its_verdict_and_a_second_watch_is_refused(
    watch: Watching, fathom: Any, made: Any, own_course: Path
) -> None:
    second = made.fathom(own_course, fathom.family)("watch")
    assert (second.code, second.out) == (2, "")
    assert f"is running here already (process {watch.process.pid})" in second.err

    watch.save()
    assert "tally: 7 of 7 points" in "\n".join(watch.says("after the save"))
    watch.save(halvings="def halvings(n):\n    return n.bit_length()")
    told = "\n".join(watch.says("halvings", "failed"))
    assert "add" not in told  # the edited part comes first, alone
    watch.says("tally: 6 of 7 points")
    watch.notebook.write_text("{", encoding="utf-8")
    watch.says("ends in the middle")
    watch.save(halvings="def halvings(n):\n    while True: pass")
    watch.says("halvings", "timed out")
    watch.save()
    watch.says("tally: 7 of 7 points")

    os.killpg(watch.process.pid, signal.SIGINT)
    assert watch.ends(0) == ""
    assert not fathom.family.settle()


def test_a_watch_whose_zygote_is_killed_says_so_and_ends(watch: Watching, fathom: Any) -> None:
    (zygote,) = fathom.family.zygotes()
    os.kill(zygote, signal.SIGKILL)
    while watch.process.poll() is None:
        watch.save()
        time.sleep(0.5)
    said = watch.ends(2)
    assert "the process that runs learners' code is gone" in said and "Traceback" not in said
    assert not fathom.family.settle()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGHUP, 0)])
def test_a_watch_that_ends_while_it_grades_leaves_nobody_and_no_lock(
    number: int, code: int, watch: Watching, fathom: Any, made: Any, own_course: Path
) -> None:
    watch.save(tally=SLEEPER)
    deadline = time.monotonic() + WAIT
    while "sleep 1000" not in fathom.family.alive().values():
        assert time.monotonic() < deadline
        time.sleep(0.2)
        watch.save_again()
    os.kill(watch.process.pid, number)
    assert watch.ends(code) == ""
    assert not fathom.family.settle()
    again = made.fathom(own_course, fathom.family).start("watch")
    other = Watching(again, watch.notebook, made)
    other.says("Watching")
    os.killpg(again.pid, signal.SIGINT)
    assert other.ends(0) == ""
