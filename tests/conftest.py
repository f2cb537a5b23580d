"""What tests of the whole machine share: a small course, answers to it, its command line, and a count of who is left."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest

# What runs in the background of a shell ignores Ctrl-C, and so would everything that these tests start and interrupt.
with contextlib.suppress(ValueError):
    signal.signal(signal.SIGINT, signal.default_int_handler)

COURSE = Path(__file__).parent / "course"
PACKAGE = Path(__file__).parents[1]
MAIN = "from autograder.cli import main; main()"
CHECKS = Path("autograder", "checks", "phase1_foundations", "test_tally.py")
PLUGIN = "autograder.judge.plugin"
PATIENCE = 60.0  # seconds that a machine with other things to do may need for what takes a moment

ANSWERS = {
    "tally": """
        class Tally:
            def __init__(self):
                self.total = 0.0
                self.count = 0

            def add(self, x):
                self.total += x
                self.count += 1
                return self
        """,
    "mean": """
        @method(Tally)
        def mean(self):
            return self.total / self.count if self.count else 0.0
        """,
    "running": """
        def running(values):
            return torch.stack([values[: i + 1].sum() for i in range(len(values))])
        """,
    "halvings": """
        def halvings(n):
            return n.bit_length() - 1
        """,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first, the longest of all before the others: no core waits for them at the end."""
    marks = {item: item.get_closest_marker("long") for item in items}
    items.sort(key=lambda item: -mark.args[0] if (mark := marks[item]) else 0)


def answers(top: str = "", **cells: str) -> str:
    """A percent script that answers the course's exercise, right but for the solution cells given; `top` goes before."""
    lines = ["# %%", "import math, os, sys, time", "import torch", "from autograder import check, method"]
    lines += ["# %%", textwrap.dedent(top).strip()] if top else []
    for name, source in {**ANSWERS, **cells}.items():
        lines += [f'# %% nbgrader={{"grade_id": "{name}", "solution": true}}', textwrap.dedent(source).strip()]
    return "\n".join(lines) + "\n"


def halvings(body: str) -> str:
    """The stub `halvings(n)` with this body; `right` in it is the right answer."""
    text = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return f"def halvings(n):\n    right = n.bit_length() - 1\n{text}"


def notebook(script: str) -> dict[str, Any]:
    """A percent script's cells as a notebook."""
    from autograder.notebook import percent

    cells: list[dict[str, Any]] = [
        {"cell_type": cell.kind, "id": f"c{cell.index}", "metadata": dict(cell.metadata), "source": cell.source}
        | ({"outputs": [], "execution_count": None} if cell.kind == "code" else {})
        for cell in percent.cells(script)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@dataclass(frozen=True)
class Family:
    """Every process that was started with a mark in its environment, however far it has run away since."""

    mark: str = field(default_factory=lambda: f"FATHOM_TEST={uuid.uuid4().hex}")

    @property
    def environment(self) -> dict[str, str]:
        """The environment that makes a process one of the family."""
        name, value = self.mark.split("=")
        path = os.pathsep.join(filter(None, (str(PACKAGE), os.environ.get("PYTHONPATH"))))
        quiet = {"PYTHONPATH": path, "COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
        return {**os.environ, **quiet, name: value}

    def alive(self) -> dict[int, str]:
        """Processes that are not zombies, by their ids, with their command lines."""
        found = {}
        for place in Path("/proc").glob("[0-9]*"):
            try:
                state = (place / "stat").read_text().rpartition(")")[2].split()[0]
                if state not in "ZX" and self.mark.encode() in (place / "environ").read_bytes():
                    found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            except OSError:
                continue
        return found

    def settle(self, least: int = 0) -> dict[int, str]:
        """Wait until no more than `least` processes are left; returns those."""
        deadline = time.monotonic() + PATIENCE / 2
        while len(left := self.alive()) > least and time.monotonic() < deadline:
            time.sleep(0.02)
        return left

    def zygotes(self) -> list[int]:
        """The warm processes that hold torch: leaders of a session of their own."""
        return [pid for pid, line in self.alive().items() if "observe.zygote" in line and os.getsid(pid) == pid]

    def end(self) -> None:
        """Kill whoever is left, so that a test that fails leaves nothing either."""
        for pid in self.alive():
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue


@pytest.fixture
def family() -> Iterator[Family]:
    """A family of processes, none of which may be left when the test is over."""
    kin = Family()
    yield kin
    left = kin.settle()
    kin.end()
    assert not left, "processes are left"


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on its standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Fathom:
    """The command line in one course."""

    root: Path
    family: Family

    @property
    def environment(self) -> dict[str, str]:
        return {**self.family.environment, "FATHOM_ROOT": str(self.root)}

    def __call__(self, *words: object, **environment: str) -> Said:
        """Run a command to its end."""
        line = [sys.executable, "-c", MAIN, *map(str, words)]
        done = subprocess.run(
            line, env={**self.environment, **environment}, capture_output=True, text=True, timeout=2 * PATIENCE
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def pytest_line(self, *words: object) -> list[str]:
        """The command of plain pytest over the course's checks."""
        installed = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
        line = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(self.root / CHECKS)]
        return [*line, *map(str, words), *([] if installed else ["-p", PLUGIN])]

    def pytest(self, *words: object) -> Said:
        """Run plain pytest over the course's checks."""
        done = subprocess.run(
            self.pytest_line(*words),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            cwd=self.root,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def start(self, *words: object, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own, as a terminal does; it hears SIGHUP even below a `nohup`."""
        line = [sys.executable, "-c", MAIN, *map(str, words)]
        return subprocess.Popen(
            line,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
            preexec_fn=functools.partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),
        )


@dataclass(frozen=True)
class Made:
    """The ways to write a submission, and whom to hand it to."""

    answers: Callable[..., str] = answers
    halvings: Callable[[str], str] = halvings
    notebook: Callable[[str], dict[str, Any]] = notebook
    family: type[Family] = Family
    fathom: type[Fathom] = Fathom


@pytest.fixture(scope="session")
def made() -> Made:
    """The ways to write a submission, and whom to hand it to."""
    return Made()


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the course, with its notebook built; tests share it and leave it as it is."""
    root = tmp_path_factory.mktemp("course") / "course"
    shutil.copytree(COURSE, root, ignore=shutil.ignore_patterns(".fathom", "__pycache__", "*.ipynb"))
    build(root)
    return root


def build(root: Path) -> None:
    """Write the notebooks of a course."""
    from autograder import curriculum
    from autograder.notebook import publish

    for exercise in curriculum.load(root).exercises:
        publish(exercise)


@pytest.fixture
def own_course(course: Path, tmp_path: Path) -> Path:
    """A copy of the course that a test may change."""
    shutil.copytree(course, tmp_path / "course")
    return tmp_path / "course"


@pytest.fixture
def fathom(course: Path, family: Family) -> Fathom:
    """The command line, in the shared course."""
    return Fathom(course, family)


@dataclass
class Desk:
    """A warm judge over the course, in a process of its own."""

    process: subprocess.Popen[str]
    family: Family
    rest: int = 0  # how many processes it is when it has nothing to do

    def grade(self, source: str, *parts: str) -> dict[str, Any]:
        """Grade a percent script; the report as data, with everything that the terminal would show."""
        return dict(self.ask({"source": source, "parts": parts}))

    def watch(self, notebooks: Sequence[Path]) -> list[dict[str, Any]]:
        """The reports of a watcher on these notebooks, saved one after the other."""
        return list(self.ask({"saved": [str(notebook) for notebook in notebooks]}))

    def ask(self, request: dict[str, Any]) -> Any:
        """Hand in a request and wait for the answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "broken" not in answer, answer
        return answer

    def part(self, source: str, part: str) -> dict[str, Any]:
        """The report of the one part that is graded."""
        (found,) = self.grade(source, part)["parts"]
        return dict(found)

    def left(self) -> Mapping[int, str]:
        """Processes beyond those of a desk at rest."""
        left = self.family.settle(self.rest)
        return left if len(left) > self.rest else {}


@pytest.fixture(scope="session")
def desk(course: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A warm judge that all tests share, over a course of its own."""
    kin = Family()
    own = tmp_path_factory.mktemp("desk") / "course"
    shutil.copytree(course, own)
    line = [sys.executable, str(Path(__file__).parent / "seam" / "desk.py"), str(own)]
    process = subprocess.Popen(
        line, env=kin.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    found = Desk(process, kin)
    assert found.grade(answers())["parts"][0]["outcome"] == "passed"
    found.rest = 3  # the judge, the zygote, and the worker that is forked ahead
    yield found
    process.communicate()
    left = kin.settle()
    kin.end()
    assert not left, "processes are left"
