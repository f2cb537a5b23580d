"""Run a command as somebody, adopt whatever it leaves behind, and say how many processes that was."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """`runner.py COMMAND…`: its output and exit status are the command's; leftovers are told on stderr."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    process = subprocess.Popen(sys.argv[1:])
    status = process.wait()
    until = time.monotonic() + 3
    left: list[str] = ["?"]
    while left and time.monotonic() < until:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            left = []
            break
        with open(f"/proc/self/task/{os.getpid()}/children") as children:
            left = children.read().split()
        time.sleep(0.02)
    print(f"left behind: {len(left)}", file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
