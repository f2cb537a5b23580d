"""JupyterLab as a process beside the watcher: started on a notebook, found by its address, ended with us."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from autograder.curriculum import ROOT_VARIABLE
from autograder.observe.zygote import PR_SET_PDEATHSIG, prctl

LOG = Path(".fathom", "jupyter.log")
START = 60.0  # seconds until JupyterLab must have an address
# No news, no look for updates, no list of extensions: nothing that waits for a network.
OFFLINE = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)


class LabError(Exception):
    """JupyterLab did not start; the message says what it said itself."""


class Lab:
    """A running JupyterLab."""

    def __init__(self, root: Path, notebook: Path, browser: bool) -> None:
        self.root, self.notebook = root, notebook
        command = [sys.executable, "-m", "jupyterlab", str(notebook), f"--ServerApp.root_dir={root}", *OFFLINE]
        command += [] if browser else ["--no-browser"]
        command += ["--allow-root"] if os.geteuid() == 0 else []  # in a container there is nobody else
        (root / LOG).parent.mkdir(parents=True, exist_ok=True)
        with (root / LOG).open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, ROOT_VARIABLE: str(root)},  # kernels start in other folders
                start_new_session=True,  # it would answer Ctrl-C with a question
                preexec_fn=ends_with_us,
            )

    def address(self) -> str:
        """Where a browser finds the notebook, with Jupyter's own token; waits for it. Raises LabError."""
        from jupyter_core.paths import jupyter_runtime_dir

        told = Path(jupyter_runtime_dir(), f"jpserver-{self.process.pid}.json")
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError, KeyError):
                server = json.loads(told.read_text(encoding="utf-8"))
                path = quote(self.notebook.relative_to(self.root).as_posix())
                token = f"?token={server['token']}" if server["token"] else ""
                return f"{server['url']}lab/tree/{path}{token}"
            time.sleep(0.05)
        lines = (self.root / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else "it said nothing"
        raise LabError(f"JupyterLab did not start: {last} (all of it is in {LOG})")

    def close(self) -> None:
        """End it and its kernels, as it does itself when it is asked to."""
        for kind, seconds in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
            if self.process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, kind) if kind == signal.SIGKILL else self.process.send_signal(kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)


def ends_with_us() -> None:
    """In the new process: be asked to end when the one that started us is gone, however that came about."""
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@contextlib.contextmanager
def lab(root: Path, notebook: Path, browser: bool) -> Iterator[Lab]:
    """JupyterLab on a notebook, for as long as the block lasts."""
    running = Lab(root, notebook, browser)
    try:
        yield running
    finally:
        running.close()
