"""The judge behind a notebook, as a process: its standard input is a socket, requests come in, reports go out.

Every request is graded in a fork, so that the next one can end it. The process ends with the kernel that started it,
and after an hour without a request.
"""

from __future__ import annotations

import collections
import contextlib
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from autograder import curriculum
from autograder.bugs.diagnosis import Diagnostician, diagnose_with, unnamed
from autograder.bugs.signatures import preloads, run_catalogue
from autograder.curriculum import Exercise
from autograder.judge.examine import Request
from autograder.judge.grading import JudgeError
from autograder.judge.report import to_data
from autograder.judge.session import Child, Judge, with_judge
from autograder.kernel.history import Executed
from autograder.notebook import Cell
from autograder.observe import wire
from autograder.observe.zygote import PR_SET_PDEATHSIG, prctl

IDLE = 3600.0
LOOK = 2.0  # seconds between looks at whether the kernel is still there
GENTLE = 10  # how much the first run of the catalogue gives way to others


class Bench:
    """The event loop: one kernel, one exercise, at most one grading at a time."""

    def __init__(self, judge: Judge, exercise: Exercise, sock: socket.socket) -> None:
        self.judge, self.exercise, self.sock = judge, exercise, sock
        self.doctor = Diagnostician(judge)
        self.kernel = os.getppid()
        self.asked: dict[str, Any] | None = None  # the request that has no answer yet
        self.child: Child | None = None
        self.scholar: tuple[int, int] | None = None  # pid and pipe of the fork that runs the catalogue
        self.selector = selectors.DefaultSelector()
        self.selector.register(sock, selectors.EVENT_READ)
        self.last = time.monotonic()

    def run(self) -> None:
        """Serve until the kernel hangs up, is gone, or asks nothing for an hour."""
        if not self.doctor.prepare(self.exercise):
            self.study()
        try:
            while self.step():
                pass
        finally:
            self.drop_child()
            self.drop_scholar()

    def step(self) -> bool:
        """Handle what is ready; False when it is time to end."""
        for key, _ in self.selector.select(LOOK):
            if key.fileobj is self.sock:
                try:
                    self.take(wire.receive(self.sock))
                except (wire.Closed, wire.WireError, OSError):
                    return False
            elif self.child is not None and key.fileobj is self.child.sock:
                self.finish()
            elif self.scholar is not None and key.fd == self.scholar[1]:
                self.drop_scholar()
                self.doctor.prepare(self.exercise)
                if self.asked is not None and self.child is None:
                    self.begin()
        return os.getppid() == self.kernel and time.monotonic() - self.last < IDLE

    def take(self, request: dict[str, Any]) -> None:
        """Begin a request; one that is still being graded was interrupted, and ends."""
        self.last = time.monotonic()
        self.drop_child()
        self.asked = request
        self.begin()

    def begin(self) -> None:
        """Fork a judge for the present request."""
        assert self.asked is not None
        cells = tuple(cell(*given) for given in self.asked["cells"])
        self.request = Request(self.exercise, self.asked["path"], cells, tuple(self.asked["parts"]))
        self.child = self.judge.fork([self.request], diagnose_with(self.doctor.found), False)
        self.selector.register(self.child.sock, selectors.EVENT_READ)
        self.child.take(collections.deque([0]))

    def finish(self) -> None:
        """Answer with what the fork found; a failure without a name waits for the catalogue to be run, once."""
        assert self.asked is not None and self.child is not None
        try:
            graded, _ = self.child.collect(self.request, lenient=False)
        except JudgeError as error:
            self.drop_child()
            self.reply({"broken": str(error)})
            return
        self.drop_child()
        if self.exercise.name not in self.doctor.found and any(unnamed(part) for part in graded.report.parts):
            if self.scholar is not None:
                return  # its end begins this request anew
            self.doctor.learn(self.exercise)  # where the cache cannot be written
            self.begin()
            return
        self.reply({"report": to_data(graded.report)})

    def reply(self, answer: dict[str, Any]) -> None:
        """Answer the present request."""
        assert self.asked is not None
        number, self.asked = self.asked["n"], None
        self.last = time.monotonic()
        with contextlib.suppress(wire.Closed, OSError):
            wire.send(self.sock, {"n": number, **answer})

    def study(self) -> None:
        """Run the catalogue in a fork while the learner reads, so that the first wrong answer has a name at once."""
        reading, writing = os.pipe()
        bench, pid = os.getpid(), os.fork()
        if pid == 0:
            try:
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                os.nice(GENTLE)
                self.sock.close()
                if os.getppid() == bench:
                    run_catalogue(self.judge, self.exercise)
            finally:
                os._exit(0)
        os.close(writing)
        self.scholar = (pid, reading)
        self.selector.register(reading, selectors.EVENT_READ)

    def drop_child(self) -> None:
        """End the grading that is under way, if there is one."""
        if self.child is not None:
            self.selector.unregister(self.child.sock)
            self.child.end()
            self.child = None

    def drop_scholar(self) -> None:
        """End and reap the run of the catalogue, if there is one."""
        if self.scholar is not None:
            pid, reading = self.scholar
            self.selector.unregister(reading)
            os.close(reading)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            self.scholar = None


def cell(source: str, grade_id: str | None, index: int, number: int) -> Executed | Cell:
    """A cell as it came over the socket; `number` is 0 for one that no kernel ran."""
    marks = {"nbgrader": {"grade_id": grade_id}} if grade_id else {}
    if number:
        return Executed("code", source, marks, grade_id, index, number)
    return Cell("code", source, marks, grade_id, index)


def main() -> None:
    """Serve one exercise until the socket closes."""
    sock = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    course = curriculum.load(Path(sys.argv[1]))
    exercise = course.exercise(sys.argv[2])
    with_judge(course, [exercise], lambda judge: Bench(judge, exercise, sock).run(), preloads(course, [exercise]))


if __name__ == "__main__":
    main()
