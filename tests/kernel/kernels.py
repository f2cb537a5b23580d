"""Live kernels as front ends drive them, and what they leave behind: for tests of what notebooks import."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

from autograder import curriculum
from autograder.curriculum import Exercise
from autograder.notebook.build import build, solved

COURSE = Path(__file__).parents[1] / "course"
PATIENCE = 120.0


def copy(template: Path, place: Path) -> Path:
    """Copy the course without following anything out of it."""
    shutil.copytree(template, place)
    return place


def tally(root: Path) -> Exercise:
    """The course's one exercise."""
    return curriculum.load(root).exercise("tally")


def sources(exercise: Exercise, right: bool) -> dict[str, str]:
    """The code cells of the notebook by id: with answers, or as the learner gets them."""
    made = (solved if right else build)(exercise)
    return {cell["id"]: cell["source"] for cell in made["cells"] if cell["cell_type"] == "code"}


class Outputs(list[dict[str, Any]]):
    """What one execution put out."""

    @property
    def stderr(self) -> str:
        return "".join(out["text"] for out in self if out.get("name") == "stderr")

    @property
    def text(self) -> str:
        texts = [out.get("text") or out.get("data", {}).get("text/plain") or "" for out in self]
        return "\n".join(texts)

    @property
    def html(self) -> str:
        return "".join(out.get("data", {}).get("text/html", "") for out in self)

    @property
    def error(self) -> str | None:
        return next((out["ename"] for out in self if "ename" in out), None)

    @property
    def traceback(self) -> str:
        return "\n".join(line for out in self for line in out.get("traceback", ()))


class Kernel:
    """A kernel in the hands of a front end that sends cell ids, or of a program that sends none."""

    def __init__(self, root: Path, notebook: Path | None, attended: bool = True, **environment: str) -> None:
        self.root, self.attended = root, attended
        self.environment = {**os.environ, "FATHOM_ROOT": str(root), "MPLBACKEND": "agg", **environment}
        self.environment.pop("JPY_SESSION_NAME", None)
        if notebook is not None:
            self.environment["JPY_SESSION_NAME"] = str(notebook)
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(cwd=str(root), env=self.environment)
        self.connect()

    def connect(self) -> None:
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def send(self, code: str, cell: str | None = None) -> str:
        """Ask for an execution and return the id of the message."""
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": self.attended,
            "stop_on_error": False,
        }
        metadata = {"cellId": cell} if cell else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def outputs(self, request: str) -> Outputs:
        """Everything that an execution puts out until it is done."""
        found = Outputs()
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return found
            if message["msg_type"] in ("stream", "error", "display_data", "execute_result"):
                found.append(message["content"])

    def run(self, code: str, cell: str | None = None) -> Outputs:
        """Execute code, as the cell of this id."""
        return self.outputs(self.send(code, cell))

    def restart(self) -> None:
        self.client.stop_channels()
        self.manager.restart_kernel(now=False)
        self.connect()

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def processes(root: Path) -> list[int]:
    """The judges that notebooks of a repository started, and all that those started."""
    parents: dict[int, int] = {}
    judges = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"autograder.kernel.serving" in words and str(root).encode() in words:
                judges.append(int(folder.name))
    found = list(judges)
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid and child not in found]
    return found


def until(done: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + seconds
    while not (result := done()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return result


def gone(pids: list[int]) -> bool:
    """Whether processes have ended (a zombie that nobody reaped has)."""
    for pid in pids:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                return False
    return True


def attempts(root: Path) -> list[dict[str, Any]]:
    """The attempts in the log."""
    log = root / "progress_log" / "attempts.jsonl"
    if not log.exists():
        return []
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return [event for event in events if event["kind"] == "attempt"]
