"""JupyterLab in a headless Chromium, as a learner meets it through `fathom learn`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chromium import PATIENCE

from autograder import curriculum
from autograder.curriculum import Exercise
from autograder.notebook import give_back
from autograder.notebook.build import solved
from autograder.notebook.files import dumps, publish, write_atomic

REPOSITORY = Path(__file__).parents[2]
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def repository(place: Path) -> Path:
    """A copy of what a learner clones: the first exercise, its checks and the site, without anybody's work."""
    first = curriculum.load(REPOSITORY).exercises[0]
    ignore = shutil.ignore_patterns("build", "__pycache__", ".*")
    for folder in (first.folder, REPOSITORY / "site"):
        shutil.copytree(folder, place / folder.relative_to(REPOSITORY), ignore=ignore)
    checks = place / first.checks.relative_to(REPOSITORY)
    checks.parent.mkdir(parents=True)
    shutil.copy(first.checks, checks)
    return place


def answered_but(root: Path, part: str) -> Exercise:
    """The first exercise with a notebook in which all is answered but one part."""
    exercise = curriculum.load(root).exercises[0]
    publish(exercise)
    mine = json.loads(exercise.notebook.read_text(encoding="utf-8"))
    texts = {cell["id"]: cell["source"] for cell in solved(exercise)["cells"]}
    for cell in mine["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("solution"):
            cell["source"] = re.sub(r"^ *### (BEGIN|END) SOLUTION.*\n?", "", texts[cell["id"]], flags=re.MULTILINE)
    write_atomic(exercise.notebook, dumps(mine))
    give_back(exercise, part)
    return exercise


class Learning:
    """`fathom learn --no-browser` as a process, and what it says."""

    def __init__(self, root: Path, home: Path, *words: str) -> None:
        self.settings = home / "settings"
        self.choose("light")
        environment = {
            **os.environ,
            "FATHOM_ROOT": str(root),
            "JUPYTERLAB_SETTINGS_DIR": str(self.settings),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "IPYTHONDIR": str(home / "ipython"),
            "COLUMNS": "120",
        }
        environment.pop("JPY_SESSION_NAME", None)
        command = [sys.executable, "-uc", "from autograder.cli import main; main()", "learn", "--no-browser", *words]
        self.process = subprocess.Popen(
            command, env=environment, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.said = ""
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line

    def choose(self, theme: str) -> None:
        """Set what JupyterLab looks like from the next time that the page is loaded."""
        chosen = {"@jupyterlab/apputils-extension/themes.jupyterlab-settings": {"theme": THEMES[theme]}}
        for name, values in {**SETTINGS, **chosen}.items():
            place = self.settings / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(values))

    def wait_for(self, pattern: str) -> str:
        """Wait until it has said something, and return that."""
        deadline = time.monotonic() + PATIENCE
        while (found := re.search(pattern, self.said)) is None:
            ended = self.process.poll() is not None
            assert not ended and time.monotonic() < deadline, f"{pattern!r} is not in what it said:\n{self.said}"
            time.sleep(0.05)
        return found[0]

    @property
    def address(self) -> str:
        return self.wait_for(r"https?://\S+")

    def end(self) -> int:
        """Press Ctrl-C and wait."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


@contextlib.contextmanager
def learning(root: Path, home: Path, *words: str) -> Iterator[Learning]:
    """`fathom learn` for as long as the block lasts."""
    made = Learning(root, home, *words)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.end()


class Notebook:
    """A notebook in the browser."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def open(self, address: str) -> None:
        """Load the page and wait until its kernel can be used."""
        self.page.goto(address, wait_until="domcontentloaded")
        self.idle()

    def idle(self) -> None:
        self.page.get_by_text("(ipykernel) | Idle").wait_for()

    def cell(self, text: str) -> Any:
        """The first code cell in whose editor this text stands."""
        editor = self.page.locator(".jp-InputArea-editor").filter(has_text=text)
        return self.page.locator(".jp-CodeCell").filter(has=editor).first

    def write(self, cell: Any, source: str) -> None:
        """Put text in the place of a cell's."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(source)

    def run(self, cell: Any) -> None:
        """Run a cell and stay in it."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run_above(self, cell: Any) -> None:
        """Run all cells above one, by the menu."""
        cell.locator(".cm-content").click()
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_text("Run All Above Selected Cell").click()
        self.idle()

    def save(self) -> None:
        self.page.keyboard.press("Control+S")
