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
from autograder.judge.examine import Graded, Request
from autograder.judge.report import to_data
from autograder.judge.session import Child, Judge, JudgeError, with_judge
from autograder.kernel.history import Executed
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
        cells = tuple(
            Executed("code", source, {"nbgrader": {"grade_id": name}} if name else {}, name, index, numbered(label))
            for index, (source, name, label) in enumerate(self.asked["cells"])
        )
        request = Request(self.exercise, self.asked["path"], cells, tuple(self.asked["parts"]))
        self.child = self.judge.fork([request], diagnose_with(self.doctor.found), False)
        self.request = request
        self.selector.register(self.child.sock, selectors.EVENT_READ)
        self.child.take(collections.deque([0]))

    def finish(self) -> None:
        """Answer with what the fork found; a failure without a name waits for the catalogue while that is being run."""
        assert self.asked is not None and self.child is not None
        reply: dict[str, Any] = {"n": self.asked["n"]}
        try:
            graded, _ = self.child.collect(self.request)
        except JudgeError as error:
            graded = Graded(to_be_broken(self.request))
            reply["broken"] = str(error)
        self.drop_child()
        self.last = time.monotonic()
        if "broken" not in reply:
            if self.scholar is not None and any(unnamed(part) for part in graded.report.parts):
                return
            reply["report"] = to_data(graded.report)
        self.asked = None
        with contextlib.suppress(wire.Closed, OSError):
            wire.send(self.sock, reply)
