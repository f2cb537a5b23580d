"""Ended at any moment, by anyone: no process stays, the terminal gets a sentence or nothing, and no file is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

WAIT = 60.0

# Whoever adds starts what a submission can start, says so in a file, and goes on for ever.
RUNAWAY = """
class Tally:
    def __init__(self):
        self.total = 0.0
        self.count = 0

    def add(self, x):
        import subprocess
        subprocess.Popen(['sleep', '1000'])
        subprocess.Popen(['sleep', '1000'], start_new_session=True)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open(os.environ['FATHOM_TEST_FILE'], 'a').write('x')
                time.sleep(1000)
            os._exit(0)
        time.sleep(1000)
        return self
"""


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something to happen."""
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.fixture
def runaway(made: Any, tmp_path: Path) -> Path:
    """A submission whose first part starts processes and does not end."""
    place = tmp_path / "runaway.py"
    place.write_text(made.answers(tally=RUNAWAY), encoding="utf-8")
    return place


class Running:
    """A command that is in the middle of what it does."""

    def __init__(self, process: subprocess.Popen[str], family: Any) -> None:
        self.process, self.family = process, family

    def send(self, number: int, to: str) -> None:
        """Send a signal to the command, to its group as a terminal does, or to its zygote."""
        if to == "zygote":
            (zygote,) = self.family.zygotes()
            os.kill(zygote, number)
        elif to == "group":
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def ends(self) -> tuple[int, str, str]:
        """Wait for the end of the command and of everybody else."""
        out, err = self.process.communicate(timeout=WAIT)
        assert not self.family.settle()
        return self.process.returncode, out, err


@pytest.fixture
def start(fathom: Any, tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a command and wait until submissions run in `at_work` of its workers."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: object, at_work: int) -> Running:
        said = tmp_path / "started"
        said.touch()
        started.append(fathom.start(*words, FATHOM_TEST_FILE=str(said)))
        until(lambda: len(said.read_text()) >= at_work or started[-1].poll() is not None, "nothing runs")
        return Running(started[-1], fathom.family)

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


ENDS = {
    "ctrl-c": (signal.SIGINT, "group", 130, ""),
    "a-closed-terminal": (signal.SIGHUP, "group", -signal.SIGHUP, ""),
    "killed": (signal.SIGKILL, "command", -signal.SIGKILL, ""),
    "its-zygote-killed": (signal.SIGKILL, "zygote", 2, "the process that runs learners' code is gone"),
}


@pytest.mark.parametrize(("name", "copies"), [*((name, 1) for name in ENDS), ("ctrl-c", 3)])
def test_a_check_that_is_ended_leaves_nobody(
    name: str, copies: int, start: Callable[..., Running], runaway: Path
) -> None:
    number, to, code, words = ENDS[name]
    submissions = [runaway.with_name(f"{index}.py") for index in range(copies)]
    for place in submissions:
        place.write_bytes(runaway.read_bytes())
    running = start("check", "tally", "--json", "--jobs", 2, "--submission", *submissions, at_work=min(copies, 2))
    running.send(number, to)
    got, out, err = running.ends()
    assert (got, out) == (code, ""), err
    assert words in err
    assert "Traceback" not in err and len(err.splitlines()) <= 1


@pytest.mark.parametrize("moment", [0.3, 1.0])
def test_ctrl_c_on_the_way_to_the_first_verdict_leaves_nobody(
    moment: float, start: Callable[..., Running], runaway: Path
) -> None:
    running = start("check", "tally", "--submission", runaway, at_work=0)
    time.sleep(moment)
    running.send(signal.SIGINT, "group")
    code, out, err = running.ends()
    assert out == ""
    if code != 130:  # Python itself had not come up
        assert code in (1, -signal.SIGINT), err
        assert "autograder/commands" not in err
    else:
        assert err == ""


def test_a_verify_that_is_ended_leaves_nobody(start: Callable[..., Running], fathom: Any) -> None:
    running = start("verify", "tally", "--no-notebooks", at_work=0)
    until(lambda: len(fathom.family.alive()) > 3 or running.process.poll() is not None, "nothing runs")
    running.send(signal.SIGINT, "group")
    code, _, err = running.ends()
    assert code == 130
    assert "Traceback" not in err


def test_plain_pytest_that_is_ended_leaves_nobody(fathom: Any, runaway: Path, tmp_path: Path) -> None:
    said = tmp_path / "started"
    said.touch()
    line = fathom.pytest_line("--submission", runaway)
    environment = {**fathom.environment, "FATHOM_TEST_FILE": str(said)}
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(line, env=environment, stdout=nowhere, stderr=nowhere, process_group=0)
    until(lambda: said.read_text() or process.poll() is not None, "nothing runs")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(WAIT) == 2
    assert not fathom.family.settle()
