"""The judge's side: start a zygote, borrow workers from it, and take only data back."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from autograder.observe import wire
from autograder.observe.zygote import MARK

START_SECONDS = 120.0  # for a zygote that is still importing torch, from a slow disk
LOAD_SECONDS = 20.0  # for a submission's definitions, what they import included
COMMAND = (sys.executable, "-m", "autograder.observe.zygote")


@dataclass(frozen=True)
class Answer:
    """What came back from a worker: a value, an exception of the learner's code, silence, or an end without a word."""

    kind: Literal["value", "raised", "late", "died"]
    value: Any = None
    raised: wire.Raised | None = None
    function: str = ""
    message: str = ""
    printed: str = ""
    imported: tuple[str, ...] = ()  # modules that were not loaded before


class Zygote:
    """A warm process that forks workers; it and they end when this object is closed or its process dies."""

    def __init__(self, command: Sequence[str] = COMMAND, preload: Sequence[str] = ()) -> None:
        """`preload` names modules that the zygote imports ahead, so that no worker has to."""
        self.control, theirs = socket.socketpair()
        self.mark = uuid.uuid4().hex
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", MARK: self.mark}
        self.process = subprocess.Popen(
            [*command, *preload],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C is for us; the zygote ends when the control socket does
        )
        theirs.close()

    def worker(self) -> Worker:
        """Fork a fresh worker; it is there at once or as soon as the zygote has warmed up."""
        wire_end, wire_theirs = socket.socketpair()
        leash, leash_theirs = socket.socketpair()
        try:
            socket.send_fds(self.control, [b"w"], [wire_theirs.fileno(), leash_theirs.fileno()])
        except OSError as error:
            wire_end.close()
            leash.close()
            raise ZygoteLost from error
        finally:
            wire_theirs.close()
            leash_theirs.close()
        return Worker(wire_end, leash)

    def close(self) -> None:
        """End the zygote and all of its workers."""
        self.control.close()
        try:
            self.process.wait(1.0)  # it takes a thirtieth of that, unless it is still importing torch
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.returncode:
            sweep(self.mark)

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ZygoteLost(RuntimeError):
    """The warm process is gone, and every worker with it."""

    def __init__(self) -> None:
        super().__init__(
            "the process that runs learners' code is gone: it was killed, or the memory ran out. "
            "Run the command again; if that does not help, `fathom doctor` says what is wrong"
        )


def sweep(mark: str) -> None:
    """Remove what a zygote leaves that could not tidy up: learners' processes, known by its mark, and their files."""
    for place in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in place.read_bytes():
                os.kill(int(place.parent.name), signal.SIGKILL)
    for folder in Path(tempfile.gettempdir()).glob(f"fathom-{mark}-*"):
        shutil.rmtree(folder, ignore_errors=True)


class Worker:
    """One forked process with one submission in it."""

    def __init__(self, sock: socket.socket, leash: socket.socket) -> None:
        self.sock, self.leash = sock, leash
        self.number = 0
        self.alive = True

    def load(
        self,
        statements: Sequence[Mapping[str, Any]],
        carried: Mapping[str, Sequence[Mapping[str, Any]]],
        scratch: Mapping[str, str],
        seconds: float = LOAD_SECONDS,
    ) -> Answer:
        """Run the submission's definitions; the answer's value lists the statements that failed."""
        # As one text they take a tenth of the time that they would take as nodes.
        definitions = json.dumps([list(statements), dict(carried), dict(scratch)])
        return self.ask({"do": "load", "definitions": definitions}, seconds)

    def observe(self, source: str, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], seconds: float) -> Answer:
        """Run one observation on the submission."""
        request = {"do": "observe", "source": source, "name": name, "args": list(args), "kwargs": dict(kwargs)}
        return self.ask(request, seconds)

    def ask(self, request: dict[str, Any], seconds: float) -> Answer:
        """Send a request and wait for its answer; a worker that does not give a good one is not used again.

        Raises ZygoteLost, and ValueError for a request that cannot travel.
        """
        if not self.alive:
            return Answer("died", message="the process had ended before")
        try:
            if self.number == 0:
                self.greet()
            self.number += 1
            deadline = time.monotonic() + seconds
            self.send({**request, "n": self.number}, deadline)
            return self.read(wire.receive(self.sock, deadline))
        except wire.Late:
            self.close()
            return Answer("late", message=f"no answer within {seconds:g} seconds")
        except wire.WireError as error:
            self.close()
            return Answer("died", message=f"the answer was malformed: {error}")
        except (wire.Closed, OSError):
            message = self.last_words()
            self.close()
            return Answer("died", message=message)

    def greet(self) -> None:
        """Wait until the worker is there, so that no deadline counts the seconds in which its zygote warms up."""
        try:
            wire.receive(self.sock, time.monotonic() + START_SECONDS)
        except (wire.Late, wire.WireError) as error:
            self.close()
            raise ZygoteLost from error

    def send(self, request: dict[str, Any], deadline: float) -> None:
        """Send a request; an observation that cannot travel is the check's fault, not the learner's."""
        try:
            wire.send(self.sock, request, deadline=deadline)
        except wire.WireError as error:
            if request["do"] == "observe":
                raise ValueError(f"what the check hands to its observation cannot be sent: {error}") from error
            raise

    def read(self, reply: Any) -> Answer:
        """Turn a decoded reply into an answer, trusting nothing about its form."""
        if not isinstance(reply, dict) or reply.get("n") != self.number:
            raise wire.WireError("it answers another question")
        printed = reply.get("printed")
        printed = printed if isinstance(printed, str) else ""
        imported = reply.get("imported")
        imported = tuple(name for name in imported if isinstance(name, str)) if isinstance(imported, list) else ()
        if "raised" in reply:
            told, function = reply["raised"], reply.get("function")
            if not isinstance(told, wire.Raised) or not isinstance(function, str):
                raise wire.WireError("its exception is not described in words")
            return Answer("raised", raised=told, function=function, printed=printed)
        if "value" not in reply:
            raise wire.WireError("it has no value")
        return Answer("value", value=reply["value"], printed=printed, imported=imported)

    def last_words(self) -> str:
        """How the process ended, as the zygote tells it on the leash; raises ZygoteLost where nobody tells."""
        self.leash.settimeout(1.0)
        try:
            told = self.leash.recv(16)
        except OSError:
            return "the process ended without an answer"
        if not told:
            self.close()
            raise ZygoteLost
        status = int(told)
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"the process was ended by {signal.Signals(-status).name} before it answered"
        return f"the process ended itself with exit status {status} before it answered"

    def close(self) -> None:
        """End the worker; dropping the leash makes the zygote kill whatever is left of it."""
        self.alive = False
        self.sock.close()
        self.leash.close()
