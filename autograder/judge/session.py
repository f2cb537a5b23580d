"""The warm judge: a pytest session, collected once, whose run loop grades submissions instead of running the tests.

Each submission is graded in a fork of this process; what learners wrote runs in the zygote's workers, never here.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pytest

from autograder.curriculum import Curriculum, Exercise
from autograder.judge import plugin
from autograder.judge.examine import Diagnose, Graded, Items, Request, by_part, examine
from autograder.judge.grading import Comparison, Record
from autograder.judge.report import CheckReport, Report, from_data, to_data
from autograder.judge.submission import reference
from autograder.observe import wire
from autograder.observe.client import Zygote
from autograder.observe.zygote import PR_SET_PDEATHSIG, prctl

T = TypeVar("T")

LEAN = """
assertion cacheprovider debugging doctest faulthandler junitxml legacypath logging monkeypatch nose pastebin
recwarn setuponly setupplan skipping stepwise subtests terminal terminalprogress threadexception tmpdir
unittest unraisableexception warnings capture
""".split()


class JudgeError(RuntimeError):
    """The judge itself could not do its work: checks that do not collect, or a check that broke."""


def with_judge(curriculum: Curriculum, exercises: Sequence[Exercise], body: Callable[[Judge], T]) -> T:
    """Start a zygote, collect the exercises' checks, and call `body` with the judge over them.

    Raises JudgeError where checks cannot be collected, and whatever `body` raises.
    """
    with Zygote() as zygote:
        loop = Loop(curriculum, exercises, zygote, body)
        arguments = ["--disable-plugin-autoload", "-c", os.devnull, f"--rootdir={curriculum.root}"]
        for name in LEAN:
            arguments += ["-p", f"no:{name}"]
        pytest.main([*arguments, *(str(exercise.checks) for exercise in exercises)], plugins=[plugin, loop])
        return loop.outcome()


class Loop:
    """A pytest plugin that replaces the run loop."""

    def __init__(
        self, curriculum: Curriculum, exercises: Sequence[Exercise], zygote: Zygote, body: Callable[[Judge], Any]
    ) -> None:
        self.curriculum, self.exercises, self.zygote, self.body = curriculum, exercises, zygote, body
        self.errors: list[str] = []
        self.result: Any = None
        self.raised: BaseException | None = None
        self.ran = False

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.errors.append(report.longreprtext)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            raise JudgeError(f"the check {report.nodeid} broke:\n{report.longreprtext}")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.ran = True
        if not self.errors:
            items = {
                exercise.name: by_part([item for item in session.items if item.path.resolve() == exercise.checks.resolve()])
                for exercise in self.exercises
            }
            for exercise in self.exercises:
                reference(exercise)  # what is parsed here is shared with every fork
            gc.collect()
            gc.freeze()
            try:
                self.result = self.body(Judge(self.curriculum, items, self.zygote))
            except BaseException as error:
                self.raised = error
        return True

    def outcome(self) -> Any:
        """What the body returned; raises what it raised."""
        if self.raised is not None:
            raise self.raised
        if self.errors or not self.ran:
            what = "\n".join(self.errors) or "pytest stopped before it collected anything"
            raise JudgeError(f"the checks could not be collected:\n{what}")
        return self.result


@dataclass(frozen=True)
class Judge:
    """Collected checks and a zygote: everything that grading takes."""

    curriculum: Curriculum
    items: Mapping[str, Items]
    zygote: Zygote

    def grade(
        self,
        requests: Sequence[Request],
        diagnose: Diagnose | None = None,
        jobs: int | None = None,
        keep: bool = False,
    ) -> Iterator[tuple[int, Graded]]:
        """Grade in forked children, as many at a time as there are cores; yield (index, graded) as they finish.

        `keep` brings the records of every check back too.
        """
        waiting = list(enumerate(requests))
        limit = jobs or os.cpu_count() or 1
        running: dict[socket.socket, tuple[int, int]] = {}
        with selectors.DefaultSelector() as selector:
            try:
                while waiting or running:
                    while waiting and len(running) < limit:
                        index, request = waiting.pop(0)
                        ours, pid = self.fork(request, diagnose, keep)
                        running[ours] = (index, pid)
                        selector.register(ours, selectors.EVENT_READ)
                    for key, _ in selector.select():
                        sock: Any = key.fileobj
                        selector.unregister(sock)
                        index, pid = running.pop(sock)
                        yield index, collect(sock, pid, requests[index])
            finally:
                for sock, (_, pid) in running.items():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    sock.close()

    def here(self, request: Request, diagnose: Diagnose | None = None) -> Graded:
        """Grade a single request in this process: no fork, so the quickest verdict."""
        return examine(request, self.curriculum, self.items[request.exercise.name], self.zygote, diagnose)

    def fork(self, request: Request, diagnose: Diagnose | None, keep: bool) -> tuple[socket.socket, int]:
        """Start a child that grades one request; returns our end of its socket and its pid."""
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            theirs.close()
            return ours, pid
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            if os.getppid() == parent:
                ours.close()
                wire.send(theirs, self.answer(request, diagnose, keep))
        except BaseException:
            with contextlib.suppress(BaseException):
                wire.send(theirs, {"broken": traceback.format_exc()})
        finally:
            os._exit(0)

    def answer(self, request: Request, diagnose: Diagnose | None, keep: bool) -> dict[str, Any]:
        """Grade one request, as data for the parent."""
        items = self.items[request.exercise.name]
        graded = examine(request, self.curriculum, items, self.zygote, diagnose)
        return {
            "report": to_data(graded.report),
            "records": [record_to_data(record) for record in graded.records] if keep else [],
        }


def collect(sock: socket.socket, pid: int, request: Request) -> Graded:
    """Read one child's answer; a child that died over a submission becomes that submission's error."""
    try:
        data = wire.receive(sock, None)
    except (wire.Closed, wire.WireError, OSError):
        message = f"grading {request.path} ended without a result; the file may be too large or too deeply nested"
        return Graded(Report(request.path, request.exercise.name, error=message))
    finally:
        sock.close()
        os.waitpid(pid, 0)
    if "broken" in data:
        raise JudgeError(f"grading {request.path} broke:\n{data['broken']}")
    return Graded(from_data(data["report"]), tuple(record_from_data(record) for record in data["records"]))


def record_to_data(record: Record) -> dict[str, Any]:
    """A record as plain data."""
    comparisons = [(c.got, c.ok, c.rtol, c.atol) for c in record.comparisons]
    return {"report": asdict(record.report), "part": record.part, "comparisons": comparisons, "raised": record.raised}


def record_from_data(data: Mapping[str, Any]) -> Record:
    """Rebuild a record."""
    comparisons = tuple(Comparison(*comparison) for comparison in data["comparisons"])
    return Record(CheckReport(**data["report"]), data["part"], comparisons, data["raised"])
