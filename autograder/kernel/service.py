"""The kernel's side of its judge: a process of its own that stays warm between checks and ends with the kernel."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autograder.judge.report import Report, from_data
from autograder.notebook import Cell
from autograder.observe import wire

SECONDS = 600.0  # a check with a training run, its confirmations and a first diagnosis


class ServiceLost(RuntimeError):
    """The judge's process ended."""


class Service:
    """One warm judge. Threads do all reading and writing, so that an interrupt never leaves half a message behind."""

    def __init__(self, root: Path, exercise: str) -> None:
        self.sock, theirs = socket.socketpair()
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process; a pipe would fill up
        self.process = subprocess.Popen(
            [sys.executable, "-m", "autograder.kernel.serving", str(root), exercise],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=self.said,
            env=environment(),
            start_new_session=True,  # interrupting the kernel must not end it
        )
        theirs.close()
        self.number = 0
        self.replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self.listen, name="fathom replies", daemon=True).start()

    def listen(self) -> None:
        """Hand on every reply, and None once there will be no more."""
        with contextlib.suppress(wire.Closed, wire.WireError, OSError):
            while True:
                self.replies.put(wire.receive(self.sock))
        self.replies.put(None)

    def grade(self, path: str, cells: Sequence[Cell], parts: Sequence[str]) -> Report:
        """Grade parts of the cells; ServiceLost where the judge is gone.

        An interrupt ends the waiting; the next request ends the grading that was asked for before it.
        """
        self.number += 1
        listing = [(c.source, c.grade_id, c.index, getattr(c, "number", 0)) for c in cells if c.kind == "code"]
        request = {"n": self.number, "path": path, "cells": listing, "parts": list(parts)}
        threading.Thread(target=self.send, args=(request,), name="fathom request", daemon=True).start()
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                reply = self.replies.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise ServiceLost(f"the judge did not answer within {SECONDS:.0f} seconds") from None
            if reply is None:
                raise ServiceLost(self.last_words())
            if reply["n"] != self.number:  # the answer to a question that was interrupted
                continue
            if "broken" in reply:
                raise ServiceLost(reply["broken"])
            return from_data(reply["report"])

    def send(self, request: dict[str, Any]) -> None:
        """Write a request; where nobody listens any more, the thread that reads finds out."""
        with contextlib.suppress(wire.Closed, wire.WireError, OSError):
            wire.send(self.sock, request)

    def last_words(self) -> str:
        """What the process said on stderr before it ended."""
        self.close()
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"the judge's process ended (exit status {self.process.returncode})"

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):  # also wakes the thread that reads
            self.sock.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(2.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


def environment() -> dict[str, str]:
    """The kernel's environment, with this package to be found whatever folder the kernel was started in."""
    package = str(Path(__file__).resolve().parents[2])
    paths = [package, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
