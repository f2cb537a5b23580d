"""The warm judge: a pytest session, collected once, whose run loop grades submissions instead of running the tests.

One submission is graded in this process, many in forks of it; what learners wrote runs in the zygote's workers only.
"""

from __future__ import annotations

import collections
import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import pytest

from autograder.curriculum import Curriculum, Exercise
from autograder.judge import plugin
from autograder.judge.examine import Diagnose, Graded, Items, Request, by_part, examine
from autograder.judge.grading import Comparison, JudgeError, Record
from autograder.judge.report import CheckReport, Report, from_data, to_data
from autograder.judge.submission import reference
from autograder.observe import wire
from autograder.observe.client import COMMAND, Zygote, ZygoteLost
from autograder.observe.zygote import PR_SET_PDEATHSIG, prctl

__all__ = ["Child", "Judge", "JudgeError", "record_from_data", "record_to_data", "with_judge"]

T = TypeVar("T")

PATIENCE = 900.0  # seconds for one submission, all its parts together

LEAN = """
assertion cacheprovider debugging doctest faulthandler junitxml legacypath logging monkeypatch nose pastebin
recwarn setuponly setupplan skipping stepwise subtests terminal terminalprogress threadexception tmpdir
unittest unraisableexception warnings capture
""".split()


def with_judge(
    curriculum: Curriculum,
    exercises: Sequence[Exercise],
    body: Callable[[Judge], T],
    preload: Sequence[str] = (),
    command: Sequence[str] = COMMAND,
) -> T:
    """Start a zygote, collect the exercises' checks, and call `body` with the judge over them.

    `preload` names modules that the zygote imports ahead, so that no worker has to; `command` starts the zygote, a
    locked one where the submissions are other people's.
    Raises JudgeError where checks cannot be collected, and whatever `body` raises.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the checks load torch; see one_thread
    with Zygote(command, preload) as zygote:
        loop = Loop(curriculum, exercises, zygote, body)
        arguments = ["--disable-plugin-autoload", "--import-mode=importlib"]
        arguments += ["-c", os.devnull, f"--rootdir={curriculum.root}"]
        for name in LEAN:
            arguments += ["-p", f"no:{name}"]
        pytest.main([*arguments, *(str(exercise.checks) for exercise in exercises)], plugins=[plugin, loop])
        found: T = loop.outcome()
        return found


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

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        faults = {item: plugin.fault_of(item) for item in items}
        self.errors += [fault for fault in faults.values() if fault]
        items[:] = [item for item in items if not faults[item]]

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.raised = excinfo.value

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.ran = True
        if not self.errors:
            items = {
                exercise.name: by_part(
                    [item for item in session.items if item.path.resolve() == exercise.checks.resolve()]
                )
                for exercise in self.exercises
            }
            for exercise in self.exercises:
                if not exercise.released:
                    reference(exercise)  # what is parsed here is shared with every fork
            one_thread()
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


def one_thread() -> None:
    """Have oracles compute on one thread: forks of a process that has run a parallel operation deadlock in theirs."""
    if "torch" in sys.modules:  # the checks have imported it, or do without
        sys.modules["torch"].set_num_threads(1)


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
        lenient: bool = False,
    ) -> Iterator[tuple[int, Graded]]:
        """Grade in forked children, as many as there are cores; yield (index, graded) as they finish.

        A child grades one request after the other; if one ends a child, or keeps it for too long, that request gets
        an error and a new child takes up the rest. `keep` brings the records of every check back too; with `lenient` a
        check that breaks over a submission makes that one's error as well, and JudgeError means that no worker is left.
        """
        waiting = collections.deque(range(len(requests)))
        children: list[Child] = []
        with selectors.DefaultSelector() as selector:

            def start() -> None:
                child = self.fork(requests, diagnose, keep)
                children.append(child)
                selector.register(child.sock, selectors.EVENT_READ, child)
                child.take(waiting)

            try:
                for _ in range(min(jobs or os.cpu_count() or 1, len(requests))):
                    start()
                while children:
                    ready = selector.select(PATIENCE / 60)
                    for child in children:
                        child.hurry()
                    for key, _ in ready:
                        child = key.data
                        index = child.busy
                        graded, alive = child.collect(requests[index], lenient)
                        if alive:
                            child.take(waiting)
                        if not alive or child.busy is None:
                            selector.unregister(child.sock)
                            child.end()
                            children.remove(child)
                            if waiting:
                                start()
                        yield index, graded
            finally:
                for child in children:
                    child.end()

    def here(self, request: Request, diagnose: Diagnose | None = None) -> Graded:
        """Grade a single request in this process: no fork, so the quickest verdict."""
        return examine(request, self.curriculum, self.items[request.exercise.name], self.zygote, diagnose)

    def fork(self, requests: Sequence[Request], diagnose: Diagnose | None, keep: bool) -> Child:
        """Start a child that grades the requests whose numbers it is sent."""
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        # Ctrl-C goes to the child as well; until it may simply die of it, it must not come.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        pid = os.fork()
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
            return Child(pid, ours)
        try:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            ours.close()
            while os.getppid() == parent:
                wire.send(theirs, self.answer(requests[wire.receive(theirs)], diagnose, keep))
        except wire.Closed:
            pass
        except JudgeError as error:
            with contextlib.suppress(BaseException):
                wire.send(theirs, {"broken": str(error), "lost": isinstance(error.__cause__, ZygoteLost)})
        except BaseException:
            with contextlib.suppress(BaseException):
                wire.send(theirs, {"broken": f"the judge broke:\n{traceback.format_exc()}", "lost": False})
        finally:
            os._exit(0)

    def answer(self, request: Request, diagnose: Diagnose | None, keep: bool) -> dict[str, Any]:
        """Grade one request, as data for the parent."""
        items = self.items[request.exercise.name]
        graded = examine(request, self.curriculum, items, self.zygote, diagnose)
        return {
            "report": to_data(graded.report),
            "records": [record_to_data(record) for record in graded.records] if keep else [],
            "imported": list(graded.imported) if keep else [],
        }


class Child:
    """A forked judge, seen from its parent: what it is busy with, and what it says."""

    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid, self.sock = pid, sock
        self.busy: int | None = None
        self.since = 0.0

    def take(self, waiting: collections.deque[int]) -> None:
        """Give it the next request, if there is one."""
        self.busy = waiting.popleft() if waiting else None
        self.since = time.monotonic()
        if self.busy is not None:
            with contextlib.suppress(OSError, wire.Closed):
                wire.send(self.sock, self.busy)

    def hurry(self) -> None:
        """Kill it where one submission keeps it for too long; reading from it then tells."""
        if self.busy is not None and time.monotonic() - self.since > PATIENCE:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def collect(self, request: Request, lenient: bool) -> tuple[Graded, bool]:
        """Read its answer, and whether it can go on; a child that died over a submission makes that one's error."""
        try:
            data = wire.receive(self.sock)
        except (wire.Closed, wire.WireError, OSError):
            message = f"grading {request.path} ended without a result; the file may be too large or too deeply nested"
            return Graded(Report(request.path, request.exercise.name, error=message)), False
        if "broken" in data:
            message = f"{request.path} could not be graded: {data['broken']}"
            if data["lost"] or not lenient:
                raise JudgeError(message)
            return Graded(Report(request.path, request.exercise.name, error=message)), False
        records = tuple(record_from_data(record) for record in data["records"])
        return Graded(from_data(data["report"]), records, tuple(data["imported"])), True

    def end(self) -> None:
        """Kill and reap it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self.sock.close()


def record_to_data(record: Record) -> dict[str, Any]:
    """A record as plain data."""
    comparisons = [(c.got, c.ok, c.rtol, c.atol) for c in record.comparisons]
    return {"report": asdict(record.report), "part": record.part, "comparisons": comparisons, "raised": record.raised}


def record_from_data(data: Mapping[str, Any]) -> Record:
    """Rebuild a record."""
    comparisons = tuple(Comparison(*comparison) for comparison in data["comparisons"])
    return Record(CheckReport(**data["report"]), data["part"], comparisons, data["raised"])
