"""The judge behind a notebook, as a process: its standard input is a socket, requests come in, reports go out.

Every request is graded in a fork, so that the next one can end it; the fork is made ahead, so that nobody waits for it.
The process ends with the kernel that started it, and after an hour without a request.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autograder import curriculum
from autograder.bugs.diagnosis import Diagnostician
from autograder.bugs.graft import blame
from autograder.bugs.signatures import everything, preloads, signatures
from autograder.curriculum import Exercise
from autograder.judge.examine import Request
from autograder.judge.grading import JudgeError
from autograder.judge.report import to_data
from autograder.judge.session import Judge, with_judge
from autograder.kernel.history import Executed
from autograder.notebook import Cell
from autograder.observe import wire
from autograder.observe.zygote import PR_SET_PDEATHSIG, prctl

IDLE = 3600.0
LOOK = 2.0  # seconds between looks at whether the kernel is still there
GENTLE = 10  # how much the first run of the catalogue gives way to others


class Fork:
    """A forked copy of this process that does one thing, and a socket to it; it ends with us."""

    def __init__(self, work: Callable[[socket.socket], None], not_its: Sequence[socket.socket]) -> None:
        self.sock, theirs = socket.socketpair()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid:
            theirs.close()
            return
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            for sock in (self.sock, *not_its):
                sock.close()
            if os.getppid() == parent:
                work(theirs)
        except BaseException:
            with contextlib.suppress(BaseException):
                wire.send(theirs, {"broken": f"the judge broke:\n{traceback.format_exc()}"})
        finally:
            os._exit(0)

    def end(self) -> None:
        """Kill and reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.sock.close()


class Bench:
    """The event loop: one kernel, one exercise, at most one grading at a time."""

    def __init__(self, judge: Judge, exercise: Exercise, sock: socket.socket) -> None:
        self.judge, self.exercise, self.sock = judge, exercise, sock
        self.doctor = Diagnostician(judge)
        self.kernel = os.getppid()
        self.asked: dict[str, Any] | None = None  # the request that has no answer yet
        self.spare: Fork | None = None  # waits for a request
        self.busy: Fork | None = None  # grades the present one
        self.scholar: Fork | None = None  # runs the catalogue
        self.selector = selectors.DefaultSelector()
        self.selector.register(sock, selectors.EVENT_READ)
        self.last = time.monotonic()

    def run(self) -> None:
        """Serve until the kernel hangs up, is gone, or asks nothing for an hour."""
        if self.doctor.lacking(self.exercise):
            self.scholar = self.fork(self.study, watched=True)
        try:
            while self.step():
                pass
        finally:
            for fork in (self.spare, self.busy, self.scholar):
                self.drop(fork)

    def step(self) -> bool:
        """Handle what is ready; False when it is time to end."""
        if self.spare is None:
            self.spare = self.fork(self.grade, watched=False)
        for key, _ in self.selector.select(LOOK):
            if key.fileobj is self.sock:
                try:
                    self.take(wire.receive(self.sock))
                except (wire.Closed, wire.WireError, OSError):
                    return False
            elif self.busy is not None and key.fileobj is self.busy.sock:
                self.finish(self.busy)
            elif self.scholar is not None and key.fileobj is self.scholar.sock:
                self.learnt(self.scholar)
        return os.getppid() == self.kernel and time.monotonic() - self.last < IDLE

    def take(self, request: dict[str, Any]) -> None:
        """Begin a request; one that is still being graded was interrupted, and ends."""
        self.drop(self.busy)
        self.busy, self.asked = None, request
        self.begin()

    def begin(self) -> None:
        """Give the present request to the spare fork."""
        self.last = time.monotonic()
        self.busy, self.spare = self.spare or self.fork(self.grade, watched=False), None
        self.selector.register(self.busy.sock, selectors.EVENT_READ)
        with contextlib.suppress(wire.Closed, OSError):  # reading from it tells
            wire.send(self.busy.sock, self.asked)

    def finish(self, fork: Fork) -> None:
        """Answer with what the fork found."""
        assert self.asked is not None
        try:
            answer = wire.receive(fork.sock)
        except (wire.Closed, wire.WireError, OSError):
            answer = {"broken": "grading ended without a result; the notebook may be too large or too deeply nested"}
        self.drop(fork)
        self.busy = None
        number, self.asked = self.asked["n"], None
        self.last = time.monotonic()
        with contextlib.suppress(wire.Closed, OSError):
            wire.send(self.sock, {**answer, "n": number})
        if answer.get("learnt"):
            self.refresh()

    def learnt(self, fork: Fork) -> None:
        """The catalogue has been run."""
        self.drop(fork)
        self.scholar = None
        self.refresh()

    def refresh(self) -> None:
        """Take up what a fork has left in the cache; forks made before do not know it."""
        self.doctor.prepare(self.exercise)
        self.drop(self.spare)
        self.spare = None

    def fork(self, work: Callable[[socket.socket], None], watched: bool) -> Fork:
        """Fork; `watched`: its answer is waited for from now on."""
        others = [fork.sock for fork in (self.spare, self.busy, self.scholar) if fork is not None]
        made = Fork(work, [self.sock, *others])
        if watched:
            self.selector.register(made.sock, selectors.EVENT_READ)
        return made

    def drop(self, fork: Fork | None) -> None:
        """End a fork, whatever it is doing."""
        if fork is not None:
            with contextlib.suppress(KeyError):
                self.selector.unregister(fork.sock)
            fork.end()

    def study(self, sock: socket.socket) -> None:
        """In a fork: run the catalogue while the learner reads, so that a wrong answer has a name at once."""
        os.nice(GENTLE)
        signatures(self.judge, self.exercise, everything(self.exercise))

    def grade(self, sock: socket.socket) -> None:
        """In a fork: wait for a request and answer it."""
        asked = wire.receive(sock)
        cells = tuple(cell(*given) for given in asked["cells"])
        request = Request(self.exercise, asked["path"], cells, tuple(asked["parts"]))
        known = self.doctor.found[self.exercise.name]
        try:
            report = blame(self.judge, request, self.doctor.one(request).report)
            learnt = self.doctor.found[self.exercise.name] is not known
            wire.send(sock, {"report": to_data(report), "learnt": learnt})
        except JudgeError as error:
            wire.send(sock, {"broken": str(error)})


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
