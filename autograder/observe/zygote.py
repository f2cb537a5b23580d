"""The zygote: a warm process that holds torch and nothing secret, and forks one worker per submission.

It is started by exec, so it never shared memory with checks or solutions. Its standard input is the control socket:
each byte that arrives brings two file descriptors, the worker's end of the wire and the zygote's end of the leash.
A worker lives until its leash is dropped, and dies with it however the other side ended. One spare worker is always
forked ahead, so that a request need not wait for a fork of a process as large as torch.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import itertools
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import NoReturn

from autograder.observe import pages
from autograder.observe.cell import Cells

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
MOST_LOST = 3
STEP = 4  # stretches of memory that go into larger pages after each fork: some 12 ms, and 16 forks for all
MARK = "FATHOM_ZYGOTE"  # an environment variable that everything below one zygote inherits, and is known by


def prctl(option: int, value: int) -> None:
    """Call Linux's prctl where there is one; elsewhere the leash alone ends the workers."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def warm_up(preload: Sequence[str]) -> None:
    """Import what learners' code needs, and settle torch before anything is forked."""
    import torch

    from autograder.observe import worker

    for name in preload:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)

    # A parent that once ran a parallel operation deadlocks the threads of every child it forks.
    torch.set_num_threads(1)
    worker.settle()  # what is loaded here, NumPy's random numbers for one, no worker has to load
    gc.collect()
    gc.freeze()


class Zygote:
    """The event loop: requests in, forks out, and nobody left behind."""

    def __init__(self, control: socket.socket, cells: Cells | None = None) -> None:
        self.control, self.cells = control, cells
        self.selector = selectors.DefaultSelector()
        self.leashes: dict[int, socket.socket] = {}
        self.spare: tuple[int, socket.socket] | None = None
        self.lost = 0  # spares that died one after the other, before anyone wanted them
        self.small = pages.large_places() if sys.platform == "linux" else iter(())
        self.scratch = tempfile.mkdtemp(prefix=f"fathom-{os.environ.get(MARK, '')}-")

    def run(self) -> None:
        """Serve until the control socket closes, then end every worker."""
        wake, waker = socket.socketpair()
        waker.setblocking(False)
        wake.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for stop in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(stop, lambda *_: sys.exit(0))
        self.selector.register(self.control, selectors.EVENT_READ)
        self.selector.register(wake, selectors.EVENT_READ)
        try:
            self.fork_spare()
            while self.step(wake):
                pass
        finally:
            signal.set_wakeup_fd(-1)
            self.end_all()
            shutil.rmtree(self.scratch, ignore_errors=True)

    def step(self, wake: socket.socket) -> bool:
        """Handle what is ready; False once the control socket has closed."""
        for key, _ in self.selector.select():
            if key.fileobj is self.control:
                if not self.accept():
                    return False
            elif key.fileobj is wake:
                with contextlib.suppress(BlockingIOError):
                    wake.recv(4096)
                self.reap()
            elif key.data in self.leashes:
                self.end(key.data)
        return True

    def accept(self) -> bool:
        """Take one request, hand it to the spare worker and fork the next; False at end of file."""
        message, descriptors, _, _ = socket.recv_fds(self.control, 1, 2)
        if not message:
            return False
        if len(descriptors) == 2 and self.spare is not None:
            pid, channel = self.spare
            with contextlib.suppress(OSError):
                socket.send_fds(channel, [b"w"], descriptors[:1])
            channel.close()
            self.leashes[pid] = socket.socket(fileno=descriptors.pop())
            self.selector.register(self.leashes[pid], selectors.EVENT_READ, pid)
            self.spare, self.lost = None, 0
        for descriptor in descriptors:  # before the next fork, which must not inherit a wire that is not its own
            os.close(descriptor)
        if self.spare is None:
            self.fork_spare()
        return True

    def fork_spare(self) -> None:
        """Start a worker that waits for a submission."""
        ours, theirs = socket.socketpair()
        self.spare = (self.start(theirs), ours)
        theirs.close()

    def start(self, channel: socket.socket) -> int:
        """Fork a worker that is handed its wire over a channel; its process id."""
        zygote = os.getpid()
        pid = self.cells.fork() if self.cells else os.fork()
        if pid == 0:
            self.become_worker(channel, zygote)
        for place in itertools.islice(self.small, STEP):
            pages.enlarge(place)
        return pid

    def become_worker(self, channel: socket.socket, zygote: int) -> None:
        """In the child: cut every tie to the zygote, get ready, wait for a wire and serve it; never returns."""
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            if self.cells is None:
                self.move_in(zygote)
            serve(channel, self.cells.shut if self.cells else None)
        except BaseException:
            os._exit(70)

    def move_in(self, zygote: int) -> None:
        """Without a cell: die with the zygote, and work in a folder of our own."""
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != zygote:
            os._exit(1)
        os.mkdir(own := os.path.join(self.scratch, str(os.getpid())))
        os.chdir(own)

    def end(self, pid: int) -> None:
        """Kill a worker and all of its process group, and let go of its leash."""
        leash = self.leashes.pop(pid, None)
        if leash is not None:
            self.selector.unregister(leash)
            leash.close()
        for kill in (os.killpg, os.kill):  # the group may not exist yet when the leash is dropped at once
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(pid, signal.SIGKILL)

    def reap(self) -> None:
        """Collect ended processes, tell each leash how its worker ended, and kill orphans that were left to us."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                break
            shutil.rmtree(os.path.join(self.scratch, str(pid)), ignore_errors=True)
            if self.spare is not None and pid == self.spare[0]:
                self.spare[1].close()
                self.lost += 1
                if self.lost > MOST_LOST:
                    sys.exit(f"workers cannot be made ready: exit status {os.waitstatus_to_exitcode(status)}")
                self.fork_spare()
            leash = self.leashes.get(pid)
            if leash is not None:
                with contextlib.suppress(OSError):
                    leash.send(str(os.waitstatus_to_exitcode(status)).encode())
                self.end(pid)
        self.kill_orphans()

    def kill_orphans(self) -> None:
        """Kill children we never forked: what a worker started outlived it and fell to us as the subreaper."""
        with contextlib.suppress(OSError), open(f"/proc/self/task/{os.getpid()}/children") as children:
            for pid in map(int, children.read().split()):
                if pid not in self.leashes and (self.spare is None or pid != self.spare[0]):
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)

    def end_all(self) -> None:
        """End every worker, and wait for what falls to us as they go: whoever outlived us would be nobody's."""
        for pid in [*self.leashes, *([self.spare[0]] if self.spare else [])]:
            self.end(pid)
        self.spare = None
        with contextlib.suppress(ChildProcessError):
            while True:
                self.kill_orphans()
                os.waitpid(-1, 0)


def handed_over() -> socket.socket:
    """The socket that this process was started with as its standard input, which is nothing from now on."""
    handed = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    return handed


def serve(channel: socket.socket, shut: Callable[[], None] | None) -> NoReturn:
    """In a worker: get ready, be shut in, wait for a wire on the channel and serve it to its end."""
    from autograder.observe import worker

    ready = worker.get_ready()
    close_all_but(channel.fileno())
    if shut is not None:
        shut()
    message, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    channel.close()
    if message and descriptors:
        worker.serve(socket.socket(fileno=descriptors[0]), *ready)
    os._exit(0)


def close_all_but(kept: int) -> None:
    """Close every descriptor above the standard three except one."""
    os.closerange(3, kept)
    os.closerange(kept + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def main(locked: bool = False) -> NoReturn:
    """Run the zygote on the control socket that is this process's standard input; `locked` shuts each worker in."""
    control = handed_over()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    warm_up(sys.argv[1:])
    Zygote(control, Cells() if locked else None).run()
    os._exit(0)  # taking torch down in good order costs a third of a second, and nobody needs it


if __name__ == "__main__":
    main()
