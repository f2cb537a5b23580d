"""Locked workers where namespaces do not nest: each starts in a bubblewrap of its own, with torch imported anew.

Some systems let an ordinary user have bubblewrap, and nothing inside it any capability (Ubuntu's AppArmor profile). There
the launcher below takes the zygote's place: same protocol, same spare worker ahead, and seconds for each instead of
milliseconds. The launcher holds no torch and runs no learner's code; the sandbox is the worker's from its first line on.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from typing import NoReturn

from autograder.observe import cell, zygote


class Launcher(zygote.Zygote):
    """A zygote that starts processes instead of forking them."""

    def __init__(self, control: socket.socket, command: Sequence[str]) -> None:
        super().__init__(control)
        self.command = list(command)

    def start(self, channel: socket.socket) -> int:
        """Start a sandbox with a worker in it, its channel as standard input; the id of the sandbox's process."""
        files = [(os.POSIX_SPAWN_DUP2, channel.fileno(), 0), (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        return os.posix_spawnp(self.command[0], self.command, os.environ, file_actions=files, setpgroup=0)


def launch(sandbox: Sequence[str]) -> NoReturn:
    """Serve the control socket that is this process's standard input; `sandbox` is a command that takes modules to import."""
    control = zygote.handed_over()
    zygote.prctl(zygote.PR_SET_CHILD_SUBREAPER, 1)
    Launcher(control, [*sandbox, *sys.argv[1:]]).run()
    os._exit(0)


def work() -> NoReturn:
    """Inside the sandbox: import what learners' code needs, bolt the door and serve one submission."""
    channel = zygote.handed_over()
    zygote.warm_up(sys.argv[1:])
    zygote.serve(channel, cell.bolt)


def rehearse() -> NoReturn:
    """Inside the sandbox, without torch: whether the door can be bolted; OSError where not."""
    cell.bolt()
    os._exit(0)
