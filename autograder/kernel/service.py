"""The judge behind a notebook: a process of its own that stays warm between checks.

Its standard input is a socket; each request is a message with numbered cells, each answer a report. It ends with the
kernel that started it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.judge.report import Report, from_data, to_data
from autograder.notebook import Cell
from autograder.observe import wire

SECONDS = 600.0  # a check with a training run, its confirmations and a first diagnosis


class ServiceLost(RuntimeError):
    """The judge's process ended."""


class Service:
    """The kernel's side of the judge's process."""

    def __init__(self, root: Path, exercise: str) -> None:
        self.sock, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autograder.kernel.service", str(root), exercise],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,  # interrupting the kernel must not end it
        )
        theirs.close()
        self.number = 0

    def grade(self, path: str, cells: Sequence[Cell], parts: Sequence[str]) -> Report:
        """Grade parts of the cells; ServiceLost where the judge is gone."""
        self.number += 1
        listing = [(cell.source, cell.grade_id) for cell in cells]
        request = {"n": self.number, "path": path, "cells": listing, "parts": list(parts)}
        deadline = time.monotonic() + SECONDS
        try:
            wire.send(self.sock, request)
            while True:  # an answer to a question that was interrupted is passed over
                reply = wire.receive(self.sock, deadline)
                if reply["n"] == self.number:
                    break
        except (wire.Closed, wire.Late, OSError) as error:
            raise ServiceLost(self.last_words()) from error
        if "broken" in reply:
            raise ServiceLost(reply["broken"])
        return from_data(reply["report"])

    def last_words(self) -> str:
        """What the process said on stderr before it ended."""
        self.close()
        assert self.process.stderr is not None
        text = self.process.stderr.read().decode(errors="replace").strip()
        return text.splitlines()[-1] if text else "the judge's process ended"

    def close(self) -> None:
        """End the process."""
        self.sock.close()
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


def main() -> None:
    """Serve one exercise until the socket closes."""
    from autograder import curriculum
    from autograder.bugs.diagnosis import Diagnostician
    from autograder.bugs.signatures import preloads
    from autograder.judge.session import Judge, with_judge

    sock = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    course = curriculum.load(Path(sys.argv[1]))
    exercise = course.exercise(sys.argv[2])

    def body(judge: Judge) -> None:
        doctor = Diagnostician(judge)
        doctor.prepare(exercise)
        while True:
            try:
                wire.send(sock, answer(doctor, exercise, wire.receive(sock)))
            except wire.Closed:
                return

    with_judge(course, [exercise], body, preloads(course, [exercise]))


def answer(doctor: Any, exercise: Any, request: dict[str, Any]) -> dict[str, Any]:
    """Grade one request."""
    from autograder.judge.examine import Request

    cells = tuple(
        Cell("code", source, {"nbgrader": {"grade_id": name}} if name else {}, name, index)
        for index, (source, name) in enumerate(request["cells"])
    )
    try:
        asked = Request(exercise, request["path"], cells, tuple(request["parts"]))
        graded = doctor.one(asked)
    except Exception as error:
        return {"n": request["n"], "broken": f"{type(error).__name__}: {error}"}
    return {"n": request["n"], "report": to_data(graded.report)}


if __name__ == "__main__":
    main()
